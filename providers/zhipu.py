"""Zhipu's GLM-Image and CogView: one picture a call from a prompt alone, always as a link."""

from providers import images_api
from providers.auth import bearer
from providers.base import Adapter, Flow, Job, submit
from providers.dialect import Dialect, Either, Fit, Grid, OneOf, Sizes
from providers.errors import ErrorKind, When, json_error

_LISTED = ((1280, 1280), (1568, 1056), (1056, 1568), (1472, 1088), (1088, 1472), (1728, 960), (960, 1728))
_GLM = Grid("size", step=32, shortest=1024, longest=2048, area=(1 << 20, 1 << 22), ratio=2)
_COGVIEW = Grid("size", step=16, shortest=512, longest=2048, area=(1 << 18, 1 << 21), ratio=4)
_FINE = {"hd": "hd", **dict.fromkeys(("high", "xhigh", "max"), "hd")}
_PLAIN = {"standard": "standard", **dict.fromkeys(("low", "medium"), "standard")}


def _user(value: str) -> Fit:
    """A name of another length would have the whole request refused."""
    fits = 6 <= len(value) <= 128
    return Fit({"user_id": value}) if fits else Fit({}, "must be 6 to 128 characters")


COGVIEW = Dialect(
    params={
        "shape": _COGVIEW,
        "quality": OneOf("quality", {**_FINE, **_PLAIN}),
        "user": _user,
        "safety_identifier": _user,
    },
    extras=frozenset({"watermark_enabled", "user_id"}),
)
GLM_IMAGE = COGVIEW.but({"shape": Either(Sizes("size", _LISTED), _GLM), "quality": OneOf("quality", _FINE)})


def _generate(job: Job) -> Flow:
    fields = {**job.params, **job.extras, "model": job.model, "prompt": job.prompt}
    return images_api.result((yield submit("/images/generations", json=fields)))


_error = json_error(
    message=("error.message",),
    code=("error.code",),
    codes={
        **dict.fromkeys(("1000", "1001", "1003", "1004", "1005", "1112", "1121"), ErrorKind.AUTHENTICATION),
        **dict.fromkeys(("1113", "1304", "1308", "1310"), ErrorKind.QUOTA),
        **dict.fromkeys(("1210", "1213", "1214", "1215", "1261"), ErrorKind.INVALID_REQUEST),
        "1211": ErrorKind.UNSUPPORTED,
        "1301": ErrorKind.CONTENT_POLICY,
        **dict.fromkeys(("1302", "1303"), ErrorKind.RATE_LIMITED),
        **dict.fromkeys(("500", "1200", "1230", "1234", "1305", "1312"), ErrorKind.UNAVAILABLE),
    },
    cases={When(434): ErrorKind.UNSUPPORTED},  # the account may not use the model
)


adapter = Adapter(
    base_url="https://open.bigmodel.cn/api/paas/v4",
    dialects={"glm-image*": GLM_IMAGE, "*": COGVIEW},
    auth=bearer(),
    generate=_generate,
    error=_error,
)

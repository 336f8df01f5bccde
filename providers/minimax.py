"""MiniMax: image-01 on a wire of its own, whose refusals come inside a 200; MiniMax-H3-Image on OpenAI's."""

from collections.abc import Mapping

from providers import images_api
from providers.auth import bearer
from providers.base import Adapter, Answer, Flow, ImageResult, Job, submit
from providers.dialect import As, Dialect, Either, Grid, Named, Spelled
from providers.errors import ErrorKind, Fault, OutcomeClass, ProviderError, json_error, kept_back

_STANDING = {(1024, 1024): "1:1", (832, 1248): "2:3", (864, 1152): "3:4", (720, 1280): "9:16"}
_PRESETS = {**_STANDING, (1280, 720): "16:9", (1152, 864): "4:3", (1248, 832): "3:2"}
_LIVE_RATIOS = Named("aspect_ratio", _PRESETS)
_RATIOS = Named("aspect_ratio", {**_PRESETS, (1344, 576): "21:9"})
_SIDES = Grid(("width", "height"), step=8, shortest=512, longest=2048, area=(512**2, 2048**2), ratio=4)

IMAGE_01 = Dialect(
    params={
        "shape": Either(_RATIOS, _SIDES),  # a ratio or two sides, never both
        "seed": As("seed"),
        "response_format": Spelled("response_format", {"b64_json": "base64", "url": "url"}),
    },
    defaults={"response_format": "base64"},
    max_n=9,
)
IMAGE_01_LIVE = IMAGE_01.but({"shape": _LIVE_RATIOS})
H3 = Dialect(params={"shape": Grid("size", step=1, longest=7745, area=(655_360, 20_000_000), ratio=3)}, max_n=10)

_CODES: Mapping[str, Fault] = {
    **dict.fromkeys(("1000", "1001", "1033"), (ErrorKind.UNAVAILABLE, OutcomeClass.FAILED)),
    **dict.fromkeys(("1002", "1039"), (ErrorKind.RATE_LIMITED, OutcomeClass.REJECTED)),
    **dict.fromkeys(("1004", "2038", "2049"), (ErrorKind.AUTHENTICATION, OutcomeClass.REJECTED)),
    **dict.fromkeys(("1008", "1028", "1030", "2056"), (ErrorKind.QUOTA, OutcomeClass.REJECTED)),
    "1026": (ErrorKind.CONTENT_POLICY, OutcomeClass.REJECTED),
    "1027": (ErrorKind.CONTENT_POLICY, OutcomeClass.AMBIGUOUS),  # drawn; nobody says whether it is charged
    "2013": (ErrorKind.INVALID_REQUEST, OutcomeClass.REJECTED),
    "2061": (ErrorKind.UNSUPPORTED, OutcomeClass.REJECTED),
}


_CODE = "base_resp.status_code"
_read_error = json_error(
    message=("base_resp.status_msg", "error.message"),
    code=(_CODE, "error.code"),
    type=("error.type",),
    param=("error.param",),
    codes={**images_api.CODES, **_CODES},
    wordless="the backend refused with status code {code}",
)


def _error(answer: Answer) -> ProviderError:
    """H3 may charge for whatever it has begun, so only a plain refusal says that it did no work."""
    error = _read_error(answer)
    if error.outcome is OutcomeClass.FAILED or (error.status or 0) >= 500:
        error.outcome = OutcomeClass.AMBIGUOUS
    return error


def _generate(job: Job) -> Flow:
    if job.model.startswith("MiniMax-H3-Image"):
        answer = yield images_api.request(job, {"model": job.model})
        if answer.number(_CODE):
            raise _error(answer)
        return images_api.result(answer)
    fields = {**job.params, **job.extras, "model": job.model, "prompt": job.prompt, "n": job.n}
    answer = yield submit("/image_generation", json=fields)
    if answer.number(_CODE):
        raise _read_error(answer)
    images = answer.inline("data.image_base64.*") or answer.links("data.image_urls.*")
    removed = answer.at("metadata.failed_count", object)
    if not images and removed and str(removed[0]) not in {"", "0"}:
        raise kept_back("the backend's moderation removed every picture")
    return ImageResult(images=images)


adapter = Adapter(
    base_url="https://api.minimax.io/v1",
    dialects={"image-01-live*": IMAGE_01_LIVE, "MiniMax-H3-Image*": H3, "*": IMAGE_01},
    auth=bearer(),
    generate=_generate,
    error=_error,
    link_life=24 * 3600,
)

"""Recraft: OpenAI's answers under its own paths, sizes by family, and credits for the bill."""

from collections.abc import Mapping
from dataclasses import replace

from providers import images_api
from providers.auth import bearer
from providers.base import Adapter, Call, Flow, Job, Operation, Usage
from providers.dialect import As, Between, Dialect, MaskForm, OneOf, Ratios, Rule, Shape, Sizes, Spelled
from providers.errors import ErrorKind, OutcomeClass, ProviderError, When, json_error


def _sizes(listed: str) -> Sizes:
    pairs = (size.partition("x") for size in listed.split())
    return Sizes("size", tuple((int(width), int(height)) for width, _, height in pairs))


_V4_SIZES = _sizes(
    "1024x1024 1536x768 768x1536 1280x832 832x1280 1216x896 896x1216 1152x896 896x1152 832x1344 1280x896 896x1280 "
    "1344x768 768x1344"
)
_PRO_SIZES = _sizes(
    "2048x2048 3072x1536 1536x3072 2560x1664 1664x2560 2432x1792 1792x2432 2304x1792 1792x2304 1664x2688 2560x1792 "
    "1792x2560 2688x1536 1536x2688"
)
_V3_SIZES = _sizes(
    "1024x1024 1365x1024 1024x1365 1536x1024 1024x1536 1820x1024 1024x1820 1024x2048 2048x1024 1434x1024 1024x1434 "
    "1024x1280 1280x1024 1024x1707 1707x1024"
)
_TOKENS = "1:1 2:1 1:2 3:2 2:3 4:3 3:4 5:4 4:5 6:10 14:10 10:14 16:9 9:16"
_COMMON: Mapping[str, Rule] = {
    "output_format": OneOf("image_format", {"png": "png", "webp": "webp", "jpeg": "png"}),
    "moderation": Spelled("block_nsfw", {"auto": True, "low": False}),
    "seed": Between("random_seed", 0, 2**32 - 1),
}
UNKNOWN = Dialect(params={**_COMMON, "shape": Ratios("size", tuple(_TOKENS.split()))}, max_n=6)
V4 = UNKNOWN.but({"shape": _V4_SIZES})
V4_PRO = UNKNOWN.but({"shape": _PRO_SIZES})
_NATURAL = OneOf("style", {"natural": "realistic_image"})
V2 = UNKNOWN.but({"shape": _V3_SIZES, "style": _NATURAL, "negative_prompt": As("negative_prompt")})
V3 = replace(
    V2,
    edit_params={"shape": None, "strength": As("strength")},
    edit_defaults={"strength": 0.5},  # must be said: from 0, the picture as it was, to 1, one that owes it nothing
    operations=frozenset(Operation),
    max_images=1,
    mask=MaskForm.WHITE,
)

_VARIED = frozenset({"size", "random_seed", "image_format"})


def _call(job: Job) -> Call:
    path, params = "/images/generations", {**job.params, **job.extras}
    if job.operation is Operation.VARIATION:
        path, params = "/images/variateImage", {name: value for name, value in params.items() if name in _VARIED}
        params.setdefault("size", _like(job))
    elif job.mask is not None:
        path = "/images/inpaint"
        params.pop("strength", None)  # there the mask says how much is kept
    elif job.operation is Operation.EDIT:
        path = "/images/imageToImage"
    fields = {"model": job.model, "response_format": "b64_json"}
    return replace(images_api.request(replace(job, params=params, extras={}), fields), path=path)


def _like(job: Job) -> str:
    """The size nearest to the picture's own."""
    width, height = job.images[0].width, job.images[0].height
    return str(_V3_SIZES(Shape(width or 1, height or 1)).fields["size"])


def _generate(job: Job) -> Flow:
    if "_vector" in job.model:
        words = f"model: {job.model} draws SVG, which this server does not hand on; use its raster twin"
        raise ProviderError(ErrorKind.UNSUPPORTED, words, outcome=OutcomeClass.NOT_SENT)
    answer = yield _call(job)
    charged = answer.number("credits")
    usage = None if charged is None else Usage(credits=charged, cost=charged / 1000)
    return replace(images_api.result(answer), usage=usage)


adapter = Adapter(
    base_url="https://external.api.recraft.ai/v1",
    dialects={"recraftv4*_pro*": V4_PRO, "recraftv4*": V4, "recraftv3*": V3, "recraftv2*": V2, "*": UNKNOWN},
    auth=bearer(),
    generate=_generate,
    error=json_error(
        message=("message", "error.message", "error"),
        code=("code", "error.code"),
        # no code is known for either, so their words must do
        cases={
            When(400, words="nsfw|moderation|safety|prompt rejected"): ErrorKind.CONTENT_POLICY,
            When(403, words="credits"): ErrorKind.QUOTA,
        },
    ),
)

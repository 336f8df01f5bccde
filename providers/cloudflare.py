"""Cloudflare Workers AI: one picture a call; models differ in their fields, their body and what they answer with.

The base URL names the account: https://api.cloudflare.com/client/v4/accounts/<account>/ai/run, or one of AI Gateway.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from providers.auth import bearer
from providers.base import Adapter, Call, Flow, Image, ImageResult, Inline, Job, parts, submit
from providers.dialect import AnySize, As, Between, Dialect, Fit, Grid, MaskForm, Shape
from providers.errors import ErrorKind, OutcomeClass, When, json_error

_SIDES = ("width", "height")


def _square(value: Shape) -> Fit:
    """The model has no word for a size."""
    square = value.ratio == 1 and value.width in {0, 1024}
    return Fit({}, None if square else "the model draws 1024x1024")


_SCHNELL = Dialect(params={"shape": _square, "steps": Between("steps", 1, 8), "seed": As("seed")})
_KLEIN = Dialect(
    params={
        "shape": Grid(_SIDES, step=16, shortest=256, longest=1920, area=(256**2, 1920**2), ratio=7.5),
        "seed": As("seed"),
        "guidance": As("guidance"),
    },
).editing(4)
_DEV = _KLEIN.but({"steps": As("steps")})
_LUCID = Dialect(
    params={"shape": AnySize(_SIDES), "seed": As("seed"), "guidance": As("guidance"), "steps": As("num_steps")}
)
_PHOENIX = _LUCID.but({"negative_prompt": As("negative_prompt")})
_DIFFUSION = _PHOENIX.but(
    {
        "shape": Grid(_SIDES, step=8, shortest=256, longest=2048, area=(256**2, 2048**2), ratio=8),
        "steps": Between("num_steps", 1, 20),
    },
    edit_params={"strength": Between("strength", 0, 1)},
).editing()
_IMG2IMG = _DIFFUSION.editing(alone=True)
_INPAINTING = _DIFFUSION.but(mask=MaskForm.WHITE).editing(alone=True, vary=None)


def _call(job: Job) -> Call:
    path = f"/{quote(job.model, safe='@/')}"
    fields: Mapping[str, Any] = {**job.params, **job.extras, "prompt": job.prompt}
    if "/flux-2-" in job.model:  # a form even where there is no picture to send
        pictures = {f"input_image_{number}": image for number, image in enumerate(job.images)}
        return submit(path, form=parts({**fields, **pictures}))
    image = {"image_b64": Inline(job.images[0])} if job.images else {}
    mask = {"mask": list(b"".join(job.mask.pieces()))} if job.mask is not None else {}
    return submit(path, json={**fields, **image, **mask})


def _generate(job: Job) -> Flow:
    answer = yield _call(job)
    if answer.headers.get("content-type", "").startswith("image/"):
        return ImageResult(images=(Image(data=answer.body),))
    if answer.at("success", bool) == [False]:
        raise _error(answer)
    return ImageResult(images=answer.inline("result.image"))


_error = json_error(
    message=("errors.0.message",),
    code=("errors.0.code",),
    codes={
        "3036": ErrorKind.QUOTA,  # the day's free allocation is used up
        "3040": ErrorKind.UNAVAILABLE,  # no data centre has room
        **dict.fromkeys(("5007", "7000", "7003"), ErrorKind.UNSUPPORTED),
        "10000": ErrorKind.AUTHENTICATION,
    },
    # 3030 is whatever a model makes of its input; that it was refused is only in its words
    cases={When(code="^3030$", words="nsfw|flagged"): ErrorKind.CONTENT_POLICY},
    within_200=OutcomeClass.FAILED,
)


adapter = Adapter(
    dialects={
        "@cf/black-forest-labs/flux-1-schnell": _SCHNELL,
        "@cf/black-forest-labs/flux-2-dev": _DEV,
        "@cf/black-forest-labs/flux-2-klein-*": _KLEIN,
        "@cf/leonardo/lucid-origin": _LUCID,
        "@cf/leonardo/phoenix-*": _PHOENIX,
        "@cf/*-img2img": _IMG2IMG,
        "@cf/*-inpainting": _INPAINTING,
        "*": _DIFFUSION,
    },
    auth=bearer(),
    generate=_generate,
    error=_error,
)

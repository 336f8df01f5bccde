"""Cloudflare Workers AI: one picture a call; models differ in their fields, their body and what they answer with.

The base URL names the account: https://api.cloudflare.com/client/v4/accounts/<account>/ai/run, or one of AI Gateway.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import msgspec

from providers.auth import bearer
from providers.base import (
    Adapter,
    Answer,
    Call,
    ErrorKind,
    Flow,
    Image,
    ImageResult,
    Inline,
    Job,
    Operation,
    OutcomeClass,
    ProviderError,
    Upload,
    json_error,
    submit,
)
from providers.dialect import AnySize, As, Between, Dialect, Fit, Grid, MaskForm, Shape
from providers.openai import GPT_IMAGE_2

_SIDES = ("width", "height")
_EDIT = frozenset({Operation.EDIT})


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
    operations=_EDIT | {Operation.GENERATE},
    variation_prompt=GPT_IMAGE_2.variation_prompt,
    max_images=4,
)
_DEV = replace(_KLEIN, params={**_KLEIN.params, "steps": As("steps")})
_LUCID = Dialect(
    params={"shape": AnySize(_SIDES), "seed": As("seed"), "guidance": As("guidance"), "steps": As("num_steps")}
)
_PHOENIX = replace(_LUCID, params={**_LUCID.params, "negative_prompt": As("negative_prompt")})
_DIFFUSION = replace(
    _KLEIN,
    params={
        **_PHOENIX.params,
        "shape": Grid(_SIDES, step=8, shortest=256, longest=2048, area=(256**2, 2048**2), ratio=8),
        "steps": Between("num_steps", 1, 20),
    },
    edit_params={"strength": Between("strength", 0, 1)},
    max_images=1,
)
_IMG2IMG = replace(_DIFFUSION, operations=_EDIT)
_INPAINTING = replace(_IMG2IMG, variation_prompt=None, mask=MaskForm.WHITE)


class _Result(msgspec.Struct):
    image: msgspec.Raw = msgspec.Raw()


class _Body(msgspec.Struct):
    result: _Result | None = None
    success: bool = True


def _call(job: Job) -> Call:
    path = f"/{quote(job.model, safe='@/')}"
    fields: Mapping[str, Any] = {**job.params, **job.extras, "prompt": job.prompt}
    if "/flux-2-" in job.model:  # a form even where there is no picture to send
        return submit(path, form=tuple(_form(job, fields)))
    image = {"image_b64": Inline(job.images[0])} if job.images else {}
    mask = {"mask": list(b"".join(job.mask.pieces()))} if job.mask is not None else {}
    return submit(path, json={**fields, **image, **mask})


def _form(job: Job, fields: Mapping[str, Any]) -> Iterator[tuple[str, str | Upload]]:
    for name, value in fields.items():
        yield name, value if isinstance(value, str) else msgspec.json.encode(value).decode()
    for number, image in enumerate(job.images):
        yield f"input_image_{number}", image


def _generate(job: Job) -> Flow:
    answer = yield _call(job)
    if answer.headers.get("content-type", "").startswith("image/"):
        return ImageResult(images=(Image(data=answer.body),))
    body = answer.read(_Body)
    if not body.success:
        error = _error(answer)
        error.status, error.outcome = None, OutcomeClass.FAILED
        raise error
    raw = body.result.image if body.result is not None else msgspec.Raw()
    return ImageResult(images=(Image(b64=answer.cargo(raw)),) if bytes(raw) else ())


_read_error = json_error(
    message=("errors.0.message",),
    code=("errors.0.code",),
    codes={
        "3036": ErrorKind.QUOTA,  # the day's free allocation is used up
        "3040": ErrorKind.UNAVAILABLE,  # no data centre has room
        "5007": ErrorKind.UNSUPPORTED,
        "7000": ErrorKind.UNSUPPORTED,
        "7003": ErrorKind.UNSUPPORTED,
        "10000": ErrorKind.AUTHENTICATION,
    },
)


def _error(answer: Answer) -> ProviderError:
    error = _read_error(answer)
    # 3030 is whatever a model makes of its input; that it was refused is only in its words
    if error.code == "3030" and re.search("nsfw|flagged", error.message, re.IGNORECASE):
        error.kind = ErrorKind.CONTENT_POLICY
    return error


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

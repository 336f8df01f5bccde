"""SiliconFlow: one path for pictures drawn and edited, always answered with links that live for an hour.

The international service has keys and a host of its own: https://api.siliconflow.com/v1.
"""

import re
from contextlib import suppress
from dataclasses import replace
from typing import Any

import msgspec

from providers import images_api, openai
from providers.auth import bearer
from providers.base import (
    Adapter,
    Answer,
    ErrorKind,
    Flow,
    ImageResult,
    Inline,
    Job,
    Operation,
    ProviderError,
    Usage,
    json_error,
    submit,
)
from providers.dialect import AnySize, As, Between, Dialect, Sizes
from providers.errors import UNREADABLE

_ANY = Dialect(
    params={
        "shape": AnySize("image_size"),
        "seed": Between("seed", 0, 9_999_999_999),
        "negative_prompt": As("negative_prompt"),
        "steps": Between("num_inference_steps", 1, 100),
    },
    defaults={"image_size": "1024x1024"},  # a size must be named
    input_types=frozenset({"image/png"}),
)
_KOLORS = replace(
    _ANY,
    params={
        **_ANY.params,
        "shape": Sizes("image_size", ((1024, 1024), (960, 1280), (768, 1024), (720, 1440), (720, 1280))),
        "guidance": Between("guidance_scale", 0, 20),
    },
    edit_defaults=_ANY.defaults,
    operations=frozenset({Operation.GENERATE, Operation.EDIT}),
    variation_prompt=openai.GPT_IMAGE_2.variation_prompt,
    max_n=4,
    max_images=1,
)
_TABLE = ((1328, 1328), (1664, 928), (1472, 1140), (1584, 1056))
_QWEN = replace(
    _ANY,
    params={
        **_ANY.params,
        "shape": Sizes("image_size", (*_TABLE, *((width, height) for height, width in _TABLE[1:]))),
        "guidance": As("cfg"),
    },
    defaults={"image_size": "1328x1328"},
)
_QWEN_EDIT = replace(
    _ANY,
    params={name: rule for name, rule in _ANY.params.items() if name != "shape"},  # a size is refused
    defaults={},
    operations=frozenset({Operation.EDIT}),
    variation_prompt=openai.GPT_IMAGE_2.variation_prompt,
    max_images=1,
)
_QWEN_EDIT_2509 = replace(_QWEN_EDIT, max_images=3)


class _Timings(msgspec.Struct):
    inference: float | None = None


class _Body(msgspec.Struct):
    images: list[images_api.Item] | None = None
    data: list[images_api.Item] | None = None
    timings: _Timings | None = None


def _generate(job: Job) -> Flow:
    own: dict[str, Any] = {"model": job.model, "prompt": job.prompt}
    if job.n > 1:
        own["batch_size"] = job.n
    for name, image in zip(("image", "image2", "image3"), job.images, strict=False):
        own[name] = Inline.data_uri(image)
    extras = {name: value for name, value in job.extras.items() if name != "batch_size"}  # it raises the bill
    return _result((yield submit("/images/generations", json={**own, **job.params, **extras, **own})))


def _result(answer: Answer) -> ImageResult:
    body = answer.read(_Body)
    seconds = body.timings.inference if body.timings is not None else None
    return ImageResult(
        images=tuple(
            image for item in body.images or body.data or () if (image := images_api.picture(answer, item)) is not None
        ),
        usage=Usage(seconds=seconds) if seconds is not None else None,
    )


_read_error = json_error(message=("message",), code=("code",))
# what only their words tell, as one code and one status stand for much
_NO_MODEL = re.compile(r"model.*(does not exist|disabled)", re.IGNORECASE)
_A_DAYS = re.compile(r"\bIPD\b")


def _error(answer: Answer) -> ProviderError:
    error = _read_error(answer)
    with suppress(*UNREADABLE):  # words alone, such as "Invalid token"
        error.message = msgspec.json.decode(answer.body, type=str) or error.message
    if error.status == 400 and _NO_MODEL.search(error.message):
        error.kind = ErrorKind.UNSUPPORTED
    if (error.status == 403 and "balance" in error.message) or (error.status == 429 and _A_DAYS.search(error.message)):
        error.kind = ErrorKind.QUOTA
    return error


adapter = Adapter(
    base_url="https://api.siliconflow.cn/v1",
    dialects={
        "Kwai-Kolors/*": _KOLORS,
        "Qwen/Qwen-Image-Edit-2509": _QWEN_EDIT_2509,
        "Qwen/Qwen-Image-Edit*": _QWEN_EDIT,
        "Qwen/Qwen-Image": _QWEN,
        "*": _ANY,
    },
    auth=bearer(),
    generate=_generate,
    error=_error,
    link_life=3600,
)

"""SiliconFlow: one path for pictures drawn and edited, always answered with links that live for an hour.

The international service has keys and a host of its own: https://api.siliconflow.com/v1.
"""

from contextlib import suppress
from dataclasses import replace
from typing import Any

import msgspec

from providers import images_api
from providers.auth import bearer
from providers.base import Adapter, Answer, Flow, ImageResult, Inline, Job, Usage, submit
from providers.dialect import AnySize, As, Between, Dialect, Sizes
from providers.errors import UNREADABLE, ErrorKind, ProviderError, When, json_error

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
_KOLORS = _ANY.but(
    {
        "shape": Sizes("image_size", ((1024, 1024), (960, 1280), (768, 1024), (720, 1440), (720, 1280))),
        "guidance": Between("guidance_scale", 0, 20),
    },
    edit_defaults=_ANY.defaults,
    max_n=4,
).editing()
_TABLE = ((1328, 1328), (1664, 928), (1472, 1140), (1584, 1056))
_QWEN_SIZES = Sizes("image_size", (*_TABLE, *((width, height) for height, width in _TABLE[1:])))
_QWEN = _ANY.but({"shape": _QWEN_SIZES, "guidance": As("cfg")}, defaults={"image_size": "1328x1328"})
_QWEN_EDIT = replace(
    _ANY,
    params={name: rule for name, rule in _ANY.params.items() if name != "shape"},  # a size is refused
    defaults={},
).editing(alone=True)
_QWEN_EDIT_2509 = replace(_QWEN_EDIT, max_images=3)


class _Body(msgspec.Struct):
    images: list[images_api.Item] | None = None
    data: list[images_api.Item] | None = None


def _generate(job: Job) -> Flow:
    own: dict[str, Any] = {"model": job.model, "prompt": job.prompt}
    if job.n > 1:
        own["batch_size"] = job.n
    for name, image in zip(("image", "image2", "image3"), job.images, strict=False):
        own[name] = Inline.data_uri(image)
    extras = {name: value for name, value in job.extras.items() if name != "batch_size"}  # it raises the bill
    answer = yield submit("/images/generations", json={**own, **job.params, **extras, **own})
    body = answer.read(_Body)
    return ImageResult(
        images=images_api.pictures(answer, body.images or body.data),
        usage=Usage(seconds=answer.number("timings.inference")).or_none(),
    )


_read_error = json_error(
    message=("message",),
    code=("code",),
    # what only their words tell, as one code and one status stand for much
    cases={
        When(400, words="model.*(does not exist|disabled)"): ErrorKind.UNSUPPORTED,
        When(403, words="balance"): ErrorKind.QUOTA,
        When(429, words=r"\bIPD\b"): ErrorKind.QUOTA,  # a day's
    },
)


def _error(answer: Answer) -> ProviderError:
    error = _read_error(answer)
    with suppress(*UNREADABLE):  # words alone, such as "Invalid token"
        error.message = msgspec.json.decode(answer.body, type=str) or error.message
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

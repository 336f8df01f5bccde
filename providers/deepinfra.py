"""DeepInfra: OpenAI's wire, and for seeds and steps, which that has no word for, a wire of its own."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import msgspec

from providers import images_api
from providers.auth import bearer
from providers.base import Adapter, Answer, Flow, Image, ImageResult, Job, Usage, submit
from providers.dialect import AnySize, As, Dialect, Grid
from providers.errors import ErrorKind, When, json_error, kept_back

_OWN = {
    "seed": As("seed"),
    "steps": As("num_inference_steps"),
    "guidance": As("guidance_scale"),
    "negative_prompt": As("negative_prompt"),
}
_ANY = Dialect(
    params={"shape": AnySize("size"), "user": As("user"), "safety_identifier": As("user")},
    max_n=4,
)
# open models, whose own wire takes width and height; the bounds hold for all of them
_OPEN = _ANY.but({**_OWN, "shape": Grid("size", step=32, longest=1440, area=(256**2, 1440**2), ratio=4)})
_EDITS = _ANY.editing(alone=True)


class _Made(msgspec.Struct):
    images: list[msgspec.Raw]
    nsfw_content_detected: list[bool] | None = None


def _generate(job: Job) -> Flow:
    if job.params.keys() & {rule.name for rule in _OWN.values()}:
        return _result((yield submit(f"/inference/{quote(job.model)}", json=_fields(job))))
    call = images_api.request(job, {"model": job.model})
    return images_api.result((yield replace(call, path=f"/openai{call.path}")))


def _fields(job: Job) -> Mapping[str, Any]:
    fields: dict[str, Any] = {name: value for name, value in job.params.items() if name not in {"size", "user"}}
    if "size" in job.params:
        fields["width"], fields["height"] = map(int, job.params["size"].split("x"))
    return {**fields, **job.extras, "prompt": job.prompt, "num_images": job.n}


def _result(answer: Answer) -> ImageResult:
    """The pictures, without those that the safety check has blackened."""
    made = answer.read(_Made)
    flags = [*(made.nsfw_content_detected or ()), *(False for _ in made.images)]
    images = tuple(Image(b64=answer.cargo(raw)) for raw, flag in zip(made.images, flags, strict=False) if not flag)
    if made.images and not images:
        raise kept_back("the backend's safety check flagged every picture")
    milliseconds = answer.number("inference_status.runtime_ms")
    seconds = milliseconds / 1000 if milliseconds is not None else None
    return ImageResult(
        images=images, usage=Usage(cost=answer.number("inference_status.cost"), seconds=seconds).or_none()
    )


_error = json_error(
    message=("error.message", "detail.error", "detail.message", "detail.0.msg", "detail", "error"),
    code=("error.code",),
    type=("error.type", "detail.0.type"),
    param=("error.param",),
    cases={When(423): ErrorKind.UNAVAILABLE},  # the model is not ready
)


adapter = Adapter(
    base_url="https://api.deepinfra.com/v1",
    dialects={
        "*Edit*": _EDITS,
        "*Kontext*": _EDITS,
        "black-forest-labs/FLUX-1-*": _OPEN,
        "stabilityai/*": _OPEN,
        "Qwen/Qwen-Image*": _OPEN,
        "Tongyi-MAI/*": _OPEN,
        "*": _ANY,
    },
    auth=bearer(),
    generate=_generate,
    error=_error,
)

"""DeepInfra: OpenAI's wire, and for seeds and steps, which that has no word for, a wire of its own."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import msgspec

from providers import images_api
from providers.auth import bearer
from providers.base import (
    Adapter,
    Answer,
    ErrorKind,
    Flow,
    Image,
    ImageResult,
    Job,
    Operation,
    OutcomeClass,
    ProviderError,
    Usage,
    json_error,
    submit,
)
from providers.dialect import AnySize, As, Dialect, Grid
from providers.openai import GPT_IMAGE_2

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
_OPEN = replace(  # open models, whose own wire takes width and height; the bounds hold for all of them
    _ANY,
    params={**_ANY.params, **_OWN, "shape": Grid("size", step=32, longest=1440, area=(256**2, 1440**2), ratio=4)},
)
_EDITS = replace(
    _ANY,
    operations=frozenset({Operation.EDIT}),
    variation_prompt=GPT_IMAGE_2.variation_prompt,
    max_images=1,
)


class _Status(msgspec.Struct):
    cost: float | None = None
    runtime_ms: float | None = None


class _Made(msgspec.Struct):
    images: list[msgspec.Raw]
    nsfw_content_detected: list[bool] | None = None
    inference_status: _Status | None = None


def _generate(job: Job) -> Flow:
    if job.params.keys() & {rule.name for rule in _OWN.values()}:
        answer = yield submit(f"/inference/{quote(job.model)}", json=_fields(job))
        return _result(answer)
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
        told = "the backend's safety check flagged every picture"
        raise ProviderError(ErrorKind.CONTENT_POLICY, told, outcome=OutcomeClass.AMBIGUOUS)  # they were drawn
    status = made.inference_status
    if status is None:
        return ImageResult(images=images)
    seconds = status.runtime_ms / 1000 if status.runtime_ms is not None else None
    return ImageResult(images=images, usage=Usage(cost=status.cost, seconds=seconds))


_read_error = json_error(
    message=("error.message", "detail.error", "detail.message", "detail.0.msg", "detail", "error"),
    code=("error.code",),
    type=("error.type", "detail.0.type"),
    param=("error.param",),
)


def _error(answer: Answer) -> ProviderError:
    error = _read_error(answer)
    if answer.status == 423:  # the model is not ready
        error.kind = ErrorKind.UNAVAILABLE
    return error


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

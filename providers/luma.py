"""Luma's Agents API, which draws with uni-1: a generation is submitted, asked after, and ends in links."""

from hashlib import sha256
from typing import Any
from urllib.parse import quote

import msgspec

from providers.auth import bearer
from providers.base import (
    Adapter,
    Answer,
    ErrorKind,
    Flow,
    Image,
    ImageResult,
    Inline,
    Job,
    Operation,
    OutcomeClass,
    ProviderError,
    json_error,
    poll,
    submit,
)
from providers.dialect import As, Dialect, Fit, Ratios, Spelled

_FAILURES = {
    "content_moderated": ErrorKind.CONTENT_POLICY,
    **dict.fromkeys(
        ("invalid_request", "image_too_large", "unsupported_format", "corrupt_input"), ErrorKind.INVALID_REQUEST
    ),
    "budget_exhausted": ErrorKind.QUOTA,
    "rate_limited": ErrorKind.RATE_LIMITED,
    **dict.fromkeys(("generation_failed", "output_not_found"), ErrorKind.UNAVAILABLE),
}


def _user(value: str) -> Fit:
    return Fit({"user_id": sha256(value.encode()).hexdigest()})  # goes on to others: it must name nobody


UNI = Dialect(
    params={
        "shape": Ratios(
            "aspect_ratio",
            ("3:1", "2:1", "21:9", "16:9", "4:3", "3:2", "1:1", "3:4", "2:3", "9:16", "1:2", "1:3"),
        ),
        "output_format": Spelled("output_format", {"png": "png", "jpeg": "jpeg"}),
        "style": Spelled("style", {"manga": "manga"}),
        "user": _user,
        "safety_identifier": As("user_id"),
    },
    defaults={"aspect_ratio": "1:1"},
    operations=frozenset({Operation.GENERATE, Operation.EDIT}),
    variation_prompt="Make a variation of this picture: the same subject, style and mood, with new details.",
    max_images=9,
)


class _Output(msgspec.Struct):
    url: str | None = None


class _Generation(msgspec.Struct):
    id: str
    state: str
    output: list[_Output] | None = None
    failure_code: str | None = None
    failure_reason: str | None = None


def _picture(job: Job, place: int) -> dict[str, Any]:
    image = job.images[place]
    return {"data": Inline(image), "media_type": image.media_type or "application/octet-stream"}


def _generate(job: Job) -> Flow:
    # an extra may ask for neither other work nor another model
    fields = {**job.params, **job.extras, "model": job.model, "prompt": job.prompt, "type": "image"}
    if job.images:
        fields |= {"type": "image_edit", "source": _picture(job, 0)}
    if len(job.images) > 1:
        fields["image_ref"] = [_picture(job, place) for place in range(1, len(job.images))]
    name = (yield submit("/generations", json=fields)).read(_Generation).id
    answer = yield from poll(
        f"/generations/{quote(name, safe='')}",
        status=lambda said: said.read(_Generation).state,
        pending={"queued", "processing"},
        done={"completed", "failed"},
        failed={},
        every=2.0,
    )
    made = answer.read(_Generation)
    if made.state == "failed":
        kind = _FAILURES.get(made.failure_code or "", ErrorKind.UNAVAILABLE)
        words = made.failure_reason or made.failure_code or "the generation failed without a word of why"
        raise ProviderError(kind, words, outcome=OutcomeClass.FAILED, code=made.failure_code)
    return ImageResult(images=tuple(Image(url=output.url) for output in made.output or () if output.url))


_read_error = json_error(
    message=("error.message", "detail.0.msg", "detail", "error"),
    code=("error.code",),
    param=("detail.0.loc.1",),
    codes=_FAILURES,
)


def _error(answer: Answer) -> ProviderError:
    error = _read_error(answer)
    if answer.status == 409:  # a conflict of the backend's own making, which its clients are to try again
        error.kind = ErrorKind.UNAVAILABLE
    return error


adapter = Adapter(
    base_url="https://agents.lumalabs.ai/v1",
    dialects={"*": UNI},
    auth=bearer(),
    generate=_generate,
    error=_error,
    link_life=3600,
)

"""Leonardo.Ai: its own models by the first generation of its API, its partners' by the second, polled alike."""

import re
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
    Job,
    ProviderError,
    Usage,
    json_error,
    poll,
    submit,
)
from providers.leonardo.tables import DIALECTS, NUMBERS
from providers.leonardo.uploads import uploaded

_OWN = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
# neither a refusal nor an empty account has a code: words are all there is
_REFUSED = re.compile(r"moderation|prompt contains", re.IGNORECASE)
_PENNILESS = re.compile(r"not enough api tokens", re.IGNORECASE)


class _Cost(msgspec.Struct):
    amount: str | float | None = None
    unit: str | None = None


class _Taken(msgspec.Struct):
    generationId: str  # noqa: N815 - their word
    cost: _Cost | None = None


class _Submitted(msgspec.Struct):
    sdGenerationJob: _Taken | None = None  # noqa: N815 - their word
    generate: _Taken | None = None


class _Picture(msgspec.Struct):
    url: str | None = None


class _Generation(msgspec.Struct):
    status: str
    generated_images: list[_Picture] | None = None


class _State(msgspec.Struct):
    generations_by_pk: _Generation | None = None  # null until the work is queued


def _generate(job: Job) -> Flow:
    names = []
    for image in job.images:
        names.append((yield from uploaded(image)))  # noqa: PERF401 - a comprehension cannot yield from
    asked: dict[str, Any] = {**job.params, **job.extras, "prompt": job.prompt}
    number = job.model if _OWN.fullmatch(job.model) else NUMBERS.get(job.model)
    if number is not None:
        first = {"init_image_id": names[0]} if names else {}
        fields = {**asked, **first, "modelId": number, "num_images": job.n, "public": False}
        answer = yield submit("/v1/generations", json=fields)
    else:
        if names:
            guides = [{"image": {"type": "UPLOADED", "id": name}} for name in names]
            asked["guidances"] = {"image_reference": guides}
        parameters = {"width": 1024, "height": 1024, **asked, "quantity": job.n}
        fields = {"model": job.model, "parameters": parameters, "public": False}
        answer = yield submit("/v2/generations", json=fields)
    taken = _taken(answer)
    answer = yield from poll(
        f"/v1/generations/{quote(taken.generationId, safe='')}",
        status=lambda said: made.status if (made := said.read(_State).generations_by_pk) else "PENDING",
        pending={"PENDING"},
        done={"COMPLETE"},
        failed={"FAILED": ErrorKind.UNAVAILABLE},
    )
    made = answer.read(_State).generations_by_pk
    pictures = made.generated_images or [] if made is not None else []
    return ImageResult(images=tuple(Image(url=one.url) for one in pictures if one.url), usage=_usage(taken.cost))


def _taken(answer: Answer) -> _Taken:
    """What the submit began; a refusal may hide in its 200."""
    listed = answer.body.lstrip().startswith(b"[")  # nothing but errors
    said = _Submitted() if listed else answer.read(_Submitted)
    taken = said.sdGenerationJob or said.generate
    if taken is None:
        error = _error(answer)
        error.kind = ErrorKind.BAD_RESPONSE if error.kind is ErrorKind.UNAVAILABLE else error.kind
        raise error
    return taken


def _usage(cost: _Cost | None) -> Usage | None:
    try:
        amount = float(cost.amount) if cost is not None and cost.amount is not None else None
    except ValueError:
        return None
    if cost is None or amount is None or cost.unit not in {"DOLLARS", "CREDITS"}:
        return None
    return Usage(cost=amount) if cost.unit == "DOLLARS" else Usage(credits=amount)


_read_error = json_error(
    message=("error", "message", "errors.0.message", "0.message"),
    code=("code", "errors.0.extensions.code", "0.extensions.code"),
    codes={"invalid-jwt": ErrorKind.AUTHENTICATION, "validation-failed": ErrorKind.INVALID_REQUEST},
)


def _error(answer: Answer) -> ProviderError:
    error = _read_error(answer)
    if answer.status in {200, 400}:
        error.kind = ErrorKind.CONTENT_POLICY if _REFUSED.search(error.message) else error.kind
        error.kind = ErrorKind.QUOTA if _PENNILESS.search(error.message) else error.kind
    if answer.status == 200:
        error.status = None
    return error


adapter = Adapter(
    base_url="https://cloud.leonardo.ai/api/rest",
    dialects=DIALECTS,
    auth=bearer(),
    generate=_generate,
    error=_error,
)

"""Replicate's predictions: an input under the model's own names, and an answer that may hold a failure in its 201."""

import re
from collections.abc import Generator, Mapping
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import quote

import msgspec

from providers.auth import bearer
from providers.base import (
    Adapter,
    Answer,
    Call,
    Flow,
    Image,
    ImageResult,
    Inline,
    Job,
    Phase,
    Upload,
    Usage,
    poll,
    submit,
)
from providers.errors import ErrorKind, OutcomeClass, ProviderError, json_error
from providers.replicate.tables import DIALECTS, INPUTS

_INLINE = 256 * 1024  # bytes of a picture that goes within the JSON; a larger one is uploaded first
_PENDING = frozenset({"starting", "processing"})
_ENDS: Mapping[str, tuple[ErrorKind, OutcomeClass]] = {
    "failed": (ErrorKind.UNAVAILABLE, OutcomeClass.FAILED),
    "canceled": (ErrorKind.TIMEOUT, OutcomeClass.AMBIGUOUS),  # billed for the time it ran
    "aborted": (ErrorKind.TIMEOUT, OutcomeClass.FAILED),  # never began
}
# a failure has no code but, at times, E005: what else it is stands in its words
_REFUSED = re.compile(r"\bE005\b|nsfw|flagged as sensitive|content policy|safety|moderat", re.IGNORECASE)
_CALLERS = re.compile(r"invalid input|must be|dimension", re.IGNORECASE)


class _Urls(msgspec.Struct):
    get: str


class _Linked(msgspec.Struct):
    urls: _Urls


class _Metrics(msgspec.Struct):
    predict_time: float | None = None


class _Prediction(_Linked):
    status: str = ""
    output: Any = None
    error: Any = None
    metrics: _Metrics | None = None


def _generate(job: Job) -> Flow:
    fields: dict[str, Any] = {**job.params, **job.extras, "prompt": job.prompt}
    names = next(names for pattern, names in INPUTS.items() if fnmatchcase(job.model, pattern))
    for name in ("num_outputs", "num_images", "number_of_images", "max_images"):
        fields.pop(name, None)  # nobody raises the bill but the router
    if job.n > 1:
        fields[names.count] = job.n
    pictures = []
    for image in job.images:
        pictures.append((yield from _address(image)))  # noqa: PERF401 - a comprehension cannot yield from
    if pictures and names.first:
        fields[names.first] = pictures.pop(0)
    if pictures:
        fields[names.others] = pictures
    if job.mask is not None:
        fields["mask"] = yield from _address(job.mask)
    answer = yield _submit(job.model, fields)
    made = answer.read(_Prediction)
    if made.status not in {"succeeded", *_ENDS}:
        answer = yield from poll(
            made.urls.get,
            status=lambda said: said.read(_Prediction).status,
            pending=_PENDING,
            done={"succeeded", *_ENDS},
            failed={},
        )
        made = answer.read(_Prediction)
    return _result(made)


def _submit(model: str, fields: Mapping[str, Any]) -> Call:
    """Official models and deployments have addresses; a community model is named with its version."""
    wait = {"prefer": "wait"}
    if ":" in model:
        return submit("/predictions", json={"version": model, "input": fields}, headers=wait)
    place = model if model.startswith("deployments/") else f"models/{model}"
    return submit(f"/{quote(place)}/predictions", json={"input": fields}, headers=wait)


def _address(upload: Upload) -> Generator[Call, Answer, Inline | str]:
    if upload.size <= _INLINE:
        return Inline.data_uri(upload)
    answer = yield Call(phase=Phase.PREPARE, method="POST", path="/files", form=(("content", upload),))
    return answer.read(_Linked).urls.get


def _result(made: _Prediction) -> ImageResult:
    if made.status in _ENDS:
        kind, outcome = _ENDS[made.status]
        message = (
            made.error if isinstance(made.error, str) and made.error else f"the prediction ended as {made.status!r}"
        )
        if made.status == "failed":
            kind = ErrorKind.INVALID_REQUEST if _CALLERS.search(message) else kind
            kind = ErrorKind.CONTENT_POLICY if _REFUSED.search(message) else kind
        code = re.search(r"\bE\d{3,4}\b", message)
        raise ProviderError(kind, message, outcome=outcome, code=code[0] if code else None)
    seconds = made.metrics.predict_time if made.metrics is not None else None
    images = tuple(Image(url=link) for link in _links(made.output))
    return ImageResult(images=images, usage=Usage(seconds=seconds) if seconds is not None else None)


def _links(output: Any) -> list[str]:
    output = output.get("images") if isinstance(output, dict) else output
    given = output if isinstance(output, list) else [output]
    return [link for link in given if isinstance(link, str) and link]


_read_error = json_error(message=("detail", "title"))


def _error(answer: Answer) -> ProviderError:
    error = _read_error(answer)
    wait = re.search(r"resets in ~?(\d+)s", error.message)
    if answer.status == 429 and wait and "retry-after" not in answer.headers:
        error.retry_after = float(wait[1])
    return error


adapter = Adapter(
    base_url="https://api.replicate.com/v1",
    dialects=DIALECTS,
    auth=bearer(),
    generate=_generate,
    error=_error,
    link_life=3600,
)

"""Runware: a list of one task, answered with one item for each picture; a refusal may come with a 200."""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from providers.auth import bearer
from providers.base import Adapter, Answer, Flow, FreshUUID, Image, ImageResult, Inline, Job, Usage, submit
from providers.errors import ErrorKind, OutcomeClass, ProviderError, json_error, kept_back
from providers.runware.tables import DIALECTS

# how a code begins -> whose fault it is; the words for a refusal by policy are sought anywhere, as no code is certain
_POLICY = re.compile(r"moderat|nsfw|policy|safety|providerRejected|invalidProviderContent", re.IGNORECASE)
_CODES: Mapping[str, ErrorKind] = {
    "invalidApiKey": ErrorKind.AUTHENTICATION,
    "missingApiKey": ErrorKind.AUTHENTICATION,
    "insufficientCredits": ErrorKind.QUOTA,
    "invalidModel": ErrorKind.UNSUPPORTED,
    "modelNotFound": ErrorKind.UNSUPPORTED,
    "conflictTaskUUID": ErrorKind.UNAVAILABLE,
    "rateLimitExceeded": ErrorKind.RATE_LIMITED,
    "concurrencyLimit": ErrorKind.RATE_LIMITED,
    **dict.fromkeys(("missing", "invalid", "unsupported", "incompatible"), ErrorKind.INVALID_REQUEST),
    **dict.fromkeys(("internal", "providerError", "inferenceError", "timeoutProvider"), ErrorKind.UNAVAILABLE),
}


class _Item(msgspec.Struct):
    imageBase64Data: msgspec.Raw = msgspec.Raw()  # noqa: N815 - their word
    imageURL: str | None = None  # noqa: N815 - their word
    NSFWContent: bool | None = None
    cost: float | None = None


class _Body(msgspec.Struct):
    data: list[_Item] | None = None
    errors: list[Any] | None = None


def _pictures(job: Job) -> Mapping[str, Any]:
    inline = [Inline.data_uri(image) for image in job.images]
    if job.model.startswith("runware:106@"):
        return {"referenceImages": inline} if inline else {}
    mask = {"maskImage": Inline.data_uri(job.mask)} if job.mask is not None else {}
    return {"seedImage": inline[0], **mask} if inline else mask


def _generate(job: Job) -> Flow:
    task = {
        **job.params,
        **job.extras,
        "taskType": "imageInference",
        "taskUUID": FreshUUID(),
        "model": job.model,
        "positivePrompt": job.prompt,
        "numberResults": job.n,
        "deliveryMethod": "sync",
        "includeCost": True,
        **_pictures(job),
    }
    answer = yield submit("", json=[task])
    body = answer.read(_Body)
    items = body.data or []
    if not items and body.errors:
        raise _error(answer)
    if items and all(item.NSFWContent for item in items):
        raise kept_back("the backend's check of contents flagged what the model drew")
    images = tuple(image for item in items if not item.NSFWContent and (image := _image(answer, item)) is not None)
    costs = [item.cost for item in items if item.cost is not None]
    return ImageResult(images=images, usage=Usage(cost=sum(costs)) if costs else None)


def _image(answer: Answer, item: _Item) -> Image | None:
    raw = bytes(memoryview(item.imageBase64Data)[:1])
    b64 = answer.cargo(item.imageBase64Data) if raw not in {b"", b"n"} else None  # null
    if b64:
        return Image(b64=b64)
    return Image(url=item.imageURL) if item.imageURL else None


_read_error = json_error(message=("errors.0.message",), code=("errors.0.code",), param=("errors.0.parameter",))


def _error(answer: Answer) -> ProviderError:
    error = _read_error(answer)
    code = error.code or ""
    found = next((kind for start, kind in _CODES.items() if code.startswith(start)), None)
    error.kind = found or error.kind
    bad_switch = (error.param or "").startswith("safety")  # a field's name is no refusal
    if found in {None, ErrorKind.INVALID_REQUEST} and not bad_switch and _POLICY.search(f"{code} {error.message}"):
        error.kind = ErrorKind.CONTENT_POLICY
    if answer.status == 200 and found is not None:
        error.outcome = OutcomeClass.FAILED if found is ErrorKind.UNAVAILABLE else OutcomeClass.REJECTED
    return error


adapter = Adapter(
    base_url="https://api.runware.ai/v1",
    dialects=DIALECTS,
    auth=bearer(),
    generate=_generate,
    error=_error,
)

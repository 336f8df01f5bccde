"""Stability AI's models on Amazon Bedrock: one JSON call, one picture.

A target's model is a foundation model's, an inference profile's or an ARN; the editing services are reached by their
`us.` profiles only. `base_url` names another region: https://bedrock-runtime.us-east-1.amazonaws.com. `api_key` is
`ACCESS_KEY_ID:SECRET`, `ACCESS_KEY_ID:SECRET:SESSION_TOKEN` or a Bedrock API key.
"""

from collections.abc import Mapping
from contextlib import suppress
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import quote

import msgspec

from providers.auth import amazon
from providers.base import Adapter, Answer, Flow, ImageResult, Inline, Job, Upload, submit
from providers.errors import ErrorKind, OutcomeClass, ProviderError, bad_response, json_error
from providers.stable_image import CUT_OUT, GUIDED, NO_WEBP, SEEDED, SHAPE, STYLE, Service, draws, edits, redraws

_REGION = "us-west-2"  # the one that has them all
_DRAWS = Service(draws({**GUIDED, **NO_WEBP}))
_STYLED = {**GUIDED, **STYLE}
_SD3 = Service(redraws(GUIDED))
_SERVICES = {
    "*stable-image-core*": _DRAWS,
    "*stable-image-ultra*": _DRAWS,
    "*stable-image-inpaint*": Service(edits(_STYLED, mask=True)),
    "*stable-image-erase-object*": Service(edits(SEEDED, mask=True), prompt=None),
    "*stable-outpaint*": Service(edits({**SEEDED, **STYLE})),
    "*stable-image-remove-background*": Service(edits(CUT_OUT), prompt=None),
    "*stable-image-style-guide*": Service(edits({**_STYLED, **SHAPE})),
    "*stable-style-transfer*": Service(edits(GUIDED, images=2), images=("init_image", "style_image")),
    "*stable-image-*": Service(edits(_STYLED)),  # search-replace, search-recolor, control-sketch, control-structure
    "*": _SD3,
}
_NUMBERS = frozenset(
    {
        *("grow_mask", "left", "right", "up", "down", "creativity", "control_strength", "fidelity"),
        *("composition_fidelity", "style_strength", "change_strength"),
    },
)
"""Words of the services' own that are numbers; callers who edit send forms, where everything is text."""


def _generate(job: Job) -> Flow:
    service = next(service for pattern, service in _SERVICES.items() if fnmatchcase(job.model, pattern))
    named = {"mode": "image-to-image"} if service is _SD3 and job.images else {}
    body = {name: _value(name, value) for name, value in service.fields(job, named).items()}
    answer = yield submit(f"/model/{quote(job.model, safe='')}/invoke", json=body)
    for reason in answer.at("finish_reasons.*", str):
        raise _unfinished(reason)
    images = answer.inline("images.*")
    if not images:
        raise bad_response(next(iter(answer.at("detail", str)), "the backend's answer holds no picture"))
    return ImageResult(images=images)


def _value(name: str, value: Any) -> Any:
    if isinstance(value, Upload):
        return Inline(value)
    if name in _NUMBERS and isinstance(value, str):
        with suppress(msgspec.MsgspecError):
            return msgspec.json.decode(value, type=int | float)
    return value


def _unfinished(reason: str) -> ProviderError:
    if reason == "Inference error":
        return ProviderError(ErrorKind.UNAVAILABLE, reason, outcome=OutcomeClass.FAILED)
    if reason.startswith("Filter reason"):  # nobody says whether what was filtered is charged
        return ProviderError(ErrorKind.CONTENT_POLICY, reason, outcome=OutcomeClass.AMBIGUOUS)
    return bad_response(f"the backend ended for a reason it does not document: {reason[:80]}")


_CODES: Mapping[str, ErrorKind] = {
    "ServiceQuotaExceededException": ErrorKind.QUOTA,
    "UnrecognizedClientException": ErrorKind.AUTHENTICATION,
    "InvalidSignatureException": ErrorKind.AUTHENTICATION,
    "ExpiredTokenException": ErrorKind.AUTHENTICATION,
    "ModelNotReadyException": ErrorKind.UNAVAILABLE,
}
_NOT_SERVED = ("model identifier is invalid", "on-demand throughput")
"""How a model is refused that is not in the region, or has to be called by its profile: it has no code of its own."""


_read_error = json_error(message=("message", "Message", "detail"))


def _error(answer: Answer) -> ProviderError:
    error = _read_error(answer)
    error.code = answer.headers.get("x-amzn-errortype", "").partition(":")[0] or None
    error.kind = _CODES.get(error.code or "", error.kind)
    if error.kind is ErrorKind.AUTHENTICATION:
        error.message = error.message.partition("\n")[0]  # what was signed follows, session token and all
    if error.code == "ValidationException" and any(words in error.message for words in _NOT_SERVED):
        error.kind = ErrorKind.UNSUPPORTED
    if error.code == "ModelErrorException" and _original(answer) >= 500:
        error.kind, error.outcome = ErrorKind.UNAVAILABLE, OutcomeClass.FAILED
    return error


def _original(answer: Answer) -> float:
    """The status of the model behind Bedrock."""
    try:
        return answer.number("originalStatusCode") or 500
    except ProviderError:
        return 500


adapter = Adapter(
    base_url=f"https://bedrock-runtime.{_REGION}.amazonaws.com",
    dialects={pattern: service.dialect for pattern, service in _SERVICES.items()},
    auth=amazon("bedrock", _REGION),
    generate=_generate,
    error=_error,
)

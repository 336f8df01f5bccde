"""What can go wrong with a backend: whose fault it is, and what it means for the bill."""

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import Any, Protocol

import msgspec

UNREADABLE = (msgspec.MsgspecError, UnicodeError, RecursionError)
"""What reading a strange body can raise; the last is a body nested without end."""


class ErrorKind(StrEnum):
    """Whose fault a failure is; it decides whether the chain goes on and what the caller is told."""

    INVALID_REQUEST = "invalid_request"
    UNSUPPORTED = "unsupported"
    CONTENT_POLICY = "content_policy"
    AUTHENTICATION = "authentication"
    QUOTA = "quota"
    RATE_LIMITED = "rate_limited"
    UNAVAILABLE = "unavailable"
    TIMEOUT = "timeout"
    BAD_RESPONSE = "bad_response"


class OutcomeClass(StrEnum):
    """How an attempt ended, seen from the bill."""

    NOT_SENT = "not_sent"  # never reached the backend's application
    REJECTED = "rejected"  # the backend answered that it did no work
    FAILED = "failed"  # the backend answered that the work failed
    AMBIGUOUS = "ambiguous"  # nobody can know: it may have been billed
    SUCCEEDED = "succeeded"


class ProviderError(Exception):
    """A failure of one attempt, typed where the fact is known.

    Args:
        kind: whose fault it is.
        message: one sentence; the backend's own words where it gave some.
        outcome: what it means for the bill.
        status: the backend's raw HTTP status; None where there was no answer.
        code: the backend's own code.
        type: the backend's own error type.
        param: the parameter the backend blames.
        retry_after: seconds the backend asked to wait.
    """

    def __init__(
        self,
        kind: ErrorKind,
        message: str,
        *,
        outcome: OutcomeClass,
        status: int | None = None,
        code: str | None = None,
        type: str | None = None,  # noqa: A002 - the envelope's own word
        param: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.outcome = outcome
        self.status = status
        self.code = code
        self.type = type
        self.param = param
        self.retry_after = retry_after


def bad_response(message: str) -> ProviderError:
    """A 200 that carries no usable picture: the work was done, so it may have been billed."""
    return ProviderError(ErrorKind.BAD_RESPONSE, message, outcome=OutcomeClass.AMBIGUOUS)


# status -> (kind, outcome); a status in neither table is judged by its hundred
_BY_STATUS: Mapping[int, tuple[ErrorKind, OutcomeClass]] = {
    401: (ErrorKind.AUTHENTICATION, OutcomeClass.REJECTED),
    402: (ErrorKind.QUOTA, OutcomeClass.REJECTED),
    403: (ErrorKind.AUTHENTICATION, OutcomeClass.REJECTED),
    404: (ErrorKind.UNSUPPORTED, OutcomeClass.REJECTED),
    405: (ErrorKind.UNSUPPORTED, OutcomeClass.REJECTED),
    408: (ErrorKind.TIMEOUT, OutcomeClass.AMBIGUOUS),
    429: (ErrorKind.RATE_LIMITED, OutcomeClass.REJECTED),
    499: (ErrorKind.TIMEOUT, OutcomeClass.AMBIGUOUS),
    500: (ErrorKind.UNAVAILABLE, OutcomeClass.FAILED),
    501: (ErrorKind.UNSUPPORTED, OutcomeClass.REJECTED),
    503: (ErrorKind.UNAVAILABLE, OutcomeClass.REJECTED),
    529: (ErrorKind.UNAVAILABLE, OutcomeClass.REJECTED),
}


def by_status(status: int) -> tuple[ErrorKind, OutcomeClass]:
    """What a status means where the body says no more; unknown 5xx are gateways' and tell nothing of the work."""
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    if 400 <= status < 500:
        return ErrorKind.INVALID_REQUEST, OutcomeClass.REJECTED
    return ErrorKind.UNAVAILABLE, OutcomeClass.AMBIGUOUS


class Failing(Protocol):
    """As much of a failing answer as its reader needs."""

    @property
    def status(self) -> int:
        """The HTTP status."""

    @property
    def body(self) -> bytes:
        """The whole body."""


def json_error(
    *,
    message: Sequence[str],
    code: Sequence[str] = (),
    type: Sequence[str] = (),  # noqa: A002 - the envelope's own word
    param: Sequence[str] = (),
    codes: Mapping[str, ErrorKind] | None = None,
) -> Callable[[Failing], ProviderError]:
    """Reads errors that are JSON: each argument lists dotted paths, of which the first that is there counts.

    A number in a path counts into a list: `errors.0.code`.

    `codes` gives a backend's codes their kind, and outranks the status: codes are facts, words are not.
    """

    def read(answer: Failing) -> ProviderError:
        try:
            body = msgspec.json.decode(answer.body)
        except UNREADABLE:
            body = None
        kind, outcome = by_status(answer.status)
        if body is None and outcome is OutcomeClass.FAILED:
            outcome = OutcomeClass.AMBIGUOUS  # a 500 without the backend's own words may be a gateway's
        words = [_first(body, paths) for paths in (message, code, type, param)]
        for name in (_first(body, (path,)) for path in code):
            if name is not None and codes and name in codes:
                kind = codes[name]
        return ProviderError(
            kind,
            words[0] or _wordless(answer.status),
            outcome=outcome,
            status=answer.status,
            code=words[1],
            type=words[2],
            param=words[3],
        )

    return read


def _wordless(status: int) -> str:
    return f"the backend answered {status}" if status >= 300 else "the backend reported a failure without a word of why"


def _first(body: Any, paths: Sequence[str]) -> str | None:
    for path in paths:
        value = body
        for step in path.split("."):
            if isinstance(value, list):
                value = value[int(step)] if step.isdecimal() and int(step) < len(value) else None
            else:
                value = value.get(step) if isinstance(value, dict) else None
        if isinstance(value, str | int) and value != "":
            return str(value)
    return None

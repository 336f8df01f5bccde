"""What can go wrong with a backend: whose fault it is, and what it means for the bill."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
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


def kept_back(message: str, *, code: str | None = None) -> ProviderError:
    """A picture that was drawn and then withheld by the backend's filter: nobody says whether it is charged."""
    return ProviderError(ErrorKind.CONTENT_POLICY, message, outcome=OutcomeClass.AMBIGUOUS, code=code)


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


Fault = ErrorKind | tuple[ErrorKind, OutcomeClass]
"""What a failure is: its kind alone where the status says enough about the bill."""


@dataclass(frozen=True, slots=True)
class When:
    """Which failures are meant: those for which all that is given holds.

    Args:
        status: the HTTP status, or any of several.
        code: a regular expression sought in the backend's code.
        type: the same in its error type.
        words: the same in its code and message together; for backends whose codes do not tell.

    No expression heeds the case.
    """

    status: int | tuple[int, ...] = ()
    code: str = ""
    type: str = ""
    words: str = ""

    def holds(self, status: int, error: ProviderError) -> bool:
        """Whether a failure is one of these."""
        statuses = self.status if isinstance(self.status, tuple) else (self.status,)
        sought = ((self.code, error.code), (self.type, error.type), (self.words, f"{error.code or ''} {error.message}"))
        return (not statuses or status in statuses) and all(
            re.search(pattern, text or "", re.IGNORECASE) for pattern, text in sought if pattern
        )


def json_error(
    *,
    message: Sequence[str],
    code: Sequence[str] = (),
    type: Sequence[str] = (),  # noqa: A002 - the envelope's own word
    param: Sequence[str] = (),
    codes: Mapping[str, Fault] | None = None,
    cases: Mapping[When, Fault] | None = None,
    within_200: OutcomeClass = OutcomeClass.AMBIGUOUS,
    wordless: str = "the backend reported a failure without a word of why",
) -> Callable[[Failing], ProviderError]:
    """Reads errors that are JSON: each of the first four lists dotted paths, of which the first that is there counts.

    A number in a path counts into a list: `errors.0.code`.

    `codes` gives a backend's codes their kind, and outranks the status: codes are facts, words are not. `cases` says
    what neither tells; the last that holds counts. `within_200` is what a failure told under a 200 means for the bill,
    and `wordless` what to say of one without words; `{code}` in it is its code.
    """

    def read(answer: Failing) -> ProviderError:
        try:
            body = msgspec.json.decode(answer.body)
        except UNREADABLE:
            body = None
        kind, outcome = by_status(answer.status)
        if body is None and outcome is OutcomeClass.FAILED:
            outcome = OutcomeClass.AMBIGUOUS  # a 500 without the backend's own words may be a gateway's
        failed = answer.status >= 300
        error = ProviderError(
            kind,
            _first(body, message)
            or (f"the backend answered {answer.status}" if failed else wordless.format(code=_first(body, code))),
            outcome=outcome if failed else within_200,
            status=answer.status if failed else None,
            code=_first(body, code),
            type=_first(body, type),
            param=_first(body, param),
        )
        named = (_first(body, (path,)) for path in code)
        faults = [codes[name] for name in named if name is not None and codes and name in codes]
        faults += [fault for case, fault in (cases or {}).items() if case.holds(answer.status, error)]
        for fault in faults:
            error.kind, error.outcome = fault if isinstance(fault, tuple) else (fault, error.outcome)
        return error

    return read


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

"""What callers are told when they get no pictures: the refusals, the envelope, and how a provider's failure reads."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from providers.base import ErrorKind, OutcomeClass, ProviderError

LONGEST_MESSAGE = 1000
"""Characters of a backend's text that a caller gets to see."""

_TYPES: Mapping[int, str] = {
    401: "authentication_error",
    402: "insufficient_quota",
    403: "permission_error",
    408: "timeout_error",
    429: "rate_limit_error",
    502: "provider_error",
    503: "provider_error",
    504: "provider_error",
}
_KEPT = frozenset({400, 404, 413, 422, 429})
_DEFAULT_CODES: Mapping[int, str] = {404: "model_not_found", 413: "request_too_large", 429: "rate_limit_exceeded"}
_PROVIDER_CODES: Mapping[int, tuple[int, str]] = {
    501: (501, "not_implemented"),
    503: (503, "provider_overloaded"),
    504: (504, "provider_timeout"),
    529: (503, "provider_overloaded"),
}
_PROVIDER_ERROR = (502, "provider_error")
_OWN = frozenset({"router_overloaded"})  # codes of what the router itself did not let through
_REPEATABLE = frozenset({ErrorKind.RATE_LIMITED, ErrorKind.UNAVAILABLE, ErrorKind.TIMEOUT})

_SECRETS = re.compile(
    r"""
      data:[^\s"']+                                                    # a picture in text
    | (?<=://)[^/\s@]+@                                                # user:password@host
    | \b(?:bearer|basic)\s+[^\s"',;]+
    | \b(?:api|access|secret|auth|x)[-_ ]?(?:key|token)\b["']?\s*[:=]\s*["']?[^\s"',;]+
    | (?<![A-Za-z0-9])(?:sk|pk|rk|gsk|xai|hf|r8|irk)[-_][\w*.-]{6,}    # keys with their maker's prefix
    | \bAIza[\w-]{20,} | \bA[KS]IA[A-Z0-9]{12,}
    | [A-Za-z0-9+/_-]{40,}={0,2} | [A-Za-z0-9]{32,}                    # base64, hex
    """,
    re.IGNORECASE | re.VERBOSE,
)


class Refused(Exception):  # noqa: N818 - an answer to the caller, not a fault
    """A request that gets an error for an answer.

    Args:
        status: the HTTP status.
        code: the contract's word for it; None only where a backend gave none.
        message: one sentence: what is wrong and the remedy.
        param: the field at fault, named as the caller wrote it.
        type: the envelope's type; by default what the contract gives the status.
        retry_after: seconds after which asking again may help.
        should_retry: whether asking again is safe and worth it.
    """

    def __init__(
        self,
        status: int,
        code: str | None,
        message: str,
        *,
        param: str | None = None,
        type: str | None = None,  # noqa: A002 - the envelope's own word
        retry_after: float | None = None,
        should_retry: bool = False,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.param = param
        self.type = type or _type(status)
        self.retry_after = retry_after
        self.should_retry = should_retry


def envelope(error: Refused, failures: Sequence[Mapping[str, Any]] = ()) -> bytes:
    """The error as JSON: the four keys always, `failures` where something was tried before."""
    body: dict[str, Any] = {
        "message": _utf8(error.message),
        "type": error.type,
        "param": None if error.param is None else _utf8(error.param),
        "code": error.code,
    }
    if failures:
        body["failures"] = failures
    return msgspec.json.encode({"error": body})


def redacted(text: str) -> str:
    """A backend's text fit for a caller: nothing that looks like a key or a picture, and not without end."""
    clean = _SECRETS.sub("[redacted]", _utf8(text[: 4 * LONGEST_MESSAGE]))
    return clean if len(clean) <= LONGEST_MESSAGE else clean[: LONGEST_MESSAGE - 1] + "…"


def should_retry(error: ProviderError, attempts: int) -> bool:
    """Whether the client may safely ask again: nothing was billed, and the router itself has tried only once."""
    may_be_billed = error.outcome in {OutcomeClass.AMBIGUOUS, OutcomeClass.SUCCEEDED}
    return attempts <= 1 and error.kind in _REPEATABLE and not may_be_billed


def from_provider(error: ProviderError, attempts: int = 1) -> Refused:
    """What the caller is told when the chain ends with `error`.

    Faults of our own accounts never look like the caller's: refused credentials are 422 in our words, as the
    backend's may quote the key, and an unpaid account is 503 `provider_error`, as 402 is the caller's own quota.
    """
    again = should_retry(error, attempts)
    if error.kind is ErrorKind.QUOTA:
        return Refused(
            503,
            "provider_error",
            "the router's account at the provider is out of quota or credit; the operator must renew it",
            retry_after=error.retry_after,
        )
    if error.kind is ErrorKind.AUTHENTICATION or (error.status in {401, 403} and not _told_by_code(error)):
        return Refused(
            422,
            "provider_credential_invalid",
            "the provider refused the router's credentials; the operator must check the provider's key",
        )
    status, code, type_ = _words(error)
    return Refused(
        status,
        _short(code),
        redacted(error.message),
        param=_short(error.param) if status < 500 else None,
        type=_short(type_),
        retry_after=error.retry_after,
        should_retry=again,
    )


def _words(error: ProviderError) -> tuple[int, str | None, str | None]:
    """Status, code and type of a failure that is not our account's."""
    if error.code in _OWN and error.outcome is OutcomeClass.NOT_SENT:
        return 503, error.code, None
    if error.kind is ErrorKind.CONTENT_POLICY:
        return 400, error.code or "moderation_blocked", error.type or "image_generation_user_error"
    if error.kind is ErrorKind.RATE_LIMITED:
        return 429, error.code or _DEFAULT_CODES[429], error.type
    if error.status is None:
        return _without_answer(error)
    if error.status in _KEPT:
        return error.status, error.code or _DEFAULT_CODES.get(error.status), error.type
    if error.status < 400 or error.status >= 500:
        return (*_PROVIDER_CODES.get(error.status, _PROVIDER_ERROR), None)
    return (504, "provider_timeout", None) if error.kind is ErrorKind.TIMEOUT else (400, error.code, error.type)


def _without_answer(error: ProviderError) -> tuple[int, str | None, str | None]:
    """The same where no status came back: our own timeout or check, the network, a job that failed."""
    match error.kind:
        case ErrorKind.TIMEOUT:
            return 408, "request_timeout", None
        case ErrorKind.UNSUPPORTED:
            return 400, error.code or "unsupported_parameter", error.type
        case ErrorKind.INVALID_REQUEST:
            return 400, error.code, error.type
        case _:
            return (*_PROVIDER_ERROR, None)


def _told_by_code(error: ProviderError) -> bool:
    """Whether the backend's code gave a 401 or 403 another meaning than its status has."""
    return error.kind in {ErrorKind.CONTENT_POLICY, ErrorKind.RATE_LIMITED}


def _type(status: int) -> str:
    return _TYPES.get(status, "invalid_request_error" if status < 500 else "server_error")


def _short(word: str | None) -> str | None:
    return None if word is None else redacted(word)[:200]


def _utf8(text: str) -> str:
    """Text that can be written as JSON: a lone surrogate becomes a question mark."""
    return text.encode("utf-8", "replace").decode("utf-8")

"""Reads Google's errors: the status's own name, and what the details say of the key, the quota and the wait."""

import re

import msgspec

from providers.base import Answer
from providers.errors import ErrorKind, ProviderError, json_error


class _Violation(msgspec.Struct, rename="camel"):
    quota_id: str = ""


class _Detail(msgspec.Struct, rename="camel"):
    reason: str = ""
    retry_delay: str = ""
    violations: list[_Violation] = []


class _Problem(msgspec.Struct):
    details: list[_Detail] = []


class _Failure(msgspec.Struct):
    error: _Problem


_read_error = json_error(
    message=("error.message",),
    code=("error.status",),
    codes={
        "FAILED_PRECONDITION": ErrorKind.AUTHENTICATION,  # the account may not, from this place or without billing
        "DEADLINE_EXCEEDED": ErrorKind.TIMEOUT,
    },
)


def error(answer: Answer) -> ProviderError:
    """What a failing answer says; some come in a list of one."""
    body = answer.body.strip()
    if body.startswith(b"["):
        answer = Answer(answer.status, answer.headers, body[1:-1])
    said = _read_error(answer)
    try:
        details = answer.read(_Failure).error.details
    except ProviderError:
        return said
    for detail in details:
        if detail.reason == "API_KEY_INVALID":  # a bad key is a 400 here
            said.kind, said.code = ErrorKind.AUTHENTICATION, detail.reason
        if any("PerDay" in violation.quota_id for violation in detail.violations):
            said.kind = ErrorKind.QUOTA
        if re.fullmatch(r"\d{1,5}(\.\d{1,9})?s", detail.retry_delay):
            said.retry_after = float(detail.retry_delay[:-1])
    return said

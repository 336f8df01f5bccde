"""What fal's failures mean."""

from providers.base import Answer
from providers.errors import ErrorKind, OutcomeClass, ProviderError, json_error

_BROKEN = ("connection_timeout", "disconnected", "connection_refused", "scheduling_failure")
CODES = {
    "content_policy_violation": ErrorKind.CONTENT_POLICY,
    "internal_server_error": ErrorKind.UNAVAILABLE,
    **{f"runner_{end}": ErrorKind.UNAVAILABLE for end in _BROKEN},
    "request_timeout": ErrorKind.TIMEOUT,
    "startup_timeout": ErrorKind.TIMEOUT,
}
_read_error = json_error(
    message=("detail.0.msg", "detail"), code=("detail.0.type", "error_type"), param=("detail.0.loc.1",), codes=CODES
)


def error(answer: Answer) -> ProviderError:
    """A failing answer, of fal's gateway or of a model."""
    said = _read_error(answer)
    if said.code is None and (code := answer.headers.get("x-fal-error-type")):
        said.code, said.kind = code, CODES.get(code, said.kind)
    if said.code is not None and answer.status >= 500:
        said.outcome = OutcomeClass.FAILED  # fal's own word, not a gateway's
    if answer.status == 403 and ("locked" in said.message or "TOP_UP" in said.message):  # there is no code for it
        said.kind = ErrorKind.QUOTA
    if answer.status >= 500 and answer.headers.get("x-fal-retryable", "").lower() == "false":
        said.kind = ErrorKind.BAD_RESPONSE  # not to be tried here again
    return said

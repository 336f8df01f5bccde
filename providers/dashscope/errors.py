"""What DashScope's refusals say. Their codes go into detail after a dot, so how they begin decides."""

from collections.abc import Mapping

from providers.base import Answer
from providers.errors import ErrorKind, OutcomeClass, ProviderError, json_error

# how a code begins -> whose fault it is
_CODES: Mapping[str, ErrorKind] = {
    **dict.fromkeys(("DataInspectionFailed", "data_inspection_failed"), ErrorKind.CONTENT_POLICY),
    **dict.fromkeys(("Arrearage", "AllocationQuota"), ErrorKind.QUOTA),
    **dict.fromkeys(("InvalidApiKey", "AccessDenied", "Model.AccessDenied"), ErrorKind.AUTHENTICATION),
    **dict.fromkeys(("ModelNotFound", "ModelNotExist"), ErrorKind.UNSUPPORTED),
    **dict.fromkeys(("InvalidParameter", "BadRequest", "InvalidURL", "InvalidFile"), ErrorKind.INVALID_REQUEST),
    "Throttling": ErrorKind.RATE_LIMITED,
    "InternalError": ErrorKind.UNAVAILABLE,
}

_read_error = json_error(message=("message", "output.message"), code=("code", "output.code"))


def error(answer: Answer) -> ProviderError:
    """What a failing answer says."""
    said = _read_error(answer)
    said.kind = kind_of(said.code) or said.kind
    return said


def kind_of(code: str | None) -> ErrorKind | None:
    """Whose fault a code speaks of; None where nobody knows."""
    return next((kind for start, kind in _CODES.items() if code is not None and code.startswith(start)), None)


def refusal(answer: Answer, outcome: OutcomeClass = OutcomeClass.FAILED) -> ProviderError:
    """A failure that came with a 200; what failed is not charged for."""
    said = error(answer)
    said.status, said.outcome = None, outcome
    return said

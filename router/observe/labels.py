"""The words that labels may have: from the config or from these lists, never a caller's or a backend's own."""

from collections.abc import Mapping
from typing import Final

from providers.base import ErrorKind, Usage
from providers.dialect import PARAMETERS
from router.health.book import CIRCUIT, State

OTHER: Final = "_other"
"""The label of whatever the config, or a list here, does not name."""

KNOWN: Final = PARAMETERS - {"shape"} | {"size", "operation"}
"""The parameters that warnings are about."""

QUALITIES: Final = frozenset({"auto", "low", "medium", "high", "xhigh", "max", "standard", "hd"})

REFUSALS: Final = frozenset(
    {
        "ambiguous_form_array",
        "authentication_required",
        "content_policy_violation",
        "dry_run_not_allowed",
        "expired_api_key",
        "file_too_large",
        "idempotency_in_progress",
        "idempotency_key_reused",
        "idempotency_outcome_unknown",
        "invalid_api_key",
        "invalid_image",
        "invalid_request",
        "invalid_request_body",
        "invalid_type",
        "invalid_value",
        "missing_required_parameter",
        "model_not_allowed",
        "model_not_found",
        "moderation_blocked",
        "provider_credential_invalid",
        "quota_exceeded",
        "rate_limit_exceeded",
        "request_timeout",
        "request_too_large",
        "string_above_max_length",
        "too_many_images",
        "unsupported_file_mimetype",
        "unsupported_media_type",
        "unsupported_operation",
        "unsupported_parameter",
    }
)
"""The contract's codes of requests that are refused; a backend's own code is none of them."""

REASONS: Final = (*ErrorKind, CIRCUIT)
"""Why a target is left out."""

STATES: Final[Mapping[State, int]] = {State.HEALTHY: 0, State.RECOVERING: 1, State.COOLING: 2, State.OPEN: 3}

_TIERS: Final = ((1, "<=1MP"), (2, "<=2MP"), (4, "<=4MP"))
SIZES: Final = ("auto", *(words for _, words in _TIERS), ">4MP")
"""How large a picture is; a megapixel is 1024x1024. `auto` where nobody saw its pixels, or asked for any."""


def size(width: int, height: int) -> str:
    """How large a picture is, or was asked for."""
    pixels = width * height
    if not pixels:
        return "auto"
    return next((words for most, words in _TIERS if pixels <= most << 20), ">4MP")


def known(word: str | None, words: frozenset[str]) -> str:
    """A word of a list, or none."""
    return word if word is not None and word in words else OTHER


def tokens(usage: Usage) -> Mapping[tuple[str, str], int]:
    """Tokens by direction and modality: `unknown` where a backend gives only the sum."""
    found: dict[tuple[str, str], int] = {}
    for direction, all_, text, image in (
        ("input", usage.input_tokens, usage.input_text_tokens, usage.input_image_tokens),
        ("output", usage.output_tokens, usage.output_text_tokens, usage.output_image_tokens),
    ):
        parts = {"text": text or 0, "image": image or 0}
        parts["unknown"] = max(0, (all_ or 0) - sum(parts.values()))
        found |= {(direction, modality): count for modality, count in parts.items() if count}
    return found

"""What the router would do with one request, as plain records: to be printed, answered, compared, kept in tests."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec


@dataclass(frozen=True, slots=True, kw_only=True)
class Warned:
    """A parameter that would be sent differently than asked; `sent` is None where it is left out."""

    parameter: str
    asked: str
    sent: str | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Upstream:
    """The first call of a shard as the backend would get it.

    `before` is what the key needs first. `body` holds `json`, a `form`'s parts, or `bytes`. `places` are those of the
    pictures it is for, counted from 0.
    """

    phase: str
    send: str
    headers: Mapping[str, str]
    body: Mapping[str, Any] | None
    places: tuple[int, ...]
    before: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """US dollars, None where they are not known, and how they come about."""

    usd: float | None
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long and how often one target is tried; times in seconds."""

    attempt_timeout: float
    retries: int
    retry_on: tuple[int, ...]
    unsupported: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One target of the chain, in its place.

    Args:
        target: `provider/model`.
        account: whose key it is, where a provider has several.
        model: the model ID that leads here, and as what: `role`.
        eligible: whether the request can be served here; `reasons` are all those why not.
        left_out: why it would not be asked just now, whatever it can do; None also where nobody knows.
        requests: what would go out first, for each shard; `then` is what follows, in words.
    """

    target: str
    account: str
    model: str
    role: str
    eligible: bool
    reasons: tuple[str, ...]
    left_out: str | None
    requests: tuple[Upstream, ...]
    then: tuple[str, ...]
    warnings: tuple[Warned, ...]
    price: Estimate
    patience: Patience


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """The policy of the whole request; times in seconds."""

    timeout: float
    order: str
    fallback_on: tuple[str, ...]
    fallback_on_codes: tuple[int, ...] | None
    max_billable_attempts: int
    partial: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """What would become of one request. `price` is for the first eligible target."""

    model: str
    operation: str
    pictures: int
    served: bool
    chain: tuple[Member, ...]
    price: Estimate
    at_most: Estimate
    policy: Rules

    def plain(self) -> dict[str, Any]:
        """The same as JSON has it."""
        plain: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(self))
        return plain

"""What a config promises, ready to run: providers, targets and routes. Built once per config, then only read."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from providers.base import Adapter, ErrorKind, Operation
from providers.dialect import Dialect, Strictness
from router.catalog import Entry, Price
from router.config.pictures import Resize
from router.wire.send import Send


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """The router's own retries on one target: `count` after the first attempt, on these statuses.

    The pause before retry k is uniform(0, min(longest, first * 2^(k-1))) seconds.
    """

    count: int = 1
    on_codes: frozenset[int] = frozenset({429, 503, 529})
    first: float = 0.5
    longest: float = 8.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How patient a route or target is. Times in seconds.

    `side_by_side` bounds one request's calls at a target.
    `caller_backoff` is the first pause of the retries a caller asks for; it doubles each time.
    """

    timeout: float = 600.0
    attempt_timeout: float = 600.0
    strictness: Strictness = Strictness.ADAPT
    retry: Backoff = field(default_factory=Backoff)
    fallback_on: frozenset[ErrorKind] = frozenset(ErrorKind) - {ErrorKind.INVALID_REQUEST, ErrorKind.CONTENT_POLICY}
    max_billable_attempts: int = 2
    side_by_side: int = 4
    caller_backoff: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """An account at a backend. `link_life`: seconds its links work, None where unknown."""

    name: str
    kind: str
    adapter: Adapter
    send: Send
    options: Mapping[str, str] = field(default_factory=dict)
    base_url: str = ""
    link_life: float | None = None
    insecure_links: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One member of a chain: a provider's model. `name` is `provider/model`, as metrics and callers see it."""

    name: str
    provider: Provider
    model: str
    dialect: Dialect
    policy: Policy
    price: Price | None = None

    def can(self, operation: Operation) -> bool:
        """Whether it has an operation, if need be by another."""
        if operation is Operation.VARIATION and self.dialect.variation_prompt is not None:
            return Operation.EDIT in self.dialect.operations
        return operation in self.dialect.operations


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A model ID's ordered targets. `entry` is what the catalogue promises callers of that name.

    `partial`: whether fewer pictures than asked are a result. `heartbeat`: seconds between blanks while a caller waits.
    """

    name: str
    targets: tuple[Target, ...]
    policy: Policy
    params: Mapping[str, Any] = field(default_factory=dict)
    entry: Entry | None = None
    partial: bool = True
    resize: Resize = Resize.OFF
    heartbeat: float | None = None

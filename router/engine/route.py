"""What a config promises, ready to run: providers, targets and routes. Built once per config, then only read."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from providers.base import Adapter, ErrorKind, Operation
from providers.dialect import Dialect, Strictness
from router.catalog import Entry, Price
from router.config.balance import Order
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
    `max_concurrency` bounds all attempts at a target; more wait up to `queue_wait`.
    """

    timeout: float = 600.0
    attempt_timeout: float = 600.0
    strictness: Strictness = Strictness.ADAPT
    retry: Backoff = field(default_factory=Backoff)
    fallback_on: frozenset[ErrorKind] = frozenset(ErrorKind) - {ErrorKind.INVALID_REQUEST, ErrorKind.CONTENT_POLICY}
    max_billable_attempts: int = 2
    side_by_side: int = 4
    caller_backoff: float = 1.0
    max_concurrency: int = 64
    queue_wait: float = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """An account at a backend. `link_life`: seconds its links work, None where unknown.

    `number` tells the accounts of a provider with several keys apart; it is 0 where there is one.
    """

    name: str
    number: int = 0
    kind: str
    adapter: Adapter
    send: Send
    options: Mapping[str, str] = field(default_factory=dict)
    base_url: str = ""
    link_life: float | None = None
    insecure_links: bool = False

    @property
    def account(self) -> str:
        """The account's name in the router's own books."""
        return f"{self.name}#{self.number}" if self.number else self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One member of a chain: a provider's model. `name` is `provider/model`, as metrics and callers see it.

    `retires` is when the model goes there, where the catalogue knows of that.
    """

    name: str
    provider: Provider
    model: str
    dialect: Dialect
    policy: Policy
    price: Price | None = None
    retires: date | None = None
    weight: float = 1.0

    @property
    def account(self) -> str:
        """Whose key and bill it is."""
        return self.provider.account

    @property
    def key(self) -> str:
        """The name of this target at this account, as the router's own books have it."""
        return f"{self.name}#{self.provider.number}" if self.provider.number else self.name

    def can(self, operation: Operation) -> bool:
        """Whether it has an operation, if need be by another."""
        if operation is Operation.VARIATION and self.dialect.variation_prompt is not None:
            return Operation.EDIT in self.dialect.operations
        return operation in self.dialect.operations


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A model ID's ordered targets. `entry` is what the catalogue promises callers of that name.

    The targets of one chain member at several accounts stand side by side.
    `partial`: whether fewer pictures than asked are a result. `heartbeat`: seconds between blanks while a caller waits.
    `order` and `exercise` say which member is asked first; `accounts`, whether any has several accounts.
    """

    name: str
    targets: tuple[Target, ...]
    policy: Policy
    params: Mapping[str, Any] = field(default_factory=dict)
    entry: Entry | None = None
    partial: bool = True
    resize: Resize = Resize.OFF
    heartbeat: float | None = None
    order: Order = Order.AS_WRITTEN
    exercise: float = 0.0
    accounts: bool = False

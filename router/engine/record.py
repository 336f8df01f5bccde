"""What happened, in frozen records: the response, the log line and the metrics are all read from these."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol

from msgspec import Struct

from providers.base import ErrorKind, OutcomeClass, ProviderError, Usage
from providers.dialect import ParameterWarning
from router import usage
from router.engine.route import Target
from router.images.pixels import Picture


class Attempt(Struct, frozen=True, kw_only=True):
    """One try at one target: a submit and what followed it. `number` counts from 1 per target and shard.

    `seconds` is how long it took; `cost` is US dollars, None where unknown; `fallback_index` says which model of
    the caller's list it served (0: the primary). `after` is why it is a retry: how the try before it failed. `polls`
    counts how often the backend was asked how the work gets on. `wasted` is what a failure may have cost at most.
    `ended` is when, in the loop's time.
    """

    target: Target
    fallback_index: int
    number: int
    seconds: float
    outcome: OutcomeClass
    error: ProviderError | None = None
    pictures: int = 0
    usage: Usage | None = None
    cost: float | None = None
    after: ErrorKind | None = None
    polls: int = 0
    wasted: float | None = None
    ended: float = 0.0


class Observer(Protocol):
    """Who is told of attempts as they happen."""

    def attempt_started(self, target: Target) -> None:
        """A submit is about to be sent."""

    def attempt_ended(self, attempt: Attempt) -> None:
        """An attempt is over, however it ended."""


@dataclass(frozen=True, slots=True)
class Skip:
    """A target left out because it cannot do what was asked, and why."""

    target: Target
    reason: str


class Delivery(Struct, frozen=True):
    """A picture, the attempt that drew it, and its place among the pictures asked.

    `first`: whether it is the first of the pictures that attempt made.
    """

    picture: Picture
    attempt: Attempt
    place: int
    first: bool = True

    @property
    def target(self) -> Target:
        """Who drew it."""
        return self.attempt.target


class Progress(Protocol):
    """Who is told of pictures while a request is under way. Once one has gone out, there is no other target."""

    @property
    def begun(self) -> bool:
        """Whether a picture, or an early look, has gone out."""

    async def early(self, picture: Picture, index: int) -> None:
        """An early look at a picture; `index` counts from 0."""

    async def finished(self, delivery: Delivery) -> None:
        """A finished picture."""


@dataclass(slots=True, kw_only=True)
class Outcome:
    """The end of one request: pictures, or the error the caller is told.

    It is filled in as the request goes along. `error` stays set beside pictures
    when the result is short.
    """

    wanted: int
    deliveries: list[Delivery] = field(default_factory=list)
    attempts: list[Attempt] = field(default_factory=list)
    skips: list[Skip] = field(default_factory=list)
    warnings: list[ParameterWarning] = field(default_factory=list)
    error: ProviderError | None = None
    created: int | None = None
    facts: dict[str, str] = field(default_factory=dict)

    @property
    def missing(self) -> tuple[int, ...]:
        """The places of the pictures still to be made."""
        made = {delivery.place for delivery in self.deliveries}
        return tuple(place for place in range(self.wanted) if place not in made)

    @property
    def complete(self) -> bool:
        """Whether all pictures asked are there."""
        return len(self.deliveries) >= self.wanted

    def warn(self, warnings: Iterable[ParameterWarning]) -> None:
        """Keep warnings, each once."""
        self.warnings.extend(warning for warning in dict.fromkeys(warnings) if warning not in self.warnings)

    @property
    def usage(self) -> Usage | None:
        """The sum of what the backends say they used; None where none says anything."""
        known = [attempt.usage for attempt in self.attempts if attempt.usage is not None]
        return usage.total(known) if known else None

    @property
    def cost(self) -> float | None:
        """US dollars for what was made; None where one part's price is unknown."""
        costs = [attempt.cost for attempt in self.attempts if attempt.outcome is OutcomeClass.SUCCEEDED]
        known = [cost for cost in costs if cost is not None]
        return sum(known) if known and len(known) == len(costs) else None

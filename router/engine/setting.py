"""What a request is served with, and the steps it may take."""

import random

from msgspec import Struct, field

from router.engine.balance import Balance
from router.engine.follow import Keeper
from router.engine.guard import Guard
from router.engine.handover import Handover
from router.engine.ledger import Ledger
from router.engine.record import Observer, Progress
from router.engine.route import Route, Target


class Step(Struct, frozen=True):
    """One target in its place: `index` counts the models the caller named, the primary being 0."""

    index: int
    route: Route
    target: Target


class Setting(Struct, frozen=True, kw_only=True):
    """What a request is served with.

    Args:
        handover: gives pictures the form asked.
        observer: is told of every attempt.
        rng: the source of chance for pauses.
        deadline: when the caller's wait ends, in the loop's time.
        ledger: where every submit is written down.
        guard: says which targets may be called now.
        balance: says in which order.
        place: the router's own address, for links.
        owner: whose pictures these are.
        progress: is told of pictures as they come, for a caller that streams.
        keeper: keeps what backends have accepted, for a request that another worker may follow up.
    """

    handover: Handover
    observer: Observer
    rng: random.Random
    deadline: float
    ledger: Ledger
    guard: Guard = field(default_factory=Guard)
    balance: Balance = field(default_factory=lambda: Balance(random.Random()))  # noqa: S311 - nothing secret
    place: str = ""
    owner: str = ""
    progress: Progress | None = None
    keeper: Keeper | None = None

    @property
    def begun(self) -> bool:
        """Whether a picture has gone out, after which nothing is tried again."""
        return self.progress is not None and self.progress.begun

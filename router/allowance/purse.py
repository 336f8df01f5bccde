"""What each caller has spent in the period of its budget, in millionths of a dollar: nothing is lost in a sum."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from router.config.allowance import Budget, Per
from router.state.base import StateStore

_DAY = 24 * 3600.0
_FOR_GOOD = 3650 * _DAY  # how long what a `total` budget has spent is known


@dataclass(frozen=True, slots=True)
class Period:
    """A stretch of time with a budget of its own. `end` is in seconds of the epoch; None where it has none."""

    name: str
    end: float | None


class Spent(Exception):  # noqa: N818 - an answer, not a fault
    """The budget has no room for this. `renewed`: the end of its period, None for never; `wait`: seconds until then."""

    def __init__(self, renewed: float | None, wait: float | None) -> None:
        super().__init__()
        self.renewed = renewed
        self.wait = wait


@dataclass(frozen=True, slots=True)
class Reserve:
    """Money set aside for one request."""

    counter: str
    amount: int
    ttl: float


class Purse:
    """The counters of all budgets; what is reserved counts as spent until it is settled."""

    def __init__(self, state: StateStore, clock: Callable[[], float]) -> None:
        """`clock` is the wall's, as periods go by the calendar."""
        self._state = state
        self._clock = clock

    async def reserve(self, name: str, budget: Budget, amount: int) -> tuple[Reserve, int]:
        """Set `amount` aside; and what is left after it.

        Raises:
            Spent: not so much is left; nothing was set aside.
        """
        now = self._clock()
        period = period_of(budget.per, now)
        ttl = _FOR_GOOD if period.end is None else period.end - now + _DAY
        counter, most = f"budget/{period.name}/{name}", micros(budget.usd)
        total = await self._state.add(counter, amount, ttl, most)
        if total is None:
            raise Spent(period.end, None if period.end is None else period.end - now)
        return Reserve(counter, amount, ttl), most - total

    async def settle(self, reserve: Reserve, spent: int) -> int:
        """Count what was really spent in place of what was set aside; the whole sum of the period."""
        total = await self._state.add(reserve.counter, spent - reserve.amount, reserve.ttl) or 0
        if total < 0:
            # The store was emptied meanwhile: what it no longer knows must not become credit.
            total = await self._state.add(reserve.counter, -total, reserve.ttl) or 0
        return total


def micros(usd: float) -> int:
    """Dollars in millionths, rounded up but for what a float cannot hold."""
    return math.ceil(round(usd * 1_000_000, 3))


def period_of(per: Per, now: float) -> Period:
    """The period of UTC that a moment is in."""
    day = datetime.fromtimestamp(now, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    match per:
        case Per.TOTAL:
            return Period("total", None)
        case Per.DAY:
            start, end = day, day + timedelta(days=1)
        case Per.WEEK:
            start = day - timedelta(days=day.weekday())
            end = start + timedelta(days=7)
        case Per.MONTH:
            start = day.replace(day=1)
            end = (start + timedelta(days=31)).replace(day=1)
    return Period(f"{per}-{start:%Y-%m-%d}", end.timestamp())

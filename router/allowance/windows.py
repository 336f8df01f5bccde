"""Counts within the last minute, over all who share the state: a sliding window in two counters."""

import math
from collections.abc import Callable

from router.state.base import StateStore

WINDOW = 60.0
_KEPT = 3 * WINDOW  # a counter is read until the minute after its own is over; the rest is for clocks that differ
_GRAIN = 0.001


class Full(Exception):  # noqa: N818 - an answer, not a fault
    """There is no room for this now. `wait`: seconds until there is; None where it is more than ever fits."""

    def __init__(self, wait: float | None) -> None:
        super().__init__()
        self.wait = wait


class Windows:
    """Every clock minute has a counter; of the one before counts the part that the last sixty seconds still reach."""

    def __init__(self, state: StateStore, clock: Callable[[], float]) -> None:
        """`clock` is the wall's: the minutes are the same for all who share the state."""
        self._state = state
        self._clock = clock

    async def take(self, name: str, limit: int, amount: int) -> str:
        """Count `amount`, and tell which counter did.

        Raises:
            Full: that would exceed `limit`; nothing was counted.
        """
        minute, into = divmod(self._clock(), WINDOW)
        here = f"limit/{int(minute)}/{name}"
        earlier = await self._read(f"limit/{int(minute) - 1}/{name}")
        faded = math.floor(earlier * (1 - into / WINDOW))
        if await self._state.add(here, amount, _KEPT, limit - faded) is None:
            raise Full(_wait(limit, amount, earlier, await self._read(here), into))
        return here

    async def adjust(self, counter: str, amount: int) -> None:
        """Count more, or less, where `take` counted, whatever the limit."""
        await self._state.add(counter, amount, _KEPT)

    async def _read(self, counter: str) -> int:
        return max(0, await self._state.add(counter, 0, _KEPT) or 0)


def _wait(limit: int, amount: int, earlier: int, here: int, into: float) -> float | None:
    """Seconds until `amount` fits, if nobody else asks: `earlier` fades now, and `here` once its minute is over."""
    if amount > limit:
        return None
    room = limit - amount - here
    wait = _fading(earlier, room) - into if room >= 0 else WINDOW - into + _fading(here, limit - amount)
    return max(0.0, wait) + _GRAIN


def _fading(count: int, room: int) -> float:
    """Seconds into the next minute at which no more than `room` of `count` is left."""
    return WINDOW * (1 - min(1.0, (room + 1) / count)) if count else 0.0

"""A worker's sign of life: what it holds in the state is held only as long as it renews its lease."""

import asyncio
import contextlib
import time
from collections.abc import Callable

from router.state.base import StateLost, StateStore

_LASTS = 10.0
_RENEWED = 3.0
_PLACE = "lease/"


class Lease:
    """This worker's lease, and a look at those of others."""

    def __init__(self, state: StateStore, worker: str, clock: Callable[[], float] = time.monotonic) -> None:
        self.worker = worker
        self._state = state
        self._clock = clock
        self._due = clock()

    async def run(self) -> None:
        """Renew for as long as the router runs."""
        while True:
            await self._renew()
            await asyncio.sleep(_RENEWED)

    async def ensure(self) -> None:
        """Hold the lease now, also where renewing it is late."""
        if self._clock() >= self._due:
            await self._renew()

    async def lives(self, worker: str) -> bool:
        """Whether a worker still holds its lease.

        Raises:
            StateLost: the store does not answer.
        """
        return worker == self.worker or await self._state.get(_PLACE + worker) is not None

    async def _renew(self) -> None:
        with contextlib.suppress(StateLost):
            await self._state.put(_PLACE + self.worker, b"1", _LASTS)
            self._due = self._clock() + 1.5 * _RENEWED

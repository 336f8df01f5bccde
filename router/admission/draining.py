"""The end of a router's work: told to stop it takes nothing new, and what is under way has so long."""

import asyncio
from collections.abc import Callable


class Drain:
    """Whether the router still takes work, how much is under way, and when that is late."""

    def __init__(self) -> None:
        self.begun = False
        """Whether new work is refused."""

        self.ending = False
        """Whether this is the end, also where new work is not refused."""

        self.under_way = 0
        self._late = asyncio.Event()
        self._to_tell: set[Callable[[], None]] = set()

    def begin(self, loop: asyncio.AbstractEventLoop, patience: float, *, refusing: bool = True) -> None:
        """Stop; what is under way is late in `patience` seconds. Callable from a signal handler.

        `refusing`: new work is refused. It is not where no more comes, as others listen in this router's stead.
        """
        self.begun |= refusing
        if not self.ending:
            self.ending = True
            loop.call_soon_threadsafe(loop.call_later, patience, self._is_late)

    @property
    def over(self) -> bool:
        """Whether nothing is left to wait for: all is answered, or will be at once as it is late."""
        return self.ending and (not self.under_way or self._late.is_set())

    async def late(self) -> None:
        """Return once what is under way is late."""
        await self._late.wait()

    def enter(self, late: Callable[[], None] | None = None) -> None:
        """A piece of work is under way; `late` is called once it is late."""
        self.under_way += 1
        if late is not None:
            self._to_tell.add(late)

    def leave(self, late: Callable[[], None] | None = None) -> None:
        """It has ended."""
        self.under_way -= 1
        if late is not None:
            self._to_tell.discard(late)

    def _is_late(self) -> None:
        self._late.set()
        for late in tuple(self._to_tell):
            late()

"""The router's own places for requests: so many under way, a short queue in the order of coming, the rest refused."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from router.admission.draining import Drain
from router.admission.memory import Holding, Memory, current
from router.config.admission import Admission


class Reason(StrEnum):
    """Why a request is not taken."""

    QUEUE_FULL = "queue_full"
    QUEUE_WAIT = "queue_wait"
    MEMORY = "memory"
    DRAINING = "draining"


class Shed(Exception):  # noqa: N818 - an answer to the caller, not a fault
    """A request that is not taken; nothing was done for it."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason = reason


class Left(Exception):  # noqa: N818 - no fault of anybody's
    """The client went away while its request was waiting."""


@dataclass(frozen=True, slots=True, eq=False)
class _Turn:
    """A request in the queue: the bytes it needs at once, and its place when that comes."""

    size: int
    place: asyncio.Future[Holding] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Gate:
    """The places of one process."""

    def __init__(self, limits: Admission, drain: Drain) -> None:
        self.memory = Memory(limits.max_bytes_in_flight)
        self.taken = 0
        self._drain = drain
        self._waiting: deque[_Turn] = deque()
        self.follow(limits)
        self.memory.freed = self._advance

    def follow(self, limits: Admission) -> None:
        """Go by these limits from now on."""
        self._most = limits.max_in_flight
        self._longest = limits.max_queue
        self._patience = limits.queue_wait
        self.memory.most = limits.max_bytes_in_flight
        self._advance()

    @property
    def draining(self) -> bool:
        """Whether it takes nobody any more."""
        return self._drain.begun

    @property
    def queued(self) -> int:
        """How many wait."""
        return len(self._waiting)

    async def enter(self, size: int = 0, left: Callable[[], Awaitable[object]] | None = None) -> Holding:
        """Take a place, and memory for `size` bytes; `leave` gives both back.

        `left` is called where there is a wait, and ends when the client has gone.

        Raises:
            Shed: there is no place, nor one to wait in, or none came free in time.
            Left: the client has gone.
        """
        if self._drain.begun:
            raise Shed(Reason.DRAINING)
        if not self._waiting and self._fits(size):
            return self._take(size)
        if len(self._waiting) >= self._longest:
            raise Shed(Reason.MEMORY if self.taken < self._most else Reason.QUEUE_FULL)
        return await self._queue(_Turn(size), left)

    def leave(self, place: Holding) -> None:
        """Give a place and its memory back, once all who use it have: to whoever has waited longest, if anyone has."""
        place.users -= 1
        if not place.users:
            self.taken -= 1
            place.close()

    def stay(self) -> Callable[[object], None]:
        """Use the current request's place beyond the request's own end; call what this returns to let go of it."""
        place = current.get()
        if place is None or not place.users:
            return _nothing
        place.users += 1
        return lambda _: self.leave(place)

    async def _queue(self, turn: _Turn, left: Callable[[], Awaitable[object]] | None) -> Holding:
        self._waiting.append(turn)
        waiting: set[asyncio.Future[Any]] = {turn.place}
        if left is not None:
            waiting.add(asyncio.ensure_future(left()))
        try:
            await asyncio.wait(waiting, timeout=self._patience, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            if turn.place.done():
                self.leave(turn.place.result())
            raise
        finally:
            if not turn.place.done():
                self._waiting.remove(turn)
                self._advance()
            for watch in waiting - {turn.place}:
                watch.cancel()
        return self._settled(turn.place, waiting)

    def _settled(self, place: asyncio.Future[Holding], waited: set[asyncio.Future[Any]]) -> Holding:
        """What became of a wait that is over."""
        if not place.done():
            if any(watch.done() for watch in waited):
                raise Left
            raise Shed(Reason.MEMORY if self.taken < self._most else Reason.QUEUE_WAIT)
        if self._drain.begun:
            self.leave(place.result())
            raise Shed(Reason.DRAINING)
        return place.result()

    def _fits(self, size: int) -> bool:
        return self.taken < self._most and self.memory.has_room(size)

    def _take(self, size: int) -> Holding:
        self.taken += 1
        return self.memory.holding(size)

    def _advance(self) -> None:
        """Let in whoever has waited longest, while there is room for them."""
        while self._waiting and self._fits(self._waiting[0].size):
            turn = self._waiting.popleft()
            turn.place.set_result(self._take(turn.size))


def _nothing(_: object) -> None:
    """Let go of no place."""

"""The budget of bytes in memory: what each request holds is counted, and whoever would exceed it waits.

A request counts what it reads and goes on while there is room. Without room one request at a time may go on, the
oldest of those that wait, so that there is always one that ends and makes room for the next.
"""

import asyncio
from collections.abc import Callable
from contextvars import ContextVar
from itertools import count

STALL = 5.0
"""Seconds without any progress after which another request may go on beside the one that does not."""


class Memory:
    """The bytes that all requests hold. `freed` is called when there are fewer."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.used = 0
        self.freed: Callable[[], object] | None = None
        self._numbers = count()
        self._waiting: dict[asyncio.Future[None], Holding] = {}
        self._favoured: Holding | None = None
        self._moved = 0.0

    def holding(self, size: int = 0) -> "Holding":
        """The account of a new request, which holds so many bytes from the start."""
        self.used += size
        return Holding(self, next(self._numbers), size)

    def has_room(self, size: int) -> bool:
        """Whether so many bytes more are within the budget; one request alone is, whatever its size."""
        return self.used + size <= self.most or not self.used

    def take(self, size: int) -> bool:
        """Count so many bytes more; whether they are within the budget."""
        self.used += size
        if self.used > self.most:
            return False
        if self._waiting:
            self._wake()
        return True

    def give(self, size: int) -> None:
        """Count so many bytes fewer."""
        self.used -= size
        if self._waiting:
            self._moved = asyncio.get_running_loop().time()
            if self.used <= self.most:
                self._wake()
        if self.freed is not None:
            self.freed()

    async def wait(self, holding: "Holding") -> None:
        """Return once the holder may go on."""
        loop = asyncio.get_running_loop()
        while self.used > self.most and not self._favours(holding, loop.time()):
            turn: asyncio.Future[None] = loop.create_future()
            self._waiting[turn] = holding
            try:
                await asyncio.wait((turn,), timeout=STALL)
            finally:
                self._waiting.pop(turn, None)

    def forget(self, holding: "Holding") -> None:
        """A request has ended: if it was the one that may go on, another is."""
        if self._favoured is holding:
            self._favoured = None
        if self._favoured is None and self._waiting:
            self._wake()

    def _favours(self, holding: "Holding", now: float) -> bool:
        if self._favoured is None or (self._favoured is not holding and now - self._moved >= STALL):
            self._favoured = min((holding, *self._waiting.values()), key=_number)
            self._moved = now
            if self._favoured is not holding:
                self._wake()
        if self._favoured is not holding:
            return False
        self._moved = now
        return True

    def _wake(self) -> None:
        """Let the oldest look again whether it may go on, in all that it reads side by side; it lets on the next."""
        oldest = min(self._waiting.values(), key=_number)
        for turn in [turn for turn, holding in self._waiting.items() if holding is oldest]:
            del self._waiting[turn]
            if not turn.done():
                turn.set_result(None)


class Holding:
    """What one request holds. The lower its `number`, the longer it has been here; `users` share its place."""

    __slots__ = ("_memory", "_size", "number", "users")

    def __init__(self, memory: Memory, number: int, size: int) -> None:
        self._memory: Memory | None = memory
        self._size = size
        self.number = number
        self.users = 1

    def add(self, size: int) -> bool:
        """Count bytes that were just read; whether to read on at once, else after `room`."""
        if self._memory is None:
            return True
        self._size += size
        return self._memory.take(size)

    async def room(self) -> None:
        """Return once there is room to read on."""
        if self._memory is not None:
            await self._memory.wait(self)

    def drop(self, size: int) -> None:
        """So many bytes are held no more; even if there were none, what holds them is read no further."""
        if self._memory is not None:
            self._size -= size
            self._memory.give(size)

    def drop_all(self) -> None:
        """Nothing is held any more, but something may be again."""
        self.drop(self._size)

    def close(self) -> None:
        """The request has ended; what is read in its name from now on is not counted."""
        memory, self._memory = self._memory, None
        if memory is not None:
            memory.forget(self)
            memory.give(self._size)


current: ContextVar[Holding | None] = ContextVar("current_holding", default=None)
"""What the request at hand holds; None outside any."""


def _number(holding: Holding) -> int:
    return holding.number

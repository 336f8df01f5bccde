"""A shared store that may be lost: this process goes on with its own memory, and carries over what it wrote there."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from router.state.base import StateLost, StateStore
from router.state.memory import MemoryStore

T = TypeVar("T")
OnChange = Callable[[bool, str], None]
OnAnswer = Callable[[float], None]

_MOST: Final = 50_000  # entries remembered for the day the store is lost
_PROBE: Final = "state:probe"


@dataclass(frozen=True, slots=True)
class _Change:
    """An entry changed while the store was lost: it was `base` there, and counts only if it still is, or by `force`."""

    base: bytes | None
    force: bool
    deleted: bool


def unheard(up: bool, reason: str) -> None:  # noqa: FBT001 - the shape of a listener
    """Nobody listens."""


def untimed(seconds: float) -> None:
    """Nobody counts."""


class DegradingStore:
    """Asks the shared store; from its first failure until a probe finds it well, only this process's memory.

    The memory knows what this process wrote, so that its claims, their ends and its sums hold while the store is away.
    What the store holds from others is out of sight meanwhile. Nothing here raises `StateLost`.
    """

    def __init__(
        self,
        shared: StateStore,
        on_change: OnChange = unheard,
        clock: Callable[[], float] = time.monotonic,
        pause: float = 1.0,
        on_answer: OnAnswer = untimed,
    ) -> None:
        """`on_change` hears whether the store is up, and why; `pause` is the seconds between probes.

        `on_answer` hears how many seconds each question to the shared store took.
        """
        self.up = True
        self._shared = shared
        self._own = MemoryStore(clock, _MOST)
        self._on_change = on_change
        self._on_answer = on_answer
        self._pause = pause
        self._changes: dict[str, _Change] = {}
        self._amounts: dict[str, int] = {}
        self._mending: asyncio.Task[None] | None = None

    async def get(self, key: str) -> bytes | None:
        """An entry; None where there is none."""
        try:
            value = await self._ask(lambda: self._shared.get(key))
        except StateLost:
            return self._own.read(key)
        self._correct(key, value)
        return value

    async def put(self, key: str, value: bytes, ttl: float) -> None:
        """Write an entry, whatever was there."""
        try:
            await self._ask(lambda: self._shared.put(key, value, ttl))
        except StateLost:
            self._note(key, None, force=True)
        self._own.write(key, value, ttl)

    async def claim(self, key: str, value: bytes, ttl: float) -> bytes | None:
        """Write an entry unless there is one: None for the one winner, the entry that is there for all others.

        While the store is lost, there is one winner in each process.
        """
        try:
            there = await self._ask(lambda: self._shared.claim(key, value, ttl))
        except StateLost:
            there = await self._own.claim(key, value, ttl)
            if there is None:
                self._note(key, None)
            return there
        if there is None:
            self._own.write(key, value, ttl)
        else:
            self._correct(key, there)
        return there

    async def replace(self, key: str, old: bytes, new: bytes | None, ttl: float) -> bool:
        """Write `new`, or delete for None, only where the entry is still `old`; whether it was."""
        try:
            done = await self._ask(lambda: self._shared.replace(key, old, new, ttl))
        except StateLost:
            done = await self._own.replace(key, old, new, ttl)
            if done:
                self._note(key, old, deleted=new is None)
            return done
        self._own.write(key, new if done else None, ttl)
        return done

    async def delete(self, key: str) -> None:
        """Forget an entry."""
        try:
            await self._ask(lambda: self._shared.delete(key))
        except StateLost:
            self._note(key, None, force=True, deleted=True)
        self._own.write(key, None, 0)

    async def add(self, key: str, amount: int, ttl: float, limit: int | None = None) -> int | None:
        """Add to a counter and tell its new value; None, and nothing added, where that would exceed `limit`.

        While the store is lost, a counter goes on from where this process last saw it.
        """
        try:
            total = await self._ask(lambda: self._shared.add(key, amount, ttl, limit))
        except StateLost:
            total = await self._own.add(key, amount, ttl, limit)
            if total is not None:
                self._amounts[key] = self._amounts.get(key, 0) + amount
                _trim(self._amounts)
            return total
        if total is not None:
            self._own.set_counter(key, total, ttl)
        return total

    async def entries(self, prefix: str) -> Mapping[str, bytes]:
        """Every entry, not counters, whose key begins with `prefix`."""
        try:
            return await self._ask(lambda: self._shared.entries(prefix))
        except StateLost:
            return await self._own.entries(prefix)

    async def aclose(self) -> None:
        """End the probes and close the store."""
        if self._mending is not None:
            self._mending.cancel()
            with suppress(asyncio.CancelledError):
                await self._mending
        await self._shared.aclose()

    async def _ask(self, call: Callable[[], Awaitable[T]]) -> T:
        """Ask the shared store, unless it is known to be lost."""
        if not self.up:
            raise StateLost("The shared state is lost.")
        started = time.perf_counter()
        try:
            return await call()
        except StateLost as lost:
            self._lose(str(lost))
            raise
        finally:
            self._on_answer(time.perf_counter() - started)

    def _correct(self, key: str, value: bytes | None) -> None:
        """Do not remember what others have changed since."""
        if self._own.read(key) != value:
            self._own.write(key, None, 0)

    def _note(self, key: str, base: bytes | None, *, force: bool = False, deleted: bool = False) -> None:
        """Remember to carry an entry over: of several changes the first knows what was there, the last what is."""
        first = self._changes.pop(key, None)
        if first is not None:
            base, force = first.base, first.force or force
        self._changes[key] = _Change(base, force, deleted)
        _trim(self._changes)

    def _lose(self, reason: str) -> None:
        if self.up:
            self.up = False
            self._mending = asyncio.create_task(self._mend())
            self._on_change(False, reason)  # noqa: FBT003 - the shape of a listener

    async def _mend(self) -> None:
        """Probe until the store takes a write, give it what was written meanwhile, and use it again."""
        while not self.up:
            await asyncio.sleep(self._pause)
            # A write: a store that is full, or a replica, answers every read.
            with suppress(StateLost):
                await self._shared.put(_PROBE, b"", 60)
                await self._carry_over()
                self.up = True
                self._on_change(True, "The shared state answers again.")  # noqa: FBT003 - the shape of a listener

    async def _carry_over(self) -> None:
        """Until nothing is left: requests go on meanwhile."""
        while self._changes or self._amounts:
            if self._changes:
                await self._carry_entry(next(iter(self._changes)))
            else:
                await self._carry_amount(next(iter(self._amounts)))

    async def _carry_entry(self, key: str) -> None:
        change = self._changes.pop(key)
        held = self._own.look(key)
        if held is None and not change.deleted:
            return  # it has ended, or made room for others
        value, ttl = (None, 0.0) if held is None else (held.value, held.ttl)
        try:
            taken = await self._offer(key, change, value, ttl)
        except StateLost:
            later = self._changes.get(key, change)
            self._changes[key] = _Change(change.base, change.force or later.force, later.deleted)
            raise
        if not taken and self._own.read(key) == value:
            self._own.write(key, None, 0)

    async def _offer(self, key: str, change: _Change, value: bytes | None, ttl: float) -> bool:
        """Write one entry, or its deletion, to the shared store, unless another process has changed it since."""
        store, base = self._shared, change.base
        if change.force:
            await (store.delete(key) if value is None else store.put(key, value, ttl))
            return True
        if base is not None and await store.replace(key, base, value, ttl):
            return True
        return value is None or await store.claim(key, value, ttl) in {None, value}

    async def _carry_amount(self, key: str) -> None:
        amount = self._amounts.pop(key)
        ttl = self._own.counter_ttl(key)
        if not ttl:
            return
        try:
            total = await self._shared.add(key, amount, ttl)
        except StateLost:
            self._amounts[key] = self._amounts.get(key, 0) + amount
            raise
        if total is not None:
            self._own.set_counter(key, total + self._amounts.get(key, 0), ttl)


def _trim(table: dict[str, Any]) -> None:
    """However long the store is away, no more is remembered of it than has room: the oldest goes."""
    if len(table) > _MOST:
        del table[next(iter(table))]

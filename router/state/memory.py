"""A store in this process: dictionaries whose entries end by a clock."""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from heapq import heapify, heappop, heappush

_AT_ONCE = 16  # ended entries that one write removes, so that no write takes long
_NOTHING: tuple[None, float] = (None, -math.inf)


@dataclass(frozen=True, slots=True)
class Held:
    """An entry, and the seconds it has left."""

    value: bytes
    ttl: float


class MemoryStore:
    """What this process alone sees. With `most`, the entries written first make room for new ones."""

    up = True  # nothing here can be lost but the process itself

    def __init__(self, clock: Callable[[], float] = time.monotonic, most: int | None = None) -> None:
        self._clock = clock
        self._most = most
        self._entries: dict[str, tuple[bytes, float]] = {}
        self._counters: dict[str, tuple[int, float]] = {}
        self._ends: list[tuple[float, str]] = []

    async def get(self, key: str) -> bytes | None:
        """An entry; None where there is none."""
        return self.read(key)

    async def put(self, key: str, value: bytes, ttl: float) -> None:
        """Write an entry, whatever was there."""
        self.write(key, value, ttl)

    async def claim(self, key: str, value: bytes, ttl: float) -> bytes | None:
        """Write an entry unless there is one: None for the one winner, the entry that is there for all others."""
        there = self.read(key)
        if there is None:
            self.write(key, value, ttl)
        return there

    async def replace(self, key: str, old: bytes, new: bytes | None, ttl: float) -> bool:
        """Write `new`, or delete for None, only where the entry is still `old`; whether it was."""
        if self.read(key) != old:
            return False
        self.write(key, new, ttl)
        return True

    async def delete(self, key: str) -> None:
        """Forget an entry."""
        self.write(key, None, 0)

    async def add(self, key: str, amount: int, ttl: float, limit: int | None = None) -> int | None:
        """Add to a counter and tell its new value; None, and nothing added, where that would exceed `limit`."""
        total = self.count(key) + amount
        if limit is not None and total > limit:
            return None
        if amount:
            self.set_counter(key, total, ttl)
        return total

    async def entries(self, prefix: str) -> Mapping[str, bytes]:
        """Every entry, not counters, whose key begins with `prefix`."""
        now = self._clock()
        return {key: value for key, (value, end) in self._entries.items() if end > now and key.startswith(prefix)}

    async def aclose(self) -> None:
        """Nothing is open."""

    def read(self, key: str) -> bytes | None:
        """`get`, at once."""
        value, end = self._entries.get(key, _NOTHING)
        return value if end > self._clock() else None

    def look(self, key: str) -> Held | None:
        """An entry with the time it has left."""
        value, end = self._entries.get(key, _NOTHING)
        left = end - self._clock()
        return Held(value, left) if value is not None and left > 0 else None

    def write(self, key: str, value: bytes | None, ttl: float) -> None:
        """`put`, at once; `delete` for None."""
        if self._entries.pop(key, None) is None and value is not None and len(self._entries) == self._most:
            del self._entries[next(iter(self._entries))]
        if value is not None:
            end = self._clock() + ttl
            self._entries[key] = (value, end)
            self._note_end(end, key)

    def count(self, key: str) -> int:
        """What a counter stands at."""
        held = self._counters.get(key)
        return held[0] if held is not None and held[1] > self._clock() else 0

    def counter_ttl(self, key: str) -> float:
        """The seconds a counter has left; 0 where there is none."""
        held = self._counters.get(key)
        return max(0.0, held[1] - self._clock()) if held is not None else 0.0

    def set_counter(self, key: str, total: int, ttl: float) -> None:
        """Say what a counter stands at. `ttl` is for a new one: the end of one that is there stays."""
        left = self.counter_ttl(key)
        end = self._counters[key][1] if left else self._clock() + ttl
        self._counters[key] = (total, end)
        if not left:
            self._note_end(end, key)

    def _note_end(self, end: float, key: str) -> None:
        """Remember when a key ends, and remove a few that have."""
        heappush(self._ends, (end, key))
        now = self._clock()
        for _ in range(_AT_ONCE):
            if self._ends[0][0] > now:
                break
            _, over = heappop(self._ends)
            for table in (self._entries, self._counters):
                if over in table and table[over][1] <= now:
                    del table[over]
            if not self._ends:
                break
        # A key written again and again leaves an end for each time.
        if len(self._ends) > 2 * (len(self._entries) + len(self._counters)) + _AT_ONCE:
            self._ends = [(held[1], name) for table in (self._entries, self._counters) for name, held in table.items()]
            heapify(self._ends)

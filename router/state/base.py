"""The store protocol: small entries that all workers see, each with a time to live."""

from collections.abc import Mapping
from typing import Protocol


class StateLost(Exception):  # noqa: N818 - a condition of the store, not a fault of the caller
    """The store does not answer, or not in time."""


class StateStore(Protocol):
    """Small entries by key. Values are bytes, `ttl` is seconds from now; what has expired is not there.

    Every method is atomic over all who share the store, and raises `StateLost` where the store cannot be reached
    within a fifth of a second. A call that was lost may still have been done. An entry and a counter of the same key
    do not know of each other.
    """

    async def get(self, key: str) -> bytes | None:
        """An entry; None where there is none."""

    async def put(self, key: str, value: bytes, ttl: float) -> None:
        """Write an entry, whatever was there."""

    async def claim(self, key: str, value: bytes, ttl: float) -> bytes | None:
        """Write an entry unless there is one: None for the one winner, the entry that is there for all others."""

    async def replace(self, key: str, old: bytes, new: bytes | None, ttl: float) -> bool:
        """Write `new`, or delete for None, only where the entry is still `old`; whether it was."""

    async def delete(self, key: str) -> None:
        """Forget an entry."""

    async def add(self, key: str, amount: int, ttl: float, limit: int | None = None) -> int | None:
        """Add to a counter and tell its new value; None, and nothing added, where that would exceed `limit`.

        A counter begins at 0, and its time to live with its first amount; later ones do not prolong it.
        """

    async def entries(self, prefix: str) -> Mapping[str, bytes]:
        """Every entry, not counters, whose key begins with `prefix`."""

    async def aclose(self) -> None:
        """Let go of connections and files."""

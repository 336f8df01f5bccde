"""The cache that callers ask for: an earlier answer to the same request, and one call for all that ask at once."""

import asyncio
import contextlib
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from router.images.store import PictureStore, StoreFailed
from router.messages.response import Rendered
from router.replay.answers import Kept, body_of, keep
from router.replay.lease import Lease
from router.state.base import StateStore

_ENTRY = "cache/entry/"
_LEADER = "cache/leader/"
_LEADS = 3600.0  # seconds after which a leader is forgotten that neither ended nor died
_LOOKS = 0.1  # seconds between two looks for another worker's answer

Make = Callable[[], Awaitable[tuple[Rendered, float]]]
"""Makes an answer, and says for how many seconds it may be given again."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked of the cache: an answer no older than `ttl` seconds; its caller waits until `deadline`."""

    key: str
    ttl: float
    request_id: str
    deadline: float


class _Entry(msgspec.Struct, frozen=True):
    """An answer up to where its pictures end, and what follows them."""

    pictures: Kept
    tail: dict[str, Any]


_read: Callable[[bytes], _Entry] = msgspec.json.Decoder(_Entry).decode


class Cache:
    """The kept answers of all callers. `count` is told how each request was served."""

    def __init__(self, state: StateStore, lease: Lease, count: Callable[[str], None]) -> None:
        self._state = state
        self._lease = lease
        self._count = count
        self._leading: dict[str, asyncio.Event] = {}

    async def answer(self, wanted: Wanted, store: PictureStore, make: Make) -> Rendered:
        """A kept answer, that of who asks for the same now, or one made by `make` and kept."""
        found = await self._kept(wanted, store)
        if found is None and (ahead := self._leading.get(wanted.key)) is not None:
            await _until(wanted.deadline, ahead.wait())
            found = await self._kept(wanted, store)
        if found is not None:
            return found
        if wanted.key in self._leading:
            return await self._made(wanted, store, make)
        self._leading[wanted.key] = over = asyncio.Event()
        try:
            return await self._led(wanted, store, make)
        finally:
            del self._leading[wanted.key]
            over.set()

    async def _led(self, wanted: Wanted, store: PictureStore, make: Make) -> Rendered:
        """The first of this worker: unless another worker is at it, make it for all."""
        await self._lease.ensure()
        place, mine = _LEADER + wanted.key, f"{self._lease.worker} {secrets.token_hex(4)}".encode()
        if await self._state.claim(place, mine, _LEADS) is not None:
            await _until(wanted.deadline, self._others(place))
            found = await self._kept(wanted, store)
            return found or await self._made(wanted, store, make)
        try:
            # who led before may have ended between our look and our claim
            found = await self._kept(wanted, store)
            return found or await self._made(wanted, store, make)
        finally:
            await self._state.replace(place, mine, None, 0)

    async def _others(self, place: str) -> None:
        """Wait until the worker that leads has ended or died."""
        while (leader := await self._state.get(place)) is not None:
            if not await self._lease.lives(leader.decode().partition(" ")[0]):
                await self._state.replace(place, leader, None, 0)
                return
            await asyncio.sleep(_LOOKS)

    async def _made(self, wanted: Wanted, store: PictureStore, make: Make) -> Rendered:
        answer, life = await make()
        self._count("miss")
        answer.headers["x-router-cache"] = "MISS"
        seconds = min(wanted.ttl, life)
        if seconds > 0:
            with contextlib.suppress(StoreFailed):  # what cannot be kept is made again
                await self._keep(wanted.key, answer, seconds, store)
        return answer

    async def _keep(self, key: str, answer: Rendered, seconds: float, store: PictureStore) -> None:
        *pictures, last = answer.pieces
        kept = await keep(store, pictures, seconds, status=answer.status, headers=answer.headers)
        entry = _Entry(kept, msgspec.json.decode(b"{" + bytes(last).removeprefix(b"],")))
        await self._state.put(_ENTRY + key, msgspec.json.encode(entry), seconds)

    async def _kept(self, wanted: Wanted, store: PictureStore) -> Rendered | None:
        """A kept answer as one that cost nothing; None where there is none."""
        raw = await self._state.get(_ENTRY + wanted.key)
        if raw is None:
            return None
        entry = _read(raw)
        try:
            pictures = await body_of(entry.pictures, store)
        except StoreFailed:
            return None
        self._count("hit")
        headers = {
            **entry.pictures.headers,
            "x-router-cache": "HIT",
            "x-router-cost-usd": "0",
            "x-router-attempts": "0",
        }
        tail = entry.tail
        tail["usage"]["cost"] = 0
        if "router" in tail:
            tail["router"] |= {"request_id": wanted.request_id, "attempts": []}
        return Rendered(entry.pictures.status, (pictures, b"]," + msgspec.json.encode(tail)[1:]), headers)


async def _until(deadline: float, waiting: Awaitable[object]) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout_at(deadline):
            await waiting

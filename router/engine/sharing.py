"""Keeps this worker's book of health in step with the others': what one learns, all know within a second."""

import asyncio
import contextlib
from collections.abc import Callable

import msgspec

from router.health.book import Health, Notice
from router.state.base import StateLost, StateStore

EVERY = 0.25  # seconds between two looks
_PREFIX = "health/"
_PROBE = "probe/"
_GRACE = 60.0  # seconds an open circuit's entry outlives its time, so that its next opening is the longer


class Sharing:
    """What the book tells goes to the store, what the store holds goes to the book. Its `Leases` too.

    Without the store each worker goes by what it knows itself.
    """

    def __init__(self, health: Health, state: StateStore, worker: str) -> None:
        self._health = health
        self._state = state
        self._worker = worker.encode()
        self._news: dict[str, Notice | None] = {}
        self._over: set[str] = set()
        self._held: set[str] = set()
        self._woken = asyncio.Event()
        self._hearing = asyncio.Lock()
        health.tell = self._tell

    async def run(self) -> None:
        """Share for as long as the router runs."""
        while True:
            with contextlib.suppress(StateLost):
                await self.once()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(EVERY):
                    await self._woken.wait()

    async def once(self) -> None:
        """One exchange with the store.

        Raises:
            StateLost: it does not answer; what was to be told waits for the next time.
        """
        self._woken.clear()
        over = tuple(self._over)
        for name, notice in tuple(self._news.items()):
            await self._write(name, notice)
            if self._news.get(name) is notice:
                del self._news[name]
        for name in over:  # after what came of the probe was written: whoever takes the next one reads that
            if name in self._over:
                await self._give_back(name)
        await self._hear()

    async def take(self, target: str, seconds: float) -> bool:
        """Whether this worker makes the probe of a circuit. It then knows what came of the last one."""
        self._over.discard(target)
        try:
            holder = await self._state.claim(_PROBE + target, self._worker, seconds)
            if holder is not None and (holder != self._worker or target in self._held):
                return False
            self._held.add(target)
            await self._hear()
        except StateLost:
            pass
        return True

    def release(self, target: str) -> None:
        """The probe is over."""
        self._held.discard(target)
        self._over.add(target)
        self._woken.set()

    async def _give_back(self, target: str) -> None:
        self._over.discard(target)
        try:
            await self._state.delete(_PROBE + target)
        except StateLost:
            self._over.add(target)
            raise

    async def _hear(self) -> None:
        async with self._hearing:  # what was read earlier must not be heard later
            found = await self._state.entries(_PREFIX)
            self._health.heard({key.removeprefix(_PREFIX): _read(value) for key, value in found.items()})

    def _tell(self, name: str, notice: Notice | None) -> None:
        self._news[name] = notice
        self._woken.set()

    async def _write(self, name: str, notice: Notice | None) -> None:
        if notice is None:
            await self._state.delete(_PREFIX + name)
        else:
            lives = notice.seconds + (_GRACE if notice.openings else 0.0)
            await self._state.put(_PREFIX + name, msgspec.json.encode(notice), lives)


_reader = msgspec.json.Decoder(Notice)
_read: Callable[[bytes], Notice] = _reader.decode

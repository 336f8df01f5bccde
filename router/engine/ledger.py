"""What may have been paid for: a row in the shared state before each submit, kept where nobody knows how it ended."""

import contextlib
import time
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from providers.base import OutcomeClass
from router.state.base import StateLost, StateStore

BEAT = 5.0  # seconds between two signs of life of a worker
_ALIVE = 3 * BEAT
_KEPT = 24 * 3600.0
_FREE = frozenset({OutcomeClass.NOT_SENT, OutcomeClass.REJECTED})
_OPEN, _DOUBT, _WORKER = "ledger/open/", "ledger/doubt/", "worker/"


class Row(Struct, frozen=True, kw_only=True):
    """One submit. `started` is in seconds of the epoch; `job` is where the backend said its job may be asked for."""

    id: str
    worker: str
    request: str
    caller: str
    target: str
    started: float
    job: str | None = None


@dataclass(slots=True)
class Spending:
    """Whether the work done in one context may be billed: a submit is under way, or was not refused."""

    under_way: int = 0
    spent: bool = False

    @property
    def possible(self) -> bool:
        """Whether doing the work again may cost a second time."""
        return self.spent or self.under_way > 0


spending: ContextVar[Spending | None] = ContextVar("spending", default=None)
"""Where whoever may have to break off what they began can see whether that costs something."""


class Ledger:
    """The rows of one worker, beside those of the others.

    A row is written before a submit and deleted once its end is known; a doubtful end keeps it for a day. What a
    worker leaves open when it dies is found by another.
    """

    def __init__(self, state: StateStore, worker: str, clock: Callable[[], float] = time.time) -> None:
        self.worker = worker
        self._state = state
        self._clock = clock
        self._written = 0
        self._jobs: dict[str, str] = {}

    async def begin(self, request: str, caller: str, target: str) -> Row:
        """Write a row: a submit is about to go out. Without the store, none is kept."""
        self._written += 1
        if (noted := spending.get()) is not None:
            noted.under_way += 1
        row = Row(
            id=f"{self.worker}.{self._written}",
            worker=self.worker,
            request=request,
            caller=caller,
            target=target,
            started=self._clock(),
        )
        await self._put(_OPEN, row)
        return row

    async def accepted(self, row: Row, job: str) -> None:
        """The backend took the work: note where its job can be found."""
        self._jobs[row.id] = job
        await self._put(_OPEN, replace(row, job=job))

    async def end(self, row: Row, outcome: OutcomeClass) -> None:
        """Close a row; one that may have been billed for nothing is kept for whoever compares the bills."""
        if (noted := spending.get()) is not None:
            noted.under_way -= 1
            noted.spent |= outcome not in _FREE
        job = self._jobs.pop(row.id, None)
        with contextlib.suppress(StateLost):
            if outcome is OutcomeClass.AMBIGUOUS:
                await self._put(_DOUBT, replace(row, job=job))
            await self._state.delete(_OPEN + row.id)

    async def alive(self) -> None:
        """A sign of life: open rows of this worker are under way."""
        with contextlib.suppress(StateLost):
            await self._state.put(_WORKER + self.worker, b"1", _ALIVE)

    async def orphans(self) -> list[Row]:
        """Rows that dead workers left open, each told to one worker only: they may have been billed.

        Raises:
            StateLost: the store does not answer.
        """
        found = await self._state.entries(_OPEN)
        if not found:
            return []
        living = {key.removeprefix(_WORKER) for key in await self._state.entries(_WORKER)} | {self.worker}
        orphans = []
        for key, value in found.items():
            row = _read(value)
            if row.worker not in living and await self._state.replace(key, value, None, 0):
                await self._put(_DOUBT, row)
                orphans.append(row)
        return orphans

    async def doubtful(self) -> list[Row]:
        """Every row of the last day that may have been billed for nothing.

        Raises:
            StateLost: the store does not answer.
        """
        return [_read(value) for value in (await self._state.entries(_DOUBT)).values()]

    async def _put(self, place: str, row: Row) -> None:
        with contextlib.suppress(StateLost):
            await self._state.put(place + row.id, msgspec.json.encode(row), _KEPT)


_reader = msgspec.json.Decoder(Row)
_read: Callable[[bytes], Row] = _reader.decode

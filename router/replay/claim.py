"""One execution under an Idempotency-Key: its entry in the state, written by its owner alone."""

import asyncio
from collections.abc import Mapping
from typing import Protocol

import msgspec

from providers.base import ErrorKind, OutcomeClass, ProviderError
from router.engine.follow import Accepted
from router.engine.record import Attempt, Outcome
from router.images.store import PictureStore, StoreFailed
from router.messages.response import Rendered
from router.replay.answers import Kept, keep
from router.state.base import StateStore

NOBODY = ""
"""The worker of an execution that ended in doubt, and whose accepted work anyone may follow up."""

_UNBILLED = frozenset({OutcomeClass.NOT_SENT, OutcomeClass.REJECTED})


class LosableStore(StateStore, Protocol):
    """A state that says whether what others wrote can be seen now."""

    @property
    def up(self) -> bool:
        """Whether it can."""


class Sent(msgspec.Struct, frozen=True, omit_defaults=True):
    """One submit. `work` once it was accepted; `doubt` once it ended without anybody knowing how."""

    work: Accepted | None = None
    doubt: bool = False


class Running(msgspec.Struct, frozen=True, tag="running"):
    """An execution by `worker`; `run` tells it from any other."""

    fingerprint: str
    worker: str
    run: str
    sent: Mapping[str, Sent]


class Finished(msgspec.Struct, frozen=True, tag="finished"):
    """What was answered."""

    fingerprint: str
    answer: Kept


class Unknown(msgspec.Struct, frozen=True, tag="unknown"):
    """Something may have been billed, and there is no answer."""

    fingerprint: str


Entry = Running | Finished | Unknown


class Claim:
    """The right to execute one key; the engine's `Keeper`.

    Every submit is written into the entry before it goes out, and the entry is only ever replaced by who wrote it last:
    an owner that was thought dead and was relieved can send nothing more.
    """

    def __init__(self, state: StateStore, place: str, entry: Running, seconds: float) -> None:
        self.left = tuple(sent.work for sent in entry.sent.values() if sent.work is not None)
        self._state = state
        self._place = place
        self._entry = entry
        self._raw = msgspec.json.encode(entry)
        self._seconds = seconds
        self._sent = dict(entry.sent)
        self._writing = asyncio.Lock()

    async def sent(self, row: str) -> None:
        """A submit is about to go out.

        Raises:
            ProviderError: another worker has taken over, or this one only follows up what may be billed already.
        """
        if self.left or not await self._note(row, Sent()):
            words = "nothing more is sent under this Idempotency-Key: what was sent before may have been billed"
            raise ProviderError(ErrorKind.UNAVAILABLE, words, outcome=OutcomeClass.NOT_SENT, status=503)

    async def accepted(self, row: str, work: Accepted) -> None:
        """A submit was taken."""
        await self._note(row, Sent(work))

    async def ended(self, row: str, outcome: OutcomeClass) -> None:
        """A submit failed. Work that was accepted stays, unless the backend said that it came to nothing."""
        there = self._sent.get(row)
        if there is None:
            return
        if outcome is not OutcomeClass.AMBIGUOUS:
            await self._note(row, None)
        elif there.work is None:
            await self._note(row, Sent(doubt=True))

    async def close(self, answer: Rendered, outcome: Outcome | None, store: PictureStore) -> None:
        """The end: what was or may have been billed holds the key, anything else gives it back.

        Raises:
            StoreFailed: the answer could not be kept, so the key is held without one.
        """
        if outcome is not None and not outcome.deliveries:
            if all(map(_unbilled, outcome.attempts)):
                await self.release()
                return
            if any(attempt.outcome is OutcomeClass.AMBIGUOUS for attempt in outcome.attempts):
                await self.hold()
                return
        try:
            kept = await keep(
                store,
                answer.pieces,
                self._seconds,
                status=answer.status,
                headers=answer.headers,
                error=answer.error,
            )
        except StoreFailed:
            await self.hold()
            raise
        await self._write(Finished(self._entry.fingerprint, kept))

    async def release(self) -> None:
        """Nothing was billed: the key is as if it had never been used."""
        async with self._writing:
            await self._state.replace(self._place, self._raw, None, 0)

    async def hold(self) -> None:
        """Nobody knows what was billed: who comes next may follow up what was accepted, and nothing else."""
        if any(sent.work is not None for sent in self._sent.values()):
            await self._write(msgspec.structs.replace(self._entry, worker=NOBODY, sent=self._sent))
        elif self._sent:
            await self._write(Unknown(self._entry.fingerprint))
        else:
            await self.release()

    async def _note(self, row: str, sent: Sent | None) -> bool:
        if sent is None:
            del self._sent[row]
        else:
            self._sent[row] = sent
        return await self._write(msgspec.structs.replace(self._entry, sent=self._sent))

    async def _write(self, entry: Entry) -> bool:
        """Replace the entry; whether it was still ours. One that the store has forgotten is written anew."""
        async with self._writing:
            raw = msgspec.json.encode(entry)
            ours = await self._state.replace(self._place, self._raw, raw, self._seconds)
            if not ours and await self._state.get(self._place) is None:
                ours = await self._state.claim(self._place, raw, self._seconds) is None
            if ours:
                self._raw = raw
            return ours


def _unbilled(attempt: Attempt) -> bool:
    if attempt.outcome is OutcomeClass.FAILED:
        return not attempt.target.provider.adapter.failed_is_billed
    return attempt.outcome in _UNBILLED

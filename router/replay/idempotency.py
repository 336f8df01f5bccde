"""Idempotency keys: at most one execution of each among all workers, and its answer for whoever asks again."""

import re
import secrets
from collections.abc import Callable

import msgspec

from router.config.replay import Idempotency, WithoutState
from router.images.store import NotStored, PictureStore, StoreFailed
from router.messages.errors import Refused
from router.messages.response import Rendered
from router.replay.answers import Kept, body_of
from router.replay.claim import Claim, Entry, Finished, LosableStore, Running, Sent, Unknown
from router.replay.lease import Lease

HEADER = "idempotency-key"
_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_PLACE = "idempotency/"
_LOST = "the state that workers share cannot be reached"
_read: Callable[[bytes], Entry] = msgspec.json.Decoder(Entry).decode


def read_key(text: str | None) -> str | None:
    """The key in a header's text; None where there is no header.

    Raises:
        Refused: 400 `invalid_value`.
    """
    if text is not None and not _KEY.fullmatch(text):
        words = "Idempotency-Key: 1 to 255 visible ASCII characters are needed, without spaces"
        raise Refused(400, "invalid_value", words, param="Idempotency-Key")
    return text


class Keys:
    """The keys of all callers, in the shared state. `count` is told how each request with a key began."""

    def __init__(self, state: LosableStore, lease: Lease, count: Callable[[str], None]) -> None:
        self._state = state
        self._lease = lease
        self._count = count

    async def begin(self, scope: str, fingerprint: str, settings: Idempotency) -> Claim | Kept:
        """The right to execute, or what was answered before.

        Raises:
            Refused: 409 while it runs or where its outcome is unknown, 422 for another request, 503 without the state.
        """
        await self._lease.ensure()
        place = _PLACE + scope
        mine = Running(fingerprint, self._lease.worker, secrets.token_hex(8), {})
        raw = msgspec.json.encode(mine)
        there = await self._state.claim(place, raw, settings.keep)
        if self._is_blind(settings):
            if there is None:
                await self._state.replace(place, raw, None, 0)
            raise self._refused("unavailable", _unavailable(_LOST))
        if there is None:
            self._count("new")
            return Claim(self._state, place, mine, settings.keep)
        entry = _read(there)
        if entry.fingerprint != fingerprint:
            raise self._refused("reused", _reused())
        if isinstance(entry, Finished):
            return entry.answer
        if isinstance(entry, Unknown):
            raise self._refused("unknown", _unknown())
        if await self._lease.lives(entry.worker):
            raise self._refused("in_progress", _in_progress())
        if self._is_blind(settings):  # lost since: its owner's lease cannot be seen either
            raise self._refused("unavailable", _unavailable(_LOST))
        return await self._taken_over(place, there, entry, settings)

    async def replayed(self, kept: Kept, store: PictureStore) -> Rendered:
        """An answer as it went out the first time.

        Raises:
            Refused: 409 or 503, it cannot be read.
        """
        try:
            body = await body_of(kept, store)
        except NotStored:
            raise self._refused("unknown", _unknown()) from None
        except StoreFailed:
            raise self._refused("unavailable", _unavailable("the kept result cannot be read now")) from None
        self._count("replayed")
        return Rendered(kept.status, (body,), {**kept.headers, "idempotent-replayed": "true"}, kept.error)

    async def _taken_over(self, place: str, there: bytes, entry: Running, settings: Idempotency) -> Claim:
        """The claim of a worker that died: executed anew where nothing was sent, followed up where it was accepted.

        Whatever else was sent may be billed, and nobody can ask for it any more.
        """
        sent = entry.sent.values()
        if any(map(_open, sent)) or (any(each.doubt for each in sent) and not any(each.work for each in sent)):
            raise self._refused("unknown", _unknown())
        mine = Running(entry.fingerprint, self._lease.worker, secrets.token_hex(8), entry.sent)
        if not await self._state.replace(place, there, msgspec.json.encode(mine), settings.keep):
            raise self._refused("in_progress", _in_progress())
        self._count("resumed" if entry.sent else "new")
        return Claim(self._state, place, mine, settings.keep)

    def _is_blind(self, settings: Idempotency) -> bool:
        return not self._state.up and settings.when_state_is_down is WithoutState.REFUSE

    def _refused(self, result: str, refused: Refused) -> Refused:
        self._count(result)
        return refused


def _open(sent: Sent) -> bool:
    return sent.work is None and not sent.doubt


def _in_progress() -> Refused:
    words = "a request with this Idempotency-Key is still under way; ask again in a moment for its result"
    return Refused(409, "idempotency_in_progress", words, retry_after=1.0, should_retry=True)


def _unknown() -> Refused:
    words = (
        "an earlier request with this Idempotency-Key may have been billed, and its result is not known; "
        "to have the picture made at the risk of paying twice, ask with another key"
    )
    return Refused(409, "idempotency_outcome_unknown", words)


def _reused() -> Refused:
    words = "this Idempotency-Key belongs to another request; use a key for one request only"
    return Refused(422, "idempotency_key_reused", words)


def _unavailable(why: str) -> Refused:
    words = f"Idempotency-Key: {why}; ask again in a moment, or without a key"
    return Refused(503, "idempotency_unavailable", words, type="server_error", retry_after=1.0, should_retry=True)

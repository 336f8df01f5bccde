"""Who calls: keys by their digest, each with the models it may use, and how much."""

import hashlib
import math
import secrets
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from fnmatch import fnmatchcase
from hmac import compare_digest

from router.config.allowance import Budget, Limits
from router.config.keys import StoredKey
from router.config.model import Server
from router.messages.errors import Refused

_ID = slice(4, 12)  # of irk_<id>_<secret>


@dataclass(frozen=True, slots=True)
class Caller:
    """A key's owner, the patterns of the model IDs it may use, and whether it may ask what would be done, or watch."""

    name: str
    models: tuple[str, ...] = ("*",)
    limits: Limits = field(default_factory=Limits)
    budget: Budget | None = None
    dry_run: bool = False
    watch: bool = False

    def may(self, model: str) -> bool:
        """Whether this caller may use a model."""
        return any(fnmatchcase(model, pattern) for pattern in self.models)


ANYONE = Caller("anyone")
"""The caller of an open router."""


@dataclass(frozen=True, slots=True)
class MadeKey:
    """A key that our command made, by its digest; `expires` in seconds of Unix time."""

    digest: bytes
    caller: Caller
    expires: float = math.inf
    revoked: bool = False

    @classmethod
    def of(cls, stored: StoredKey, caller: Caller) -> "MadeKey":
        """As the file of keys has it."""
        return cls(bytes.fromhex(stored.sha256), caller, _seconds(stored.expires), stored.revoked is not None)


_NO_KEY = MadeKey(secrets.token_bytes(32), ANYONE)
"""What a key is compared with whose id is not known: a guesser then learns nothing of ids by the time it takes."""


class Keys:
    """The keys of one config.

    Args:
        callers: keys in full, each with its owner.
        made: those that our command made, by their id.
        closed: whether a key is needed even while there is none; else none at all leaves the router open.
        now: seconds of Unix time.
    """

    def __init__(
        self,
        callers: Iterable[tuple[str, Caller]],
        made: Mapping[str, MadeKey] | None = None,
        *,
        closed: bool = False,
        now: Callable[[], float] = time.time,
    ) -> None:
        # by digest: a look-up then tells a guesser nothing of the keys by the time it takes
        self._callers = {_digest(key): caller for key, caller in callers}
        self._made = made or {}
        self._closed = closed or bool(self._callers or self._made)
        self._now = now

    @classmethod
    def of(cls, server: Server, stored: Iterable[StoredKey], now: Callable[[], float] = time.time) -> "Keys":
        """The keys of a configuration and of its file of keys; a key there without a name here opens nothing."""
        callers = {
            key.name: Caller(key.name, key.models, key.limits, key.budget, key.dry_run, key.watch)
            for key in server.keys
        }
        given = ((key.key.reveal(), callers[key.name]) for key in server.keys if key.key is not None)
        made = {each.id: MadeKey.of(each, callers[each.name]) for each in stored if each.name in callers}
        return cls(given, made, closed=bool(server.keys), now=now)

    @property
    def closed(self) -> bool:
        """Whether a key is needed."""
        return self._closed

    @property
    def callers(self) -> Sequence[Caller]:
        """Everyone who may call, once each."""
        if not self._closed:
            return [ANYONE]
        owners = (*self._callers.values(), *(each.caller for each in self._made.values()))
        return list({each.name: each for each in owners}.values())

    def caller(self, authorization: str | None) -> Caller:
        """Who sent this `Authorization` header.

        Raises:
            Refused: 401, without a bearer key, or with one that is not known or has ended.
        """
        if not self._closed:
            return ANYONE
        scheme, _, key = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not key.strip():
            raise Refused(
                401,
                "authentication_required",
                "a key is required: send it as 'Authorization: Bearer <key>'",
            )
        digest = _digest(key)
        made = self._made.get(key[_ID], _NO_KEY)
        if compare_digest(digest, made.digest):
            return self._living(made)
        caller = self._callers.get(digest)
        if caller is None:
            raise Refused(401, "invalid_api_key", "this key is not known here: check it, or ask who runs this router")
        return caller

    def _living(self, made: MadeKey) -> Caller:
        if made.revoked:
            raise Refused(401, "invalid_api_key", "this key was revoked: ask who runs this router for another")
        if self._now() >= made.expires:
            ended = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(made.expires))
            words = f"this key ended at {ended} UTC: ask who runs this router for another"
            raise Refused(401, "expired_api_key", words)
        return made.caller


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()


def _seconds(moment: datetime | None) -> float:
    return math.inf if moment is None else moment.timestamp()

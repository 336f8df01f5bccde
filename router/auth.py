"""Who calls: keys by their digest, each with the models it may use."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from router.messages.errors import Refused


@dataclass(frozen=True, slots=True)
class Caller:
    """A key's owner, and the patterns of the model IDs it may use."""

    name: str
    models: tuple[str, ...] = ("*",)

    def may(self, model: str) -> bool:
        """Whether this caller may use a model."""
        return any(fnmatchcase(model, pattern) for pattern in self.models)


ANYONE = Caller("anyone")
"""The caller of an open router."""


class Keys:
    """The keys of one config; none at all leaves the router open."""

    def __init__(self, callers: Iterable[tuple[str, Caller]]) -> None:
        # by digest: a look-up then tells a guesser nothing of the keys by the time it takes
        self._callers = {_digest(key): caller for key, caller in callers}

    def caller(self, authorization: str | None) -> Caller:
        """Who sent this `Authorization` header.

        Raises:
            Refused: 401, without a bearer key or with one that is not known.
        """
        if not self._callers:
            return ANYONE
        scheme, _, key = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not key.strip():
            raise Refused(
                401,
                "authentication_required",
                "a key is required: send it as 'Authorization: Bearer <key>'",
            )
        caller = self._callers.get(_digest(key))
        if caller is None:
            raise Refused(401, "invalid_api_key", "this key is not known here: check it, or ask who runs this router")
        return caller


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()

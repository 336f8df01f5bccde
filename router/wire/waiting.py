"""How long a request waits for others, and how often it asks them how they get on: what is left is the router's own.

Both are noted where the waiting happens, in whatever the context of the request holds for it.
"""

import asyncio
from contextvars import ContextVar
from types import TracebackType


class Waiting:
    """The time in which one request waits for at least one other party: a context to enter around each wait."""

    __slots__ = ("_count", "_loop", "_since", "seconds")

    def __init__(self) -> None:
        self.seconds = 0.0
        self._loop = asyncio.get_running_loop()
        self._count = 0
        self._since = 0.0

    def __enter__(self) -> None:
        """A wait begins."""
        if not self._count:
            self._since = self._loop.time()
        self._count += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """It is over; time in which several waited counts once."""
        self._count -= 1
        if not self._count:
            self.seconds += self._loop.time() - self._since


class Polls:
    """How often one attempt has asked how its work gets on."""

    __slots__ = ("count",)

    def __init__(self) -> None:
        self.count = 0


class _Nobody:
    """Where nobody wants to know."""

    def __enter__(self) -> None:
        """A wait begins."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """It is over."""


_NOBODY = _Nobody()
noted: ContextVar[Waiting | None] = ContextVar("waiting", default=None)
"""The request whose waits these are."""

polls: ContextVar[Polls | None] = ContextVar("polls", default=None)
"""The attempt whose polls these are."""


def waiting() -> Waiting | _Nobody:
    """A context for one wait."""
    return noted.get() or _NOBODY


async def pausing(seconds: float) -> None:
    """Sleep, for a backend's sake."""
    with waiting():
        await asyncio.sleep(seconds)

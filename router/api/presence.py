"""Whether a client still waits, and what its leaving means for the work that was begun for it."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from router.engine.record import Attempt, Delivery, Observer
from router.engine.route import Target
from router.images.pixels import Picture
from router.observe import logs


class Presence:
    """The client of one request. The engine's `Observer`, and its `Progress` where nothing is streamed.

    Work for a client that left is dropped while nothing was sent for it, as that costs nothing. What was sent is
    finished, since it is paid for; nothing further is then sent, unless the result is `kept` for the client's return.
    """

    def __init__(self, observer: Observer, *, kept: bool) -> None:
        self.left = False
        self.counted_elsewhere = False
        self.attempts: list[Attempt] = []
        self.work: asyncio.Task[object] | None = None
        self._observer = observer
        self._kept = kept
        self._under_way = 0

    def leave(self) -> None:
        """The client went away."""
        self.left = True
        wanted = self._kept and self.attempts
        if self.work is not None and not self._under_way and not wanted:
            self.work.cancel()

    @contextmanager
    def busy(self) -> Iterator[None]:
        """While something must not be broken off."""
        self._under_way += 1
        try:
            yield
        finally:
            self._under_way -= 1

    @property
    def begun(self) -> bool:
        """Whether nothing more is to be tried."""
        return self.left and not self._kept

    def attempt_started(self, target: Target) -> None:
        """A submit is about to be sent."""
        self._under_way += 1
        self._observer.attempt_started(target)

    def attempt_ended(self, attempt: Attempt) -> None:
        """An attempt is over."""
        self._under_way -= 1
        self.attempts.append(attempt)
        self._observer.attempt_ended(attempt)
        logs.attempt(attempt)

    async def early(self, picture: Picture, index: int) -> None:
        """Nobody is shown an early look."""

    async def finished(self, delivery: Delivery) -> None:
        """The picture goes out with the whole answer."""

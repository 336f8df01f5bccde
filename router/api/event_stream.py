"""Sends a request's pictures as events while it is served, and blanks or comments while there is nothing to send."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from starlette.types import Send

from router.api.answers import send_answer
from router.api.presence import Presence
from router.engine.record import Delivery
from router.engine.request import ImageRequest
from router.images.pixels import Picture
from router.messages import events
from router.messages.response import Piece, Rendered
from router.messages.retirement import retirement

QUIET = 15.0  # seconds of silence after which a comment is sent, so that no proxy cuts the connection

HEAD: Mapping[str, str] = {
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-store",
    "x-accel-buffering": "no",  # nginx would hold the events back
}
"""The headers of an answer in events."""


class Queue:
    """The events of one request on their way out; the engine's `Progress`. With `keep` they are remembered too."""

    def __init__(self, request: ImageRequest, presence: Presence, *, keep: bool) -> None:
        self.kept: list[Piece] = []
        self.sent = False  # whether there was an event
        self._request = request
        self._presence = presence
        self._keep = keep
        self._events: asyncio.Queue[list[Piece]] = asyncio.Queue(maxsize=2)  # a slow reader slows the reading

    @property
    def retirement(self) -> Mapping[str, str]:
        """The header of a model that goes: the one asked for, as who will draw is not known when the answer begins."""
        return retirement([self._request.retires])

    @property
    def begun(self) -> bool:
        """Whether nothing more is to be tried."""
        return self.sent or self._presence.begun

    async def early(self, picture: Picture, index: int) -> None:
        """Send an early look."""
        await self._put(events.early(self._request, picture, index))

    async def finished(self, delivery: Delivery) -> None:
        """Send a finished picture."""
        await self._put(events.finished(self._request, delivery))

    async def next(self) -> list[Piece]:
        """The pieces of the next event."""
        return await self._events.get()

    def left(self) -> list[list[Piece]]:
        """Events not yet taken."""
        return [self._events.get_nowait() for _ in range(self._events.qsize())]

    async def _put(self, pieces: list[Piece]) -> None:
        self.sent = True
        if self._keep:
            self.kept += pieces
        await self._events.put(pieces)
        if self._presence.left:  # nobody takes them: whoever waits for room gets it
            self.left()


class EventStream:
    """One answer in events. It begins with the first event or comment; before that, a failure is a plain error."""

    def __init__(self, queue: Queue, request_id: str, send: Send) -> None:
        self._queue = queue
        self._request_id = request_id
        self._send = send
        self._started = False

    async def run(self, work: asyncio.Future[Rendered], gone: asyncio.Future[None]) -> None:
        """Send what `work` puts into the queue and what it comes to, until the client is `gone`."""
        while not work.done():
            await self._pass_on(work, gone)
            if gone.done():
                self._queue.left()  # who waits for room in the queue goes on
                return
        answer = await work
        for pieces in self._queue.left():
            await self._write(pieces)
        await self._close(answer)

    async def _pass_on(self, work: asyncio.Future[Rendered], gone: asyncio.Future[None]) -> None:
        """Send the next event, or a comment after a silence; return when there is news."""
        taking = asyncio.ensure_future(self._queue.next())
        news: set[asyncio.Future[Any]] = {taking, work, gone}
        try:
            done, _ = await asyncio.wait(news, timeout=QUIET, return_when=asyncio.FIRST_COMPLETED)
        finally:
            taking.cancel()
        if taking in done:
            await self._write(taking.result())
        elif not done:
            await self._write([events.HEARTBEAT])

    async def _close(self, answer: Rendered) -> None:
        """End the answer: quietly when every picture is out, else with the error, or with what was answered before."""
        if not self._started:
            await send_answer(answer, self._request_id, self._send)
            return
        if answer.error is not None:
            await self._write(events.failed_as(b"".join(answer.pieces)))
        elif not self._queue.sent:
            await self._write(answer.pieces)
        await self._send({"type": "http.response.body", "body": b""})

    async def _write(self, pieces: Sequence[Piece]) -> None:
        if not self._started:
            self._started = True
            told = {**HEAD, **self._queue.retirement, "x-request-id": self._request_id}
            headers = [(name.encode(), value.encode()) for name, value in told.items()]
            await self._send({"type": "http.response.start", "status": 200, "headers": headers})
        for piece in pieces:
            await self._send({"type": "http.response.body", "body": piece, "more_body": True})

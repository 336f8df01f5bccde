"""Sends a request's pictures as events while it is served, and blanks or comments while there is nothing to send."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from starlette.types import Message, Receive, Send

from router.api.answers import send_answer
from router.engine.record import Delivery, Outcome
from router.engine.request import ImageRequest
from router.images.pixels import Picture
from router.messages import events
from router.messages.response import Piece, Rendered, failure, refused_for

QUIET = 15.0  # seconds of silence after which a comment is sent, so that no proxy cuts the connection

Work = Callable[["Queue"], Awaitable[Outcome]]


class ClientLeft(Exception):  # noqa: N818 - no fault of anybody's
    """The client went away; nobody waits for the rest."""


class Queue:
    """The events of one request on their way out; the engine's `Progress`."""

    def __init__(self, request: ImageRequest) -> None:
        self._request = request
        self._events: asyncio.Queue[list[Piece]] = asyncio.Queue(maxsize=2)  # a slow reader slows the reading
        self.begun = False

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
        self.begun = True
        await self._events.put(pieces)


class EventStream:
    """One answer in events. It begins with the first event or comment; before that, a failure is a plain error."""

    def __init__(self, request: ImageRequest, receive: Receive, send: Send, *, disclose: bool) -> None:
        self._request = request
        self._receive = receive
        self._send = send
        self._disclose = disclose
        self._started = False

    async def run(self, work: Work, observe: Callable[[Rendered], None]) -> None:
        """Serve and send; `observe` is told of the answer just before its last bytes go out.

        Raises:
            ClientLeft: the client went away; the work is cancelled.
        """
        queue = Queue(self._request)
        serving = asyncio.ensure_future(work(queue))
        gone = asyncio.ensure_future(self._gone())
        try:
            while not serving.done():
                await self._pass_on(queue, serving, gone)
            outcome = await serving
            for pieces in queue.left():
                await self._write(pieces)
            await self._close(outcome, observe)
        finally:
            for task in (serving, gone):
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task

    async def _pass_on(self, queue: Queue, serving: asyncio.Future[Outcome], gone: asyncio.Future[None]) -> None:
        """Send the next event, or a comment after a silence; return when there is news."""
        taking = asyncio.ensure_future(queue.next())
        news: set[asyncio.Future[Any]] = {taking, serving, gone}
        done, _ = await asyncio.wait(news, timeout=QUIET, return_when=asyncio.FIRST_COMPLETED)
        if taking in done:
            await self._write(taking.result())
        else:
            taking.cancel()
        if gone in done:
            raise ClientLeft
        if not done:
            await self._write([events.HEARTBEAT])

    async def _close(self, outcome: Outcome, observe: Callable[[Rendered], None]) -> None:
        """End the answer: quietly when every picture is out, else with the error."""
        told = Rendered(200, (), {}) if outcome.complete else failure(self._request, outcome, disclose=self._disclose)
        observe(told)
        if not self._started:
            await send_answer(told, self._request.id, self._send)
            return
        if not outcome.complete:
            await self._write(events.failed(refused_for(outcome, disclose=self._disclose)))
        await self._send({"type": "http.response.body", "body": b""})

    async def _write(self, pieces: Sequence[Piece]) -> None:
        if not self._started:
            self._started = True
            await self._send(self._head())
        for piece in pieces:
            await self._send({"type": "http.response.body", "body": piece, "more_body": True})

    def _head(self) -> Message:
        headers = [
            (b"content-type", b"text/event-stream; charset=utf-8"),
            (b"cache-control", b"no-store"),
            (b"x-accel-buffering", b"no"),  # nginx would hold the events back
            (b"x-request-id", self._request.id.encode()),
        ]
        return {"type": "http.response.start", "status": 200, "headers": headers}

    async def _gone(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass

"""A request's way in: a place in the router before its body is read, or 503; and what it holds until it ends."""

import asyncio
from collections import deque
from collections.abc import Awaitable
from contextvars import Token
from types import TracebackType

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive, Scope

from router.admission.gate import Left, Reason, Shed
from router.admission.memory import Holding, current
from router.messages.errors import Refused
from router.messages.limits import BodyLimits
from router.service import Service

_FORM = 512 * 1024  # what a form takes while it is read: its pictures go to disk

_WORDS = {
    Reason.QUEUE_FULL: "the router has as many requests under way as it may: send it again in a moment",
    Reason.QUEUE_WAIT: "the router had no place for the request in time: send it again in a moment",
    Reason.MEMORY: "the router holds as many bytes as it may: send it again in a moment",
    Reason.DRAINING: "the router is stopping: send the request again",
}


GONE = "image_router.gone"
"""An extension of ASGI that our own server has: a future that is done once the client has closed its connection."""


class Ear:
    """What a request's client sends, in the order in which it came, also where somebody has listened ahead."""

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self._receive = receive
        self._told: asyncio.Future[None] | None = scope.get("extensions", {}).get(GONE)
        self._listener: asyncio.Future[None] | None = None
        self._ahead: deque[asyncio.Future[Message]] = deque()

    def __call__(self) -> Awaitable[Message]:
        """The next message."""
        return self._ahead.popleft() if self._ahead else self._receive()

    async def left(self) -> None:
        """Return once the client has left. While it still has much to send that is not seen: it is left unread."""
        while True:
            self._ahead.append(asyncio.ensure_future(self._receive()))
            message = await asyncio.shield(self._ahead[-1])
            if message["type"] == "http.disconnect":
                return
            if message.get("more_body"):
                await asyncio.get_running_loop().create_future()

    def gone(self) -> asyncio.Future[None]:
        """Done once the client has left. To be asked for when all that the client sends was heard."""
        if self._told is not None:
            return self._told
        self._listener = asyncio.ensure_future(self._listen())
        return self._listener

    async def _listen(self) -> None:
        while (await self())["type"] != "http.disconnect":
            pass

    def close(self) -> None:
        """Listen no more."""
        if self._listener is not None:
            self._listener.cancel()
        for message in self._ahead:
            message.cancel()


class Admitted:
    """A request's time in the router, as a context.

    Raises:
        Refused: 503 on entering, or within, where the router is overloaded.
        ClientDisconnect: the client left before its turn.
    """

    def __init__(self, service: Service, headers: Headers, ear: Ear) -> None:
        self._service = service
        self._size = _held_at_once(headers, service.runtime.limits)
        self._ear = ear
        self._place: Holding | None = None
        self._token: Token[Holding | None] | None = None

    async def __aenter__(self) -> None:
        """Come in, perhaps after a wait."""
        try:
            self._place = await self._service.gate.enter(self._size, self._ear.left)
        except Shed as shed:
            raise self._refused(shed) from shed
        except Left as left:
            raise ClientDisconnect from left
        finally:
            if self._place is None:
                self._ear.close()
        self._token = current.set(self._place)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave; what overloads the router half-way is told as at the door."""
        if self._token is not None:
            current.reset(self._token)
        if self._place is not None:
            self._service.gate.leave(self._place)
        self._ear.close()
        if isinstance(error, Shed):
            raise self._refused(error) from error

    def _refused(self, shed: Shed) -> Refused:
        self._service.metrics.shed(shed.reason)
        draining = shed.reason is Reason.DRAINING
        return Refused(
            503,
            "draining" if draining else "router_overloaded",
            _WORDS[shed.reason],
            type="server_error",
            retry_after=5.0 if draining else 1.0,
            should_retry=True,
        )


def _held_at_once(headers: Headers, limits: BodyLimits) -> int:
    """The bytes that a request's body will take: all of it, but for a form. One that is too large is not read."""
    if headers.get("content-type", "")[:19].lower() == "multipart/form-data":
        return _FORM
    length = headers.get("content-length", "")
    return min(int(length[:19]), limits.max_json) if length.isdecimal() else 0

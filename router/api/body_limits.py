"""How much of a body is taken and how long it may need: the limits, and the tap that holds a body to them."""

import asyncio

from starlette.requests import ClientDisconnect, Request

from router.admission.gate import Reason, Shed
from router.admission.memory import current
from router.messages.errors import Refused
from router.messages.limits import MIB, BodyLimits


class Intake:
    """A request's body in pieces, never more than allowed, never later than allowed."""

    def __init__(self, request: Request, limits: BodyLimits, clock: asyncio.Timeout) -> None:
        self._receive = request.receive
        self._declared = request.headers.get("content-length", "")
        self._limits = limits
        self._clock = clock
        self._began = (clock.when() or 0.0) - limits.patience
        self._most = limits.max_body
        self._taken = 0
        self._ended = False
        self._returned: bytes = b""

    def allow(self, most: int) -> None:
        """Sets the size limit, and refuses a body that says it is larger before any of it is read."""
        self._most = most
        if self._declared.isdecimal() and int(self._declared[:20]) > most:
            raise self._too_large()

    async def piece(self) -> bytes:
        """The next bytes; none at the end.

        Raises:
            ClientDisconnect: the client left, and nobody waits for an answer.
        """
        if self._returned:
            returned, self._returned = self._returned, b""
            return returned
        while not self._ended:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ClientDisconnect
            data: bytes = message.get("body", b"")
            self._ended = not message.get("more_body", False)
            if data:
                self._count(len(data))
                return data
        return b""

    def put_back(self, data: bytes) -> None:
        """Makes `data` the next piece again."""
        self._returned = data

    async def whole(self) -> bytes | bytearray:
        """All that is left, in memory; a body that came in one message is not copied.

        Raises:
            Shed: the body did not tell its length, and is more than there is room for.
        """
        first = await self.piece()
        if self._ended:
            return first
        body = bytearray(first)
        held = None if self._declared else current.get()
        while data := await self.piece():
            body += data
            if held is not None and not held.add(len(data)):
                raise Shed(Reason.MEMORY)
        return body

    def _count(self, size: int) -> None:
        self._taken += size
        if self._taken > self._most:
            raise self._too_large()
        if not self._ended:
            allowed = self._limits.patience + self._taken / MIB * self._limits.seconds_per_mib
            self._clock.reschedule(self._began + allowed)

    def _too_large(self) -> Refused:
        return Refused(
            413,
            "request_too_large",
            f"the body is larger than {self._most} bytes, the most this server takes in this encoding: "
            "send fewer or smaller pictures, large ones as multipart/form-data",
        )

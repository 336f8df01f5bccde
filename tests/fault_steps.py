"""What a raw backend may do with one request, good or bad, and scripts made of such steps."""

import asyncio
import base64
from collections.abc import Awaitable, Callable
from typing import Literal

import msgspec
from faults import Peer, Script
from pictures import base64_png, png

PICTURE = msgspec.json.encode({"created": 1_763_670_000, "data": [{"b64_json": base64_png(64, 64)}]})
ANSWER = (
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\nx-request-id: b-1\r\n\r\n"
    % len(PICTURE)
) + PICTURE

Step = Callable[[Peer], Awaitable[bool | None]]
"""Deals with a request that was read; True ends the connection."""


def doing(*steps: Step) -> Script:
    """The n-th request gets the n-th step, and each from then on the last."""

    async def script(peer: Peer) -> None:
        while True:
            await peer.request()
            step = steps[min(len(peer.server.requests), len(steps)) - 1]
            if await step(peer):
                return

    return script


async def draws(peer: Peer) -> None:
    """A picture, and its bill."""
    peer.bill()
    await peer.send(ANSWER)


async def closes(peer: Peer) -> bool:
    """The work is done, but nothing is said."""
    peer.bill()
    return True


async def hangs(peer: Peer) -> bool:
    """The work is done, but no answer comes until the router leaves."""
    peer.bill()
    await peer.hang()
    return True


def says(status: int, body: bytes = b"{}", headers: str = "", *, billed: bool = False) -> Step:
    """A whole answer."""

    async def step(peer: Peer) -> None:
        if billed:
            peer.bill()
        await peer.answer(body, status, headers)

    return step


def fails(status: int, code: str | None = None, message: str = "it did not work", headers: str = "") -> Step:
    """An error in OpenAI's words."""
    error = {"message": message, "type": "api_error", "code": code, "param": None}
    return says(status, msgspec.json.encode({"error": error}), headers)


def sends(data: bytes, end: Literal["close", "reset", "hold"] = "close") -> Step:
    """The work is done; these bytes are said of it, and then the connection ends, or does not."""

    async def step(peer: Peer) -> bool:
        peer.bill()
        await peer.send(data)
        if end == "reset":
            peer.reset()
        elif end == "hold":
            await peer.hang()
        return True

    return step


def drips(data: bytes, pause: float) -> Step:
    """The work is done, and told a byte at a time."""

    async def step(peer: Peer) -> bool:
        peer.bill()
        for at in range(len(data)):
            await peer.send(data[at : at + 1])
            await asyncio.sleep(pause)
        return True

    return step


def tells(picture: bytes, **more: str) -> bytes:
    """A body with this picture in it, whatever it is."""
    return msgspec.json.encode({"created": 1, "data": [{"b64_json": base64.b64encode(picture).decode()}], **more})


def drawn(size: int = 64) -> bytes:
    """A true picture."""
    return png(size, size)

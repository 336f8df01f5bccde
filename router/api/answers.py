"""Sends what was rendered: pieces in order, never joined, so that a picture is not copied on its way out."""

import asyncio
from typing import Any

from starlette.types import Send

from router.messages.response import Rendered

_SMALL = 64 * 1024  # joined below: one write is then cheaper than several


async def send_answer(answer: Rendered, request_id: str, send: Send) -> None:
    """Write a rendered response to the client."""
    length = sum(map(len, answer.pieces))
    told = {"content-type": "application/json", "content-length": str(length), "x-request-id": request_id}
    headers = [
        (name.encode(), value.encode("latin-1", "replace")) for name, value in {**told, **answer.headers}.items()
    ]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    pieces = (b"".join(answer.pieces),) if length < _SMALL else answer.pieces
    for piece in pieces[:-1]:
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": pieces[-1]})


async def send_patiently(
    rendering: asyncio.Future[Rendered],
    gone: asyncio.Future[None],
    pause: float | None,
    request_id: str,
    send: Send,
) -> None:
    """Write what `rendering` comes to, and a blank every `pause` seconds until then, for proxies that cut silence.

    JSON may begin with blanks. Once one is out the status is 200, also for an error, which only the body then tells.
    Nothing more is written once the client is `gone`.
    """
    started = False
    while not rendering.done():
        news: set[asyncio.Future[Any]] = {rendering, gone}
        await asyncio.wait(news, timeout=pause, return_when=asyncio.FIRST_COMPLETED)
        if gone.done():
            return
        if rendering.done():
            break
        if not started:
            started = True
            headers = [(b"content-type", b"application/json"), (b"x-request-id", request_id.encode())]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b" ", "more_body": True})
    answer = await rendering
    if not started:
        await send_answer(answer, request_id, send)
        return
    for piece in answer.pieces:
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b""})

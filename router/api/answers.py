"""Sends what was rendered: pieces in order, never joined, so that a picture is not copied on its way out."""

import asyncio
from typing import Any

from starlette.types import Send

from router.messages.response import Rendered

_SMALL = 64 * 1024  # joined below: one write is then cheaper than several


async def send_answer(answer: Rendered, request_id: str, send: Send) -> None:
    """Write a rendered response to the client."""
    length = sum(map(len, answer.pieces))
    told = {
        "content-type": "application/json",
        "content-length": str(length),
        "x-request-id": request_id,
        **answer.headers,
    }
    headers = [(name.encode(), value.encode("latin-1", "replace")) for name, value in told.items()]
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
        await _news(rendering, gone, pause)
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


async def _news(first: asyncio.Future[Any], second: asyncio.Future[Any], pause: float | None) -> None:
    """Return once one of the two is done, or after a pause: `asyncio.wait` for just that, at a third of its price."""
    loop = asyncio.get_running_loop()
    news: asyncio.Future[None] = loop.create_future()

    def tell(_: object = None) -> None:
        if not news.done():
            news.set_result(None)

    first.add_done_callback(tell)
    second.add_done_callback(tell)
    clock = None if pause is None else loop.call_later(pause, tell)
    try:
        await news
    finally:
        first.remove_done_callback(tell)
        second.remove_done_callback(tell)
        if clock is not None:
            clock.cancel()

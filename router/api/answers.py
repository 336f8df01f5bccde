"""Sends what was rendered: pieces in order, never joined, so that a picture is not copied on its way out."""

from starlette.types import Send

from router.messages.response import Rendered

_SMALL = 64 * 1024  # joined below: one write is then cheaper than several


async def send_answer(answer: Rendered, request_id: str, send: Send) -> None:
    """Write a rendered response to the client."""
    length = sum(map(len, answer.pieces))
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(length).encode()),
        (b"x-request-id", request_id.encode()),
        *((name.encode(), value.encode("latin-1", "replace")) for name, value in answer.headers.items()),
    ]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    pieces = (b"".join(answer.pieces),) if length < _SMALL else answer.pieces
    for piece in pieces[:-1]:
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": pieces[-1]})

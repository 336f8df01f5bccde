"""A backend of the plainest kind: a PNG per call, given as bytes or as the address where it lies."""

import email.parser
import email.policy
from collections.abc import Callable

import msgspec
from pictures import png

from backends.ledger import Record
from backends.server import Reply, Request, Server, Status

Draw = Callable[[int, int], bytes]


class PlainBackend(Server):
    """Draws at `POST /draw` whatever `draw(width, height)` gives; with `links`, answers where it is."""

    def __init__(self, *, links: bool = False, draw: Draw = png) -> None:
        super().__init__()
        self._links = links
        self._draw = draw
        self._drawn: dict[str, bytes] = {}

    def answer(self, request: Request) -> Reply:
        """A picture, its address, or the picture at an address given before."""
        if request.method == "GET":
            found = self._drawn.get(request.path)
            return (
                Reply(404, b"{}") if found is None else Reply(200, found, {"content-type": "application/octet-stream"})
            )
        fields = _fields(request)
        width, _, height = fields.get("size", "64x64").partition("x")
        drawn = self._draw(int(width), int(height))
        record = Record(
            path=request.path,
            model=None,
            n=1,
            fields=fields,
            headers=request.headers,
            status=200,
            billed=True,
        )
        if not self._links:
            return Reply(200, drawn, {"content-type": "text/plain"}, record)
        path = f"/pictures/{len(self._drawn)}"
        self._drawn[path] = drawn
        return Reply(200, msgspec.json.encode({"url": f"{self.origin}{path}"}), record=record)

    def error(self, failure: Status) -> bytes:
        """Its words."""
        return msgspec.json.encode({"error": failure.message})


def _fields(request: Request) -> dict[str, str]:
    head = f"content-type: {request.headers['content-type']}\r\n\r\n".encode()
    message = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + request.body)
    return {
        str(part.get_param("name", header="content-disposition")): part.get_payload(decode=True).decode("latin-1")
        for part in message.iter_parts()
        if part.get_filename() is None
    }

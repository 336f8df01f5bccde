"""Bodies as clients put them on the wire, and what the router reads from them."""

import asyncio
import base64

import msgspec
import pytest
from pictures import png
from starlette.requests import Request

from providers.base import Upload
from router.api.bodies import BodyLimits, read_body
from router.messages.errors import Refused

LIMITS = BodyLimits()
MULTIPART = "multipart/form-data; boundary=B"
URLENCODED = "application/x-www-form-urlencoded"
CAT, DOG, MASK = png(4, 4), png(5, 5), png(4, 4, alpha=True)
CAT_B64 = base64.b64encode(CAT).decode()
CAT_URI = f"data:image/png;base64,{CAT_B64}"


def part(name, value, *, filename=None, kind=None):
    """One part as clients write it."""
    extra = "" if filename is None else f'; filename="{filename}"'
    typed = "" if kind is None else f"Content-Type: {kind}\r\n"
    data = value if isinstance(value, bytes) else value.encode()
    return f'--B\r\nContent-Disposition: form-data; name="{name}"{extra}\r\n{typed}\r\n'.encode() + data + b"\r\n"


def form(*parts):
    """A whole multipart body; a pair is a text part."""
    return b"".join(part(*one) if isinstance(one, tuple) else one for one in parts) + b"--B--\r\n"


def picture(name="image", data=CAT, filename="cat.png", kind="image/png"):
    """A file part."""
    return part(name, data, filename=filename, kind=kind)


def ask(body, kind="application/json", *, limits=LIMITS, piece=0, length=None, start=asyncio.run):
    """Reads a body that arrives in pieces of this size; the caller closes what comes."""
    if not isinstance(body, bytes):
        body = msgspec.json.encode(body)
    pieces = [body[at : at + piece] for at in range(0, len(body), piece)] if piece and body else [body]
    last = len(pieces) - 1
    messages = iter([{"type": "http.request", "body": data, "more_body": at < last} for at, data in enumerate(pieces)])

    async def receive():
        return next(messages, {"type": "http.disconnect"})

    headers = [(b"content-type", kind.encode("latin-1"))] if kind else []
    headers += [(b"content-length", str(length).encode())] if length is not None else []

    async def read():
        return await read_body(Request({"type": "http", "headers": headers}, receive), limits)

    return start(read())


def plain(body):
    """What a body says, with the bytes of its pictures; closes it."""

    def shown(one):
        return b"".join(one.pieces(50)) if isinstance(one, Upload) else one

    with body:
        return body.fields, [shown(one) for one in body.images], shown(body.mask)


def fields(*parts, kind=MULTIPART):
    """The fields of a form of these parts."""
    return plain(ask(form(*parts), kind))[0]


def refused(body, kind="application/json", **options):
    """How a body is refused: status, code, param."""
    with pytest.raises(Refused) as caught:
        ask(body, kind, **options)
    return caught.value.status, caught.value.code, caught.value.param

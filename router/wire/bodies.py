"""Turns what an adapter wants to say into bytes: JSON or a form, pictures streamed from where they rest."""

import binascii
import secrets
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import msgspec

from providers.base import Call, FreshSeed, FreshUUID, Inline, Upload
from providers.http import AsyncByteStream

_PIECE = 255 * 1024  # a multiple of three
_UNKNOWN = "application/octet-stream"
_SUFFIXES: Mapping[str | None, str] = {
    "image/png": ".png",
    "image/jpeg": ".jpg",
    "image/webp": ".webp",
    "image/gif": ".gif",
}
# What the HTML standard does to names and filenames, so that none can end its quotes or its line.
_ESCAPES = str.maketrans({'"': "%22", "\r": "%0D", "\n": "%0A"})


@dataclass(frozen=True, slots=True)
class Body:
    """What goes out after the head. `headers` are those that describe it."""

    content: "bytes | Pieces | None"
    headers: Mapping[str, str]


def encode(call: Call, boundary: str | None = None) -> Body:
    """The body of a call. `boundary` separates a form's parts; one that nobody can guess, unless given."""
    if call.form is not None:
        return _form(call.form, boundary or secrets.token_hex(16))
    if call.json is not None:
        return _json(call.json)
    if call.data is not None:
        media_type = call.data.media_type or _UNKNOWN
        return Body(Pieces([call.data]), {"content-type": media_type, "content-length": str(call.data.size)})
    return Body(None, {})


class Pieces(AsyncByteStream):
    """Bytes, pictures at rest and pictures as base64, one after the other. Each iteration starts anew.

    The length is known before anything is sent: some backends refuse a body without one.
    """

    def __init__(self, pieces: Sequence[bytes | Upload | Inline]) -> None:
        self._pieces = pieces
        self.length = sum(map(_length, pieces))

    @property
    def whole(self) -> bytes | None:
        """All of it, where it is bytes that are there already."""
        if not self._pieces:
            return b""
        only = self._pieces[0]
        return only if len(self._pieces) == 1 and isinstance(only, bytes) else None

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """The bytes. An upload is read on the event loop: its file is in the page cache."""
        for piece in self._pieces:
            if isinstance(piece, bytes):
                yield piece
            elif isinstance(piece, Upload):
                for read in _whole(piece):
                    yield read
            else:
                for read in _whole(piece.upload):
                    yield binascii.b2a_base64(read, newline=False)


def _length(piece: bytes | Upload | Inline) -> int:
    if isinstance(piece, bytes):
        return len(piece)
    if isinstance(piece, Upload):
        return piece.size
    return -(-piece.upload.size // 3) * 4


def _whole(upload: Upload) -> Iterator[bytes]:
    """An upload in pieces whose sizes three divides, but for the last: their base64 can then be joined."""
    for offset in range(0, upload.size, _PIECE):
        wanted = min(_PIECE, upload.size - offset)
        read = upload.read(offset, wanted)
        if len(read) != wanted:
            raise OSError(f"an upload of {upload.size} bytes ended after {offset + len(read)}")
        yield read


def _json(value: Mapping[str, Any] | Sequence[Any]) -> Body:
    """JSON in one piece, or around the pictures within it."""
    inlines: list[Inline] = []

    def placeholder(found: object) -> str | int:
        if isinstance(found, FreshUUID):
            return str(uuid4())
        if isinstance(found, FreshSeed):
            return secrets.randbits(48)
        if not isinstance(found, Inline):
            raise TypeError(f"{type(found).__name__} is nothing that JSON can say")
        inlines.append(found)
        return f"{found.prefix}{mark}"

    mark = secrets.token_hex(16)
    encoded = msgspec.json.encode(value, enc_hook=placeholder)
    kind = {"content-type": "application/json"}
    if not inlines:
        return Body(encoded, kind)
    texts = encoded.split(mark.encode())
    pieces: list[bytes | Upload | Inline] = [texts[0]]
    for inline, text in zip(inlines, texts[1:], strict=True):
        pieces += [inline, text]
    body = Pieces(pieces)
    return Body(body, {**kind, "content-length": str(body.length)})


def _form(fields: Sequence[tuple[str, str | Upload]], boundary: str) -> Body:
    """A multipart form: texts, and pictures streamed from where they rest."""
    pieces: list[bytes | Upload | Inline] = []
    head = f"--{boundary}"
    number = 0
    for name, value in fields:
        head += f'\r\nContent-Disposition: form-data; name="{name.translate(_ESCAPES)}"'
        if isinstance(value, str):
            head += f"\r\n\r\n{value}\r\n--{boundary}"
            continue
        number += 1
        head += f'; filename="{filename(value, number)}"\r\nContent-Type: {value.media_type or _UNKNOWN}\r\n\r\n'
        pieces += [head.encode(), value]
        head = f"\r\n--{boundary}"
    pieces.append(f"{head}--\r\n".encode())
    body = Pieces(pieces)
    kind = {"content-type": f"multipart/form-data; boundary={boundary}", "content-length": str(body.length)}
    return Body(body, kind)


def filename(upload: Upload, number: int) -> str:
    """What the picture at a place is called in a form; places count from 1."""
    stem = "image" if number == 1 else f"image-{number}"
    return stem + _SUFFIXES.get(upload.media_type, "")

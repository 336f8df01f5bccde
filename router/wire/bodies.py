"""Turns what an adapter wants to say into bytes: JSON in one piece, a form streamed from its uploads."""

import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from providers.base import Call, Upload
from providers.http import AsyncByteStream

_PIECE = 256 * 1024
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

    content: "bytes | Form | None"
    headers: Mapping[str, str]


def encode(call: Call, boundary: str | None = None) -> Body:
    """The body of a call. `boundary` separates a form's parts; one that nobody can guess, unless given."""
    if call.form is not None:
        form = Form(call.form, boundary or secrets.token_hex(16))
        return Body(form, {"content-type": form.media_type, "content-length": str(form.length)})
    if call.json is not None:
        return Body(msgspec.json.encode(call.json), {"content-type": "application/json"})
    return Body(None, {})


class Form(AsyncByteStream):
    """A multipart form, read in pieces from uploads that are at rest. Each iteration starts anew.

    Its length is known before it is sent: some backends refuse a form without one.
    """

    def __init__(self, fields: Sequence[tuple[str, str | Upload]], boundary: str) -> None:
        self.media_type = f"multipart/form-data; boundary={boundary}"
        self._pieces: list[bytes | Upload] = []
        head = f"--{boundary}"
        number = 0
        for name, value in fields:
            head += f'\r\nContent-Disposition: form-data; name="{name.translate(_ESCAPES)}"'
            if isinstance(value, str):
                head += f"\r\n\r\n{value}\r\n--{boundary}"
                continue
            number += 1
            head += f'; filename="{_filename(value, number)}"\r\nContent-Type: {value.media_type or _UNKNOWN}\r\n\r\n'
            self._pieces += [head.encode(), value]
            head = f"\r\n--{boundary}"
        self._pieces.append(f"{head}--\r\n".encode())
        self.length = sum(piece.size if isinstance(piece, Upload) else len(piece) for piece in self._pieces)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """The form's bytes. An upload is read on the event loop: its file is in the page cache."""
        for piece in self._pieces:
            if isinstance(piece, bytes):
                yield piece
                continue
            offset = 0
            while offset < piece.size:
                read = piece.read(offset, min(_PIECE, piece.size - offset))
                if not read:
                    raise OSError(f"an upload of {piece.size} bytes ended after {offset}")
                offset += len(read)
                yield read


def _filename(upload: Upload, number: int) -> str:
    stem = "image" if number == 1 else f"image-{number}"
    return stem + _SUFFIXES.get(upload.media_type, "")

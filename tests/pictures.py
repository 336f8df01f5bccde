"""Small true pictures, made without an image library so that a test can also make broken ones."""

import base64
import struct
import zlib
from functools import cache


@cache
def png(width: int = 8, height: int = 8, *, alpha: bool = False, tint: int = 90) -> bytes:
    """A PNG of one colour; with `alpha`, its left half is transparent."""
    clear, solid = bytes([tint, tint, tint, 0]), bytes([tint, tint, tint, 255])
    row = (clear * (width // 2) + solid * (width - width // 2)) if alpha else bytes([tint, tint, tint]) * width
    header = struct.pack(">IIBBBBB", width, height, 8, 6 if alpha else 2, 0, 0, 0)
    body = zlib.compress((b"\0" + row) * height, 1)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", body) + _chunk(b"IEND", b"")


def base64_png(width: int = 8, height: int = 8) -> str:
    """The same as base64 text."""
    return base64.b64encode(png(width, height)).decode()


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

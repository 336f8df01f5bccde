"""Names a picture by its first bytes, reads its size from its header, and tells whether its end is there.

Pure functions over `read(offset, length)`, which returns at most `length` bytes: nothing is decoded, nothing is held,
and hostile bytes get an answer, never an exception.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass

Read = Callable[[int, int], bytes]

_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_END = b"IEND\xaeB`\x82"
_JPEG_END = b"\xff\xd9"
_GIF_END = b";"
_HEAD = 32
_TAILS = (64, 64 * 1024)
_LONGEST_TRAILER = 1024
# A real JPEG has its frame header within a few hundred segments, even with a long colour profile in pieces.
_MOST_SEGMENTS = 1024
_MOST_CHUNKS = 256
_WEBP_MOVES = 0x02
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_BARE = frozenset({0x01, *range(0xD0, 0xD8)})
_SCAN_OR_END = frozenset({0xD9, 0xDA})


@dataclass(frozen=True, slots=True)
class Sniffed:
    """What a picture says of itself; pixels are 0 where its header does not tell."""

    media_type: str
    width: int = 0
    height: int = 0


def sniff(read: Read, size: int) -> Sniffed | None:
    """PNG, JPEG, WEBP or GIF with its pixels; None for anything else."""
    head = read(0, min(_HEAD, size))
    if head.startswith(_PNG):
        return Sniffed("image/png", *_png_pixels(head))
    if head.startswith(b"\xff\xd8\xff"):
        return Sniffed("image/jpeg", *_jpeg_pixels(read, size))
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return Sniffed("image/webp", *_webp_pixels(head))
    if head.startswith((b"GIF87a", b"GIF89a")):
        return Sniffed("image/gif", *_gif_pixels(head))
    return None


def is_whole(media_type: str, size: int, read: Read) -> bool:
    """Whether the picture's last bytes are an end; True for a kind that marks none.

    Zero bytes after the end are padding. A PNG may carry a short trailer, since its end cannot be mistaken.
    """
    if media_type == "image/png":
        return _PNG_END in _tail(read, size, _LONGEST_TRAILER)
    if media_type == "image/jpeg":
        return _ends_with(_JPEG_END, read, size)
    if media_type == "image/gif":
        return _ends_with(_GIF_END, read, size)
    if media_type == "image/webp":
        head = read(0, min(8, size))
        return len(head) == 8 and int.from_bytes(head[4:8], "little") + 8 <= size
    return True


def is_animated(media_type: str, size: int, read: Read) -> bool:
    """Whether a picture may hold more than one frame, which a GIF tells only in all of its data: each may."""
    if media_type == "image/webp":
        head = read(0, min(_HEAD, size))
        return head[12:16] == b"VP8X" and len(head) > 20 and bool(head[20] & _WEBP_MOVES)
    if media_type == "image/png":
        return _png_moves(read, size)
    return media_type == "image/gif"


def _png_moves(read: Read, size: int) -> bool:
    """Walks the chunks before the pixels, among which one tells of frames."""
    offset = len(_PNG)
    for _ in range(_MOST_CHUNKS):
        chunk = read(offset, 8) if offset < size else b""
        if len(chunk) < 8 or chunk[4:] in {b"IDAT", b"IEND"}:
            return False
        if chunk[4:] == b"acTL":
            return True
        offset += 12 + int.from_bytes(chunk[:4], "big")  # length, name and checksum stand around the data
    return False


def _png_pixels(head: bytes) -> tuple[int, int]:
    if len(head) < 24 or head[12:16] != b"IHDR":
        return 0, 0
    width, height = struct.unpack_from(">II", head, 16)
    return width, height


def _gif_pixels(head: bytes) -> tuple[int, int]:
    if len(head) < 10:
        return 0, 0
    width, height = struct.unpack_from("<HH", head, 6)
    return width, height


def _jpeg_pixels(read: Read, size: int) -> tuple[int, int]:
    """Walks the segments to the frame header; each is a marker and its own length."""
    offset = 2
    for _ in range(_MOST_SEGMENTS):
        segment = read(offset, 9) if offset < size else b""
        if len(segment) < 4 or segment[0] != 0xFF:
            return 0, 0
        marker = segment[1]
        if marker == 0xFF:
            offset += 1
        elif marker in _BARE:
            offset += 2
        elif marker in _FRAMES:
            if len(segment) < 9:
                return 0, 0
            height, width = struct.unpack_from(">HH", segment, 5)
            return width, height
        elif marker in _SCAN_OR_END:
            return 0, 0
        else:
            offset += 2 + max(2, int.from_bytes(segment[2:4], "big"))
    return 0, 0


def _webp_pixels(head: bytes) -> tuple[int, int]:
    if len(head) < 30:
        return 0, 0
    kind = head[12:16]
    if kind == b"VP8 " and head[23:26] == b"\x9d\x01\x2a":
        width, height = struct.unpack_from("<HH", head, 26)
        return width & 0x3FFF, height & 0x3FFF
    if kind == b"VP8L" and head[20] == 0x2F:
        packed = int.from_bytes(head[21:25], "little")
        return (packed & 0x3FFF) + 1, (packed >> 14 & 0x3FFF) + 1
    if kind == b"VP8X":
        return int.from_bytes(head[24:27], "little") + 1, int.from_bytes(head[27:30], "little") + 1
    return 0, 0


def _tail(read: Read, size: int, length: int) -> bytes:
    offset = max(0, size - length)
    return read(offset, size - offset)


def _ends_with(mark: bytes, read: Read, size: int) -> bool:
    for length in _TAILS:
        tail = _tail(read, size, length).rstrip(b"\x00")
        # One byte of the mark left means that it may begin before this tail.
        if len(tail) >= len(mark) or size <= length:
            return tail.endswith(mark)
    return False

"""A picture in an answer: recognised by its first and last bytes, with its size, and without decoding it."""

import binascii
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from providers.base import Image
from router.images.sniff import Read, is_animated, is_whole, sniff

FORMATS = {"image/png": "png", "image/jpeg": "jpeg", "image/webp": "webp"}
"""The media types in which pictures are handed over, by what callers call them."""

MAX_PIXELS = 50_000_000
"""The largest picture that the router handles: decoded, it fills 200 MB."""

# Enough of a picture to hold, almost surely, a letter of whatever alphabet its base64 is written in.
_SAMPLE = 3072
_INLINE = re.compile(r"data:[^,]{0,200};base64,", re.IGNORECASE)
_ADDRESS = re.compile(r"https?://[^\s\x00-\x20\x7f]+", re.IGNORECASE)
_PLAIN_HOST = re.compile(r"https?://[a-z0-9.\-]+(?:[:/?#]|$)", re.IGNORECASE)


class CannotChange(Exception):  # noqa: N818 - a fact about a picture, not a fault
    """A picture that cannot be had in the form asked: broken, too large, no picture at all. `reason` says which."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A usable picture: exactly one of base64 text (`b64`), an address (`url`) and bytes (`data`); its kind, its size.

    The bytes of an address were not seen: its `media_type` is None, its pixels are the backend's word, or 0.
    `animated` is whether it may hold more than one frame, as every GIF may. `kept` is how many bytes are behind an
    address of ours.
    """

    b64: memoryview | None = None
    url: str | None = None
    data: bytes | None = None
    media_type: str | None = None
    width: int = 0
    height: int = 0
    animated: bool = False
    revised_prompt: str | None = None
    kept: int = 0

    @property
    def length(self) -> int:
        """Its bytes; none where they were not seen."""
        if self.b64 is not None:
            return len(self.b64) * 3 // 4
        return len(self.data) if self.data is not None else self.kept


def recognise(image: Image) -> Picture | None:
    """The picture in an answer; None where there is none that a caller could use.

    None are what is no PNG, JPEG, WEBP or GIF, what lacks its end, and what has more than `MAX_PIXELS`. A `data:`
    address becomes base64. Base64 that its writer left unpadded is padded, as decoders want it.
    """
    if image.b64 is not None:
        return _inline(image.b64, image.revised_prompt)
    if image.data is not None:
        return _raw(image.data, image.revised_prompt)
    if image.url is None:
        return None
    if _ADDRESS.fullmatch(image.url) and _names_host(image.url):
        return Picture(url=image.url, width=image.width, height=image.height, revised_prompt=image.revised_prompt)
    head = _INLINE.match(image.url)
    if head is None or not image.url.isascii():
        return None
    return _inline(memoryview(image.url.encode("ascii"))[head.end() :], image.revised_prompt)


def decoded(picture: Picture) -> bytes:
    """A picture's bytes.

    Raises:
        CannotChange: its base64 is broken, which no first and last letters tell; or it is an address.
    """
    if picture.data is not None:
        return picture.data
    if picture.b64 is None:
        raise CannotChange("the picture is a link whose bytes were not fetched")
    try:
        return binascii.a2b_base64(picture.b64, strict_mode=True)
    except binascii.Error as error:
        raise CannotChange("the picture's base64 is broken") from error


def encoded(data: bytes) -> memoryview:
    """Bytes as base64 text."""
    return memoryview(binascii.b2a_base64(data, newline=False))


def _names_host(url: str) -> bool:
    """Whether an address says whose it is; a plain name, as of most, is seen without taking the whole apart."""
    if _PLAIN_HOST.match(url):
        return True
    try:
        return bool(urlsplit(url).hostname)
    except ValueError:
        return False


def _inline(b64: memoryview, revised_prompt: str | None) -> Picture | None:
    text = b64 if len(b64) % 4 == 0 else memoryview(bytes(b64) + b"=" * (-len(b64) % 4))
    try:
        encoded = _Encoded(text)
        encoded.read(encoded.size - 1, 1)
        return _seen(encoded.read, encoded.size, b64=text, revised_prompt=revised_prompt)
    except binascii.Error:
        return None


def _raw(data: bytes, revised_prompt: str | None) -> Picture | None:
    def read(offset: int, length: int) -> bytes:
        return data[offset : offset + length]

    return _seen(read, len(data), data=data, revised_prompt=revised_prompt)


def _seen(
    read: Read, size: int, *, b64: memoryview | None = None, data: bytes | None = None, revised_prompt: str | None
) -> Picture | None:
    """The picture in these bytes, if it is a usable one, with what it says of itself."""
    sniffed = sniff(read, size)
    if sniffed is None or not 0 < sniffed.width * sniffed.height <= MAX_PIXELS:
        return None
    media_type = sniffed.media_type
    if not is_whole(media_type, size, read):
        return None
    return Picture(
        b64=b64,
        data=data,
        media_type=media_type,
        width=sniffed.width,
        height=sniffed.height,
        animated=is_animated(media_type, size, read),
        revised_prompt=revised_prompt,
    )


class _Encoded:
    """Base64 text read as the bytes it stands for, a slice at a time; its first bytes are at hand.

    Raises:
        binascii.Error: the text does not begin as base64.
    """

    def __init__(self, text: memoryview) -> None:
        self._text = text
        self.size = len(text) // 4 * 3 - bytes(text[-2:]).count(b"=")
        self._head = b""
        self._head = self.read(0, _SAMPLE)

    def read(self, offset: int, length: int) -> bytes:
        """At most `length` bytes from `offset` on.

        Raises:
            binascii.Error: the text there is not base64.
        """
        if offset + length <= len(self._head):
            return self._head[max(0, offset) : offset + length]
        start, skip = divmod(max(0, offset), 3)
        end = -(-(skip + length) // 3)
        decoded = binascii.a2b_base64(self._text[start * 4 : (start + end) * 4], strict_mode=True)
        return decoded[skip : skip + length]

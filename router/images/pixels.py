"""Recognises a picture in an answer by its first and last bytes, and reads its size, without decoding it."""

import binascii
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from providers.base import Image
from router.images.sniff import is_whole, sniff

# Enough of a picture to hold, almost surely, a letter of whatever alphabet its base64 is written in.
_SAMPLE = 3072
_INLINE = re.compile(r"data:[^,]{0,200};base64,", re.IGNORECASE)
_ADDRESS = re.compile(r"https?://[^\s\x00-\x20\x7f]+", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A usable picture: base64 text (`b64`) or an address (`url`), what kind it is and its size.

    `media_type` is None and pixels are 0 for an address, whose bytes were not seen.
    """

    b64: memoryview | None = None
    url: str | None = None
    media_type: str | None = None
    width: int = 0
    height: int = 0
    revised_prompt: str | None = None


def recognise(image: Image) -> Picture | None:
    """The picture in an answer; None where there is none that a caller could use.

    A `data:` address becomes base64. Base64 that its writer left unpadded is padded, as decoders want it.
    """
    if image.b64 is not None:
        return _inline(image.b64, image.revised_prompt)
    if image.url is None:
        return None
    if _ADDRESS.fullmatch(image.url) and _host(image.url):
        return Picture(url=image.url, revised_prompt=image.revised_prompt)
    head = _INLINE.match(image.url)
    if head is None or not image.url.isascii():
        return None
    return _inline(memoryview(image.url.encode("ascii"))[head.end() :], image.revised_prompt)


def _host(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None


def _inline(b64: memoryview, revised_prompt: str | None) -> Picture | None:
    text = b64 if len(b64) % 4 == 0 else memoryview(bytes(b64) + b"=" * (-len(b64) % 4))
    encoded = _Encoded(text)
    try:
        encoded.read(0, _SAMPLE)
        encoded.read(encoded.size - 1, 1)
        sniffed = sniff(encoded.read, encoded.size)
        if sniffed is None or not is_whole(sniffed.media_type, encoded.size, encoded.read):
            return None
    except binascii.Error:
        return None
    if not sniffed.width or not sniffed.height:
        return None
    return Picture(
        b64=text,
        media_type=sniffed.media_type,
        width=sniffed.width,
        height=sniffed.height,
        revised_prompt=revised_prompt,
    )


class _Encoded:
    """Base64 text read as the bytes it stands for, a slice at a time."""

    def __init__(self, text: memoryview) -> None:
        self._text = text
        self.size = len(text) // 4 * 3 - bytes(text[-2:]).count(b"=")

    def read(self, offset: int, length: int) -> bytes:
        """At most `length` bytes from `offset` on.

        Raises:
            binascii.Error: the text there is not base64.
        """
        start, skip = divmod(max(0, offset), 3)
        end = -(-(skip + length) // 3)
        decoded = binascii.a2b_base64(self._text[start * 4 : (start + end) * 4], strict_mode=True)
        return decoded[skip : skip + length]

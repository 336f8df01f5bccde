"""Puts a picture into the spool as it arrives: as its own bytes, a data URI or base64; an address stays text."""

import binascii
from dataclasses import dataclass

from router.images.spool import Spool
from router.messages.errors import Refused

OBJECT_TEXT = b"[object Object]"
_LONGEST_ADDRESS = 8192
_LONGEST_DATA_HEAD = 1024
_ADDRESSES = (b"http://", b"https://")
_PROGRAM_TEXT = (b"b'", b'b"', b"bytearray(", b"{", b"[", b"<")
_LINE_ENDS = b"\r\n\t"


@dataclass(frozen=True, slots=True)
class Extent:
    """Where in the spool a picture lies."""

    offset: int
    size: int


class FilePicture:
    """A picture that comes as its own bytes. `given` is False where an empty file only means that none was chosen."""

    def __init__(self, spool: Spool, param: str, most: int, *, given: bool = True) -> None:
        self._spool = spool
        self._param = param
        self._most = most
        self._given = given
        self._offset = spool.size
        self._size = 0

    def feed(self, data: bytes | memoryview) -> None:
        """Takes the next bytes."""
        self._size += len(data)
        if self._size > self._most:
            raise Refused(
                413,
                "file_too_large",
                f"the picture in {self._param} is larger than {self._most} bytes: send a smaller one",
                param=self._param,
            )
        self._spool.append(data)

    def finish(self) -> Extent | None:
        """Where the picture is; None where there is none."""
        if self._size:
            return Extent(self._offset, self._size)
        if self._given:
            raise _invalid(self._param, "is empty: send the bytes of a picture")
        return None


class TextPicture:
    """A picture given as text. Base64 is decoded as it arrives; of an address only the text is kept."""

    def __init__(self, spool: Spool, param: str, most: int) -> None:
        self._param = param
        self._head = bytearray()
        self._decoder: _Base64 | None = None
        self._file = FilePicture(spool, param, most)

    def feed(self, data: bytes | memoryview) -> None:
        """Takes the next piece of text."""
        if self._decoder is not None:
            self._decoder.feed(data)
            return
        self._head += data
        if len(self._head) > _LONGEST_ADDRESS:
            self._decoder = self._begin()

    def finish(self) -> Extent | str | None:
        """Where the picture is, or its address; None where the text was empty or `null`."""
        if self._decoder is None:
            text = bytes(self._head).strip()
            if text in {b"", b"null"}:
                return None
            if _is_address(text):
                return self._address(text)
            self._decoder = self._begin()
        self._decoder.finish()
        return self._file.finish()

    def _begin(self) -> "_Base64":
        text = bytes(self._head).lstrip()
        self._head.clear()
        if text.startswith(OBJECT_TEXT):
            raise object_text(self._param)
        if text.startswith(_PROGRAM_TEXT):
            raise _invalid(
                self._param,
                "is the printed form of a program's object, not a picture: pass the file itself "
                "(in Python an open file, not its bytes as text), a data URI or base64",
            )
        if _is_address(text):
            raise _invalid(self._param, f"is an address longer than {_LONGEST_ADDRESS} characters")
        decoder = _Base64(self._file, self._param)
        decoder.feed(self._payload(text))
        return decoder

    def _payload(self, text: bytes) -> bytes:
        if text[:5].lower() != b"data:":
            return text
        comma = text.find(b",", 0, _LONGEST_DATA_HEAD)
        if comma == -1 or not text[:comma].rstrip().lower().endswith(b";base64"):
            raise _invalid(self._param, "is a data URI without base64: write 'data:image/png;base64,' and the base64")
        return text[comma + 1 :]

    def _address(self, text: bytes) -> str:
        if not text.isascii() or not text.decode("ascii").isprintable() or b" " in text:
            raise _invalid(self._param, "is not an address: escape spaces and letters beyond ASCII")
        return text.decode("ascii")


class _Base64:
    """Decodes base64 piece by piece into a picture. Line ends are skipped; missing padding is forgiven."""

    def __init__(self, picture: FilePicture, param: str) -> None:
        self._picture = picture
        self._param = param
        self._rest = b""
        self._padded = False

    def feed(self, data: bytes | memoryview) -> None:
        text = self._rest + bytes(data).translate(None, _LINE_ENDS)
        whole = len(text) & ~3
        self._rest = text[whole:]
        if whole:
            self._decode(text[:whole])
        elif self._padded and text:
            raise self._bad()

    def finish(self) -> None:
        if self._rest:
            self._decode(self._rest.ljust(4, b"="))

    def _decode(self, text: bytes) -> None:
        if self._padded:
            raise self._bad()
        self._padded = text.endswith(b"=")
        try:
            decoded = binascii.a2b_base64(text, strict_mode=True)
        except binascii.Error as error:
            raise self._bad() from error
        self._picture.feed(decoded)

    def _bad(self) -> Refused:
        return _invalid(self._param, "is neither a data URI, nor base64, nor an http(s) address")


def object_text(param: str) -> Refused:
    """The refusal of a value that JavaScript turned into `[object Object]`."""
    words = (
        f"{param} arrived as the text [object Object], an object that the client made a string: send it as JSON text"
    )
    return Refused(400, "invalid_request_body", words, param=param)


def _is_address(text: bytes) -> bool:
    return text[:8].lower().startswith(_ADDRESSES)


def _invalid(param: str, why: str) -> Refused:
    return Refused(400, "invalid_image", f"the picture in {param} {why}", param=param)

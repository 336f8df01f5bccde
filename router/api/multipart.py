"""Reads a multipart form straight from the wire, part by part, holding no more than one piece of it."""

import asyncio
import logging

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from router.api.body_limits import Intake
from router.api.form_parts import FormParts, Part
from router.images.spool import Spool
from router.messages.errors import Refused
from router.messages.limits import BodyLimits

_PIECE = 256 * 1024
_MOST_HEADERS = 8
_LONGEST_HEADER = 4096

# The parser logs bytes of a broken body, which may be a prompt's or a picture's.
_SILENT = logging.Logger("router.multipart", logging.CRITICAL + 1)  # noqa: LOG001 - must have no parent to tell


async def read_multipart(intake: Intake, content_type: str, spool: Spool, limits: BodyLimits) -> FormParts:
    """All parts of a form.

    Raises:
        Refused: the form is broken or beyond a limit.
    """
    form = FormParts(spool, limits)
    reader = _Reader(form, _boundary(content_type))
    while data := await intake.piece():
        for start in range(0, len(data), _PIECE):
            reader.write(data if len(data) <= _PIECE else data[start : start + _PIECE])
            if spool.full:
                await asyncio.to_thread(spool.flush)
    reader.close()
    return form


def _boundary(content_type: str) -> bytes:
    boundary = parse_options_header(content_type)[1].get(b"boundary", b"")
    if not boundary:
        raise _broken("its Content-Type names no boundary: let the HTTP client set that header")
    return boundary


class _Reader:
    """The parser's callbacks: from headers to an open part, from data to the part's end."""

    def __init__(self, form: FormParts, boundary: bytes) -> None:
        self._form = form
        self._field = b""
        self._value = b""
        self._headers: dict[bytes, bytes] = {}
        self._part: Part | None = None
        self._ended = False
        try:
            self._parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self._begin,
                    "on_header_field": self._header_field,
                    "on_header_value": self._header_value,
                    "on_header_end": self._header_end,
                    "on_headers_finished": self._open,
                    "on_part_data": self._data,
                    "on_part_end": self._end,
                    "on_end": self._last,
                },
                max_header_count=_MOST_HEADERS,
                max_header_size=_LONGEST_HEADER,
            )
        except FormParserError as error:
            raise _broken("its boundary is too long: let the HTTP client choose it") from error
        self._parser.logger = _SILENT

    def write(self, data: bytes) -> None:
        """Takes the next piece of the body."""
        try:
            self._parser.write(data)
        except FormParserError as error:
            raise _broken("it does not follow its boundary or a part's headers are wrong or too long") from error

    def close(self) -> None:
        """Checks that the form came to its end."""
        if not self._ended:
            raise _broken("it ends before its closing boundary: send it whole")

    def _begin(self) -> None:
        self._headers = {}

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._field += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_end(self) -> None:
        self._headers[self._field.lower()] = self._value
        self._field = self._value = b""

    def _open(self) -> None:
        options = parse_options_header(self._headers.get(b"content-disposition", b"").decode("latin-1"))[1]
        try:
            name = options[b"name"].decode()
        except KeyError as error:
            raise _broken("a part of it has no name: give each part a Content-Disposition with a name") from error
        except UnicodeDecodeError as error:
            raise _broken("the name of one of its parts is not UTF-8") from error
        filename = options.get(b"filename")
        declared = self._headers.get(b"content-type", b"").decode("latin-1").strip().lower()
        self._part = self._form.open(name, None if filename is None else filename.decode("latin-1"), declared)

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._part is not None:
            self._part.feed(memoryview(data)[start:end])

    def _end(self) -> None:
        if self._part is not None:
            self._part.finish()
        self._part = None

    def _last(self) -> None:
        self._ended = True


def _broken(why: str) -> Refused:
    return Refused(400, "invalid_request_body", f"the body is not a readable multipart form: {why}")

"""Reads an urlencoded form, which clients send when there is no file to send."""

from collections.abc import Iterator
from urllib.parse import unquote_to_bytes

from router.api.form_parts import FormParts
from router.images.spool import Spool
from router.messages.errors import Refused
from router.messages.limits import BodyLimits

_PIECE = 192 * 1024


def read_urlencoded(body: bytes | bytearray, spool: Spool, limits: BodyLimits) -> FormParts:
    """All fields of a form; each is a part without headers.

    Raises:
        Refused: a field is broken or beyond a limit.
    """
    if body[:64].lstrip()[:1] == b"{":
        words = "the body is JSON and its Content-Type says urlencoded: send it as application/json"
        raise Refused(400, "invalid_request_body", words)
    form = FormParts(spool, limits)
    for pair in bytes(body).strip().split(b"&", limits.max_parts):
        if not pair:
            continue
        raw, _, value = pair.partition(b"=")
        part = form.open(_name(raw))
        for piece in _unquoted(value):
            part.feed(piece)
            if spool.full:
                spool.flush()
        part.finish()
    return form


def _name(raw: bytes) -> str:
    try:
        return b"".join(_unquoted(raw[:4096])).decode()
    except UnicodeDecodeError as error:
        raise Refused(400, "invalid_request_body", "the name of a field is not UTF-8") from error


def _unquoted(value: bytes) -> Iterator[bytes]:
    """The value in pieces, no escape cut in two."""
    start = 0
    while start < len(value):
        end = start + _PIECE
        escape = value.find(b"%", end - 2, end)
        if escape != -1 and end < len(value):
            end = escape
        yield unquote_to_bytes(value[start:end].replace(b"+", b" "))
        start = end

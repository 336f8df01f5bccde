"""Takes pictures' base64 out of a JSON body before it is parsed: no parser need look at each of its megabytes."""

from collections.abc import Mapping
from dataclasses import dataclass

LONG = 64 * 1024
"""Bytes of a string from which on it is taken out."""

_MOST_QUOTES = 8192  # a body with more is parsed as it is, as is one with more backslashes in a row
_MOST_BACKSLASHES = 16
_WINDOW = 512 * 1024  # bytes that are searched for one thing after the other while they are in the processor's cache
_SPECIAL = (b"\\", b"\n", b"\r", b"\t", b"\0")  # of the control characters those that come by somebody's mistake


@dataclass(frozen=True, slots=True)
class Lightened:
    """A body without its long strings. `cargo` are these, by the number, as it is written, that stands for each."""

    text: bytes
    cargo: Mapping[bytes, memoryview]


def lightened(body: bytes) -> Lightened | None:
    """The body of an answer without its long strings; None where it has none, or is not so simple.

    A string with an escape is none that could be passed on as it is, nor is one with a line break, which no JSON may
    hold. Both, and what is no JSON at all, are left to the parser.
    """
    pieces: list[bytes] = []
    cargo: dict[bytes, memoryview] = {}
    done, start, quote = 0, -1, body.find(b'"')
    for _ in range(_MOST_QUOTES):
        if quote == -1:
            break
        if start == -1:
            start = quote
        else:
            escapes = _backslashes(body, quote)
            if escapes == _MOST_BACKSLASHES:
                return None
            if escapes % 2 == 0:
                if quote - start > LONG:
                    if not _plain(body, start, quote):
                        return None
                    number = b"-%d.25e-300" % len(cargo)  # no backend's own
                    pieces += (body[done:start], number)
                    cargo[number] = memoryview(body)[start + 1 : quote]
                    done = quote + 1
                start = -1
        quote = body.find(b'"', quote + 1)
    else:
        return None
    if start != -1 or not cargo:
        return None
    return Lightened(b"".join((*pieces, body[done:])), cargo)


def _plain(body: bytes, start: int, end: int) -> bool:
    """Whether a string can be passed on as it stands: without escapes, and without what no JSON string may hold."""
    windows = ((at, min(at + _WINDOW, end)) for at in range(start, end, _WINDOW))
    return all(body.find(byte, *window) == -1 for window in windows for byte in _SPECIAL)


def _backslashes(body: bytes, quote: int) -> int:
    """How many stand right before a quote, as far as they are counted."""
    before = body[quote - _MOST_BACKSLASHES : quote] if quote >= _MOST_BACKSLASHES else body[:quote]
    return len(before) - len(before.rstrip(b"\\"))

"""What a field of JSON may hold, as small predicates, and the refusal of one that may not."""

import re
from base64 import b64decode
from collections.abc import Callable, Mapping
from typing import Any

from backends.server import Status

Legal = Callable[[Any], bool]
MAGIC = {b"\x89PNG": "image/png", b"\xff\xd8\xff": "image/jpeg", b"RIFF": "image/webp"}


class Refusal(Exception):  # noqa: N818 - an answer, not a fault
    """A request that is answered with an error; `field` is the one to blame."""

    def __init__(self, status: int, message: str, code: str | None = None, field: str | None = None) -> None:
        self.failure = Status(status, code, message=message, param=field)


def check(fields: Mapping[str, Any], rules: Mapping[str, Legal], *needed: str) -> None:
    """Refuses a field that is unknown, illegal or missing."""
    for name in needed:
        if name not in fields:
            raise Refusal(422, "Field required", "missing", name)
    for name, value in fields.items():
        if name not in rules:
            raise Refusal(422, "Extra inputs are not permitted", "extra_forbidden", name)
        if not rules[name](value):
            raise Refusal(422, "Input should be valid", "value_error", name)


def number(low: float, high: float, step: int = 0) -> Legal:
    """A number within bounds; with `step` a whole one that it divides."""

    def legal(value: Any) -> bool:
        kind = type(value) is int and value % step == 0 if step else type(value) in (int, float)
        return kind and low <= value <= high

    return legal


def one_of(*values: Any) -> Legal:
    """One of these."""
    return lambda value: any(type(value) is type(legal) and value == legal for legal in values)


def any_text(value: Any) -> bool:
    """Any text that is not empty."""
    return isinstance(value, str) and value != ""


def any_ratio(value: Any) -> bool:
    """`w:h` from 21:9 to 9:21."""
    found = re.fullmatch(r"(\d+):(\d+)", value) if isinstance(value, str) else None
    return found is not None and 9 / 21 <= int(found[1]) / int(found[2]) <= 21 / 9


def base64_picture(value: Any) -> bool:
    """The base64 of what begins like a picture, and nothing before it."""
    return isinstance(value, str) and _begins(value) is not None


def data_picture(value: Any) -> bool:
    """A picture as a `data:` address that says what it is."""
    found = re.fullmatch(r"data:([^;,]+);base64,(.*)", value, re.DOTALL) if isinstance(value, str) else None
    return found is not None and _begins(found[2]) == found[1]


def many(legal: Legal, most: int) -> Legal:
    """A list of one to so many."""
    return lambda value: isinstance(value, list) and 1 <= len(value) <= most and all(map(legal, value))


def bytes_of(picture: str) -> bytes:
    """The bytes of a picture that came as base64, with or without what leads a `data:` address."""
    return b64decode(picture.rpartition(",")[2])


def _begins(text: str) -> str | None:
    try:
        data = b64decode(text, validate=True)
    except ValueError:
        return None
    return next((kind for magic, kind in MAGIC.items() if data.startswith(magic)), None)

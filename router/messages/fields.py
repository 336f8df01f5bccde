"""Reads single values out of a body, JSON or form, and refuses in the contract's codes what is not as it should be."""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct, field

from router.messages.errors import Refused

_NUMBER = re.compile(r"[+-]?[0-9]{1,30}(\.[0-9]{0,30})?([eE][+-]?[0-9]{1,3})?")
_HUGE = 2**63
_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}
_KINDS: tuple[tuple[type | tuple[type, ...], str], ...] = (
    (bool, "a boolean"),
    ((int, float), "a number"),
    (str, "a string"),
    (Mapping, "an object"),
    (Sequence, "an array"),
)


class Fields(Struct, frozen=True):
    """An object of a body and where it stands, so that a refusal names the place as the caller wrote it.

    In a form every scalar is text. A value that is null, and in a form the text `null` or nothing, is absent.
    """

    values: Mapping[str, Any] = field(default_factory=dict)
    form: bool = False
    place: str = ""

    def at(self, name: str) -> str:
        """The full name of a field."""
        return f"{self.place}.{name}" if self.place else name

    def has(self, name: str) -> bool:
        """Whether a value is there."""
        return name in self.values and self.get(name) is not None

    def get(self, name: str) -> Any:
        """A value as it came; None where absent."""
        value = self.values.get(name)
        return None if self.form and isinstance(value, str) and value.strip() in {"", "null"} else value

    def text(self, name: str, *, longest: int | None = None) -> str | None:
        """A string."""
        value = self.get(name)
        if value is None:
            return None
        text = as_text(value, self.at(name))
        if longest is not None and len(text) > longest:
            raise too_long(self.at(name), len(text), longest)
        return text

    def word(self, name: str, legal: Sequence[str]) -> str | None:
        """One of a closed list of words."""
        value = self.text(name)
        if value is not None and value not in legal:
            raise illegal(self.at(name), f"{shown(value)} is not legal; use one of {', '.join(legal)}")
        return value

    def number(self, name: str, low: float, high: float = math.inf) -> float | None:
        """A finite number within bounds; whole ones come as int."""
        value = self.get(name)
        if value is None:
            return None
        number = as_number(value, self.at(name), "a number", form=self.form)
        if not low <= number <= high:
            raise illegal(self.at(name), f"{number} is out of bounds; use {_bounds(low, high)}")
        return number

    def integer(self, name: str, low: int, high: int) -> int | None:
        """A whole number within bounds."""
        value = self.get(name)
        return None if value is None else as_integer(value, self.at(name), low, high, form=self.form)

    def boolean(self, name: str) -> bool | None:
        """A yes or no."""
        value = self.get(name)
        if self.form and isinstance(value, str):
            value = _BOOLEANS.get(value.strip().lower(), value)
        if value is None or isinstance(value, bool):
            return value
        raise wrong_type(self.at(name), "a boolean", value)

    def record(self, name: str) -> "Fields | None":
        """An object."""
        value = self.get(name)
        if value is None:
            return None
        return as_record(value, self.at(name), form=self.form)

    def items(self, name: str) -> Sequence[Any] | None:
        """An array."""
        value = self.get(name)
        if value is None or isinstance(value, list | tuple):
            return value
        raise wrong_type(self.at(name), "an array", value)


def as_record(value: Any, place: str, *, form: bool) -> Fields:
    """A value that must be an object."""
    if isinstance(value, Mapping):
        return Fields(value, form, place)
    raise wrong_type(place, "an object", value)


def as_text(value: Any, place: str) -> str:
    """A value that must be text that can be sent on."""
    if not isinstance(value, str):
        raise wrong_type(place, "a string", value)
    if not is_clean(value):
        raise illegal(place, "holds a NUL or half a character; send well-formed text")
    return value


def as_number(value: Any, place: str, kind: str, *, form: bool) -> float:
    """A value that must be a finite number; whole ones come as int."""
    if form and isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        value = float(value) if re.search("[.eE]", value) else int(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise wrong_type(place, kind, value)
    if not -_HUGE < value < _HUGE:  # nor is NaN within
        raise illegal(place, "is not a number of reasonable size")
    return int(value) if isinstance(value, float) and value.is_integer() else value


def as_integer(value: Any, place: str, low: int, high: int, *, form: bool) -> int:
    """A value that must be a whole number within bounds; `2.0` is one."""
    number = as_number(value, place, "an integer", form=form)
    if not isinstance(number, int):
        raise illegal(place, f"{number} is not a whole number; use an integer {_bounds(low, high)}")
    if not low <= number <= high:
        raise illegal(place, f"{number} is out of bounds; use an integer {_bounds(low, high)}")
    return number


def is_clean(text: str) -> bool:
    """Whether text can be sent on: no NUL, no lone surrogate."""
    if "\0" in text:
        return False
    try:
        return text.isascii() or bool(text.encode())
    except UnicodeEncodeError:
        return False


def texts(value: Any) -> Iterator[str]:
    """Every string in a JSON value, keys among them, however deep."""
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, str):
            yield item
        elif isinstance(item, Mapping):
            waiting += item.keys()
            waiting += item.values()
        elif isinstance(item, list | tuple):
            waiting += item


def shown(value: str) -> str:
    """A caller's word, quoted back: short, and only what can be printed."""
    plain = "".join(letter if letter.isprintable() else "?" for letter in value[:40])
    return f"'{plain}…'" if len(value) > 40 else f"'{plain}'"


def missing(place: str, why: str = "is required") -> Refused:
    """A field that must be there."""
    return Refused(400, "missing_required_parameter", f"{place} {why}", param=place)


def wrong_type(place: str, wanted: str, value: Any, remedy: str = "") -> Refused:
    """A value of another type than the field has."""
    found = next((words for kind, words in _KINDS if isinstance(value, kind)), "something else")
    return Refused(400, "invalid_type", f"{place} must be {wanted}, not {found}{remedy}", param=place)


def illegal(place: str, why: str) -> Refused:
    """A value that the field cannot have."""
    return Refused(400, "invalid_value", f"{place}: {why}", param=place)


def too_long(place: str, length: int, longest: int) -> Refused:
    """Text beyond its limit."""
    return Refused(
        400,
        "string_above_max_length",
        f"{place} has {length} characters; at most {longest} are allowed",
        param=place,
    )


def unsupported(place: str, why: str) -> Refused:
    """A field that the model or this server does not have."""
    return Refused(400, "unsupported_parameter", f"{place}: {why}", param=place)


def _bounds(low: float, high: float) -> str:
    return f"of at least {low:g}" if math.isinf(high) else f"from {low:g} to {high:g}"

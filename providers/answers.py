"""What a backend answers, and how it is read: by a Struct, or one word or picture at a time by its dotted path."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, cached_property
from types import GenericAlias
from typing import Any, TypeVar

import msgspec

from providers.cargo import LONG, Lightened, lightened
from providers.errors import UNREADABLE, bad_response

T = TypeVar("T")

_NULL = msgspec.Raw(b"null")
_NUMBER: Any = int | float
_LONGEST_NUMBER = 32  # bytes of what stands for a string that was taken out
_LONGEST_HEAD = 128  # bytes of a `data:` address before its base64


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """One picture as the backend gave it: exactly one of `b64` (base64 text), `url` and `data` (its bytes).

    `width` and `height` are what the backend says of it; 0 where it says nothing.
    """

    b64: memoryview | None = None
    url: str | None = None
    data: bytes | None = None
    revised_prompt: str | None = None
    width: int = 0
    height: int = 0


@dataclass(frozen=True)
class Answer:
    """What came back: a status, headers by lower-case name, the whole body."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def read(self, shape: type[T]) -> T:
        """The body as `shape`, a Struct that names only the fields used.

        Raises:
            ProviderError: `bad_response`, with the path of what is missing or of the wrong type.
        """
        if self._light is not None:
            with suppress(*UNREADABLE):  # a long string may be text after all
                return msgspec.json.decode(self._light.text, type=shape)
        try:
            return msgspec.json.decode(self.body, type=shape)
        except UNREADABLE as error:
            raise bad_response(f"the backend's answer is not what it documents: {error}") from error

    def at(self, path: str, shape: type[T]) -> list[T]:
        """All that stands at a dotted path, each as `shape`; what is absent or null is none.

        A `*` in the path steps into every item of a list: `data.*.url`.

        Raises:
            ProviderError: `bad_response`, with the path of what is of the wrong type.
        """
        leaf: Any = shape
        found: list[Any] = [self.read(_leading_to(path, leaf))]
        for step in path.split("."):
            inner = (item if step == "*" else (item.value,) for item in found)
            found = [value for values in inner for value in values if value is not None]
        return [value for value in found if value != _NULL]

    def word(self, path: str) -> str:
        """The text at a path, which must be there.

        Raises:
            ProviderError: `bad_response`, when it is not.
        """
        for word in self.at(path, str):
            return word
        above, _, name = f"$.{path}".rpartition(".")
        where = "" if above == "$" else f" - at `{above}`"
        raise bad_response(
            f"the backend's answer is not what it documents: Object missing required field `{name}`{where}"
        )

    def number(self, path: str) -> float | None:
        """The number at a path; None where there is none."""
        return next(iter(self.at(path, _NUMBER)), None)

    def links(self, path: str) -> tuple[Image, ...]:
        """The pictures whose addresses stand at a path."""
        return tuple(Image(url=link) for link in self.at(path, str) if link)

    def inline(self, path: str) -> tuple[Image, ...]:
        """The pictures whose base64 stands at a path."""
        return tuple(Image(b64=self.cargo(raw)) for raw in self.at(path, msgspec.Raw))

    @cached_property
    def _light(self) -> Lightened | None:
        return lightened(self.body) if len(self.body) > LONG else None

    @cached_property
    def _escaped(self) -> bool:
        return b"\\" in self.body

    def cargo(self, raw: msgspec.Raw) -> memoryview:
        """The text of a JSON string as a slice of the body; copied only where the body has an escape.

        Of a `data:` address it is what follows the comma.

        Raises:
            ProviderError: `bad_response`, when it is no string.
        """
        text = self._text(memoryview(raw))
        head, comma, _ = bytes(text[:_LONGEST_HEAD]).partition(b",")
        return text[len(head) + 1 :] if comma and head.startswith(b"data:") else text

    def _text(self, view: memoryview) -> memoryview:
        if self._light is not None and len(view) < _LONGEST_NUMBER and (cargo := self._light.cargo.get(bytes(view))):
            return cargo
        if len(view) < 2 or view[0] != ord('"'):
            raise bad_response("the backend's answer has something else where a picture's base64 belongs")
        if not self._escaped or b"\\" not in bytes(view):
            return view[1:-1]
        try:
            return memoryview(msgspec.json.decode(view, type=str).encode())
        except UNREADABLE as error:
            raise bad_response(f"the backend's answer has a broken string for a picture: {error}") from error


@cache
def _leading_to(path: str, shape: Any) -> Any:
    """A Struct that names nothing but the steps of a path, so that the rest of a body is passed over once."""
    for step in reversed(path.split(".")):
        absent = _NULL if shape is msgspec.Raw else None
        item = shape if shape is msgspec.Raw else shape | None
        if step == "*":
            shape = GenericAlias(list, (item,))
        else:
            shape = msgspec.defstruct("At", [("value", item, absent)], rename={"value": step})
    return shape

"""Where two records differ, each value in the words of its file: `5m`, `${REGION}`. What is secret is never shown."""

from collections.abc import Iterator, Mapping, Set as AbstractSet
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from router.config.mistakes import Place, quoted, spell
from router.config.nodes import Node, parse
from router.config.values import Secret

_DEFAULT = "the default"


@dataclass(frozen=True, slots=True)
class Written:
    """A configuration as it is written."""

    tree: Node

    @classmethod
    def of(cls, text: str) -> "Written":
        """The text of a configuration that was loaded."""
        return cls(parse(text, "")[0])

    def words(self, place: Place) -> str:
        """A value as its file spells it."""
        way, rest = self.tree.find(place)
        return _DEFAULT if rest else _spelled(way[-1])


@dataclass(frozen=True, slots=True)
class Change:
    """One value that differs; secret ones have no words."""

    place: Place
    old: str = ""
    new: str = ""

    def after(self, depth: int) -> str:
        """What changed, its place told from `depth` on."""
        where = spell(self.place[depth:])
        return f"{where} was {self.old}, is {self.new}" if self.old or self.new else f"{where} changed"


def changes(
    old: Any,
    new: Any,
    place: Place,
    old_text: Written,
    new_text: Written,
    *,
    old_place: Place | None = None,
    but: AbstractSet[str] = frozenset(),
) -> Iterator[Change]:
    """The values of a record that differ, without those named in `but`."""
    was = place if old_place is None else old_place
    if old == new:
        return
    if isinstance(old, BaseModel) and type(old) is type(new):
        pairs = [(name, getattr(old, name), getattr(new, name)) for name in type(old).model_fields if name not in but]
    elif isinstance(old, Mapping) and isinstance(new, Mapping):
        pairs = [(name, old.get(name), new.get(name)) for name in dict.fromkeys((*old, *new))]
    elif _secret(old) or _secret(new):
        yield Change(place)
        return
    else:
        yield Change(place, old_text.words(was), new_text.words(place))
        return
    for name, before, after in pairs:
        yield from changes(before, after, (*place, name), old_text, new_text, old_place=(*was, name))


def _secret(value: Any) -> bool:
    """Whether a value holds something that must not be shown."""
    if isinstance(value, Secret):
        return True
    if isinstance(value, BaseModel):
        return any(_secret(getattr(value, name)) for name in type(value).model_fields)
    if isinstance(value, Mapping):
        return any(map(_secret, value.values()))
    return isinstance(value, tuple | list | frozenset) and any(map(_secret, value))


def _spelled(node: Node) -> str:
    if isinstance(node.value, dict):
        return f"{{{', '.join(f'{name}: {_spelled(inner)}' for name, inner in node.value.items())}}}"
    if isinstance(node.value, list):
        return f"[{', '.join(map(_spelled, node.value))}]"
    return quoted(node.text)[1:-1] or "nothing"

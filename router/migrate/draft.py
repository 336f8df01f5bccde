"""A configuration in the making: its tree, the comments beside its lines, and what is said of each source line."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from router.config.mistakes import Place, spell
from router.config.nodes import Node
from router.config.values import spell_duration

_FROM_ENVIRONMENT = re.compile(r"os\.environ/([A-Za-z_][A-Za-z0-9_]*)")
_LONGEST = 24 * 3600.0
_NOT_IN_A_NAME = re.compile(r"[^A-Z0-9]+")


@dataclass(frozen=True, slots=True)
class Note:
    """What became of one setting of the source."""

    line: int
    source: str
    text: str
    lost: bool

    def __str__(self) -> str:
        return f"{self.line}: {self.source}: {'NOT carried over: ' if self.lost else ''}{self.text}"


class Draft:
    """Collects the tree, its comments and the notes. A `place` of a note is where in our tree the comment stands."""

    def __init__(self, source: Node) -> None:
        self.tree: dict[str, Any] = {}
        self.comments: dict[Place, list[str]] = {}
        self.orphans: list[str] = []
        self.notes: list[Note] = []
        self._source = source
        self._names: dict[str, str] = {}
        texts = (node.value for node in source.walk() if isinstance(node.value, str))
        self._taken = {found[1] for text in texts if (found := _FROM_ENVIRONMENT.fullmatch(text))}

    def took(self, source: Place, place: Place, text: str = "") -> None:
        """A setting was translated into `place`; `text` says what differs."""
        self._note(source, f"is {spell(place)}{f': {text}' if text else ''}", lost=False)
        self._beside(place, f"{spell(source)}{f': {text}' if text else ''}")

    def lost(self, source: Place, text: str, place: Place | None = None) -> None:
        """A setting has no translation, and why; beside `place`, or at the end."""
        self._note(source, text, lost=True)
        said = f"not carried over: {spell(source)}: {text}"
        if place is None:
            self.orphans.append(said)
        else:
            self._beside(place, said)

    def referred(self, value: Any) -> str:
        """A value that is no secret, its reference to the environment in our words."""
        found = _FROM_ENVIRONMENT.fullmatch(str(value))
        return f"${{{found[1]}}}" if found else str(value).replace("$", "$$")

    def secret(self, value: Any, name: str, tell: Callable[[str], None]) -> str:
        """A reference to a secret; one in plain text is left behind, and is to come by a variable of that name."""
        if _FROM_ENVIRONMENT.fullmatch(str(value)):
            return self.referred(value)
        variable = self._variable(str(value), name)
        tell(f"a secret in plain text: set the environment variable {variable} to it")
        return f"${{{variable}}}"

    def _variable(self, value: str, name: str) -> str:
        """One name for each value: a second value under the same name gets a number."""
        if value not in self._names:
            wanted = _NOT_IN_A_NAME.sub("_", name.upper()).strip("_")
            free = (f"{wanted}_{n}" if n > 1 else wanted for n in range(1, len(self._taken) + 2))
            self._names[value] = next(each for each in free if each not in self._taken)
            self._taken.add(self._names[value])
        return self._names[value]

    def _note(self, source: Place, text: str, *, lost: bool) -> None:
        nodes, _ = self._source.find(source)
        self.notes.append(Note(nodes[-1].key_line or nodes[-1].line, spell(source), text, lost))

    def _beside(self, place: Place, text: str) -> None:
        self.comments.setdefault(place, []).append(text)


def section(tree: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """A mapping of the source, empty where there is none."""
    found = tree.get(name)
    return found if isinstance(found, dict) else {}


def nameable(text: str) -> bool:
    """Whether our configuration takes this for a name."""
    odd = not text.isascii() or not text.isprintable() or any(character in text for character in " $")
    return bool(text) and not odd and not text.startswith("/")


def duration(seconds: float) -> str:
    """A time as our configuration spells it, within its bounds."""
    return spell_duration(round(min(max(seconds, 0.001), _LONGEST), 3))

"""YAML text to a tree in which every value knows its line and column. YAML 1.2 words, and no surprises of 1.1.

What YAML 1.1 readers would take for something else is a mistake, as are tags, doubled keys, several documents, and
anything large, deep or self-containing enough to be an attack.
"""

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import yaml
from yaml.composer import Composer
from yaml.nodes import MappingNode, Node as YamlNode, ScalarNode, SequenceNode
from yaml.reader import ReaderError
from yaml.resolver import BaseResolver

from router.config.mistakes import ConfigError, Mistake, Place, quoted, spell

MAX_NODES = 100_000
MAX_DEPTH = 40

_NULL = re.compile(r"|~|null|Null|NULL")
_BOOL = re.compile(r"true|True|TRUE|false|False|FALSE")
_WHOLE = re.compile(r"[-+]?(0|[1-9][0-9]{0,17})")
_NUMBER = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]{1,3})?")
_SURPRISES = {
    re.compile(
        r"yes|no|on|off", re.IGNORECASE
    ): "a boolean to some YAML readers: write true or false, or put it in quotes",
    re.compile(r"[-+]?0[0-9_]+"): "octal to some YAML readers: drop the leading zero, or put it in quotes",
    re.compile(r"[-+]?0[box][0-9a-fA-F_]+"): "a number to some YAML readers: write it in decimal, or put it in quotes",
    re.compile(r"[-+]?[1-9][0-9]*_[0-9_]*"): "a number to some YAML readers: drop the '_', or put it in quotes",
    re.compile(r"[-+]?[0-9]+(:[0-5]?[0-9])+"): "a number in base 60 to some YAML readers: put it in quotes",
}
_UNLIKE = re.compile(r"[\t\ufeff?!]|:\s+[,}\]]|[|>][-+\d]*#")
"""What libyaml and PyYAML take for different things, or put in different columns."""

_SYNTAX = {
    "mapping values are not allowed": "a ':' where no key can stand: check the indentation, or put the text in quotes",
    "found character '\\t'": "a tab cannot indent: use spaces",
    "could not find expected ':'": "a key without its ':'",
    "expected <block end>": "the indentation does not match the lines above",
    "expected ',' or": "a ',' or a closing bracket is missing: inside {} and [], put ${...} in quotes",
    "found unexpected end of stream": "a quote is never closed",
    "found undefined alias": "an alias without its anchor: define it above with &",
    "but found another document": "only one document to a file: remove the '---'",
}


@dataclass(slots=True)
class Node:
    """A value and where it stands. `key_line` and `key_column` are of its key; a list's items have none of their own.

    `text` is a scalar as written, before any reference is filled in. A `broken` node has had its mistake told.
    """

    value: Any
    place: Place
    line: int
    column: int
    key_line: int
    key_column: int
    text: str = ""
    broken: bool = False

    @property
    def plain(self) -> Any:
        """The value without its positions."""
        if self.broken:
            return None
        if isinstance(self.value, dict):
            return {key: node.plain for key, node in self.value.items()}
        if isinstance(self.value, list):
            return [node.plain for node in self.value]
        return self.value

    def find(self, place: Place) -> "tuple[list[Node], Place]":
        """The nodes on the way to a place, this one first, and what of the way is not there."""
        way = [self]
        for index, part in enumerate(place):
            inner = way[-1].value
            if isinstance(inner, list):
                inner = dict(enumerate(inner))
            if not isinstance(inner, dict) or part not in inner:
                return way, place[index:]
            way.append(inner[part])
        return way, ()

    def walk(self) -> "Iterator[Node]":
        """This node and all below it."""
        yield self
        if isinstance(self.value, dict | list):
            for node in self.value.values() if isinstance(self.value, dict) else self.value:
                yield from node.walk()

    def mistake(self, file: str, message: str, *, at_key: bool = False, where: Place | None = None) -> Mistake:
        """A mistake that stands here."""
        line, column = (self.key_line, self.key_column) if at_key else (self.line, self.column)
        return Mistake(file, line, column, spell(self.place if where is None else where), message)


def parse(text: str, file: str) -> tuple[Node, list[Mistake]]:
    """The tree of a file's text, and the mistakes that do not keep it from being read.

    Raises:
        ConfigError: the text is no YAML, or too much of it.
    """
    try:
        root, tagged = _composed(text, file)
    except yaml.MarkedYAMLError as error:
        problem = f"{error.context or ''} {error.problem or ''}"
        unclosed = "end of stream" in problem and error.context_mark
        mark = error.context_mark if unclosed else error.problem_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (0, 0)
        known = (ours for theirs, ours in _SYNTAX.items() if theirs in problem)
        message = next(known, "check quotes, brackets and indentation here")
        raise ConfigError([Mistake(file, line, column, "", f"not valid YAML: {message}")]) from None
    except (ValueError, OverflowError):
        raise ConfigError([Mistake(file, 0, 0, "", "not valid YAML: an escape of no character: correct it")]) from None
    except ReaderError as error:
        before = text[: error.position]
        line, column = before.count("\n") + 1, error.position - before.rfind("\n")
        message = "not valid YAML: a control character: remove it, or write it as an escape in double quotes"
        raise ConfigError([Mistake(file, line, column, "", message)]) from None
    builder = _Builder(file, tagged)
    if not isinstance(root, MappingNode):
        what = "empty" if root is None or root.value == "" else "not a mapping"
        remedy = "it must be keys and values, such as providers: and models:"
        raise ConfigError([Mistake(file, 0, 0, "", f"the file is {what}: {remedy}")])
    return builder.build(root, (), root), builder.mistakes


def _composed(text: str, file: str) -> tuple[YamlNode | None, dict[int, str]]:
    """PyYAML's nodes, and the tags among them.

    libyaml takes a tenth of the time, PyYAML's own stages say more of a mistake: what the one refuses, the other reads.
    """
    composer: _Composer
    if not _UNLIKE.search(text):
        with suppress(yaml.YAMLError, ValueError):
            composer = _ByLibyaml(text, file)
            return composer.get_single_node(), composer.tagged
    composer = _InPython(text, file)
    return composer.get_single_node(), composer.tagged


def _hold(file: str, here: Any, depth: int, count: int) -> None:
    """Refuse what is past the bounds."""
    if depth > MAX_DEPTH:
        raise ConfigError([_at(file, here, f"nested more than {MAX_DEPTH} levels deep: make it flatter")])
    if count > MAX_NODES:
        raise ConfigError([_at(file, here, f"more than {MAX_NODES} values, its aliases filled in: use fewer")])


def _at(file: str, here: Any, message: str, place: Place = ()) -> Mistake:
    """A mistake where one of PyYAML's nodes or events starts."""
    mark = here.start_mark
    return Mistake(file, mark.line + 1, mark.column + 1, spell(place), message)


class _Composer(Composer, BaseResolver):
    """PyYAML's nodes of its events, with bounds. Nothing is constructed: no tag can reach any code."""

    def __init__(self, file: str) -> None:
        Composer.__init__(self)
        BaseResolver.__init__(self)
        self.tagged: dict[int, str] = {}
        self._file = file
        self._depth = 0
        self._count = 0

    def compose_node(self, parent: YamlNode | None, index: Any) -> YamlNode | None:
        event = self.peek_event()  # type: ignore[attr-defined]
        self._depth += 1
        self._count += 1
        _hold(self._file, event, self._depth, self._count)
        node = super().compose_node(parent, index)
        self._depth -= 1
        tag = getattr(event, "tag", None)
        if tag is not None:
            self.tagged[id(node)] = tag.replace("tag:yaml.org,2002:", "!!")
        return node


class _InPython(_Composer, yaml.BaseLoader):
    """Events of PyYAML's own stages."""

    def __init__(self, text: str, file: str) -> None:
        yaml.BaseLoader.__init__(self, text)
        _Composer.__init__(self, file)


_Libyaml: Any = getattr(yaml, "CBaseLoader", yaml.BaseLoader)  # PyYAML may have been built without it


class _ByLibyaml(_Composer, _Libyaml):  # type: ignore[misc]
    """Events of libyaml."""

    def __init__(self, text: str, file: str) -> None:
        _Libyaml.__init__(self, text)
        _Composer.__init__(self, file)


class _Builder:
    """Nodes of PyYAML to ours, once per place they are used at."""

    def __init__(self, file: str, tagged: dict[int, str]) -> None:
        self.mistakes: list[Mistake] = []
        self._file = file
        self._tagged = tagged
        self._count = 0
        self._open: set[int] = set()

    def build(self, raw: YamlNode, place: Place, key: YamlNode) -> Node:
        self._count += 1
        _hold(self._file, raw, len(self._open), self._count)
        if id(raw) in self._open:
            raise ConfigError([_at(self._file, raw, "an anchor that contains an alias of itself: remove the alias")])
        mark, named = raw.start_mark, key.start_mark
        node = Node(None, place, mark.line + 1, mark.column + 1, named.line + 1, named.column + 1)
        if id(raw) in self._tagged:
            self._refuse(node, f"the tag {quoted(self._tagged[id(raw)])} is not supported: write the plain value")
        self._open.add(id(raw))
        if isinstance(raw, MappingNode):
            node.value = self._mapping(raw, place)
        elif isinstance(raw, SequenceNode):
            node.value = [self.build(item, (*place, index), item) for index, item in enumerate(raw.value)]
        elif isinstance(raw, ScalarNode):
            self._scalar(raw, node)
        self._open.discard(id(raw))
        return node

    def _mapping(self, raw: MappingNode, place: Place) -> dict[str, Node]:
        own: dict[str, Node] = {}
        merged: dict[str, Node] = {}
        for key, value in raw.value:
            name = key.value
            if not isinstance(key, ScalarNode):
                self._tell(key, place, "a key must be a word: put it in quotes")
            elif name == "<<" and not key.style:
                merged |= self._merge(value, place)
            elif name in own:
                self._tell(key, place, f"duplicate key {quoted(name)}, first on line {own[name].key_line}: keep one")
            else:
                own[name] = self.build(value, (*place, name), key)
        return own | {name: node for name, node in merged.items() if name not in own}

    def _merge(self, raw: YamlNode, place: Place) -> dict[str, Node]:
        if isinstance(raw, MappingNode):
            return dict(self.build(raw, place, raw).value)
        self._tell(raw, place, "only a mapping can be merged with <<: write <<: *anchor")
        return {}

    def _scalar(self, raw: ScalarNode, node: Node) -> None:
        node.text = node.value = text = raw.value
        if any("\ud800" <= letter <= "\udfff" for letter in text):
            self._refuse(node, "an escape of half a character: write the character itself")
        if raw.style:
            return
        node.value = _resolved(text)
        for surprise, remedy in _SURPRISES.items():
            if surprise.fullmatch(text):
                self._refuse(node, f"{quoted(text)} is {remedy}")

    def _refuse(self, node: Node, message: str) -> None:
        node.broken = True
        self.mistakes.append(node.mistake(self._file, message))

    def _tell(self, raw: YamlNode, place: Place, message: str) -> None:
        self.mistakes.append(_at(self._file, raw, message, place))


def _resolved(text: str) -> str | int | float | bool | None:
    """A plain scalar by the core rules of YAML 1.2; a date stays the text that it looks like."""
    if _NULL.fullmatch(text):
        return None
    if _BOOL.fullmatch(text):
        return text.lower() == "true"
    if _WHOLE.fullmatch(text):
        return int(text)
    return float(text) if _NUMBER.fullmatch(text) else text

"""A draft as YAML text, with its comments above the lines they are about."""

import re
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from router.config.mistakes import Place
from router.migrate.draft import Draft

_WIDTH = 120
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_./@-]*(:[A-Za-z0-9_./@-]+)*")
_WORDS = {"true", "false", "null", "yes", "no", "on", "off"}


def spelled(draft: Draft, head: str) -> str:
    """The whole file."""
    lines = ["# yaml-language-server: $schema=schema.json", *_comment(head, 0)]
    for name, value in draft.tree.items():
        lines += ["", *_pair(name, value, (name,), draft.comments)]
    if draft.orphans:
        lines += ["", *_comment("What has no place above:", 0)]
        lines += [line for text in draft.orphans for line in _comment(f"- {text}", 0)]
    return "\n".join(lines) + "\n"


def _pair(key: str, value: Any, place: Place, comments: Mapping[Place, list[str]]) -> Iterator[str]:
    indent = 2 * (len(place) - 1)
    for text in comments.get(place, ()):
        yield from _comment(text, indent)
    yield from _lines(f"{' ' * indent}{_scalar(key)}:", value, place, comments)


def _lines(start: str, value: Any, place: Place, comments: Mapping[Place, list[str]]) -> Iterator[str]:
    """A value after its key or dash; an item's first pair stands on the line of the dash."""
    if isinstance(value, dict) and value:
        yield start
        for key, inner in value.items():
            yield from _pair(key, inner, (*place, key), comments)
    elif isinstance(value, list) and value:
        yield start
        for index, inner in enumerate(value):
            yield from _item(inner, (*place, index), comments)
    else:
        yield f"{start} {_scalar(value)}"


def _item(value: Any, place: Place, comments: Mapping[Place, list[str]]) -> Iterator[str]:
    indent = 2 * (len(place) - 1)
    for text in comments.get(place, ()):
        yield from _comment(text, indent)
    if not isinstance(value, dict):
        yield f"{' ' * indent}- {_scalar(value)}"
        return
    for key in value:
        for text in comments.get((*place, key), ()):
            yield from _comment(text, indent)
    pairs = [line for key, inner in value.items() for line in _pair(key, inner, (*place, key), {})]
    yield f"{' ' * indent}- {pairs[0].lstrip()}"
    yield from pairs[1:]


def _scalar(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:.6f}".rstrip("0").rstrip(".")
    if isinstance(value, str) and not (_PLAIN.fullmatch(value) and value.lower() not in _WORDS):
        return msgspec.json.encode(value).decode()
    return "{}" if value == {} else "[]" if value == [] else str(value)


def _comment(text: str, indent: int) -> Iterator[str]:
    start = f"{' ' * indent}# "
    later = f"{start}  " if text.startswith("- ") else start
    for paragraph in text.splitlines():
        yield from textwrap.wrap(
            paragraph, _WIDTH, initial_indent=start, subsequent_indent=later, break_long_words=False
        )

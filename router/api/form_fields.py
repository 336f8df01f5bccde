"""Turns the text parts of a form into the nested values a JSON body would hold: bracket paths, columns, JSON text."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from router.api.pictures import OBJECT_TEXT, object_text
from router.messages.errors import Refused

STRUCTURED = frozenset(
    {
        *("fallbacks", "fallback_on_codes", "models", "retry", "retries", "cache", "load_balancer", "timeout"),
        *("orq", "identity", "contact", "metadata", "plugins", "router", "providerOptions", "provider_options"),
        "extra_fields",
    }
)
"""Fields that are an object or an array: a single part of theirs is JSON text, whatever its content type."""

_LISTS = frozenset({"fallbacks", "fallback_on_codes", "models"})
# Maps from names, which may be numbers, to text.
_MAPS = frozenset({("metadata",), ("orq", "metadata")})
_NAME = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)")
_STEP = re.compile(r"\[([^\[\]]*)\]")
_OBJECTS = re.compile(r"\s*\[object Object\](,\[object Object\])*\s*")
_LONGEST_NAME = 512
_DEEPEST = 8
_HIGHEST_INDEX = 255

Path = tuple[str, ...]
_Entry = tuple[Path, str]


@dataclass(frozen=True, slots=True)
class TextPart:
    """One text part of a form. `json`: it was declared to be JSON."""

    name: str
    text: str
    json: bool = False


def nest(parts: Iterable[TextPart]) -> dict[str, Any]:
    """All fields of a form by name. Scalars stay text; what was JSON text is what it says.

    Raises:
        Refused: 400 `invalid_request_body` or `ambiguous_form_array`, with the field.
    """
    entries: list[_Entry] = []
    declared: set[str] = set()
    for part in parts:
        path = _path(part.name)
        if _OBJECTS.fullmatch(part.text):
            raise object_text(_spelled(path))
        if part.json and len(path) == 1 and part.text.lstrip()[:1] in {"{", "["}:
            declared.add(part.name)
        entries.append((path, part.text))
    return _record(entries, (), lambda name: name in STRUCTURED or name in declared)


def is_absent(text: str) -> bool:
    """Whether a form's text means that the field was not sent."""
    return text.strip() in {"", "null"}


def _path(name: str) -> Path:
    """`a[b][]` as `("a", "b", "")`."""
    match = _NAME.fullmatch(name) if len(name) <= _LONGEST_NAME else None
    if match is None:
        raise _refused(name[:64], "is not a field's name: write name, name[key], name[] or name[0]")
    path = (match[1], *_STEP.findall(match[2]))
    if len(path) > _DEEPEST:
        raise _refused(path[0], f"is nested deeper than {_DEEPEST} levels: send it as JSON text")
    return path


def _record(entries: Sequence[_Entry], place: Path, is_json: Callable[[str], bool]) -> dict[str, Any]:
    """An object whose fields may each be plain parts or bracket paths: the form itself, and `orq` within it."""
    fields: dict[str, Any] = {}
    for name, inner in _grouped(entries).items():
        here = (*place, name)
        plain = [text for path, text in inner if not path and not is_absent(text)]
        nested = [(path, text) for path, text in inner if path and (_in_column(path) or not is_absent(text))]
        if plain and nested:
            words = "is sent both as one part and in brackets: send one of them, best as JSON text"
            raise _refused(_spelled(here), words)
        if plain:
            fields[name] = _plain(plain, here, structured=is_json(name))
        elif here == ("orq",) and not any(_is_step(path[0]) for path, _ in nested):
            fields |= {name: record} if (record := _record(nested, here, STRUCTURED.__contains__)) else {}
        elif nested:
            fields[name] = _built(nested, here)
    return fields


def _plain(texts: Sequence[str], place: Path, *, structured: bool) -> Any:
    """A field sent without brackets."""
    name = _spelled(place)
    if place[-1] in _LISTS:
        return _listed(texts, name, commas=place[-1] == "fallback_on_codes")
    if len(texts) > 1:
        raise _refused(name, f"is sent {len(texts)} times: send it once, or a list as {name}[]")
    return _json(texts[0], name) if structured else texts[0]


def _listed(texts: Sequence[str], name: str, *, commas: bool) -> Any:
    """A list as one JSON text, or as repeated parts, each an entry: JSON where it looks like it, else a word."""
    entries = [_json(text, name) if text.lstrip()[:1] in {"[", "{"} else text.strip() for text in texts]
    if len(entries) == 1 and not isinstance(entries[0], str):
        return entries[0]
    if any(isinstance(entry, list) for entry in entries):
        raise _refused(name, "is sent several times, once as a JSON array: send one JSON array")
    if commas and len(entries) == 1:
        return [word.strip() for word in entries[0].split(",")]
    return entries


def _json(text: str, name: str) -> Any:
    if OBJECT_TEXT.decode() in text:
        raise object_text(name)
    try:
        return msgspec.json.decode(text)
    except (msgspec.MsgspecError, RecursionError, UnicodeError) as error:
        raise _refused(name, "must be JSON text, and this is none") from error


def _built(entries: Sequence[_Entry], place: Path) -> Any:
    """What bracket paths say, from here down."""
    name = _spelled(place)
    if not all(path for path, _ in entries):
        if len(entries) > 1:
            raise _refused(name, "is sent more than once, or both whole and in parts: send it once, or as JSON text")
        return entries[0][1]
    steps = {path[0] for path, _ in entries}
    if steps == {""}:
        if not any(path[1:] for path, _ in entries):
            return [text for _, text in entries]
        return _columns([(path[1:], text) for path, text in entries], place)
    if all(step.isdecimal() for step in steps) and place not in _MAPS:
        return _indexed(entries, place)
    if "" in steps:
        raise _refused(name, "is sent as a list and as an object: send it as JSON text")
    return {step: _built(inner, (*place, step)) for step, inner in _grouped(entries).items()}


def _indexed(entries: Sequence[_Entry], place: Path) -> list[Any]:
    """A list with its places written out, which must be all there."""
    rows = _grouped([((str(_index(path[0], place)), *path[1:]), text) for path, text in entries])
    if any(str(index) not in rows for index in range(len(rows))):
        raise _refused(_spelled(place), "has gaps in its indices: number its entries 0, 1, 2 and so on")
    return [_built(rows[str(index)], (*place, str(index))) for index in range(len(rows))]


def _index(step: str, place: Path) -> int:
    if len(step) > 3 or not step.isascii() or int(step) > _HIGHEST_INDEX:
        raise _refused(_spelled(place), f"has an index beyond {_HIGHEST_INDEX}: number its entries from 0")
    return int(step)


def _columns(entries: Sequence[_Entry], place: Path) -> list[Any]:
    """A list of objects written key by key. The pairing holds only where every key was given for every entry."""
    columns: dict[Path, list[str]] = {}
    for path, text in entries:
        columns.setdefault(path, []).append(text)
    flat = {path: texts for path, texts in columns.items() if path and "" not in path}
    count = len(flat.get(("model",)) or next(iter(flat.values()), ()))
    exact = all(len(texts) == count for texts in flat.values())
    if not count or not exact or (count > 1 and len(flat) < len(columns)):
        counts = ", ".join(f"{len(texts)} of {'.'.join(path) or 'plain values'}" for path, texts in columns.items())
        raise Refused(
            400,
            "ambiguous_form_array",
            f"{_spelled(place)} came as {counts}, and a form does not say which belong together: "
            f"send {place[0]} as JSON text",
            param=_spelled(place),
        )
    whole = [(path, text) for path, text in entries if path not in flat and not is_absent(text)]
    rows = [[(path, texts[at]) for path, texts in flat.items() if not is_absent(texts[at])] for at in range(count)]
    return [_built(row + whole, (*place, str(at))) if row or whole else {} for at, row in enumerate(rows)]


def _grouped(entries: Iterable[_Entry]) -> dict[str, list[_Entry]]:
    """Entries by their first step, without it."""
    groups: dict[str, list[_Entry]] = {}
    for path, text in entries:
        groups.setdefault(path[0], []).append((path[1:], text))
    return groups


def _in_column(path: Path) -> bool:
    """Whether a value's place among its like has a meaning, so that an empty one must stay."""
    return "" in path[:-1]


def _is_step(step: str) -> bool:
    return not step or step.isdecimal()


def _spelled(path: Path) -> str:
    """A path as refusals write it: `orq.fallbacks[0].model`."""
    return path[0] + "".join(f"[{step}]" if _is_step(step) else f".{step}" for step in path[1:])


def _refused(param: str, why: str) -> Refused:
    return Refused(400, "invalid_request_body", f"{param} {why}", param=param)

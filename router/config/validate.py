"""A tree against a pydantic schema: every mistake at once, in our own words, and what can be saved of the rest."""

import re
from collections.abc import Iterator
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from router.config.mistakes import Mistake, Place, listed, quoted, suggestion
from router.config.nodes import Node

Shape = TypeVar("Shape", bound=BaseModel)

_KINDS = {
    "model_type": "keys and values",
    "model_attributes_type": "keys and values",
    "dict_type": "keys and values",
    "list_type": "a list",
    "tuple_type": "a list",
    "frozen_set_type": "a list",
    "string_type": "text",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "date_from_datetime_parsing": "a date such as 2026-12-31",
    "date_type": "a date such as 2026-12-31",
}
_SALVAGES = 5


def validate(tree: Node, shape: type[Shape], file: str, directory: Path) -> tuple[Shape | None, list[Mistake]]:
    """What the tree says, and every mistake in it.

    With mistakes, the wrong parts are cut out of the tree so that the rest can still be looked over; None where
    nothing is left of it. A broken node's mistake has been told before.
    """
    mistakes: list[Mistake] = []
    for attempt in range(_SALVAGES):
        try:
            return shape.model_validate(tree.plain, context={"directory": directory}), mistakes
        except ValidationError as error:
            found = error.errors(include_url=False, include_input=False)
        # what is too short once its wrong items are out is not the mistake
        errors = [each for each in found if not (each["type"] == "too_short" and tree.find(_place(each))[0][-1].value)]
        if attempt == 0:
            mistakes = [told for each in errors if (told := _told(each, tree, shape, file)) is not None]
        if not _cut(tree, [_place(each) for each in errors]):
            break
    return None, mistakes


def _place(error: ErrorDetails) -> Place:
    return tuple(part for part in error["loc"] if part != "[key]")


def _cut(tree: Node, places: list[Place]) -> bool:
    """Take the nodes at these places out of their parents; False where that would be the whole tree."""
    ways = [tree.find(place)[0] for place in places]
    for way in ways:
        if len(way) == 1:
            return False
        parent, child = way[-2:]
        if isinstance(parent.value, dict):
            parent.value = {key: node for key, node in parent.value.items() if node is not child}
        else:
            parent.value = [node for node in parent.value if node is not child]
    return True


def _told(error: ErrorDetails, tree: Node, shape: type[BaseModel], file: str) -> Mistake | None:
    place = _place(error)
    way, rest = tree.find(place)
    node = way[-1]
    kind, context = error["type"], error.get("ctx", {})
    if any(step.broken for step in way):
        return None
    if kind == "extra_forbidden":
        known = list(_keys(shape, place[:-1]))
        hint = suggestion(str(place[-1]), known) or f": the keys here are {', '.join(known)}"
        return node.mistake(file, f"unknown key {quoted(str(place[-1]))}{hint}", at_key=True, where=node.place[:-1])
    if kind == "missing":
        return node.mistake(file, f"the key {quoted(str(rest[-1]))} is missing: add it", at_key=True)
    if error["loc"] and error["loc"][-1] == "[key]":
        message = f"expected {context['what']}, not {quoted(str(place[-1]))}"
        return node.mistake(file, message, at_key=True, where=node.place[:-1])
    return node.mistake(file, _sentence(kind, context, node))


def _sentence(kind: str, context: dict[str, Any], node: Node) -> str:
    """What is wrong with a value, in words."""
    shown = _shown(node)
    if kind == "forbidden":
        return str(context["sentence"])
    if kind == "expected":
        return f"expected {context['what']}, not {shown}"
    if kind in {"enum", "literal_error"}:
        words = re.findall(r"'([^']*)'", str(context["expected"]))
        return f"expected {listed(words)}, not {shown}{suggestion(node.text, words)}"
    if kind in _KINDS:
        quotes = ": put it in quotes" if kind == "string_type" and isinstance(node.value, bool | int | float) else ""
        return f"expected {_KINDS[kind]}, not {shown}{quotes}"
    if kind == "greater_than_equal":
        return f"must be at least {context['ge']:g}, not {shown}"
    if kind == "less_than_equal":
        return f"must be at most {context['le']:g}, not {shown}"
    if kind in {"too_short", "string_too_short"}:
        return "is empty: it needs at least one entry" if kind == "too_short" else "is empty: write a text"
    return f"{shown} is not a legal value: `image-router schema` tells what is"


def _shown(node: Node) -> str:
    """A value as the file spells it, never as a reference fills it."""
    if isinstance(node.value, dict):
        return "keys and values"
    if isinstance(node.value, list):
        return "a list"
    return "nothing" if node.value is None else quoted(node.text)


def _keys(shape: type[BaseModel], place: Place) -> Iterator[str]:
    """The keys that are legal at a place."""
    here: Any = shape
    for part in place:
        here = _inside(here, part)
    for model in _models(here):
        yield from model.model_fields


def _inside(annotation: Any, part: str | int) -> Any:
    """What stands at a key or position of a value of this type."""
    for model in _models(annotation):
        field = model.model_fields.get(str(part))
        return field.annotation if field else None
    found = next((each for each in _alternatives(annotation) if get_origin(each) in {dict, tuple, list}), None)
    if get_origin(found) is dict:
        return get_args(found)[1]
    return get_args(found)[0] if found else None


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    return (each for each in _alternatives(annotation) if isinstance(each, type) and issubclass(each, BaseModel))


def _alternatives(annotation: Any) -> Iterator[Any]:
    """The types that a value may have, without their annotations."""
    if get_origin(annotation) in {Union, UnionType}:
        for each in get_args(annotation):
            yield from _alternatives(each)
    elif hasattr(annotation, "__metadata__"):
        yield from _alternatives(get_args(annotation)[0])
    else:
        yield annotation

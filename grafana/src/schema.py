"""A JSON Schema of dashboards, made from the classes of Grafana's SDK: their fields and the types these declare."""

import enum
import inspect
import sys
import types
import typing
from collections.abc import Mapping
from typing import Any

from grafana_foundation_sdk.cog.variants import Dataquery
from grafana_foundation_sdk.models import dashboard, prometheus, stat, statetimeline, table, timeseries

PANELS = {"stat": stat, "timeseries": timeseries, "table": table, "state-timeline": statetimeline}
"""The kinds of panel in use, each with the module of its own options."""

_PLAIN: Mapping[Any, dict[str, Any]] = {
    str: {"type": "string"},
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    float: {"type": "number"},
    type(None): {"type": "null"},
    object: {},
    Any: {},
}


def schema() -> dict[str, Any]:
    """What a dashboard may be: nothing in it is unknown, and everything is of its type."""
    kept: dict[str, Any] = {}
    return {**_of(dashboard.Dashboard, kept), "$defs": kept}


def _of(hint: Any, kept: dict[str, Any]) -> dict[str, Any]:
    """The schema of a declared type; that of a class is kept under its name."""
    origin, inside = typing.get_origin(hint), typing.get_args(hint)
    if hint in _PLAIN:
        return _PLAIN[hint]
    if hint is Dataquery:
        return _of(prometheus.Dataquery, kept)
    if origin is typing.Literal:
        return {"enum": list(inside)}
    if origin in (typing.Union, types.UnionType):
        return {"anyOf": [_of(each, kept) for each in inside]}
    if origin is list:
        return {"type": "array", "items": _of(inside[0], kept)}
    if origin is dict:
        return {"type": "object", "additionalProperties": _of(inside[1], kept)}
    if inspect.isclass(hint) and issubclass(hint, enum.Enum):
        return {"enum": [each.value for each in hint]}
    name = f"{hint.__module__.rpartition('.')[2]}.{hint.__name__}"
    if name not in kept:
        kept[name] = {}
        kept[name] = _panel(kept) if hint is dashboard.Panel else _object(hint, kept)
    return {"$ref": f"#/$defs/{name}"}


def _panel(kept: dict[str, Any], plain: type = dashboard.Panel) -> dict[str, Any]:
    """Each kind of panel has options, and a look of its fields, of its own."""
    kinds = []
    for kind, module in PANELS.items():
        options = _of(module.Options, kept)
        more: dict[str, Any] = {"type": {"const": kind}, "options": options}
        if hasattr(module, "FieldConfig"):
            custom = {"properties": {"custom": _of(module.FieldConfig, kept)}}
            more["fieldConfig"] = {"properties": {"defaults": custom}}
        kinds.append({"properties": more})
    return {**_object(plain, kept), "anyOf": kinds}


def _object(kind: type, kept: dict[str, Any]) -> dict[str, Any]:
    """A class: its fields by their names in JSON; those that it writes even when they are empty must be there."""
    hints = typing.get_type_hints(kind.__init__, vars(sys.modules[kind.__module__]))
    hints.pop("return", None)
    marks = {attribute: object() for attribute in hints}
    told = _filled(kind, marks).to_json()
    by_mark = {id(mark): hints[attribute] for attribute, mark in marks.items()}
    fields = {
        name: _of(by_mark[id(value)], kept) if id(value) in by_mark else {"const": value}
        for name, value in told.items()
    }
    required = list(_filled(kind, dict.fromkeys(hints)).to_json())
    return {"type": "object", "properties": fields, "required": required, "additionalProperties": False}


def _filled(kind: Any, values: Mapping[str, Any]) -> Any:
    made = kind()
    vars(made).update(values)
    return made

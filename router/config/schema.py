"""The configuration's JSON Schema, for editors that complete and check as one types."""

from typing import Any

from pydantic import BaseModel

from router.config.model import Settings
from router.config.values import DURATION, SIZE, spell_duration, spell_size

_REFERENCE = {
    "type": "string",
    "pattern": r"\$\{",
    "description": "Filled in when the file is loaded: ${NAME}, ${NAME:-default} or ${file:PATH}.",
}
_NARROW = {"integer", "number", "boolean"}
_ASIDE = {"description", "default"}


def schema(model: type[BaseModel] = Settings) -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a kind of file."""
    made = _for_editors(model.model_json_schema())
    made["$defs"]["Reference"] = _REFERENCE
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": _title(model), **made}


def _title(model: type[BaseModel]) -> str:
    return (model.__doc__ or model.__name__).partition("\n")[0].rstrip(".")


def _for_editors(node: Any) -> Any:
    """Without pydantic's titles, defaults as people write them, and references wherever a value may be one."""
    if isinstance(node, list):
        return [_for_editors(item) for item in node]
    if not isinstance(node, dict):
        return node
    if isinstance(node.get("title"), str):
        node = {key: value for key, value in node.items() if key != "title"}
    if "default" in node:
        node = _with_default(node)
    made = {key: value if key in _ASIDE | {"enum", "required"} else _for_editors(value) for key, value in node.items()}
    if made.get("type") not in _NARROW and not (made.get("type") == "string" and {"enum", "pattern"} & made.keys()):
        return made
    aside = {key: made.pop(key) for key in _ASIDE & made.keys()}
    return {**dict(sorted(aside.items(), reverse=True)), "anyOf": [made, {"$ref": "#/$defs/Reference"}]}


def _with_default(node: dict[str, Any]) -> dict[str, Any]:
    default = node["default"]
    if isinstance(default, dict) or default is None or default == []:
        return {key: value for key, value in node.items() if key != "default"}
    if isinstance(default, list):
        default = sorted(default)
    elif node.get("pattern") == DURATION:
        default = spell_duration(default)
    elif node.get("pattern") == SIZE:
        default = spell_size(default)
    return {**node, "default": default}

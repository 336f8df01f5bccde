"""What the bodies of requests and answers may be, as JSON Schema, from the tables by which they are read."""

from collections.abc import Mapping
from typing import Any

from providers.base import Operation
from providers.dialect import Strictness
from router.engine.request import BalancerType, Form
from router.messages.controls import (
    MAX_FALLBACK_CODES,
    MAX_FALLBACKS,
    MAX_RETRIES,
    MAX_TTL,
    MIN_WEIGHT,
)
from router.messages.request import (
    EDIT_QUALITIES,
    INTEGERS,
    MAX_IMAGES,
    MAX_N,
    MAX_PARTIAL_IMAGES,
    MAX_PROMPT,
    NUMBERS,
    TEXTS,
    WORDS,
)
from router.messages.trace import MAX_IDENTITY, MAX_METADATA

Schema = dict[str, Any]

_TEXT: Schema = {"type": "string", "minLength": 1}
_YES_NO: Schema = {"type": ["boolean", "null"]}
_ADDRESS: Schema = {
    "type": ["string", "null"],
    "description": "A data URI or base64; where the router follows addresses, also an http(s) one.",
}
_WITHIN: Schema = {"type": "object", "properties": {"url": _ADDRESS}, "required": ["url"]}
_IMAGE_URL: Schema = {
    "type": "object",
    "properties": {"image_url": {"anyOf": [_ADDRESS, _WITHIN]}},
    "required": ["image_url"],
}
_PICTURE: Schema = {"anyOf": [_ADDRESS, _IMAGE_URL]}
_PICTURES: Schema = {"anyOf": [_ADDRESS, _IMAGE_URL, {"type": "array", "items": _PICTURE, "maxItems": MAX_IMAGES}]}
_FILE: Schema = {"type": "string", "format": "binary"}
_ABOUT = {
    "model": "The name of a model, as the list of models has it.",
    "prompt": "What the picture shall show.",
    "n": "How many pictures.",
    "size": "WIDTHxHEIGHT in pixels, or `auto`; which ones are legal depends on the model.",
    "aspect_ratio": "WIDTH:HEIGHT, such as 16:9, or `auto`.",
    "stream": "Answer with events as the pictures come.",
    "partial_images": "Early looks before each picture of a stream.",
    "dry_run": "Answer what would be done, and do nothing. It needs a key that may ask so.",
    "user": "Who the picture is for; providers that have the field are told.",
    "extra_fields": "Fields for the provider that the router does not know.",
}


def request_schema(operation: Operation, *, default_model: bool) -> Schema:
    """A JSON body of an operation. `default_model`: whether it may name no model."""
    pictures = {"image": _PICTURES, "images": _PICTURES, "mask": _PICTURE}
    properties = {**_parameters(operation, default_model=default_model), **_controls(), **pictures}
    pictured: Schema = {"anyOf": [{"required": ["image"]}, {"required": ["images"]}]}
    whole = _object(properties, _required(operation, default_model=default_model))
    return whole if operation is Operation.GENERATE else {**whole, **pictured}


def form_schema(operation: Operation, *, default_model: bool) -> Schema:
    """The same as a form, whose pictures are files, and whose nested fields JSON text."""
    parameters = _parameters(operation, default_model=default_model)
    del parameters["router"]
    texts = {name: _as_text(schema) for name, schema in parameters.items()}
    pictures = {"type": "array", "items": _FILE, "minItems": 1, "maxItems": MAX_IMAGES}
    properties = {**texts, "image": {"anyOf": [_FILE, pictures]}, "mask": _FILE}
    return _object(properties, (*_required(operation, default_model=default_model), "image"))


def _required(operation: Operation, *, default_model: bool) -> tuple[str, ...]:
    model = () if default_model else ("model",)
    return model if operation is Operation.VARIATION else (*model, "prompt")


def _parameters(operation: Operation, *, default_model: bool) -> dict[str, Schema]:
    """The fields that say what the pictures shall be."""
    words: Mapping[str, tuple[str, ...]] = {**WORDS, "response_format": tuple(Form)}
    if operation is Operation.EDIT:
        words = {**words, "quality": EDIT_QUALITIES}
    model: Schema = {"type": ["string", "null"]} if default_model else _TEXT
    found: dict[str, Schema] = {"model": model, "prompt": {**_TEXT, "maxLength": MAX_PROMPT}}
    if operation is Operation.VARIATION:
        del found["prompt"]
    found |= {name: {"enum": [*legal, None]} for name, legal in words.items()}
    found |= {name: _number("integer", *bounds) for name, bounds in INTEGERS.items()}
    found |= {name: _number("number", *bounds) for name, bounds in NUMBERS.items()}
    found |= {name: {"type": ["string", "null"], "maxLength": MAX_PROMPT} for name in TEXTS}
    found |= {
        "n": _number("integer", 1, MAX_N),
        "size": {"type": ["string", "null"]},
        "aspect_ratio": {"type": ["string", "null"]},
        "stream": _YES_NO,
        "partial_images": _number("integer", 0, MAX_PARTIAL_IMAGES),
        "dry_run": _YES_NO,
        "router": _maybe(
            {
                **_object({"unsupported": {"enum": [*Strictness, None]}, "options": _maybe(_RECORDS)}),
                "additionalProperties": False,
            }
        ),
    }
    return {
        name: {**schema, "description": _ABOUT[name]} if name in _ABOUT else schema for name, schema in found.items()
    }


_RECORDS: Schema = {"type": "object", "additionalProperties": {"type": "object"}}


def _controls() -> dict[str, Schema]:
    """The fields that say how the request is to be served, and for whom; all but the last also within `orq`."""
    code = {"type": "integer", "maximum": 599}
    model = {"anyOf": [_TEXT, _object({"model": _TEXT}, ("model",))]}
    member = _object({"model": _TEXT, "weight": _number("number", MIN_WEIGHT, 1)}, ("model",))
    members = {"type": "array", "items": member}
    identity = _object(
        {
            "id": {**_TEXT, "maxLength": MAX_IDENTITY},
            "display_name": {"type": ["string", "null"]},
            "email": {"type": ["string", "null"]},
            "logo_url": {"type": ["string", "null"]},
            "tags": {"type": ["array", "null"], "items": {"type": "string"}},
        },
        ("id",),
    )
    both: dict[str, Schema] = {
        "retry": _object(
            {
                "count": _number("integer", 0, MAX_RETRIES),
                "on_codes": {"type": ["array", "null"], "items": {**code, "minimum": 100}, "minItems": 1},
            }
        ),
        "fallbacks": {"type": "array", "items": model, "maxItems": MAX_FALLBACKS},
        "fallback_on_codes": {
            "type": "array",
            "items": {**code, "minimum": 400},
            "description": f"At most {MAX_FALLBACK_CODES} different ones.",
        },
        "cache": _object({"type": {"const": "exact_match"}, "ttl": _number("number", 1, MAX_TTL)}, ("type",)),
        "load_balancer": {
            "anyOf": [
                members,
                _object(
                    {"type": {"type": "string", "examples": list(BalancerType)}, "models": members}, ("type", "models")
                ),
            ]
        },
        "timeout": _object(
            {"call_timeout": {"type": "number", "minimum": 1, "exclusiveMaximum": 2**63}}, ("call_timeout",)
        ),
        "identity": identity,
        "name": {"type": "string"},
    }
    both = {name: _maybe(schema) for name, schema in both.items()}
    metadata = {"type": "object", "additionalProperties": {"type": "string", "maxLength": MAX_METADATA}}
    return {
        **both,
        "orq": _maybe(_object({**both, "prompt": {"type": "null"}})),
        "metadata": _maybe(metadata),
        "extra_fields": {"type": ["object", "null"], "description": _ABOUT["extra_fields"]},
    }


def _object(properties: Mapping[str, Schema], required: tuple[str, ...] = ()) -> Schema:
    found: Schema = {"type": "object", "properties": dict(properties)}
    return {**found, "required": list(required)} if required else found


def _number(kind: str, low: float, high: float) -> Schema:
    return {"type": [kind, "null"], "minimum": low, "maximum": high}


def _maybe(schema: Schema) -> Schema:
    """A null is as good as nothing."""
    return {"anyOf": [schema, {"type": "null"}]}


def _as_text(schema: Schema) -> Schema:
    """In a form nothing is null: what is absent is left out."""
    if "enum" in schema:
        return {**schema, "enum": [word for word in schema["enum"] if word is not None]}
    kind = schema["type"]
    return {**schema, "type": kind[0] if isinstance(kind, list) else kind}


_COUNT: Schema = {"type": "integer", "minimum": 0}
_STORY: Schema = {"type": "object", "description": "How it came: the target, every attempt, what was sent otherwise."}
ERROR: Schema = _object(
    {
        "error": _object(
            {
                "message": {"type": "string"},
                "type": {"type": "string"},
                "param": {"type": ["string", "null"]},
                "code": {"type": ["string", "null"]},
                "failures": {"type": "array", "items": {"type": "object"}},
            },
            ("message", "type", "param", "code"),
        )
    },
    ("error",),
)
_ITEM: Schema = {
    **_object({"url": {"type": "string"}, "b64_json": {"type": "string"}, "revised_prompt": {"type": "string"}}),
    "oneOf": [{"required": ["url"]}, {"required": ["b64_json"]}],
}
PICTURES: Schema = _object(
    {
        "created": {"type": "integer"},
        "data": {"type": "array", "items": _ITEM, "minItems": 1},
        "output_format": {"type": "string"},
        "size": {"type": "string"},
        "quality": {"type": "string"},
        "background": {"enum": ["transparent", "opaque"]},
        "usage": _object(
            {
                "input_tokens": _COUNT,
                "output_tokens": _COUNT,
                "total_tokens": _COUNT,
                "image_count": _COUNT,
                "cost": {"type": "number", "description": "US dollars; left out where the price is not known."},
            },
            ("input_tokens", "output_tokens", "total_tokens", "image_count"),
        ),
        "router": _STORY,
    },
    ("created", "data", "usage"),
)
PLAN: Schema = _object(
    {
        "dry_run": {"const": True},
        "model": {"type": "string"},
        "operation": {"enum": list(Operation)},
        "pictures": _COUNT,
        "served": {"type": "boolean"},
        "chain": {"type": "array", "items": {"type": "object"}},
    },
    ("dry_run", "model", "operation", "served", "chain"),
)
MODEL: Schema = _object(
    {
        "id": {"type": "string"},
        "object": {"const": "model"},
        "owned_by": {"type": "string"},
        "created": {"type": "integer"},
        "image": _object({"operations": {"type": "array", "items": {"enum": list(Operation)}}}, ("operations",)),
    },
    ("id", "object", "owned_by", "created", "image"),
)
MODELS: Schema = _object(
    {"object": {"const": "list"}, "data": {"type": "array", "items": {"$ref": "#/components/schemas/Model"}}},
    ("object", "data"),
)
HEALTH: Schema = _object(
    {
        "status": {"enum": ["ready", "draining", "stuck"]},
        "version": {"type": "string"},
        "config": {"type": "string", "description": "The hash of the configuration, or `stale`."},
        "mistakes": _COUNT,
        "serving": {"type": "string"},
    },
    ("status", "version", "config"),
)

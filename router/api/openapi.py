"""`GET /openapi.json`: what clients may ask and what they are answered, as an OpenAPI document. It needs no key."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from providers.base import Operation
from router import __version__
from router.images.links import FILES_PATH
from router.messages import schemas
from router.messages.schemas import Schema

PATH = "/openapi.json"
_JSON = "application/json"
_EVENTS = "text/event-stream"
_ERRORS: Mapping[int, str] = {
    400: "The request is wrong, as `error.param` says, or the provider refused it.",
    401: "A key of this router is needed.",
    402: "The budget of this key is spent.",
    403: "This key may not do that.",
    404: "There is no such model.",
    408: "The body, or a provider, took too long.",
    409: "The Idempotency-Key is in use, or nobody knows what became of its request.",
    413: "The body, or a picture in it, is too large.",
    415: "The body has a content type that is not read.",
    422: "The Idempotency-Key is another request's, or the provider refused the router's own key.",
    429: "Too many requests, by this key's limits or the provider's.",
    500: "The router failed.",
    501: "The provider does not have that.",
    502: "The provider failed.",
    503: "The router or every provider is overloaded or stopping.",
    504: "The provider took too long.",
}
_DESCRIPTION = """\
Image generation over many providers. An error says in the header `x-should-retry` whether asking again is safe.

Beyond what is described here, fields of other routers are read in their spellings, and unknown fields go to providers
that take them. What depends on the model, such as its sizes, is refused with 400. While a model is configured to send
a heartbeat, a long answer begins with blanks under status 200, and an error then stands in the body alone.
"""
_NAMES = {Operation.GENERATE: "createImage", Operation.EDIT: "editImage", Operation.VARIATION: "varyImage"}
_SUMMARIES = {
    Operation.GENERATE: "Make pictures from text",
    Operation.EDIT: "Make pictures from pictures and text",
    Operation.VARIATION: "Make pictures like a picture",
}
_EXAMPLE = {"model": "gpt-image-2", "prompt": "a red kite over a harbour", "n": 1}
_PICTURE = (
    "iVBORw0KGgoAAAANSUhEUgAAABAAAAAQCAIAAACQkWg2AAAAFklEQVR42mM4Y6xEEmIY1TCqYfhqAABPBSEQTw1jVAAAAABJRU5ErkJggg=="
)


class OpenApi:
    """The document, of routers with image and model paths under these prefixes; under each's first it is described.

    `paths` are those of the operations, `unnamed` the prefix under which a request may leave out the model.
    """

    def __init__(
        self, images: Sequence[str], models: Sequence[str], paths: Mapping[Operation, str], unnamed: str
    ) -> None:
        described = {prefix: prefix == unnamed for prefix in (images[0], unnamed)}
        self._paths = {
            f"{prefix}/{path}": _image(operation, default_model=default_model)
            for prefix, default_model in described.items()
            for operation, path in paths.items()
        }
        self._paths |= {f"{models[0]}/models": _MODELS, f"{models[0]}/models/{{id}}": _MODEL, **_OTHERS}
        self._also = _also(images, models)

    async def answer(self, request: Request) -> Response:
        """The document of the router as it is configured now."""
        closed = request.app.state.service.runtime.keys.closed
        return Response(msgspec.json.encode(self.document(closed=closed)), media_type=_JSON)

    def document(self, *, closed: bool) -> dict[str, Any]:
        """The document; `closed`: whether requests need a key."""
        return {
            "openapi": "3.1.0",
            "info": {"title": "Image Router", "version": __version__, "description": _DESCRIPTION + self._also},
            "paths": self._paths,
            "security": [{"key": []}] if closed else [],
            "components": {
                "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
                "schemas": {
                    "Error": schemas.ERROR,
                    "Pictures": schemas.PICTURES,
                    "Plan": schemas.PLAN,
                    "Model": schemas.MODEL,
                    "Models": schemas.MODELS,
                    "Health": schemas.HEALTH,
                },
                "headers": _HEADERS,
            },
        }


def _also(images: Sequence[str], models: Sequence[str]) -> str:
    """The prefixes in words."""
    return f"\nImages are served under {', '.join(images)}; models under {', '.join(models)}."


_HEADERS: dict[str, Schema] = {
    "RequestId": {"required": True, "schema": {"type": "string"}},
    "ShouldRetry": {"required": True, "schema": {"enum": ["true", "false"]}},
    "RetryAfter": {"schema": {"type": "string", "pattern": "^[0-9]+$"}, "description": "Seconds."},
}
_TOLD = {"x-request-id": {"$ref": "#/components/headers/RequestId"}}
_TOLD_OF_ERRORS = {
    **_TOLD,
    "x-should-retry": {"$ref": "#/components/headers/ShouldRetry"},
    "retry-after": {"$ref": "#/components/headers/RetryAfter"},
}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _answer(description: str, schema: Schema, headers: Mapping[str, Schema] = _TOLD) -> dict[str, Any]:
    return {"description": description, "headers": dict(headers), "content": {_JSON: {"schema": schema}}}


def _errors(*statuses: int, **others: str) -> dict[str, Any]:
    words = {
        **{str(status): _ERRORS[status] for status in statuses},
        **{name[1:]: said for name, said in others.items()},
    }
    return {status: _answer(said, _ref("Error"), _TOLD_OF_ERRORS) for status, said in words.items()}


def _image(operation: Operation, *, default_model: bool) -> dict[str, Any]:
    """One image operation."""
    example = (
        _EXAMPLE if operation is Operation.GENERATE else {**_EXAMPLE, "image": f"data:image/png;base64,{_PICTURE}"}
    )
    if operation is Operation.VARIATION:
        example = {name: value for name, value in example.items() if name != "prompt"}
    json = {"schema": schemas.request_schema(operation, default_model=default_model), "example": example}
    content: dict[str, Any] = {_JSON: json}
    if operation is not Operation.GENERATE:
        content["multipart/form-data"] = {"schema": schemas.form_schema(operation, default_model=default_model)}
    either = {"anyOf": [_ref("Pictures"), _ref("Plan")]}
    done = _answer("The pictures; for a dry run what would be done; for a stream its events.", either)
    done["content"][_EVENTS] = {"schema": {"type": "string"}}
    key = {"type": "string", "pattern": "^[!-~]{1,255}$"}
    return {
        "post": {
            "operationId": _NAMES[operation] + ("OfDefaultModel" if default_model else ""),
            "summary": _SUMMARIES[operation],
            "parameters": [
                {
                    "name": "Idempotency-Key",
                    "in": "header",
                    "schema": key,
                    "description": "However often the request comes with it, it is carried out once.",
                }
            ],
            "requestBody": {"required": True, "content": content},
            "responses": {"200": done, **_errors(*_ERRORS)},
        }
    }


def _parameter(name: str, description: str) -> dict[str, Any]:
    return {
        "name": name,
        "in": "path",
        "required": True,
        "schema": {"type": "string", "minLength": 1},
        "description": description,
    }


_MODELS: dict[str, Any] = {
    "get": {
        "operationId": "listModels",
        "summary": "The models that this key may use",
        "responses": {"200": _answer("The models.", _ref("Models")), **_errors(401)},
    }
}
_MODEL: dict[str, Any] = {
    "get": {
        "operationId": "getModel",
        "summary": "One model",
        "parameters": [_parameter("id", "Its name; slashes may be escaped or not.")],
        "responses": {"200": _answer("The model.", _ref("Model")), **_errors(401, 403, 404)},
    }
}
_FILE_ANSWERS: dict[str, Any] = {
    "200": {"description": "The picture.", "headers": _TOLD, "content": {"image/*": {}}},
    "206": {"description": "The part of it that Range asks for.", "headers": _TOLD, "content": {"image/*": {}}},
    "304": {"description": "The caller has it, as If-None-Match says."},
}
_FILE_ERRORS = {
    "_404": "There is no such picture.",
    "_410": "The link has expired.",
    "_416": "The picture ends before the part that Range asks for.",
    "_503": "The picture store cannot be reached.",
}


def _file(method: str, responses: dict[str, Any]) -> dict[str, Any]:
    return {
        "operationId": f"{method}Picture",
        "summary": "A picture by its link, which is its key",
        "security": [],
        "parameters": [_parameter("token", "What the link ends in.")],
        "responses": responses,
    }


def _health(name: str, summary: str, responses: dict[str, Any]) -> dict[str, Any]:
    return {"get": {"operationId": name, "summary": summary, "security": [], "responses": responses}}


_ALIVE: Schema = {"type": "object", "properties": {"status": {"const": "alive"}}, "required": ["status"]}
_OTHERS: dict[str, Any] = {
    f"{FILES_PATH}/{{token}}": {
        "get": _file("get", {**_FILE_ANSWERS, **_errors(**_FILE_ERRORS)}),
        "head": _file(
            "head",
            {
                status: {"description": answer["description"]}
                for status, answer in {**_FILE_ANSWERS, **_errors(**_FILE_ERRORS)}.items()
            },
        ),
    },
    "/livez": _health("isAlive", "Does the process answer?", {"200": _answer("It does.", _ALIVE, {})}),
    "/readyz": _health(
        "isReady",
        "Does the router take requests?",
        {
            "200": _answer("It does.", _ref("Health"), {}),
            "503": _answer("It is stopping, or stuck.", _ref("Health"), {}),
        },
    ),
    PATH: _health("getDescription", "This document", {"200": _answer("OpenAPI 3.1.", {"type": "object"}, {})}),
}

"""The application: every route, and the envelope around whatever no route answers."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from providers.base import Operation
from router.api import ops
from router.api.console import Console
from router.api.draining import Drained
from router.api.files import Files
from router.api.images import Images
from router.api.live import Live
from router.api.models import Models
from router.api.openapi import PATH as OPENAPI, OpenApi
from router.api.reload import reload
from router.api.request_id import request_id
from router.images.links import FILES_PATH
from router.messages.errors import Refused
from router.messages.response import refusal
from router.service import Service

IMAGE_PREFIXES = ("/v2/router", "/v3/router", "/v1", "/v2/gateway", "/v2/proxy")
MODEL_PREFIXES = ("/v3/router", "/v2/router", "/v1")
DEFAULTED = "/v1"  # the prefix under which a request may leave out the model
LEGACY_EDITS = "/v1/edits"
PATHS = {
    Operation.GENERATE: "images/generations",
    Operation.EDIT: "images/edits",
    Operation.VARIATION: "images/variations",
}


def build(
    service: Service, around: Callable[[], AbstractContextManager[None]] = nullcontext, *, metrics: bool = True
) -> Starlette:
    """The ASGI application over a running service; it closes the service when it ends.

    `around` is entered while it runs; `metrics`: whether /metrics is among its paths.
    """

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        with around():
            async with service.running():
                yield

    app = Starlette(
        routes=_routes(metrics=metrics),
        exception_handlers={HTTPException: _no_route, Exception: _no_route},
        lifespan=lifespan,
    )
    app.state.service = service
    return app


def _routes(*, metrics: bool) -> list[BaseRoute]:
    images = [
        Route(f"{prefix}/{path}", _images(operation, default_model=prefix == DEFAULTED), methods=["POST"])
        for prefix in IMAGE_PREFIXES
        for operation, path in PATHS.items()
    ]
    models = [
        Route(f"{prefix}/models{one}", Models(), methods=["GET"])
        for prefix in MODEL_PREFIXES
        for one in ("", "/{id:path}")
    ]
    return [
        *images,
        Route(LEGACY_EDITS, _images(Operation.EDIT, default_model=True), methods=["POST"]),
        *models,
        Route(f"{FILES_PATH}/{{token}}", Files(), methods=["GET", "HEAD"]),
        Route("/console", Console()),
        Route("/console/live", Live()),
        Route("/console/{file}", Console()),
        Route("/console/", Console()),
        Route("/-/reload", reload, methods=["POST"]),
        Route(OPENAPI, OpenApi(IMAGE_PREFIXES, MODEL_PREFIXES, PATHS, DEFAULTED).answer),
        Route("/livez", ops.livez),
        Route("/readyz", ops.readyz),
        *([Route("/metrics", ops.metrics)] if metrics else []),
    ]


def _images(operation: Operation, *, default_model: bool) -> Drained:
    return Drained(Images(operation, default_model=default_model), operation)


async def _no_route(request: Request, error: Exception) -> Response:
    """The envelope for a path or method nobody serves, and for what should never happen."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    headers = dict(error.headers or {}) if isinstance(error, HTTPException) else {}
    path = request.scope["path"]
    refused = {
        404: Refused(404, "not_found", f"no such path: {path[:200]}"),
        405: Refused(405, "method_not_allowed", f"this path takes {headers.get('Allow', 'another method')}"),
    }.get(status, Refused(status, "internal_error", "the router failed; the log has the reason"))
    told = refusal(refused, {**headers, "x-request-id": request_id(request.headers)})
    return Response(b"".join(told.pieces), told.status, told.headers, "application/json")

"""The application: every route, and the envelope around whatever no route answers."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

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


class Application:
    """The whole router. One look finds the image operations, which most requests are for; Starlette has the rest."""

    def __init__(self, operations: Mapping[str, ASGIApp], all_paths: ASGIApp) -> None:
        self._operations = operations
        self._all_paths = all_paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or begin and end with the server."""
        found = self._operations.get(scope["path"]) if scope["type"] == "http" and scope["method"] == "POST" else None
        await (found or self._all_paths)(scope, receive, send)


def build(
    service: Service, around: Callable[[], AbstractContextManager[None]] = nullcontext, *, metrics: bool = True
) -> Application:
    """The ASGI application over a running service; it closes the service when it ends.

    `around` is entered while it runs; `metrics`: whether /metrics is among its paths.
    """

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        with around():
            async with service.running():
                yield

    operations = _operations(service)
    app = Starlette(
        routes=_routes(operations, metrics=metrics),
        exception_handlers={HTTPException: _no_route, Exception: _no_route},
        lifespan=lifespan,
    )
    app.state.service = service
    return Application(operations, app)


def _operations(service: Service) -> dict[str, Drained]:
    """The image operations by their paths."""
    paths = {
        f"{prefix}/{path}": Images(service, operation, default_model=prefix == DEFAULTED)
        for prefix in IMAGE_PREFIXES
        for operation, path in PATHS.items()
    }
    paths[LEGACY_EDITS] = Images(service, Operation.EDIT, default_model=True)
    return {path: Drained(service, images) for path, images in paths.items()}


def _routes(operations: Mapping[str, ASGIApp], *, metrics: bool) -> list[BaseRoute]:
    images = [Route(path, operation, methods=["POST"]) for path, operation in operations.items()]
    models = [
        Route(f"{prefix}/models{one}", Models(), methods=["GET"])
        for prefix in MODEL_PREFIXES
        for one in ("", "/{id:path}")
    ]
    return [
        *images,
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

"""For whoever runs the router: is it alive, is it ready, what has it counted."""

import asyncio

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from router import __version__
from router.observe.metrics import CONTENT_TYPE
from router.runtime import Service


async def livez(_request: Request) -> Response:
    """The process answers."""
    return JSONResponse({"status": "alive"})


async def readyz(request: Request) -> Response:
    """A config is loaded and the router takes requests; the body says which."""
    service: Service = request.app.state.service
    return JSONResponse({"status": "ready", "version": __version__, "config": service.runtime.version})


async def metrics(request: Request) -> Response:
    """What Prometheus scrapes; made in a thread, as requests must not wait for it."""
    service: Service = request.app.state.service
    text = await asyncio.to_thread(service.metrics.exposition)
    return Response(text, media_type=CONTENT_TYPE)

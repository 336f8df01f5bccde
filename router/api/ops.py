"""For whoever runs the router: is it alive, is it ready, what has it counted."""

import asyncio

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from router import __version__
from router.observe.exposition import CONTENT_TYPE
from router.observe.listener import bears
from router.service import Service


async def livez(_request: Request) -> Response:
    """The process answers."""
    return JSONResponse({"status": "alive"})


async def readyz(request: Request) -> Response:
    """Whether the router takes requests; the body says by which config.

    That is its hash, or `stale` where the one on disk has mistakes and the last one without is served.
    """
    service: Service = request.app.state.service
    status = "draining" if service.drain.begun else "stuck" if service.heart.stuck else "ready"
    told: dict[str, str | int] = {"status": status, "version": __version__, "config": service.runtime.version}
    if service.mistakes:
        told |= {"config": "stale", "mistakes": service.mistakes, "serving": service.runtime.version}
    return JSONResponse(told, 200 if status == "ready" else 503)


async def metrics(request: Request) -> Response:
    """What Prometheus scrapes; made in a thread, as requests must not wait for it."""
    service: Service = request.app.state.service
    token = service.runtime.server.metrics.token
    if token is not None and not bears(request.headers.get("authorization"), token.reveal()):
        return Response("give the token of server.metrics, as a bearer\n", 401, {"www-authenticate": "Bearer"})
    service.metrics.sample()
    text = await asyncio.to_thread(service.metrics.exposition)
    return Response(text, media_type=CONTENT_TYPE)

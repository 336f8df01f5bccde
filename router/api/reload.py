"""Looks at the configuration's files now, for whoever may ask for that, and says what is wrong with them."""

import hmac
from dataclasses import asdict

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from router.messages.errors import Refused
from router.messages.response import refusal
from router.service import Service


async def reload(request: Request) -> Response:
    """200 and whether anything changed, or 422 and every mistake; either way the version that is served."""
    service: Service = request.app.state.service
    refused = _refused(request, service)
    if refused is not None:
        told = refusal(refused)
        return Response(b"".join(told.pieces), told.status, told.headers, "application/json")
    assert service.reloader is not None  # noqa: S101 - or it would have been refused
    look = await service.reloader.once()
    return JSONResponse(
        {
            "version": look.version,
            "changed": look.changed,
            "mistakes": [asdict(mistake) for mistake in look.mistakes],
            "warnings": [asdict(warning) for warning in look.warnings],
        },
        200 if look.good else 422,
    )


def _refused(request: Request, service: Service) -> Refused | None:
    token = service.runtime.server.reload_token
    if token is None or service.reloader is None:
        return Refused(404, "not_found", "there is no such path: set server.reload_token to have it")
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), token.reveal().encode()):
        return None
    return Refused(401, "invalid_api_key", "this takes the token in server.reload_token, as a bearer")

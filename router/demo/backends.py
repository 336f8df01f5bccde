"""The demonstration's four backends, each in the dialect of another: OpenAI, Google, Stability AI, AUTOMATIC1111."""

import asyncio
import base64
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from router.demo.painter import asked, of_ratio, picture
from router.demo.script import Mood, mood

CHECKPOINT = "dreamshaper"
_WAIT = 6  # seconds a limited backend asks for
_TAKES = {Mood.WELL: (0.6, 1.4), Mood.SLOW: (3.5, 6.0), Mood.REFUSING: (0.3, 0.6)}
_TAKES_TO_FAIL = (0.05, 0.4)
_chance = random.SystemRandom()

Endpoint = Callable[[Request], Awaitable[Response]]
Error = Callable[[int, str], object]


def backends(began: float | None = None) -> Starlette:
    """All four, each under its name; the play began at this moment of the monotonic clock."""
    start = time.monotonic() if began is None else began

    def acted(name: str, endpoint: Endpoint, error: Error) -> Endpoint:
        async def act(request: Request) -> Response:
            now = mood(name, time.monotonic() - start)
            await asyncio.sleep(_chance.uniform(*_TAKES.get(now, _TAKES_TO_FAIL)))
            if now is Mood.LIMITED:
                told = error(429, "too many requests: wait a moment")
                return JSONResponse(told, 429, {"retry-after": str(_WAIT)})
            if now is Mood.FAILING:
                return JSONResponse(error(503, "the backend is out of order"), 503)
            if now is Mood.REFUSING:
                return JSONResponse(error(403, "the prompt was refused by the backend's own filter"), 403)
            return await endpoint(request)

        return act

    return Starlette(
        routes=[
            Route("/aurora/v1/images/{operation}", acted("aurora", _aurora, _aurora_error), methods=["POST"]),
            Route("/basalt/v1/models/{call}", acted("basalt", _basalt, _basalt_error), methods=["POST"]),
            Route(
                "/cinder/v2beta/stable-image/{service:path}", acted("cinder", _cinder, _cinder_error), methods=["POST"]
            ),
            Route("/delta/sdapi/v1/sd-models", _delta_models),
            Route("/delta/sdapi/v1/{operation}", acted("delta", _delta, _delta_error), methods=["POST"]),
        ]
    )


async def _aurora(request: Request) -> Response:
    """In OpenAI's words, which are the painter's own."""
    files: list[tuple[str, bytes]] = []
    if "multipart" in request.headers["content-type"]:
        form = await request.form()
        items = form.multi_items()
        fields: dict[str, Any] = {name: value for name, value in items if isinstance(value, str)}
        files = [(name, await value.read()) for name, value in items if isinstance(value, UploadFile)]
    else:
        fields = await request.json()
    answer = await asyncio.to_thread(asked, f"/images/{request.path_params['operation']}", fields, files)
    body = bytes(answer.body)
    if answer.headers["content-type"] != "text/event-stream":
        return Response(body, answer.status, media_type="application/json")
    return StreamingResponse(_slowly(body), media_type="text/event-stream")


async def _slowly(body: bytes) -> AsyncIterator[bytes]:
    for event in body.split(b"\n\n"):
        yield event + b"\n\n"
        await asyncio.sleep(_chance.uniform(0.4, 0.7))


def _aurora_error(status: int, message: str) -> object:
    kind = "rate_limit_exceeded" if status == 429 else "server_error"
    return {"error": {"message": message, "type": kind, "code": kind, "param": None}}


async def _basalt(request: Request) -> Response:
    """In Google's words."""
    body = await request.json()
    parts = [part for content in body["contents"] for part in content["parts"]]
    prompt = " ".join(part["text"] for part in parts if "text" in part)
    pictures = [base64.b64decode(part["inlineData"]["data"]) for part in parts if "inlineData" in part]
    ratio = body.get("generationConfig", {}).get("imageConfig", {}).get("aspectRatio", "1:1")
    drawn = await asyncio.to_thread(picture, prompt, of_ratio(ratio), base=pictures[0] if pictures else None, seed=2)
    part = {"inlineData": {"mimeType": "image/png", "data": drawn}}
    return JSONResponse({"candidates": [{"content": {"parts": [part]}, "finishReason": "STOP"}]})


def _basalt_error(status: int, message: str) -> object:
    word = "RESOURCE_EXHAUSTED" if status == 429 else "UNAVAILABLE"
    return {"error": {"code": status, "message": message, "status": word}}


async def _cinder(request: Request) -> Response:
    """In Stability AI's words."""
    form = await request.form()
    base = form.get("image")
    drawn = await asyncio.to_thread(
        picture,
        str(form.get("prompt", "")),
        of_ratio(str(form.get("aspect_ratio", "1:1"))),
        base=await base.read() if isinstance(base, UploadFile) else None,
        output_format=str(form.get("output_format", "png")),
        seed=3,
    )
    return JSONResponse({"image": drawn, "finish_reason": "SUCCESS", "seed": 1})


def _cinder_error(status: int, message: str) -> object:
    return {"id": "demo", "name": "content_moderation" if status == 403 else "unavailable", "errors": [message]}


async def _delta_models(_request: Request) -> Response:
    return JSONResponse([{"title": CHECKPOINT, "model_name": CHECKPOINT}])


async def _delta(request: Request) -> Response:
    """In AUTOMATIC1111's words."""
    body = msgspec.json.decode(await request.body())
    size = int(body.get("width", 512)), int(body.get("height", 512))
    base, mask = (
        base64.b64decode(text) if text else None for text in ([*body.get("init_images", ()), None][0], body.get("mask"))
    )
    drawn = [
        await asyncio.to_thread(picture, body["prompt"], size, base=base, white=mask, seed=4 + index)
        for index in range(int(body.get("n_iter", 1)))
    ]
    return JSONResponse({"images": drawn, "parameters": {}, "info": ""})


def _delta_error(_status: int, message: str) -> object:
    return {"error": "OutOfOrder", "detail": message, "errors": message}

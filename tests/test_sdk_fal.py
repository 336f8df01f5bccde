"""fal's own client and ours, asked for the same: methods, paths and bodies are compared as they arrive."""

import asyncio

import fal_client
import pytest
from backends.seen import SeenBackend
from driving import provider_at
from pictures import base64_png, png

from providers.base import Operation, Upload
from providers.dialect import Shape

pytest_plugins = ["no_waiting"]
pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("no_waiting")]
PROMPT = "a red kite"
PICTURE = f"data:image/png;base64,{base64_png()}"
CASES = {
    "fal-ai/flux/dev": (
        {"asked": {"shape": Shape(1024, 768), "seed": 7}, "n": 2},
        {"prompt": PROMPT, "image_size": {"width": 1024, "height": 768}, "seed": 7, "num_images": 2},
    ),
    "fal-ai/nano-banana-pro": (
        {"asked": {"shape": Shape(2048, 2048), "output_format": "webp"}},
        {"prompt": PROMPT, "aspect_ratio": "1:1", "resolution": "2K", "output_format": "webp"},
    ),
    "fal-ai/flux-2-pro/edit": (
        {"operation": Operation.EDIT, "images": (Upload.of(png()),)},
        {"prompt": PROMPT, "image_urls": [PICTURE]},
    ),
}
each_case = pytest.mark.parametrize(("model", "changes", "arguments"), [(name, *case) for name, case in CASES.items()])


def told(request, origin):
    """A job that is done at once, and what came of it."""
    place = f"{origin}/fal-ai/app/requests/1"
    if request.method == "POST":
        links = {"response_url": place, "status_url": f"{place}/status", "cancel_url": f"{place}/cancel"}
        return {"request_id": "1", "status": "IN_QUEUE", "queue_position": 0, "images": [], **links}
    return {"status": "COMPLETED", "logs": None, "metrics": {}, "images": [{"url": "https://v3b.fal.media/1.png"}]}


@pytest.fixture(scope="module")
def backend():
    """The backend that both are asked of."""
    with SeenBackend(told) as backend:
        yield backend


@pytest.fixture
def client(backend, monkeypatch):
    """Fal's client, led there."""
    monkeypatch.setattr(fal_client.client, "QUEUE_URL_FORMAT", f"{backend.origin}/")
    monkeypatch.setattr(fal_client.client, "RUN_URL_FORMAT", f"{backend.origin}/")
    made = fal_client.SyncClient(key="id:secret")
    yield made
    made._client.close()


@each_case
async def test_queue(backend, client, model, changes, arguments):
    """The same job is queued, asked for and fetched; only we forbid the queue to repeat it, as the router does that."""
    await asyncio.to_thread(client.subscribe, model, arguments)
    headers = [request.headers for request in backend.requests]
    theirs = backend.seen()
    async with provider_at("fal", backend.origin, "id:secret") as serve:
        await serve(model, prompt=PROMPT, **changes)
    assert {given["authorization"] for given in headers} == {backend.requests[0].headers["authorization"]}
    assert [given.headers.get("x-fal-no-retry") for given in backend.requests] == ["1", None, None]
    assert backend.seen() == theirs


@each_case
async def test_direct(backend, client, model, changes, arguments):
    """On a held connection both send one and the same call."""
    await asyncio.to_thread(client.run, model, arguments)
    theirs = backend.seen()
    async with provider_at("fal", backend.origin, "id:secret", mode="sync") as serve:
        await serve(model, prompt=PROMPT, **changes)
    assert backend.seen() == theirs

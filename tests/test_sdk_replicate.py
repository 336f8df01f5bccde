"""Replicate's own client and ours, asked for the same: methods, paths and bodies are compared as they arrive."""

import asyncio
import io

import httpx
import msgspec
import pytest
import replicate
from backends.seen import SeenBackend
from driving import provider_at
from pictures import base64_png, png

from providers.base import Operation, Upload
from providers.dialect import Shape

pytest_plugins = ["no_waiting"]
pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("no_waiting")]
PROMPT = "a red kite"
PICTURE = f"data:image/png;base64,{base64_png()}"
LARGE = png() + bytes(300_000)
VERSION = "someone/painter:" + "5c7d" * 16
CASES = {
    "black-forest-labs/flux-schnell": (
        {"asked": {"shape": Shape(aspect=4 / 3), "seed": 7, "output_format": "jpeg"}, "n": 2},
        {"prompt": PROMPT, "aspect_ratio": "4:3", "seed": 7, "output_format": "jpg", "num_outputs": 2},
    ),
    "black-forest-labs/flux-2-pro": (
        {"operation": Operation.EDIT, "asked": {"shape": Shape(1536, 1024)}, "images": (Upload.of(png()),)},
        {
            "prompt": PROMPT,
            "input_images": [PICTURE],
            "aspect_ratio": "custom",
            "width": 1536,
            "height": 1024,
            "output_format": "png",
        },
    ),
}


def told(request, origin):
    """A file that was taken, or a prediction that is done at once."""
    if request.path == "/v1/files":
        file = {"name": "f", "content_type": "image/png", "size": 1, "etag": "", "metadata": {}, "checksums": {}}
        dates = {"created_at": "2026-11-20T12:00:00Z", "expires_at": None}
        return {"id": "f1", "urls": {"get": f"{origin}/v1/files/f1"}, **file, **dates}
    return {
        "id": "p1",
        "model": "m",
        "version": "hidden",
        "status": "succeeded",
        "input": {},
        "output": ["https://replicate.delivery/1.png"],
        "logs": "",
        "error": None,
        "metrics": {},
        "created_at": None,
        "started_at": None,
        "completed_at": None,
        "urls": {"get": f"{origin}/v1/predictions/p1", "cancel": f"{origin}/v1/predictions/p1/cancel"},
    }


@pytest.fixture(scope="module")
def backend():
    """The backend that both are asked of."""
    with SeenBackend(told) as backend:
        yield backend


@pytest.fixture
def client(backend):
    """Their client, led there."""
    with httpx.HTTPTransport() as transport:  # which it would leave open
        yield replicate.Client(api_token="r8_key", base_url=backend.origin, transport=transport)


async def ask_sdk(client, model, given):
    """The same request in the words of Replicate's client."""
    await asyncio.to_thread(client.run, model, input=given, use_file_output=False)


@pytest.mark.parametrize(("model", "changes", "given"), [(name, *case) for name, case in CASES.items()])
async def test_official_models(backend, client, model, changes, given):
    """The same input goes to the same address under the same key, with the same wish to wait."""
    await ask_sdk(client, model, given)
    (theirs,) = backend.requests
    sent = backend.seen()
    async with provider_at("replicate", f"{backend.origin}/v1", "r8_key") as serve:
        await serve(model, prompt=PROMPT, **changes)
    (ours,) = backend.requests
    assert {name: ours.headers[name] for name in ("authorization", "prefer")} == {
        name: theirs.headers[name] for name in ("authorization", "prefer")
    }
    assert backend.seen() == sent


async def test_community_models(backend, client):
    """A version is named as a whole, at the address of no model."""
    await asyncio.to_thread(client.predictions.create, version=VERSION, input={"prompt": PROMPT}, wait=True)
    theirs = backend.seen()
    async with provider_at("replicate", f"{backend.origin}/v1", "r8_key") as serve:
        await serve(VERSION, prompt=PROMPT)
    assert backend.seen() == theirs


async def test_files(backend, client):
    """A file is uploaded in the same part and named by the same link; theirs uploads small ones too."""
    model = "black-forest-labs/flux-kontext-pro"
    rest = {"output_format": "png", "aspect_ratio": "match_input_image"}
    await ask_sdk(client, model, {"prompt": PROMPT, "input_image": io.BytesIO(LARGE), **rest})
    upload, theirs = backend.requests
    backend.requests.clear()
    async with provider_at("replicate", f"{backend.origin}/v1", "r8_key") as serve:
        await serve(model, prompt=PROMPT, operation=Operation.EDIT, images=(Upload.of(LARGE),))
    own, ours = backend.requests
    backend.requests.clear()
    assert (own.method, own.path) == (upload.method, upload.path)
    assert all(b'name="content"; filename=' in sent.body and LARGE in sent.body for sent in (own, upload))
    assert (ours.path, msgspec.json.decode(ours.body)) == (theirs.path, msgspec.json.decode(theirs.body))

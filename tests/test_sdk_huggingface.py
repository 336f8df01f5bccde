"""Hugging Face's own client and ours, asked for the same: path, body and telling headers are compared as they arrive.

Where they differ: what comes back is not compared, as the client looks for it at the router's true host alone. It
calls every picture a JPEG where it is not told, and we say what it is. Edits in a size: see the last test.
"""

import contextlib
import time

import pytest
from backends.huggingface import GLM, KONTEXT, SCHNELL, HuggingFaceBackend
from driving import PLAIN, provider_at
from huggingface_hub import InferenceClient, constants
from huggingface_hub.inference import _providers
from huggingface_hub.inference._providers import _common
from pictures import png

from providers.base import Operation, Upload
from providers.dialect import Shape

pytestmark = pytest.mark.anyio
HEADERS = ("authorization", "x-hf-bill-to", "prefer", "accept-language", "x-source-channel")
OURS = {"negative_prompt": "rain", "seed": 7, "steps": 4, "guidance": 3.5, "shape": Shape(1024, 768)}
THEIRS = {"negative_prompt": "rain", "seed": 7, "num_inference_steps": 4, "guidance_scale": 3.5}
SIDES = {"width": 1024, "height": 768}
EDIT = {"operation": Operation.EDIT, "images": (Upload.of(png()),)}
DRAWN = [(SCHNELL, name) for name in ("fal-ai", "replicate", "together", "nscale", "wavespeed", "hf-inference")]


@pytest.fixture
def backend(monkeypatch):
    """The backend that both are asked of."""
    monkeypatch.setattr(time, "sleep", lambda _: None)
    with HuggingFaceBackend() as backend:
        monkeypatch.setattr(constants, "INFERENCE_PROXY_TEMPLATE", f"{backend.url}/{{provider}}")
        monkeypatch.setattr(constants, "ENDPOINT", backend.url)
        for helper in _providers.PROVIDERS["hf-inference"].values():
            monkeypatch.setattr(helper, "base_url", f"{backend.url}/hf-inference")
        monkeypatch.setattr("huggingface_hub.inference._providers.hf_inference._check_supported_task", lambda *_: None)
        _common._fetch_inference_provider_mapping.cache_clear()
        yield backend
    _common._fetch_inference_provider_mapping.cache_clear()


async def both(backend, model, provider, theirs, ours):
    """What arrived from their client and from ours."""
    client = InferenceClient(provider=provider, api_key="hf_key", bill_to="acme", timeout=10)
    with contextlib.suppress(Exception):  # what becomes of the answer is not compared
        theirs(client)
    async with provider_at(
        "huggingface", backend.url, "hf_key", hub=backend.url, provider=provider, bill_to="acme"
    ) as serve:
        await serve(model, **ours)
    first, second = backend.ledger.records
    assert {name: first.headers.get(name) for name in HEADERS} == {name: second.headers.get(name) for name in HEADERS}
    return (first.path, alike(first.fields)), (second.path, dict(second.fields))


def alike(value):
    """The same with pictures called what they are."""
    if isinstance(value, dict):
        return {name: alike(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [alike(inner) for inner in value]
    return value.replace("data:image/jpeg;", "data:image/png;") if isinstance(value, str) else value


@pytest.mark.parametrize(("model", "provider"), [*DRAWN, (GLM, "zai-org")])
async def test_draws(backend, model, provider):
    """A picture of a size, with every parameter that they know."""
    theirs, ours = await both(
        backend,
        model,
        provider,
        lambda client: client.text_to_image(PLAIN.prompt, model=model, **THEIRS, **SIDES),
        {"asked": OURS},
    )
    assert theirs == ours


@pytest.mark.parametrize("provider", ["fal-ai", "replicate", "together", "wavespeed", "hf-inference"])
async def test_edits(backend, provider):
    """An edit of a picture, in the size that comes."""
    known = {name: value for name, value in THEIRS.items() if name != "seed"}
    theirs, ours = await both(
        backend,
        KONTEXT,
        provider,
        lambda client: client.image_to_image(png(), PLAIN.prompt, model=KONTEXT, **known),
        {**EDIT, "asked": {"negative_prompt": "rain", "steps": 4, "guidance": 3.5}},
    )
    assert theirs == ours


@pytest.mark.parametrize("provider", ["fal-ai", "hf-inference"])
async def test_edits_to_size(backend, provider):
    """An edit in a size; their `target_size` is sent to all, though the others know `width` and `height`, as we say."""
    theirs, ours = await both(
        backend,
        KONTEXT,
        provider,
        lambda client: client.image_to_image(png(), PLAIN.prompt, model=KONTEXT, target_size=SIDES),
        {**EDIT, "asked": {"shape": Shape(1024, 768)}},
    )
    assert theirs == ours

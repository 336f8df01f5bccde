"""Volcengine's own client and ours, asked for the same: method, path and body are compared as they arrive.

The client spells out each field that it is not given, as null; that is no difference.
"""

from dataclasses import replace

import pytest
from backends.drawing import event
from backends.seen import SeenBackend
from driving import planned
from pictures import base64_png, png
from volcenginesdkarkruntime import Ark
from volcenginesdkarkruntime.types.images import (
    ContentGenerationTool,
    OptimizePromptOptions,
    SequentialImageGenerationOptions,
)

import providers
from providers.base import Operation, Upload
from providers.dialect import Shape
from router.engine.decoding import Decoding
from router.engine.prepare import prepared
from router.engine.route import Provider
from router.wire.conversation import converse, converse_stream
from router.wire.send import Wire
from router.wire.transport import TransportSettings, build_transport

pytestmark = pytest.mark.anyio
ADAPTER = providers.load("volcengine")
PROMPT = "a red kite"
PICTURE = f"data:image/png;base64,{base64_png()}"
PHOTO = Upload.of(png(), width=8, height=8)
SEEDREAM, LITE, PRO = "doubao-seedream-4-5-251128", "doubao-seedream-5-0-260128", "doubao-seedream-5-0-pro-260628"
DRAWER, EDITOR = "doubao-seedream-3-0-t2i-250415", "doubao-seededit-3-0-i2i-250628"
SQUARE = {"shape": Shape(2048, 2048)}
DRAWN = {"size": "2048x2048"}
ALWAYS = {  # what we say where the client leaves it to the backend
    "response_format": "b64_json",  # a link would have to be fetched
    "watermark": False,  # else "AI generated" stands in a corner
}
THINKING = {"optimize_prompt_options": {"mode": "fast"}, "tools": [{"type": "web_search"}]}
SEQUENCE = {  # what the client alone sends: a set of pictures in one call, of whose number the model has the last word
    "sequential_image_generation": "auto",
    "sequential_image_generation_options": {"max_images": 3},
}
LAYERS = {"layer_decomposition": True}  # also several pictures, where one was asked
EDIT = {"operation": Operation.EDIT, "images": (PHOTO,)}
# a model, what is asked of us, the same for the client, and what we do not send of that
CASES = {
    "minimal": (SEEDREAM, {}, {}, {}),
    "every parameter": (
        LITE,
        {
            "asked": {**SQUARE, "output_format": "png", "response_format": "url"},
            "options": {"volcengine": {"watermark": True, **THINKING, **SEQUENCE}},
        },
        {
            **DRAWN,
            "output_format": "png",
            "response_format": "url",
            "watermark": True,
            "optimize_prompt_options": OptimizePromptOptions(mode="fast"),
            "tools": [ContentGenerationTool(type="web_search")],
            "sequential_image_generation": "auto",
            "sequential_image_generation_options": SequentialImageGenerationOptions(max_images=3),
        },
        SEQUENCE,
    ),
    "every parameter of the older": (
        DRAWER,
        {"asked": {**SQUARE, "seed": 7, "guidance": 2.5}, "options": {"volcengine": {"optimize_prompt": True}}},
        {**DRAWN, "seed": 7, "guidance_scale": 2.5, "optimize_prompt": True},
        {},
    ),
    "edit": (SEEDREAM, {**EDIT, "asked": SQUARE}, {**DRAWN, "image": PICTURE}, {}),
    "edit of several": (SEEDREAM, {**EDIT, "images": (PHOTO, PHOTO)}, {"image": [PICTURE, PICTURE]}, {}),
    "edit by the older": (
        EDITOR,
        {**EDIT, "asked": {"seed": 7}},
        {"image": PICTURE, "size": "adaptive", "seed": 7},
        {},
    ),
    "cut out": (  # the client has no argument for a background
        PRO,
        {**EDIT, "asked": {"background": "transparent"}, "options": {"volcengine": LAYERS}},
        {"image": PICTURE, "extra_body": {"background": "transparent"}, **LAYERS},
        LAYERS,
    ),
}
IMAGE = {"b64_json": base64_png(), "size": "8x8"}


class ArkBackend(SeenBackend):
    """Ark, which checks nothing, and answers in events where they are asked for."""

    def __init__(self) -> None:
        super().__init__(lambda _, __: {"model": SEEDREAM, "created": 1_795_000_000, "data": [IMAGE]})

    def answer(self, request):
        """A picture, whole or as an event."""
        reply = super().answer(request)
        if b'"stream":true' not in request.body.replace(b" ", b""):
            return reply
        made = event("image_generation.partial_succeeded", {"image_index": 0, **IMAGE})
        used = event("image_generation.completed", {"usage": {"generated_images": 1}})
        return replace(reply, events=(made, used, b"data: [DONE]\n\n"))


@pytest.fixture(scope="module")
def backend():
    """The backend that both are asked of."""
    with ArkBackend() as backend:
        yield backend


@pytest.fixture
def client(backend):
    """Volcengine's client, led there."""
    with Ark(api_key="key", base_url=f"{backend.origin}/api/v3", max_retries=0) as client:
        yield client


def given(value):
    """What a body holds without its nulls."""
    if isinstance(value, dict):
        return {name: given(inner) for name, inner in value.items() if inner is not None}
    return value


async def ours(backend, model, changes):
    """What we send, a call for each picture."""
    url = f"{backend.origin}/api/v3"
    wire = Wire(ADAPTER, url, "key", build_transport(TransportSettings()))
    provider = Provider(name="volcengine", kind="volcengine", adapter=ADAPTER, send=wire, base_url=url)
    for shard in planned(provider, model, prompt=PROMPT, **changes).shards:
        job = await prepared(shard.job, ADAPTER.dialect(model), Decoding())
        if changes.get("stream"):
            await converse_stream(ADAPTER, job, 0, wire, pytest.fail)
        else:
            await converse(ADAPTER, job, wire)
    await wire.aclose()
    assert {request.headers["authorization"] for request in backend.requests} == {"Bearer key"}
    return backend.seen()


def theirs(backend, dropped=()):
    """What the client sent, with what we always say and without what we never do."""
    ((method, path, body),) = backend.seen()
    kept = {name: value for name, value in given(body).items() if name not in dropped}
    return method, path, {**ALWAYS, **kept}


@pytest.mark.parametrize("case", CASES)
async def test_same_request(backend, client, case):
    """The client sends what we send but for what the backend would make several pictures of."""
    model, changes, arguments, dropped = CASES[case]
    client.images.generate(model=model, prompt=PROMPT, **arguments)
    expected = theirs(backend, dropped)
    assert await ours(backend, model, changes) == [expected]


async def test_same_stream(backend, client):
    """Both ask for events by one field, and read a picture and then what was used from them."""
    with client.images.generate(model=SEEDREAM, prompt=PROMPT, stream=True) as stream:
        kinds = [event.type for event in stream]
    assert kinds == ["image_generation.partial_succeeded", "image_generation.completed"]
    expected = theirs(backend)
    assert expected[2]["stream"] is True
    assert await ours(backend, SEEDREAM, {"stream": True}) == [expected]


async def test_several_pictures(backend, client):
    """Where the client asks for a set in one call, of up to three, we ask three times for one: the number is meant."""
    client.images.generate(
        model=SEEDREAM,
        prompt=PROMPT,
        sequential_image_generation="auto",
        sequential_image_generation_options=SequentialImageGenerationOptions(max_images=3),
    )
    assert b'"max_images":3' in backend.requests[0].body
    expected = theirs(backend, SEQUENCE)
    assert await ours(backend, SEEDREAM, {"n": 3}) == [expected] * 3

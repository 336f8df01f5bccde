"""Baidu Qianfan over a real socket, against a backend that refuses what the real one would."""

import pytest
from backends import Reset, Status
from backends.qianfan import DRAWERS, QianfanBackend
from driving import provider_at
from pictures import png

import providers
from providers.base import ErrorKind, Operation, OutcomeClass, ProviderError, Upload
from providers.dialect import Shape

pytestmark = pytest.mark.anyio
PICTURE = Upload.of(png(96, 64), width=96, height=64)
EVERYTHING = {
    "shape": Shape(1536, 1024),
    "quality": "high",
    "style": "vivid",
    "background": "opaque",
    "output_format": "webp",
    "moderation": "low",
    "seed": 7,
    "negative_prompt": "rain",
    "guidance": 40,
    "steps": 80,
    "strength": 0.5,
    "user": "u-77",
    "response_format": "b64_json",
}


@pytest.fixture(scope="module")
def running():
    """One backend for all tests of this file."""
    with QianfanBackend() as backend:
        yield backend


@pytest.fixture
def backend(running):
    """That backend with an empty ledger."""
    running.ledger.clear()
    return running


@pytest.fixture
async def draw(backend):
    """Serves one request there."""
    async with provider_at("qianfan", backend.url, "bce-v3/ALTAK-1/2") as serve:
        yield serve


async def failed(work):
    """The error in which a request ends."""
    with pytest.raises(ProviderError) as raised:
        await work
    return raised.value.kind, raised.value.outcome


@pytest.mark.parametrize("model", DRAWERS)
async def test_draws(backend, draw, model):
    """Whatever is asked, each model is sent only what it knows, as many as it makes in one call."""
    most = providers.load("qianfan").dialect(model).max_n
    result = await draw(model, n=most, asked=EVERYTHING)
    assert [image.url for image in result.images] == [f"{backend.origin}/made.png"] * most
    assert result.created == 1795000000
    assert backend.ledger.pictures == most


@pytest.mark.parametrize(("model", "size"), [("qwen-image", "1472x1104"), ("flux.1-schnell", "1024x768")])
async def test_landscape(backend, draw, model, size):
    """A wide picture is asked for in the nearest size that the model draws."""
    await draw(model, asked={"shape": Shape(1536, 1024)})
    assert backend.ledger.records[0].fields["size"] == size


@pytest.mark.parametrize("shape", [Shape(300, 4000), Shape(9000, 9000), Shape(100, 100), Shape(aspect=16 / 9)])
@pytest.mark.parametrize("model", DRAWERS)
async def test_sizes(draw, model, shape):
    """Whatever size is asked, the one sent is legal."""
    await draw(model, asked={"shape": shape})


@pytest.mark.parametrize("operation", [Operation.EDIT, Operation.VARIATION])
async def test_edits(backend, draw, operation):
    """An edit is JSON with the picture in it, and so is a variation."""
    changes = {"prompt": ""} if operation is Operation.VARIATION else {}
    await draw("qwen-image-edit", operation=operation, images=(PICTURE,), asked=EVERYTHING, **changes)
    (record,) = backend.ledger.records
    assert record.path == "/v2/images/edits"
    assert record.fields["image"].startswith("data:image/png;base64,")
    assert record.fields["prompt"]


async def test_reference(backend, draw):
    """The one drawer that takes a picture takes it as a reference."""
    await draw("irag-1.0", operation=Operation.EDIT, images=(PICTURE,), n=2)
    (record,) = backend.ledger.records
    assert record.path == "/v2/images/generations"
    assert record.fields["refer_image"].startswith("data:image/png;base64,")


async def test_refusal(backend, draw):
    """A refused prompt is told from a mistake, and costs nothing."""
    end = await failed(draw("qwen-image", prompt="a forbidden thing"))
    assert end == (ErrorKind.CONTENT_POLICY, OutcomeClass.REJECTED)
    assert backend.ledger.billed == []


async def test_bad_key(backend):
    """A bad key is known for what it is."""
    async with provider_at("qianfan", backend.url, "bad-key") as draw:
        assert await failed(draw("qwen-image")) == (ErrorKind.AUTHENTICATION, OutcomeClass.REJECTED)


async def test_gone_model(draw):
    """A model that is gone is the target's fault, not the caller's, and not the key's."""
    assert await failed(draw("stable-diffusion-xl")) == (ErrorKind.UNSUPPORTED, OutcomeClass.REJECTED)


@pytest.mark.parametrize(
    ("step", "end"),
    [
        (Status(400, "characters_too_long"), (ErrorKind.INVALID_REQUEST, OutcomeClass.REJECTED)),
        (Status(401, "no_parameter_permission"), (ErrorKind.UNSUPPORTED, OutcomeClass.REJECTED)),
        (Status(403, "access_denied"), (ErrorKind.AUTHENTICATION, OutcomeClass.REJECTED)),
        (Status(429, "rpm_rate_limit_exceeded"), (ErrorKind.RATE_LIMITED, OutcomeClass.REJECTED)),
        (Status(500, "internal_error"), (ErrorKind.UNAVAILABLE, OutcomeClass.FAILED)),
        (Status(503), (ErrorKind.UNAVAILABLE, OutcomeClass.REJECTED)),
        (Reset(), (ErrorKind.UNAVAILABLE, OutcomeClass.AMBIGUOUS)),
    ],
)
async def test_failures(backend, draw, step, end):
    """Each failure is known for what it is: by its status, and where that misleads by its code."""
    backend.script(step)
    assert await failed(draw("qwen-image")) == end

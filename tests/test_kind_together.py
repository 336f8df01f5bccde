"""Together over a real socket, against a backend that refuses what the real one would."""

import pytest
from backends import Reset, Status
from backends.together import MODELS, TogetherBackend
from driving import provider_at, seen
from pictures import png

import providers
from providers.base import ErrorKind, Operation, OutcomeClass, ProviderError, Upload
from providers.dialect import Shape

pytestmark = pytest.mark.anyio
PICTURE = Upload.of(png(96, 64), width=96, height=64)
EDITORS = {
    "black-forest-labs/FLUX.1-kontext-pro": "image_url",
    "black-forest-labs/FLUX.2-pro": "reference_images",
    "black-forest-labs/FLUX.2-dev": "reference_images",
    "google/flash-image-2.5": "reference_images",
}
SCHNELL = "black-forest-labs/FLUX.1-schnell"
EVERYTHING = {
    "shape": Shape(1536, 1024),
    "quality": "high",
    "style": "vivid",
    "background": "opaque",
    "output_format": "webp",
    "moderation": "low",
    "seed": 7,
    "negative_prompt": "rain",
    "guidance": 4,
    "steps": 20,
    "strength": 0.5,
    "user": "u-77",
}


@pytest.fixture(scope="module")
def running():
    """One backend for all tests of this file."""
    with TogetherBackend() as backend:
        yield backend


@pytest.fixture
def backend(running):
    """That backend with an empty ledger."""
    running.ledger.clear()
    return running


@pytest.fixture
async def draw(backend):
    """Serves one request there."""
    async with provider_at("together", backend.url, "key") as serve:
        yield serve


async def failed(work):
    """The error in which a request ends."""
    with pytest.raises(ProviderError) as raised:
        await work
    return raised.value.kind, raised.value.outcome


@pytest.mark.parametrize("model", MODELS)
async def test_draws(backend, draw, model):
    """Whatever is asked, each model is sent only what it knows, as many as it makes in one call."""
    most = providers.load("together").dialect(model).max_n
    assert len((await draw(model, n=most, asked=EVERYTHING)).images) == most
    (record,) = backend.ledger.records
    assert record.fields["width"] > record.fields["height"]


@pytest.mark.parametrize("shape", [Shape(300, 4000), Shape(4000, 4000), Shape(100, 100), Shape(aspect=16 / 9)])
@pytest.mark.parametrize("model", MODELS)
async def test_sizes(draw, model, shape):
    """Whatever size is asked, the one sent is legal."""
    assert seen(await draw(model, asked={"shape": shape})) == ("image/png", 16, 16)


@pytest.mark.parametrize("model", EDITORS)
async def test_edits(backend, draw, model):
    """Each family is given its pictures under the name that it knows."""
    await draw(model, operation=Operation.EDIT, images=(PICTURE,))
    (record,) = backend.ledger.records
    assert [name for name in ("image_url", "reference_images") if name in record.fields] == [EDITORS[model]]


async def test_several_references(backend, draw):
    """Several pictures go in one list."""
    await draw("black-forest-labs/FLUX.2-pro", operation=Operation.EDIT, images=(PICTURE,) * 8)
    assert len(backend.ledger.records[0].fields["reference_images"]) == 8


async def test_refusal(backend, draw):
    """A refused prompt is told from a mistake, and costs nothing."""
    end = await failed(draw(SCHNELL, prompt="a forbidden thing"))
    assert end == (ErrorKind.CONTENT_POLICY, OutcomeClass.REJECTED)
    assert backend.ledger.billed == []


async def test_bad_key(backend):
    """A bad key is known for what it is."""
    async with provider_at("together", backend.url, "bad-key") as draw:
        assert await failed(draw(SCHNELL)) == (ErrorKind.AUTHENTICATION, OutcomeClass.REJECTED)


@pytest.mark.parametrize(
    ("step", "end"),
    [
        (Status(429, None, "rate_limit"), (ErrorKind.RATE_LIMITED, OutcomeClass.REJECTED)),
        (Status(402, None, "credit_limit"), (ErrorKind.QUOTA, OutcomeClass.REJECTED)),
        (Status(503, "model_overloaded"), (ErrorKind.UNAVAILABLE, OutcomeClass.REJECTED)),
        (Status(524), (ErrorKind.UNAVAILABLE, OutcomeClass.AMBIGUOUS)),
        (Reset(), (ErrorKind.UNAVAILABLE, OutcomeClass.AMBIGUOUS)),
    ],
    ids=["429", "402", "503", "524", "reset"],
)
async def test_failures(backend, draw, step, end):
    """Each failure of the backend is known for what it is and what it means for the bill."""
    backend.script(step)
    assert await failed(draw(SCHNELL)) == end


async def test_gone_model(draw):
    """A model that is gone is the target's fault, not the caller's."""
    assert await failed(draw("google/imagen-4.0-preview")) == (ErrorKind.UNSUPPORTED, OutcomeClass.REJECTED)

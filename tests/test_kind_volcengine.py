"""Ark over a real socket, against a backend that refuses what the real one would."""

import pytest
from backends import Reset, Status, StreamError
from backends.volcengine import MODELS, POLICY, VolcengineBackend
from driving import planned, provider_at, seen
from pictures import png

import providers
from providers.base import ErrorKind, Operation, OutcomeClass, ProviderError, Upload
from providers.dialect import Shape
from router.engine.route import Provider
from router.wire.conversation import converse_stream
from router.wire.send import Wire
from router.wire.transport import TransportSettings, build_transport

pytestmark = pytest.mark.anyio
ADAPTER = providers.load("volcengine")
PICTURE = Upload.of(png(96, 64), width=96, height=64)
SEEDREAM, PRO, SEEDEDIT = (
    "doubao-seedream-4-5-251128",
    "doubao-seedream-5-0-pro-260628",
    "doubao-seededit-3-0-i2i-250628",
)
DRAWING = [model for model in MODELS if model != SEEDEDIT]
EDITING = [model for model in MODELS if "t2i" not in model]
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
    "steps": 20,
    "strength": 0.5,
    "user": "u-77",
}


@pytest.fixture(scope="module")
def running():
    """One backend for all tests of this file."""
    with VolcengineBackend() as backend:
        yield backend


@pytest.fixture
def backend(running):
    """That backend with an empty ledger."""
    running.ledger.clear()
    return running


@pytest.fixture
async def draw(backend):
    """Serves one request there."""
    async with provider_at("volcengine", backend.url, "key") as serve:
        yield serve


@pytest.fixture
async def wire(backend):
    """The way there."""
    wire = Wire(ADAPTER, backend.url, "key", build_transport(TransportSettings()))
    yield wire
    await wire.aclose()


async def failed(work):
    """The error in which a request ends."""
    with pytest.raises(ProviderError) as raised:
        await work
    return raised.value.kind, raised.value.outcome


@pytest.mark.parametrize("model", DRAWING)
async def test_draws(backend, draw, model):
    """Whatever is asked, each model is sent only what it knows, and never asked for a mark in the corner."""
    result = await draw(model, asked=EVERYTHING)
    assert seen(result) == ("image/png", 16, 16)
    assert (result.usage.output_image_tokens, result.usage.total_tokens) == (16_384, 16_384)
    assert backend.ledger.records[0].fields["watermark"] is False


@pytest.mark.parametrize("shape", [Shape(300, 4000), Shape(4000, 4000), Shape(100, 100), Shape(aspect=16 / 9)])
@pytest.mark.parametrize("model", DRAWING)
async def test_sizes(draw, model, shape):
    """Whatever size is asked, the one sent is legal."""
    assert seen(await draw(model, asked={"shape": shape})) == ("image/png", 16, 16)


async def test_landscape(backend, draw):
    """A size that is too small grows, and keeps its ratio."""
    await draw(SEEDREAM, asked={"shape": Shape(1536, 1024)})
    assert backend.ledger.records[0].fields["size"] == "2352x1568"


@pytest.mark.parametrize("model", EDITING)
async def test_edits(backend, draw, model):
    """An edit is a generation with a picture as data."""
    await draw(model, operation=Operation.EDIT, images=(PICTURE,), asked=EVERYTHING)
    (record,) = backend.ledger.records
    assert record.fields["image"].startswith("data:image/png;base64,")


async def test_several_references(backend, draw):
    """Several pictures go in one list."""
    await draw(SEEDREAM, operation=Operation.EDIT, images=(PICTURE,) * 14)
    assert len(backend.ledger.records[0].fields["image"]) == 14


async def test_transparent(backend, draw):
    """The model that clears a background only of a picture is asked so on an edit."""
    await draw(PRO, operation=Operation.EDIT, images=(PICTURE,), asked={"background": "transparent"})
    assert backend.ledger.records[0].fields["background"] == "transparent"


async def test_one_picture_a_call(backend, draw):
    """What makes several pictures of a call is not sent, as all but one would be paid for and lost."""
    ours = {
        "sequential_image_generation": "auto",
        "sequential_image_generation_options": {"max_images": 9},
        "stream": True,
        "model": "another",
        "watermark": True,
    }
    await draw(SEEDREAM, options={"volcengine": ours})
    fields = backend.ledger.records[0].fields
    assert fields.keys() == {"model", "prompt", "response_format", "watermark"}
    assert (fields["model"], fields["watermark"]) == (SEEDREAM, True)
    assert len(planned(Provider(name="v", kind="volcengine", adapter=ADAPTER, send=None), SEEDREAM, n=3).shards) == 3


@pytest.mark.parametrize(
    ("prompt", "outcome"),
    [("a forbidden thing", OutcomeClass.REJECTED), ("a late refusal", OutcomeClass.FAILED)],
)
async def test_refusal(backend, draw, prompt, outcome):
    """A refusal by policy is one whether it comes before the drawing or after, and costs nothing."""
    assert await failed(draw(SEEDREAM, prompt=prompt)) == (ErrorKind.CONTENT_POLICY, outcome)
    assert backend.ledger.pictures == 0


async def test_bad_key(backend):
    """A bad key is known for what it is."""
    async with provider_at("volcengine", backend.url, "bad-key") as draw:
        assert await failed(draw(SEEDREAM)) == (ErrorKind.AUTHENTICATION, OutcomeClass.REJECTED)


@pytest.mark.parametrize(
    ("step", "end"),
    [
        (Status(429, "ModelAccountIpmRateLimitExceeded"), (ErrorKind.RATE_LIMITED, OutcomeClass.REJECTED)),
        (Status(429, "SetLimitExceeded"), (ErrorKind.QUOTA, OutcomeClass.REJECTED)),
        (Status(403, "AccountOverdueError"), (ErrorKind.QUOTA, OutcomeClass.REJECTED)),
        (Status(403, "ServiceNotOpen"), (ErrorKind.AUTHENTICATION, OutcomeClass.REJECTED)),
        (Status(404, "ModelNotOpen"), (ErrorKind.UNSUPPORTED, OutcomeClass.REJECTED)),
        (Status(500, "InternalServiceError"), (ErrorKind.UNAVAILABLE, OutcomeClass.FAILED)),
        (Reset(), (ErrorKind.UNAVAILABLE, OutcomeClass.AMBIGUOUS)),
    ],
    ids=["rate", "limit", "overdue", "closed", "model", "500", "reset"],
)
async def test_failures(backend, draw, step, end):
    """Each failure of the backend is known for what it is and what it means for the bill."""
    backend.script(step)
    assert await failed(draw(SEEDREAM)) == end


async def test_a_bare_name_is_no_model(draw):
    """A name without its date is the target's fault, not the caller's."""
    assert await failed(draw("seedream-4-5")) == (ErrorKind.UNSUPPORTED, OutcomeClass.REJECTED)


async def test_streams(backend, wire):
    """A stream ends in the picture and, though that comes after it, in what was used; a failure in it has its code."""
    provider = Provider(name="v", kind="volcengine", adapter=ADAPTER, send=wire, base_url=backend.url)
    (shard,) = planned(provider, SEEDREAM, stream=True).shards
    result = await converse_stream(ADAPTER, shard.job, 2, wire, pytest.fail)
    assert (seen(result), result.usage.output_tokens) == (("image/png", 16, 16), 16_384)
    backend.script(StreamError(code=POLICY))
    end = await failed(converse_stream(ADAPTER, shard.job, 0, wire, pytest.fail))
    assert end == (ErrorKind.CONTENT_POLICY, OutcomeClass.FAILED)
    assert backend.ledger.pictures == 1

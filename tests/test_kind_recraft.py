"""Recraft over a real socket, against a backend that refuses what the real one would."""

import io

import pytest
from backends import Reset, Status
from backends.recraft import MODELS, RecraftBackend
from driving import provider_at, seen
from pictures import png
from PIL import Image

from providers.base import ErrorKind, Operation, OutcomeClass, ProviderError, Upload
from providers.dialect import Shape

pytestmark = pytest.mark.anyio
PICTURE = Upload.of(png(96, 64), width=96, height=64)
MASK = Upload.of(png(96, 64, alpha=True), width=96, height=64)
EVERYTHING = {
    "shape": Shape(1536, 1024),
    "quality": "high",
    "style": "natural",
    "background": "opaque",
    "output_format": "jpeg",
    "moderation": "auto",
    "seed": 7,
    "negative_prompt": "rain",
    "guidance": 4,
    "steps": 20,
    "strength": 0.25,
    "user": "u-77",
}


@pytest.fixture(scope="module")
def running():
    """One backend for all tests of this file."""
    with RecraftBackend() as backend:
        yield backend


@pytest.fixture
def backend(running):
    """That backend with an empty ledger."""
    running.ledger.clear()
    return running


@pytest.fixture
async def draw(backend):
    """Serves one request there."""
    async with provider_at("recraft", backend.url, "key") as serve:
        yield serve


async def failed(work):
    """The error in which a request ends."""
    with pytest.raises(ProviderError) as raised:
        await work
    return raised.value.kind, raised.value.outcome


@pytest.mark.parametrize("model", MODELS)
async def test_draws(draw, model):
    """Whatever is asked, each model is sent only what it knows, in a size of its own family."""
    result = await draw(model, n=2, asked=EVERYTHING)
    assert len(result.images) == 2
    assert result.usage.cost == result.usage.credits / 1000


async def test_edits(backend, draw):
    """An edit without a mask says how far it may go, and never a size."""
    result = await draw("recraftv3", operation=Operation.EDIT, images=(PICTURE,), asked=EVERYTHING)
    assert seen(result) == ("image/png", 16, 16)
    await draw("recraftv3", operation=Operation.EDIT, images=(PICTURE,))
    assert [record.path for record in backend.ledger.records] == ["/v1/images/imageToImage"] * 2
    assert [record.fields["strength"] for record in backend.ledger.records] == ["0.25", "0.5"]


async def test_mask_is_white_where_the_picture_changes(backend, draw):
    """What is transparent in a caller's mask is white in the one that is sent, and nothing else is."""
    await draw("recraftv3", operation=Operation.EDIT, images=(PICTURE,), mask=MASK, asked=EVERYTHING)
    assert backend.ledger.records[0].path == "/v1/images/inpaint"
    with Image.open(io.BytesIO(backend.masks.pop())) as mask:
        assert [mask.getpixel((x, 5)) for x in (0, 47, 48, 95)] == [255, 255, 0, 0]


@pytest.mark.parametrize(("asked", "size"), [({}, "1536x1024"), ({"shape": Shape(1024, 1024), "seed": 3}, "1024x1024")])
async def test_variations(backend, draw, asked, size):
    """A variation has the shape asked, else its picture's own."""
    await draw("recraftv3", operation=Operation.VARIATION, images=(PICTURE,), asked=asked, prompt="")
    (record,) = backend.ledger.records
    assert (record.path, record.fields["size"]) == ("/v1/images/variateImage", size)


async def test_vectors_are_not_bought(backend, draw):
    """A model whose pictures nobody here can hand on is not asked for any."""
    assert await failed(draw("recraftv4_1_vector")) == (ErrorKind.UNSUPPORTED, OutcomeClass.NOT_SENT)
    assert len(backend.ledger) == 0


async def test_refusal(backend, draw):
    """A refused prompt is told from a mistake, and costs nothing."""
    end = await failed(draw("recraftv4_1", prompt="a forbidden thing"))
    assert end == (ErrorKind.CONTENT_POLICY, OutcomeClass.REJECTED)
    assert backend.ledger.billed == []


async def test_bad_key(backend):
    """A bad key is known for what it is."""
    async with provider_at("recraft", backend.url, "bad-key") as draw:
        assert await failed(draw("recraftv4_1")) == (ErrorKind.AUTHENTICATION, OutcomeClass.REJECTED)


@pytest.mark.parametrize(
    ("step", "end"),
    [
        (Status(429, "rate_limit"), (ErrorKind.RATE_LIMITED, OutcomeClass.REJECTED)),
        (Status(403, "forbidden", message="not enough credits"), (ErrorKind.QUOTA, OutcomeClass.REJECTED)),
        (Status(402, "payment"), (ErrorKind.QUOTA, OutcomeClass.REJECTED)),
        (Status(500, "internal"), (ErrorKind.UNAVAILABLE, OutcomeClass.FAILED)),
        (Reset(), (ErrorKind.UNAVAILABLE, OutcomeClass.AMBIGUOUS)),
    ],
    ids=["429", "403", "402", "500", "reset"],
)
async def test_failures(backend, draw, step, end):
    """Each failure of the backend is known for what it is and what it means for the bill."""
    backend.script(step)
    assert await failed(draw("recraftv4_1")) == end

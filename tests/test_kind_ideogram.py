"""Ideogram over a real socket, against a backend that refuses what the real one would."""

import asyncio
import io

import pytest
from backends import Reset, Status
from backends.ideogram import IdeogramBackend
from driving import provider_at
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
    "output_format": "png",
    "moderation": "low",
    "seed": 7,
    "negative_prompt": "rain",
    "guidance": 4,
    "steps": 20,
    "strength": 0.5,
    "user": "u-77",
}
MODELS = ("ideogram-4-6", "ideogram-4-5", "ideogram-4", "ideogram-3", "ideogram-3-transparent")


@pytest.fixture(scope="module")
def running():
    """One backend for all tests of this file."""
    with IdeogramBackend() as backend:
        yield backend


@pytest.fixture
def backend(running, monkeypatch):
    """That backend with an empty ledger; pauses end at once."""
    real = asyncio.sleep
    monkeypatch.setattr(asyncio, "sleep", lambda _: real(0))
    running.ledger.clear()
    running.polls.clear()
    return running


@pytest.fixture
async def draw(backend):
    """Serves one request there."""
    async with provider_at("ideogram", backend.url, "key") as serve:
        yield serve


async def failed(work):
    """The error in which a request ends."""
    with pytest.raises(ProviderError) as raised:
        await work
    return raised.value.kind, raised.value.outcome


@pytest.mark.parametrize("model", MODELS)
async def test_draws(backend, draw, model):
    """Whatever is asked, each model is sent only what it knows, once, and asked after until it is done."""
    backend.polls.extend(["pending", "pending"])
    result = await draw(model, n=2, asked=EVERYTHING)
    assert [image.url for image in result.images] == [f"{backend.url}/ephemeral/a.png?exp=1&sig=s"] * 2
    assert result.usage.cost == 0.06
    (record,) = backend.ledger.records
    assert (record.n, record.headers["api-key"]) == (2, "key")


async def test_transparent(draw):
    """Transparency is had from the model that draws nothing else."""
    asked = {"background": "transparent", "shape": Shape(aspect=3 / 2)}
    assert len((await draw("ideogram-3-transparent", asked=asked)).images) == 1


@pytest.mark.parametrize(
    "shape", [Shape(300, 4000), Shape(9000, 9000), Shape(100, 100), Shape(1025, 1024), Shape(aspect=6.5)]
)
async def test_sizes(draw, shape):
    """Whatever size is asked, of a drawing or an edit, the one sent is legal."""
    for model in MODELS:
        await draw(model, asked={"shape": shape})
    for model in ("ideogram-4-6", "ideogram-4-5"):
        await draw(model, asked={"shape": shape}, operation=Operation.EDIT, images=(PICTURE,))


@pytest.mark.parametrize("model", ["ideogram-4-6", "ideogram-4-5"])
async def test_edits(backend, draw, model):
    """Several pictures are edited by the drawing path, in one form."""
    await draw(model, operation=Operation.EDIT, images=(PICTURE,) * 5, n=2)
    (record,) = backend.ledger.records
    assert [name for name, _, _ in record.files] == ["images"] * 5


@pytest.mark.parametrize("model", ["ideogram-4-5", "ideogram-3"])
async def test_mask_is_black_where_the_picture_changes(backend, draw, model):
    """What is transparent in a caller's mask is black in the one that is sent, and nothing else is."""
    asked = {"shape": Shape(1024, 1024)}
    await draw(model, operation=Operation.EDIT, images=(PICTURE,), mask=MASK, asked=asked)
    with Image.open(io.BytesIO(backend.masks.pop())) as mask:
        assert [mask.getpixel((x, 5)) for x in (0, 47, 48, 95)] == [0, 0, 255, 255]


async def test_edit_without_the_mask_it_needs(backend, draw):
    """A model that edits by masks alone is not asked without one."""
    end = await failed(draw("ideogram-3", operation=Operation.EDIT, images=(PICTURE,)))
    assert end == (ErrorKind.UNSUPPORTED, OutcomeClass.NOT_SENT)
    assert len(backend.ledger) == 0


@pytest.mark.parametrize("model", ["ideogram-4-5", "ideogram-4"])
async def test_variations(backend, draw, model):
    """A variation is a remix."""
    await draw(model, operation=Operation.VARIATION, images=(PICTURE,), prompt="", asked={"shape": Shape(1024, 1024)})
    assert backend.ledger.records[0].path == f"/v2/image/remix/{model}"


@pytest.mark.parametrize(
    ("state", "end"),
    [
        ("failed:The model could not finish.", (ErrorKind.UNAVAILABLE, OutcomeClass.FAILED)),
        ("failed:The image failed a safety check.", (ErrorKind.CONTENT_POLICY, OutcomeClass.FAILED)),
        ("resting", (ErrorKind.BAD_RESPONSE, OutcomeClass.AMBIGUOUS)),
    ],
)
async def test_failed_job(backend, draw, state, end):
    """A job that fails was submitted once, and ends as its backend says."""
    backend.polls.extend(["pending", state])
    assert await failed(draw("ideogram-4-5")) == end
    assert len(backend.ledger) == 1


async def test_failing_polls(backend, draw):
    """Polls that fail now and then cost nothing: the job was submitted once, and its picture comes."""
    backend.polls.extend([503, "pending", 502, 429])
    assert len((await draw("ideogram-4-5")).images) == 1
    assert len(backend.ledger) == 1


@pytest.mark.parametrize(
    ("prompt", "outcome"), [("a forbidden thing", OutcomeClass.REJECTED), ("a shy thing", OutcomeClass.AMBIGUOUS)]
)
async def test_refusals(draw, prompt, outcome):
    """A prompt that is refused is free; a picture that is kept back may stand on the bill."""
    assert await failed(draw("ideogram-4-5", prompt=prompt)) == (ErrorKind.CONTENT_POLICY, outcome)


async def test_bad_key(backend):
    """A bad key is known for what it is."""
    async with provider_at("ideogram", backend.url, "bad-key") as draw:
        assert await failed(draw("ideogram-4-5")) == (ErrorKind.AUTHENTICATION, OutcomeClass.REJECTED)


@pytest.mark.parametrize(
    ("step", "end"),
    [
        (Status(429), (ErrorKind.RATE_LIMITED, OutcomeClass.REJECTED)),
        (Status(402, "inflight_limit"), (ErrorKind.RATE_LIMITED, OutcomeClass.REJECTED)),
        (Status(402, "daily_limit"), (ErrorKind.QUOTA, OutcomeClass.REJECTED)),
        (Status(500), (ErrorKind.UNAVAILABLE, OutcomeClass.FAILED)),
        (Reset(), (ErrorKind.UNAVAILABLE, OutcomeClass.AMBIGUOUS)),
    ],
    ids=["429", "in-flight", "daily", "500", "reset"],
)
async def test_failures(backend, draw, step, end):
    """Each failure of the backend is known for what it is and what it means for the bill."""
    backend.script(step)
    assert await failed(draw("ideogram-4-5")) == end

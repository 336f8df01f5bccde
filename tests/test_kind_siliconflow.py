"""SiliconFlow over a real socket, against a backend that refuses what the real one would."""

import pytest
from backends import Raw, Reset, Status
from backends.siliconflow import MODELS, SiliconflowBackend
from driving import planned, provider_at
from pictures import png

import providers
from providers.base import ErrorKind, Operation, OutcomeClass, ProviderError, Upload
from providers.dialect import Shape
from router.engine.route import Provider

pytestmark = pytest.mark.anyio
PICTURE = Upload.of(png(96, 64), width=96, height=64)
KOLORS, QWEN, EDIT, EDIT_2509 = MODELS
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
    "steps": 120,
    "strength": 0.5,
    "user": "u-77",
}


@pytest.fixture(scope="module")
def running():
    """One backend for all tests of this file."""
    with SiliconflowBackend() as backend:
        yield backend


@pytest.fixture
def backend(running):
    """That backend with an empty ledger."""
    running.ledger.clear()
    return running


@pytest.fixture
async def draw(backend):
    """Serves one request there."""
    async with provider_at("siliconflow", backend.url, "key") as serve:
        yield serve


async def failed(work):
    """The error in which a request ends."""
    with pytest.raises(ProviderError) as raised:
        await work
    return raised.value.kind, raised.value.outcome


@pytest.mark.parametrize(("model", "most", "size"), [(KOLORS, 4, "1024x1024"), (QWEN, 1, "1584x1056")])
async def test_draws(backend, draw, model, most, size):
    """Whatever is asked, each model is sent only what it knows; a landscape only where it has one."""
    result = await draw(model, n=most, asked=EVERYTHING)
    assert len([image for image in result.images if image.url]) == most
    assert result.usage.seconds == 1.9
    (record,) = backend.ledger.records
    assert record.fields["image_size"] == size
    assert (record.n, "n" in record.fields) == (most, False)


@pytest.mark.parametrize("shape", [Shape(300, 4000), Shape(4000, 4000), Shape(100, 100), Shape(aspect=16 / 9), None])
@pytest.mark.parametrize("model", [KOLORS, QWEN])
async def test_sizes(draw, model, shape):
    """Whatever size is asked, the one sent is legal, and where none is asked there is one."""
    assert (await draw(model, asked={} if shape is None else {"shape": shape})).images


@pytest.mark.parametrize(("model", "pictures"), [(KOLORS, 1), (EDIT, 1), (EDIT_2509, 3)])
async def test_edits(backend, draw, model, pictures):
    """Each picture has a field of its own, and a model of edits is sent no size."""
    await draw(model, operation=Operation.EDIT, images=(PICTURE,) * pictures, asked=EVERYTHING)
    (record,) = backend.ledger.records
    names = ["image", "image2", "image3"]
    assert [name for name in names if name in record.fields] == names[:pictures]
    assert ("image_size" in record.fields) == (model == KOLORS)


async def test_the_bill_is_the_routers(backend, draw):
    """A caller's own fields pass, but neither rename the model nor raise the bill."""
    await draw(KOLORS, options={"siliconflow": {"batch_size": 4, "model": QWEN, "guidance_scale": 3}})
    (record,) = backend.ledger.records
    assert (record.n, record.model, record.fields["guidance_scale"]) == (1, KOLORS, 3)
    provider = Provider(name="s", kind="siliconflow", adapter=providers.load("siliconflow"), send=None)
    assert [len(planned(provider, model, n=5).shards) for model in (KOLORS, QWEN)] == [2, 5]


async def test_refusal(backend, draw):
    """A refused prompt costs nothing."""
    assert await failed(draw(KOLORS, prompt="a forbidden thing")) == (
        ErrorKind.INVALID_REQUEST,
        OutcomeClass.REJECTED,
    )
    assert backend.ledger.billed == []


async def test_bad_key(backend):
    """A bad key is known for what it is, by words alone."""
    async with provider_at("siliconflow", backend.url, "bad-key") as draw:
        with pytest.raises(ProviderError) as raised:
            await draw(KOLORS)
    assert (raised.value.kind, raised.value.message) == (ErrorKind.AUTHENTICATION, "Invalid token")


@pytest.mark.parametrize(
    ("step", "end"),
    [
        (Status(429, message="Details: IPM limit reached."), (ErrorKind.RATE_LIMITED, OutcomeClass.REJECTED)),
        (Status(429, message="Details: IPD limit reached."), (ErrorKind.QUOTA, OutcomeClass.REJECTED)),
        (Status(403, message="account balance is insufficient"), (ErrorKind.QUOTA, OutcomeClass.REJECTED)),
        (Status(403, message="no permission"), (ErrorKind.AUTHENTICATION, OutcomeClass.REJECTED)),
        (Status(503, "50505"), (ErrorKind.UNAVAILABLE, OutcomeClass.REJECTED)),
        (Raw(504, b"<html>"), (ErrorKind.UNAVAILABLE, OutcomeClass.AMBIGUOUS)),
        (Reset(), (ErrorKind.UNAVAILABLE, OutcomeClass.AMBIGUOUS)),
    ],
    ids=["minute", "day", "balance", "permission", "503", "504", "reset"],
)
async def test_failures(backend, draw, step, end):
    """Each failure of the backend is known for what it is and what it means for the bill."""
    backend.script(step)
    assert await failed(draw(KOLORS)) == end


async def test_gone_model(draw):
    """A model that is gone is the target's fault, not the caller's."""
    assert await failed(draw("maker/Gone")) == (ErrorKind.UNSUPPORTED, OutcomeClass.REJECTED)

"""Zhipu over a real socket, against a backend that refuses what the real one would."""

import pytest
from backends import Reset, Status
from backends.zhipu import MODELS, ZhipuBackend
from driving import planned, provider_at
from pictures import png

import providers
from providers.base import ErrorKind, Operation, OutcomeClass, ProviderError, Upload
from providers.dialect import Shape, Unsupported
from router.engine.route import Provider

pytestmark = pytest.mark.anyio
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
    "user": "user-77",
    "response_format": "b64_json",
}


@pytest.fixture(scope="module")
def running():
    """One backend for all tests of this file."""
    with ZhipuBackend() as backend:
        yield backend


@pytest.fixture
def backend(running):
    """That backend with an empty ledger."""
    running.ledger.clear()
    return running


@pytest.fixture
async def draw(backend):
    """Serves one request there."""
    async with provider_at("zhipu", backend.url, "id.secret") as serve:
        yield serve


def provider():
    """The kind, with no wire."""
    return Provider(name="zhipu", kind="zhipu", adapter=providers.load("zhipu"), send=None, options={}, base_url="")


async def failed(work):
    """The error in which a request ends."""
    with pytest.raises(ProviderError) as raised:
        await work
    return raised.value.kind, raised.value.outcome


@pytest.mark.parametrize("model", MODELS)
async def test_draws(backend, draw, model):
    """Whatever is asked, each model is sent only what it knows, a wide picture as wide as asked."""
    result = await draw(model, asked=EVERYTHING)
    assert [image.url for image in result.images] == [f"{backend.origin}/made.png"]
    assert result.created == 1795000000
    (record,) = backend.ledger.records
    assert record.fields["size"] == "1536x1024"
    assert (record.fields["quality"], record.fields["user_id"]) == ("hd", "user-77")


@pytest.mark.parametrize("shape", [Shape(300, 4000), Shape(9000, 9000), Shape(100, 100), Shape(aspect=16 / 9)])
@pytest.mark.parametrize("model", MODELS)
async def test_sizes(draw, model, shape):
    """Whatever size is asked, the one sent is legal."""
    await draw(model, asked={"shape": shape})


@pytest.mark.parametrize("size", [(1280, 1280), (1056, 1568), (1472, 1088), (960, 1728), (2048, 2048)])
async def test_listed_sizes(backend, draw, size):
    """GLM-Image's own sizes are sent as they are, those too that its bounds for others would not allow."""
    await draw("glm-image", asked={"shape": Shape(*size)})
    assert backend.ledger.records[0].fields["size"] == f"{size[0]}x{size[1]}"


@pytest.mark.parametrize("user", ["u-1", "u" * 129])
async def test_user(backend, draw, user):
    """A user's name that the backend would refuse is left out."""
    await draw("cogview-4", asked={"user": user})
    assert "user_id" not in backend.ledger.records[0].fields


def test_several_are_several_calls():
    """The backend makes one picture a call, whatever number it is asked."""
    assert [shard.job.n for shard in planned(provider(), "glm-image", n=3).shards] == [1, 1, 1]


def test_no_edits():
    """No model is sent a picture, which it would pass over."""
    with pytest.raises(Unsupported, match="cannot edit"):
        planned(provider(), "glm-image", operation=Operation.EDIT, images=(Upload.of(png()),))


async def test_refusal(backend, draw):
    """A refused prompt is told from a mistake, and costs nothing."""
    end = await failed(draw("cogview-4", prompt="a forbidden thing"))
    assert end == (ErrorKind.CONTENT_POLICY, OutcomeClass.REJECTED)
    assert backend.ledger.billed == []


async def test_bad_key(backend):
    """A bad key is known for what it is."""
    async with provider_at("zhipu", backend.url, "bad-key") as draw:
        assert await failed(draw("cogview-4")) == (ErrorKind.AUTHENTICATION, OutcomeClass.REJECTED)


async def test_gone_model(draw):
    """A model that is gone is the target's fault, not the caller's."""
    assert await failed(draw("cogview-1")) == (ErrorKind.UNSUPPORTED, OutcomeClass.REJECTED)


@pytest.mark.parametrize(
    ("step", "end"),
    [
        (Status(429, "1302"), (ErrorKind.RATE_LIMITED, OutcomeClass.REJECTED)),
        (Status(429, "1113"), (ErrorKind.QUOTA, OutcomeClass.REJECTED)),
        (Status(429, "1310"), (ErrorKind.QUOTA, OutcomeClass.REJECTED)),
        (Status(429, "1312"), (ErrorKind.UNAVAILABLE, OutcomeClass.REJECTED)),
        (Status(403, "1121"), (ErrorKind.AUTHENTICATION, OutcomeClass.REJECTED)),
        (Status(400, "1261"), (ErrorKind.INVALID_REQUEST, OutcomeClass.REJECTED)),
        (Status(434), (ErrorKind.UNSUPPORTED, OutcomeClass.REJECTED)),
        (Status(500, "1230"), (ErrorKind.UNAVAILABLE, OutcomeClass.FAILED)),
        (Reset(), (ErrorKind.UNAVAILABLE, OutcomeClass.AMBIGUOUS)),
    ],
)
async def test_failures(backend, draw, step, end):
    """Each failure is known by its code, not by its status: a 429 may be an empty account."""
    backend.script(step)
    assert await failed(draw("cogview-4")) == end

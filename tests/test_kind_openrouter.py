"""OpenRouter over a real socket, against a backend that refuses what the real one would."""

import pytest
from backends import Status, StreamError
from backends.openrouter import OpenRouterBackend
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
GEMINI, GPT = "google/gemini-2.5-flash-image", "openai/gpt-image-2.5-flare"
ADAPTER = providers.load("openrouter")


@pytest.fixture(scope="module")
def running():
    """One backend for all tests of this file."""
    with OpenRouterBackend() as backend:
        yield backend


@pytest.fixture
def backend(running):
    """That backend with an empty ledger."""
    running.ledger.clear()
    return running


@pytest.fixture
async def draw(backend):
    """Serves one request there."""
    async with provider_at("openrouter", backend.url, "sk-or", title="Kites") as serve:
        yield serve


@pytest.fixture
async def wire(backend):
    """The way there."""
    wire = Wire(ADAPTER, backend.url, "sk-or", build_transport(TransportSettings()))
    yield wire
    await wire.aclose()


async def failed(work):
    """The error in which a request ends."""
    with pytest.raises(ProviderError) as raised:
        await work
    return raised.value.kind, raised.value.outcome


async def test_draws(backend, draw):
    """Every parameter that the table has is legal, and the answer says what it cost."""
    words = {"quality": "max", "background": "opaque", "output_format": "webp", "output_compression": 80}
    result = await draw(GPT, asked={"shape": Shape(1536, 864), **words, "seed": 7, "user": "u-1"})
    assert seen(result) == ("image/webp", 1536, 864)
    assert (result.usage.cost, result.usage.output_image_tokens, result.usage.output_text_tokens) == (0.04, 1290, 0)
    (record,) = backend.ledger.records
    assert record.headers["x-title"] == "Kites"


async def test_several(backend, draw):
    """Models that draw several are asked for them in one call, others in one call each."""
    result = await draw(GPT, n=3)
    assert len(result.images) == 3
    assert backend.ledger.records[0].fields["n"] == 3
    await draw(GEMINI)
    assert "n" not in backend.ledger.records[1].fields
    provider = Provider(name="o", kind="openrouter", adapter=ADAPTER, send=None)
    assert len(planned(provider, GEMINI, n=3).shards) == 3


@pytest.mark.parametrize(
    ("model", "shape", "sent"),
    [
        (GEMINI, Shape(1600, 900), {"size": "1600x900"}),
        (GEMINI, Shape(aspect=16 / 9), {"aspect_ratio": "16:9"}),
        (GEMINI, Shape(aspect=2.36), {"aspect_ratio": "2.35:1"}),
        (GPT, Shape(1000, 500), {"size": "1152x576"}),
    ],
)
async def test_landscape(backend, draw, model, shape, sent):
    """Pixels go as a size and a ratio as a ratio, never both."""
    await draw(model, asked={"shape": shape})
    fields = backend.ledger.records[0].fields
    assert {name: fields[name] for name in ("size", "aspect_ratio") if name in fields} == sent


async def test_edits(backend, draw):
    """Pictures to go by are references in the same call, as data."""
    pictures = (Upload.of(png()), Upload.of(b"\xff\xd8\xff\xd9", "image/jpeg"))
    await draw(GEMINI, operation=Operation.EDIT, images=pictures)
    (record,) = backend.ledger.records
    assert len(record.fields["input_references"]) == 2
    assert record.path == "/api/v1/images"


@pytest.mark.parametrize(
    ("prompt", "end"),
    [
        ("a forbidden thing", (ErrorKind.CONTENT_POLICY, OutcomeClass.REJECTED)),
        ("a late failure", (ErrorKind.UNAVAILABLE, OutcomeClass.FAILED)),
    ],
)
async def test_failures(draw, prompt, end):
    """Moderation is known by its reasons, and a failure within a 200 by its code."""
    assert await failed(draw(GPT, prompt=prompt)) == end


async def test_no_permission_is_no_moderation(backend, draw):
    """The same status without a reason is the account's affair."""
    backend.script(Status(429, headers={"retry-after": "3"}), Status(402), Status(502))
    ends = [await failed(draw(GPT)) for _ in range(3)]
    assert [kind for kind, _ in ends] == [ErrorKind.RATE_LIMITED, ErrorKind.QUOTA, ErrorKind.UNAVAILABLE]
    async with provider_at("openrouter", backend.url, "bad-key") as strange:
        assert await failed(strange(GPT)) == (ErrorKind.AUTHENTICATION, OutcomeClass.REJECTED)


async def test_streams(backend, wire):
    """A stream ends in the picture and what it cost; a failure in it is told by its code."""
    provider = Provider(name="o", kind="openrouter", adapter=ADAPTER, send=wire, base_url=backend.url)
    (shard,) = planned(provider, GPT, stream=True).shards
    result = await converse_stream(ADAPTER, shard.job, 2, wire, pytest.fail)
    assert (seen(result), result.usage.cost) == (("image/png", 1024, 1024), 0.04)
    backend.script(StreamError(code="429"))
    end = await failed(converse_stream(ADAPTER, shard.job, 0, wire, pytest.fail))
    assert end == (ErrorKind.RATE_LIMITED, OutcomeClass.FAILED)
    assert backend.ledger.pictures == 1


async def test_the_backend_is_strict(backend, draw):
    """What the schema has no room for is refused, and costs nothing."""
    for options in ({"resolution": 3}, {"size": "2K"}, {"aspect_ratio": "1:3"}, {"seed": "7"}):
        end = await failed(draw(GEMINI, options={"openrouter": options}))
        assert end == (ErrorKind.INVALID_REQUEST, OutcomeClass.REJECTED)
    assert backend.ledger.billed == []

"""MiniMax over a real socket, against a backend that refuses what the real one would."""

import pytest
from backends import Reset, Status
from backends.minimax import H3, MODELS, MiniMaxBackend
from driving import planned, provider_at, seen
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
    "user": "u-77",
    "response_format": "b64_json",
}


@pytest.fixture(scope="module")
def running():
    """One backend for all tests of this file."""
    with MiniMaxBackend() as backend:
        yield backend


@pytest.fixture
def backend(running):
    """That backend with an empty ledger."""
    running.ledger.clear()
    return running


@pytest.fixture
async def draw(backend):
    """Serves one request there."""
    async with provider_at("minimax", backend.url, "key") as serve:
        yield serve


async def failed(work):
    """The error in which a request ends."""
    with pytest.raises(ProviderError) as raised:
        await work
    return raised.value.kind, raised.value.outcome


@pytest.mark.parametrize("model", [*MODELS, *H3])
async def test_draws(backend, draw, model):
    """Whatever is asked, each model is sent only what it knows, as many as it makes in one call."""
    most = providers.load("minimax").dialect(model).max_n
    assert len((await draw(model, n=most, asked=EVERYTHING)).images) == most
    assert backend.ledger.pictures == most


@pytest.mark.parametrize(
    ("model", "sent"),
    [
        ("image-01", {"width": 1536, "height": 1024}),
        ("image-01-live", {"aspect_ratio": "3:2"}),
        ("MiniMax-H3-Image", {"size": "1536x1024"}),
    ],
)
async def test_landscape(backend, draw, model, sent):
    """A wide picture is asked for in the one way that the model knows."""
    assert seen(await draw(model, asked={"shape": Shape(1536, 1024)})) == ("image/jpeg", 16, 16)
    (record,) = backend.ledger.records
    assert sent.items() <= record.fields.items()


@pytest.mark.parametrize("shape", [Shape(300, 4000), Shape(9000, 9000), Shape(100, 100), Shape(aspect=16 / 9)])
@pytest.mark.parametrize("model", [*MODELS, *H3])
async def test_sizes(draw, model, shape):
    """Whatever size is asked, the one sent is legal."""
    assert seen(await draw(model, asked={"shape": shape})) == ("image/jpeg", 16, 16)


async def test_links(backend, draw):
    """Who asks for links is given the backend's own."""
    result = await draw("image-01", asked={"response_format": "url"})
    assert [image.url for image in result.images] == [f"{backend.origin}/made.jpeg"]


async def test_tokens(draw):
    """H3 says how many tokens it used."""
    usage = (await draw("MiniMax-H3-Image", n=2)).usage
    assert (usage.input_tokens, usage.output_tokens, usage.total_tokens) == (12, 3000, 3012)


@pytest.mark.parametrize("model", ["image-01", "MiniMax-H3-Image"])
def test_no_edits(model):
    """A reference to a person is no edit, and neither model is sent one."""
    provider = Provider(
        name="minimax", kind="minimax", adapter=providers.load("minimax"), send=None, options={}, base_url=""
    )
    with pytest.raises(Unsupported, match="cannot edit"):
        planned(provider, model, operation=Operation.EDIT, images=(Upload.of(png()),))


async def test_removed(backend, draw):
    """Pictures that moderation removes are fewer; where none is left, that is a refusal of what was drawn."""
    assert len((await draw("image-01", prompt="a shy thing", n=3)).images) == 2
    backend.ledger.clear()
    end = await failed(draw("image-01", prompt="a shy thing"))
    assert end == (ErrorKind.CONTENT_POLICY, OutcomeClass.AMBIGUOUS)
    assert backend.ledger.pictures == 1


async def test_refusal(backend, draw):
    """A refused prompt is told from a mistake, and costs nothing."""
    end = await failed(draw("image-01", prompt="a forbidden thing"))
    assert end == (ErrorKind.CONTENT_POLICY, OutcomeClass.REJECTED)
    assert backend.ledger.billed == []


async def test_bad_key(backend):
    """A bad key is known for what it is, though it comes under a 200."""
    async with provider_at("minimax", backend.url, "bad-key") as draw:
        assert await failed(draw("image-01")) == (ErrorKind.AUTHENTICATION, OutcomeClass.REJECTED)


@pytest.mark.parametrize(
    ("step", "end"),
    [
        (Status(200, "1000"), (ErrorKind.UNAVAILABLE, OutcomeClass.FAILED)),
        (Status(200, "1002"), (ErrorKind.RATE_LIMITED, OutcomeClass.REJECTED)),
        (Status(200, "1008"), (ErrorKind.QUOTA, OutcomeClass.REJECTED)),
        (Status(200, "1027"), (ErrorKind.CONTENT_POLICY, OutcomeClass.AMBIGUOUS)),
        (Status(200, "2013"), (ErrorKind.INVALID_REQUEST, OutcomeClass.REJECTED)),
        (Status(200, "2038"), (ErrorKind.AUTHENTICATION, OutcomeClass.REJECTED)),
        (Status(200, "2056"), (ErrorKind.QUOTA, OutcomeClass.REJECTED)),
        (Status(200, "2061"), (ErrorKind.UNSUPPORTED, OutcomeClass.REJECTED)),
        (Status(200, "9999"), (ErrorKind.UNAVAILABLE, OutcomeClass.AMBIGUOUS)),
        (Reset(), (ErrorKind.UNAVAILABLE, OutcomeClass.AMBIGUOUS)),
    ],
)
async def test_failures(backend, draw, step, end):
    """Each failure inside a 200 is known for what it is and what it means for the bill."""
    backend.script(step)
    assert await failed(draw("image-01")) == end


@pytest.mark.parametrize(
    ("step", "end"),
    [
        (Status(200, "1000"), (ErrorKind.UNAVAILABLE, OutcomeClass.AMBIGUOUS)),
        (Status(200, "1026"), (ErrorKind.CONTENT_POLICY, OutcomeClass.REJECTED)),
        (Status(500), (ErrorKind.UNAVAILABLE, OutcomeClass.AMBIGUOUS)),
        (Status(503), (ErrorKind.UNAVAILABLE, OutcomeClass.AMBIGUOUS)),
        (Status(429), (ErrorKind.RATE_LIMITED, OutcomeClass.REJECTED)),
        (Status(400), (ErrorKind.INVALID_REQUEST, OutcomeClass.REJECTED)),
    ],
)
async def test_h3_charges_for_what_it_began(backend, draw, step, end):
    """Only a plain refusal of H3 says that nothing is charged, so that nothing else is tried again."""
    backend.script(step)
    assert await failed(draw("MiniMax-H3-Image")) == end
    assert len(backend.ledger) == 1

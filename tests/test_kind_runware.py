"""The kind `runware` over a socket, against a backend that refuses whatever the real one would."""

import pytest
from backends import Reset, Status
from backends.runware import RunwareBackend
from driving import provider_at, seen
from pictures import png
from polled import facts

from providers.base import Operation, ProviderError, Upload
from providers.dialect import Shape

pytestmark = pytest.mark.anyio
PHOTO = Upload.of(png(96, 64), width=96, height=64)
MASK = Upload.of(png(96, 64, alpha=True), width=96, height=64)
EVERYTHING = {
    "quality": "high",
    "output_format": "webp",
    "output_compression": 5,
    "moderation": "auto",
    "seed": 0,
    "negative_prompt": "rain",
    "guidance": 4,
    "steps": 20,
    "strength": 0.5,
}


@pytest.fixture
def backend():
    """A backend of the test's own."""
    with RunwareBackend() as running:
        yield running


@pytest.fixture
async def serve(backend):
    """Serves one request there."""
    async with provider_at("runware", backend.url, "key") as made:
        yield made


async def test_draws(backend, serve):
    """Several pictures are one task, and cost what each says."""
    result = await serve("runware:100@1", n=3)
    assert len(result.images) == 3
    assert result.usage.cost == pytest.approx(0.0039)
    assert [record.n for record in backend.ledger.records] == [3]


@pytest.mark.parametrize("model", ["runware:100@1", "runware:101@1", "runware:106@1", "civitai:4384@128713"])
async def test_landscape(serve, model):
    """Whatever else is asked, a wide picture has a size on the model's grid."""
    result = await serve(model, asked={**EVERYTHING, "shape": Shape(1536, 1024)})
    assert seen(result) == ("image/webp", 1536, 1024)


@pytest.mark.parametrize("shape", [Shape(300, 4000), Shape(9000, 9000), Shape(100, 100), Shape(aspect=21 / 9)])
async def test_sizes(serve, shape):
    """Whatever size is asked, the one sent is legal."""
    await serve("runware:100@1", asked={"shape": shape})


@pytest.mark.parametrize(
    ("model", "field"),
    [("runware:101@1", "seedImage"), ("runware:106@1", "referenceImages"), ("civitai:4384@128713", "seedImage")],
)
async def test_edits(backend, serve, model, field):
    """The picture goes under its family's name."""
    await serve(model, operation=Operation.EDIT, images=(PHOTO,))
    assert field in backend.ledger.records[0].fields


async def test_fills(backend, serve):
    """What is transparent in a caller's mask is white in the one that is sent."""
    await serve("runware:102@1", operation=Operation.EDIT, images=(PHOTO,), mask=MASK)
    assert "maskImage" in backend.ledger.records[0].fields


async def test_new_names(backend, serve):
    """Each sending has a name of its own, the same request's too."""
    await serve("runware:100@1")
    await serve("runware:100@1")
    assert len(backend.names) == 2


@pytest.mark.parametrize(
    ("model", "prompt", "kind", "status"),
    [
        ("runware:100@1", "a forbidden thing", "content_policy", 400),
        ("runware:100@1", "x", "invalid_request", 400),
        ("runware:9@9", "a kite", "unsupported", 400),
    ],
)
async def test_refuses(backend, serve, model, prompt, kind, status):
    """A refusal does no work and is known for what it is."""
    with pytest.raises(ProviderError) as caught:
        await serve(model, prompt=prompt)
    assert facts(caught.value) == (kind, "rejected", status)
    assert backend.ledger.billed == []


@pytest.mark.parametrize(
    ("step", "end"),
    [
        (Status(429, "rateLimitExceeded"), ("rate_limited", "rejected", 429)),
        (Status(402, "insufficientCredits"), ("quota", "rejected", 402)),
        (Status(200, "inferenceError"), ("unavailable", "failed", None)),
        (Status(500, "internalError"), ("unavailable", "failed", 500)),
        (Reset(), ("unavailable", "ambiguous", None)),
    ],
    ids=["429", "402", "200", "500", "reset"],
)
async def test_failures(backend, serve, step, end):
    """Each failure is known for what it is and what it means for the bill."""
    backend.script(step)
    with pytest.raises(ProviderError) as caught:
        await serve("runware:100@1")
    assert facts(caught.value) == end
    assert len(backend.ledger) == 1


async def test_bad_key(backend):
    """A key that is bad does no work."""
    async with provider_at("runware", backend.url, "bad-key") as serve:
        with pytest.raises(ProviderError) as caught:
            await serve("runware:100@1")
    assert facts(caught.value) == ("authentication", "rejected", 401)

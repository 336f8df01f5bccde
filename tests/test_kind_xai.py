"""xAI over a real socket, against a backend that refuses what the real one would."""

import pytest
from backends import Reset, Status
from backends.xai import MODELS, XaiBackend
from driving import provider_at, seen
from pictures import png

from providers.base import ErrorKind, Operation, OutcomeClass, ProviderError, Upload
from providers.dialect import Shape

pytestmark = pytest.mark.anyio
PICTURE = Upload.of(png(96, 64), width=96, height=64)
EVERYTHING = {
    "shape": Shape(1536, 1024),
    "quality": "high",
    "style": "vivid",
    "background": "opaque",
    "output_format": "png",
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
    with XaiBackend() as backend:
        yield backend


@pytest.fixture
def backend(running):
    """That backend with an empty ledger."""
    running.ledger.clear()
    return running


@pytest.fixture
async def draw(backend):
    """Serves one request there."""
    async with provider_at("xai", backend.url, "key") as serve:
        yield serve


async def failed(work):
    """The error in which a request ends."""
    with pytest.raises(ProviderError) as raised:
        await work
    return raised.value.kind, raised.value.outcome


@pytest.mark.parametrize("model", MODELS)
async def test_draws(backend, draw, model):
    """Whatever is asked, each model is sent only what it knows, and its price comes back."""
    result = await draw(model, n=2, asked=EVERYTHING)
    assert (len(result.images), result.usage.cost) == (2, 0.08)
    (record,) = backend.ledger.records
    assert (record.fields["aspect_ratio"], record.fields["user"], record.n) == ("3:2", "u-77", 2)


@pytest.mark.parametrize(
    ("shape", "resolution"),
    [(Shape(1024, 1024), "1k"), (Shape(1536, 1024), "1.5k"), (Shape(1792, 1024), "2k"), (Shape(aspect=5 / 2), None)],
)
async def test_resolutions(backend, draw, shape, resolution):
    """The resolution follows the pixels that are asked, and is left to the backend where only a ratio is."""
    await draw("grok-imagine-image-2.0", asked={"shape": shape})
    (record,) = backend.ledger.records
    assert record.fields.get("resolution") == resolution


@pytest.mark.parametrize("images", [1, 2, 5])
async def test_edits(backend, draw, images):
    """Edits are JSON, with one picture or several under the name that is theirs."""
    result = await draw("grok-imagine-image-2.0", operation=Operation.EDIT, images=(PICTURE,) * images)
    assert seen(result) == ("image/png", 16, 16)
    (record,) = backend.ledger.records
    assert record.path == "/v1/images/edits"


async def test_variation_is_an_edit(backend, draw):
    """A variation is asked for by an edit."""
    await draw("grok-imagine-image", operation=Operation.VARIATION, images=(PICTURE,))
    assert backend.ledger.records[0].path == "/v1/images/edits"


@pytest.mark.parametrize("prompt", ["a forbidden thing", "a shy thing"])
async def test_kept_back_and_charged(draw, prompt):
    """What moderation keeps back is a refusal that may stand on the bill, whether told by an error or in a 200."""
    end = await failed(draw("grok-imagine-image-2.0", prompt=prompt))
    assert end == (ErrorKind.CONTENT_POLICY, OutcomeClass.AMBIGUOUS)


async def test_bad_key(backend):
    """A bad key, which is a 400 here, is known by its words."""
    async with provider_at("xai", backend.url, "bad-key") as draw:
        end = await failed(draw("grok-imagine-image-2.0"))
    assert end == (ErrorKind.AUTHENTICATION, OutcomeClass.REJECTED)


@pytest.mark.parametrize(
    ("step", "end"),
    [
        (Status(429, "resource"), (ErrorKind.RATE_LIMITED, OutcomeClass.REJECTED)),
        (Status(403, "permission", message="out of credits"), (ErrorKind.QUOTA, OutcomeClass.REJECTED)),
        (Status(422), (ErrorKind.INVALID_REQUEST, OutcomeClass.REJECTED)),
        (Reset(), (ErrorKind.UNAVAILABLE, OutcomeClass.AMBIGUOUS)),
    ],
    ids=["429", "403", "422", "reset"],
)
async def test_failures(backend, draw, step, end):
    """Each failure of the backend is known for what it is and what it means for the bill."""
    backend.script(step)
    assert await failed(draw("grok-imagine-image-2.0")) == end


async def test_gone_model(draw):
    """A model that is gone is the target's fault, not the caller's."""
    assert await failed(draw("grok-2-image")) == (ErrorKind.UNSUPPORTED, OutcomeClass.REJECTED)

"""DeepInfra over a real socket, against a backend that refuses what the real one would."""

import pytest
from backends import Status
from backends.deepinfra import DeepInfraBackend
from driving import provider_at, seen
from pictures import png

from providers.base import ErrorKind, Operation, OutcomeClass, ProviderError, Upload
from providers.dialect import Shape

pytestmark = pytest.mark.anyio
SCHNELL, PRO = "black-forest-labs/FLUX-1-schnell", "black-forest-labs/FLUX-pro"


@pytest.fixture(scope="module")
def running():
    """One backend for all tests of this file."""
    with DeepInfraBackend() as backend:
        yield backend


@pytest.fixture
def backend(running):
    """That backend with an empty ledger."""
    running.ledger.clear()
    return running


@pytest.fixture
async def draw(backend):
    """Serves one request there."""
    async with provider_at("deepinfra", backend.url, "key") as serve:
        yield serve


async def failed(work):
    """The error in which a request ends."""
    with pytest.raises(ProviderError) as raised:
        await work
    return raised.value.kind, raised.value.outcome


async def test_draws(backend, draw):
    """A plain picture comes on OpenAI's route, which knows no seed and no cost."""
    result = await draw(PRO, asked={"shape": Shape(1333, 700), "seed": 7, "user": "u-1"})
    assert seen(result) == ("image/jpeg", 1333, 700)
    (record,) = backend.ledger.records
    assert (record.path, record.fields["user"]) == ("/v1/openai/images/generations", "u-1")
    assert "seed" not in record.fields


@pytest.mark.parametrize(
    "asked",
    [{"seed": 7}, {"steps": 2}, {"guidance": 3.5}, {"negative_prompt": "rain"}, {"seed": 7, "steps": 4, "user": "u-1"}],
)
async def test_seeds_take_the_other_route(backend, draw, asked):
    """What only DeepInfra's own route knows is asked there, and it says what the picture cost."""
    result = await draw(SCHNELL, asked={"shape": Shape(1200, 800), **asked})
    assert seen(result) == ("image/jpeg", 1216, 800)
    assert (result.usage.cost, result.usage.seconds) == (0.0005, 0.812)
    (record,) = backend.ledger.records
    assert record.path == f"/v1/inference/{SCHNELL}"


async def test_several(backend, draw):
    """Four pictures are one call on either route."""
    assert len((await draw(SCHNELL, n=4)).images) == 4
    assert len((await draw(SCHNELL, n=4, asked={"seed": 1})).images) == 4
    assert len(backend.ledger) == 2


@pytest.mark.parametrize("asked", [(1920, 1080), (1000, 500), (7, 7), (4000, 100)])
async def test_landscape(draw, asked):
    """Whatever size is asked of an open model, one that it draws is sent."""
    await draw(SCHNELL, asked={"shape": Shape(*asked)})


@pytest.mark.parametrize("operation", [Operation.EDIT, Operation.VARIATION])
async def test_edits(backend, draw, operation):
    """An edit is a form with one picture, and so is a variation."""
    changes = {"prompt": ""} if operation is Operation.VARIATION else {}
    result = await draw("Qwen/Qwen-Image-Edit", operation=operation, images=(Upload.of(png()),), **changes)
    assert seen(result) == ("image/jpeg", 1024, 1024)
    (record,) = backend.ledger.records
    assert (record.path, record.files[0][:2]) == ("/v1/openai/images/edits", ("image", "image/png"))
    assert record.fields["prompt"]


async def test_refused(backend, draw):
    """Pictures that the safety check flagged are none, and were drawn all the same."""
    end = await failed(draw(SCHNELL, prompt="a forbidden thing", asked={"seed": 1}))
    assert end == (ErrorKind.CONTENT_POLICY, OutcomeClass.AMBIGUOUS)
    assert backend.ledger.pictures == 1


async def test_failures(backend, draw):
    """Each shape of error is read, and a status says whose fault it is."""
    statuses = (400, 402, 422, 423, 429)
    backend.script(*(Status(status, message="no") for status in statuses))
    kinds = [(await failed(draw(SCHNELL)))[0] for _ in statuses]
    bad, broke, late, busy = (
        ErrorKind.INVALID_REQUEST,
        ErrorKind.QUOTA,
        ErrorKind.UNAVAILABLE,
        ErrorKind.RATE_LIMITED,
    )
    assert kinds == [bad, broke, bad, late, busy]
    assert await failed(draw("black-forest-labs/FLUX-0")) == (ErrorKind.UNSUPPORTED, OutcomeClass.REJECTED)
    async with provider_at("deepinfra", backend.url, "bad-key") as strange:
        assert await failed(strange(SCHNELL)) == (ErrorKind.AUTHENTICATION, OutcomeClass.REJECTED)
    assert backend.ledger.billed == []

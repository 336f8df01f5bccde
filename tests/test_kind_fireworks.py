"""Fireworks over a real socket, against a backend that refuses what the real one would."""

import asyncio

import pytest
from backends import Reset, Status
from backends.fireworks import AT_ONCE, BARE, LATER, MODELS, FireworksBackend
from driving import provider_at, seen
from pictures import png

from providers.base import ErrorKind, Operation, OutcomeClass, ProviderError, Upload
from providers.dialect import Shape

pytestmark = pytest.mark.anyio
PICTURE = Upload.of(png(96, 64), width=96, height=64)
SCHNELL, KONTEXT = f"{MODELS}flux-1-schnell-fp8", f"{MODELS}flux-kontext-pro"
EVERYTHING = {
    "shape": Shape(1536, 1024),
    "quality": "high",
    "style": "vivid",
    "output_format": "jpeg",
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
    with FireworksBackend() as backend:
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
    async with provider_at("fireworks", backend.url, "key") as serve:
        yield serve


async def failed(work):
    """The error in which a request ends."""
    with pytest.raises(ProviderError) as raised:
        await work
    return raised.value.kind, raised.value.outcome


@pytest.mark.parametrize("model", sorted(AT_ONCE | LATER))
async def test_draws(backend, draw, model):
    """Whatever is asked, each model is sent only what it knows, and the nearest ratio."""
    assert seen(await draw(model, asked=EVERYTHING)) == ("image/png", 16, 16)
    (record,) = backend.ledger.records
    assert record.fields["aspect_ratio"] == "3:2"


@pytest.mark.parametrize("model", sorted(BARE))
async def test_draws_bytes(draw, model):
    """Older models answer with a picture's bytes, of the form and size asked."""
    assert seen(await draw(model, asked=EVERYTHING)) == ("image/jpeg", 1536, 1024)
    assert seen(await draw(model)) == ("image/png", 1024, 1024)


@pytest.mark.parametrize("operation", [Operation.EDIT, Operation.VARIATION])
async def test_edits(backend, draw, operation):
    """An edit is a later picture with one to start from, and asks for no more leave than it can have."""
    backend.polls.extend(["Task not found", "Pending"])
    result = await draw(KONTEXT, operation=operation, images=(PICTURE,), asked={"moderation": "low"})
    assert seen(result) == ("image/png", 16, 16)
    (record,) = backend.ledger.records
    assert record.fields["safety_tolerance"] == 2


@pytest.mark.parametrize(
    ("state", "kind"),
    [
        ("Request Moderated", ErrorKind.CONTENT_POLICY),
        ("Content Moderated", ErrorKind.CONTENT_POLICY),
        ("Error", ErrorKind.UNAVAILABLE),
        ("Failed", ErrorKind.UNAVAILABLE),
    ],
)
async def test_failed_job(backend, draw, state, kind):
    """A job that fails was submitted once, and ends as its backend says."""
    backend.polls.extend(["Pending", state])
    assert await failed(draw(KONTEXT)) == (kind, OutcomeClass.FAILED)
    assert len(backend.ledger) == 1


async def test_failing_polls(backend, draw):
    """Polls that fail now and then cost nothing: the job was submitted once, and its picture comes."""
    backend.polls.extend([503, "Pending", 502, 429])
    assert len((await draw(KONTEXT)).images) == 1
    assert len(backend.ledger) == 1


@pytest.mark.parametrize(("model", "outcome"), [(SCHNELL, OutcomeClass.AMBIGUOUS), (KONTEXT, OutcomeClass.FAILED)])
async def test_refusals(draw, model, outcome):
    """A filtered picture is a refusal, wherever the backend says so."""
    assert await failed(draw(model, prompt="a forbidden thing")) == (ErrorKind.CONTENT_POLICY, outcome)


async def test_bad_key(backend):
    """A bad key is known for what it is."""
    async with provider_at("fireworks", backend.url, "bad-key") as draw:
        assert await failed(draw(SCHNELL)) == (ErrorKind.AUTHENTICATION, OutcomeClass.REJECTED)


@pytest.mark.parametrize(
    ("step", "end"),
    [
        (Status(429, "RATE_LIMITED"), (ErrorKind.RATE_LIMITED, OutcomeClass.REJECTED)),
        (Status(412, "PRECONDITION_FAILED"), (ErrorKind.QUOTA, OutcomeClass.REJECTED)),
        (Status(503, "UNAVAILABLE"), (ErrorKind.UNAVAILABLE, OutcomeClass.REJECTED)),
        (Reset(), (ErrorKind.UNAVAILABLE, OutcomeClass.AMBIGUOUS)),
    ],
    ids=["429", "412", "503", "reset"],
)
async def test_failures(backend, draw, step, end):
    """Each failure of the backend is known for what it is and what it means for the bill."""
    backend.script(step)
    assert await failed(draw(SCHNELL)) == end


async def test_gone_model(draw):
    """A model that is gone is the target's fault, not the caller's."""
    assert await failed(draw(f"{MODELS}flux-gone")) == (ErrorKind.UNSUPPORTED, OutcomeClass.REJECTED)

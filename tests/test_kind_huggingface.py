"""Hugging Face over a real socket: the Hub, its router, and the backends behind it, each refusing what it would."""

import asyncio

import pytest
from backends import Status
from backends.huggingface import DONE, GLM, KONTEXT, PICTURE, SCHNELL, SDXL, HuggingFaceBackend
from driving import provider_at, seen
from pictures import png

from providers.base import ErrorKind, Operation, OutcomeClass, ProviderError, Upload
from providers.dialect import Shape

pytestmark = pytest.mark.anyio
EVERYTHING = {"shape": Shape(1530, 860), "seed": 7, "steps": 4, "guidance": 3.5, "negative_prompt": "rain"}
EDIT = {"operation": Operation.EDIT, "images": (Upload.of(png()),)}
PENDING = {
    "fal-ai": ["IN_QUEUE", "IN_PROGRESS"],
    "replicate": ["starting", "processing"],
    "wavespeed": ["created", "processing"],
    "zai-org": ["PROCESSING"],
}


@pytest.fixture(scope="module")
def running():
    """One backend for all tests of this file."""
    with HuggingFaceBackend() as backend:
        yield backend


@pytest.fixture
def backend(running, monkeypatch):
    """That backend with an empty ledger, and pauses that end at once."""
    real = asyncio.sleep
    monkeypatch.setattr(asyncio, "sleep", lambda _: real(0))
    running.ledger.clear()
    running.states.clear()
    running.polled, running.why = 0, "out of memory"
    return running


@pytest.fixture
def draw(backend):
    """Serves one request by way of a backend, or of the first there is."""

    async def serve(model, provider=None, key="hf_key", **changes):
        options = {"hub": backend.url, "bill_to": "acme", **({"provider": provider} if provider else {})}
        async with provider_at("huggingface", backend.url, key, **options) as serve_one:
            return await serve_one(model, **changes)

    return serve


async def failed(work):
    """The error in which a request ends."""
    with pytest.raises(ProviderError) as raised:
        await work
    return raised.value.kind, raised.value.outcome


@pytest.mark.parametrize("provider", ["together", "nscale", "hf-inference"])
async def test_draws_pictures(backend, draw, provider):
    """Backends that send pictures take all that the table names, in steps of 16; the organization pays."""
    result = await draw(SCHNELL, provider, asked=EVERYTHING)
    assert seen(result) == ("image/png", 1536, 864)
    (record,) = backend.ledger.records
    assert (record.headers["x-hf-bill-to"], record.headers["authorization"]) == ("acme", "Bearer hf_key")


@pytest.mark.parametrize(
    ("model", "provider"), [(SCHNELL, None), (SCHNELL, "replicate"), (SCHNELL, "wavespeed"), (GLM, None)]
)
async def test_draws_links(backend, draw, model, provider):
    """Backends that send links do so at once or when asked long enough; Hugging Face's own machines come last."""
    result = await draw(model, provider, asked=EVERYTHING)
    assert [image.url for image in result.images] == [PICTURE]
    assert len(backend.ledger) == 1


@pytest.mark.parametrize("provider", ["fal-ai", "replicate", "together", "wavespeed", "hf-inference"])
async def test_edits(backend, draw, provider):
    """Every backend that edits is sent the picture as it wants it."""
    result = await draw(KONTEXT, provider, asked={"shape": Shape(768, 512)}, **EDIT)
    assert len(result.images) == 1
    assert len(backend.ledger) == 1


@pytest.mark.parametrize(("provider", "states"), PENDING.items())
async def test_waits(backend, draw, provider, states):
    """Work is asked for in each of its states until it is done, and submitted once."""
    backend.states.extend([*states, DONE[provider]])
    await draw(
        *((GLM, None) if provider == "zai-org" else (KONTEXT, provider)), **EDIT if provider != "zai-org" else {}
    )
    assert (backend.polled, len(backend.ledger)) == (len(states) + 1, 1)


async def test_polls_that_fail_are_repeated(backend, draw):
    """A poll that fails is free and is made again; the work is submitted once."""
    backend.states.extend(["IN_QUEUE", 502, 503, "IN_PROGRESS", 500])
    result = await draw(KONTEXT, "fal-ai", **EDIT)
    assert [image.url for image in result.images] == [PICTURE]
    assert (backend.polled, len(backend.ledger)) == (6, 1)


@pytest.mark.parametrize(
    ("model", "provider", "state", "why", "kind"),
    [
        (SCHNELL, "replicate", "failed", "out of memory", ErrorKind.UNAVAILABLE),
        (SCHNELL, "replicate", "failed", "flagged as sensitive (E005)", ErrorKind.CONTENT_POLICY),
        (SCHNELL, "replicate", "canceled", "", ErrorKind.TIMEOUT),
        (SCHNELL, "replicate", "aborted", "", ErrorKind.TIMEOUT),
        (SCHNELL, "wavespeed", "failed", "out of memory", ErrorKind.UNAVAILABLE),
        (GLM, None, "FAIL", "", ErrorKind.UNAVAILABLE),
    ],
)
async def test_failed_jobs(backend, draw, model, provider, state, why, kind):
    """Work that failed is told as such, with whose fault it is, after one submission."""
    backend.states.append(state)
    backend.why = why
    assert await failed(draw(model, provider)) == (kind, OutcomeClass.FAILED)
    assert len(backend.ledger) == 1


@pytest.mark.parametrize(
    ("prompt", "outcome"), [("a forbidden thing", OutcomeClass.REJECTED), ("a flag", OutcomeClass.AMBIGUOUS)]
)
async def test_refused(draw, prompt, outcome):
    """A refusal is known before the work by its code, and after it by the flags of its pictures."""
    assert await failed(draw(SCHNELL, prompt=prompt)) == (ErrorKind.CONTENT_POLICY, outcome)


async def test_nobody_serves_it(backend, draw):
    """A model that no backend serves so is unsupported, and costs nothing."""
    assert (await failed(draw(KONTEXT)))[0] is ErrorKind.UNSUPPORTED
    assert (await failed(draw(SDXL)))[0] is ErrorKind.UNSUPPORTED
    assert (await failed(draw(SCHNELL, "nebius")))[0] is ErrorKind.UNSUPPORTED
    assert (await failed(draw(KONTEXT, "nscale", **EDIT)))[0] is ErrorKind.UNSUPPORTED
    assert (await failed(draw(GLM, "hf-inference")))[0] is ErrorKind.UNSUPPORTED
    assert backend.ledger.billed == []


async def test_failures(backend, draw):
    """The router's troubles are told apart by their status."""
    backend.script(Status(402), Status(429), Status(503), Status(404))
    kinds = [(await failed(draw(SCHNELL)))[0] for _ in range(4)]
    assert kinds == [ErrorKind.QUOTA, ErrorKind.RATE_LIMITED, ErrorKind.UNAVAILABLE, ErrorKind.UNSUPPORTED]
    assert await failed(draw(SCHNELL, key="bad-key")) == (ErrorKind.AUTHENTICATION, OutcomeClass.REJECTED)
    assert backend.ledger.billed == []

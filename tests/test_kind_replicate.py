"""The kind `replicate` over a socket, against a backend that refuses whatever the real one would."""

import random

import pytest
from backends.replicate import ReplicateBackend
from driving import provider_at
from pictures import png
from polled import facts, fetched

import providers
from providers.base import Answer, Operation, ProviderError, Upload
from providers.dialect import Shape

pytest_plugins = ["no_waiting"]
pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("no_waiting")]
PHOTO = Upload.of(png(96, 64), width=96, height=64)
MASK = Upload.of(png(96, 64, alpha=True), width=96, height=64)
LARGE = Upload.of(png(96, 64) + random.Random(1).randbytes(300_000), width=96, height=64)
SCHNELL, PRO_2 = "black-forest-labs/flux-schnell", "black-forest-labs/flux-2-pro"


@pytest.fixture(scope="module")
def running():
    """One backend for all tests of this file."""
    with ReplicateBackend() as backend:
        yield backend


@pytest.fixture
def backend(running):
    """That backend with an empty ledger, where orders wait for their end."""
    running.ledger.clear()
    running.polls = 0
    running.at_once = True
    return running


@pytest.fixture
async def serve(backend):
    """Serves one request there."""
    async with provider_at("replicate", backend.url, "r8_key") as made:
        yield made


async def test_draws(backend, serve):
    """What is done within the first answer is not asked for again."""
    result = await serve(SCHNELL, n=3)
    assert fetched(result) == [("PNG", (1024, 1024))] * 3
    assert result.usage.seconds == 0.61
    assert (len(backend.ledger), backend.polls) == (1, 0)


async def test_waits(backend, serve):
    """What takes longer is asked for until it is done."""
    backend.at_once = False
    assert fetched(await serve(PRO_2)) == [("PNG", (1024, 1024))]
    assert (len(backend.ledger), backend.polls) == (1, 2)


@pytest.mark.parametrize(
    ("model", "asked", "size"),
    [(SCHNELL, (1920, 1080), (1365, 768)), (PRO_2, (1920, 1088), (1920, 1088)), (PRO_2, (3840, 1920), (2048, 1024))],
)
async def test_landscape(serve, model, asked, size):
    """A wide picture is wide, by its ratio or in pixels."""
    assert fetched(await serve(model, asked={"shape": Shape(*asked)})) == [("PNG", size)]


async def test_every_parameter(backend, serve):
    """A jpeg is a jpg there; what a model bounds is bounded."""
    asked = {"seed": 7, "steps": 20, "output_format": "jpeg", "output_compression": 70}
    assert fetched(await serve(SCHNELL, asked=asked)) == [("JPEG", (1024, 1024))]
    sent = backend.ledger.records[0].fields
    assert (sent["num_inference_steps"], sent["output_quality"], sent["seed"]) == (4, 70, 7)


@pytest.mark.parametrize(
    ("model", "field"),
    [
        (PRO_2, "input_images"),
        ("black-forest-labs/flux-kontext-pro", "input_image"),
        ("black-forest-labs/flux-dev", "image"),
    ],
)
@pytest.mark.parametrize("photo", [PHOTO, LARGE], ids=["small", "large"])
async def test_edits(backend, serve, model, field, photo):
    """A small picture goes within the JSON and a large one is uploaded first, under the model's own name."""
    ((form, size),) = fetched(await serve(model, operation=Operation.EDIT, images=(photo,)))
    assert (form, size) == ("PNG", (96, 64))
    assert field in backend.ledger.records[0].fields


@pytest.mark.parametrize(
    ("model", "names"),
    [
        ("black-forest-labs/flux-fill-pro", {"image", "mask"}),
        ("ideogram-ai/ideogram-4-5-precise-edit", {"image", "mask", "reference_images", "num_images"}),
    ],
)
async def test_masks(backend, serve, model, names):
    """A transparent mask becomes black and white, as large as the picture."""
    several = {"images": (PHOTO, PHOTO), "n": 2} if "num_images" in names else {"images": (PHOTO,)}
    await serve(model, operation=Operation.EDIT, mask=MASK, **several)
    assert names <= backend.ledger.records[0].fields.keys()


@pytest.mark.parametrize("model", ["someone/painter:" + "5c7d" * 16, "deployments/acme/painter"])
async def test_other_places(backend, serve, model):
    """A community model is named by its version, a deployment has an address; neither is sent guesses."""
    await serve(model, asked={"shape": Shape(640, 360), "seed": 7}, options={"replicate": {"num_outputs": 4}})
    assert backend.ledger.records[0].fields.keys() == {"prompt"}


@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize(
    ("end", "kind", "outcome"),
    [
        ("NSFW content detected. Try another prompt.", "content_policy", "failed"),
        ("CUDA out of memory", "unavailable", "failed"),
        ("prompt must be in English", "invalid_request", "failed"),
        ("canceled", "timeout", "ambiguous"),
        ("aborted", "timeout", "failed"),
    ],
)
async def test_ends_badly(backend, serve, end, kind, outcome, at_once):
    """Each bad end is a typed failure of work that was ordered once, within the first answer as well as later."""
    backend.at_once = at_once
    backend.end(end)
    with pytest.raises(ProviderError) as caught:
        await serve(SCHNELL)
    assert facts(caught.value) == (kind, outcome, None)
    assert len(backend.ledger) == 1


async def test_refuses(serve):
    """A flagged prompt is known by its code."""
    with pytest.raises(ProviderError) as caught:
        await serve(PRO_2, prompt="a forbidden thing")
    assert (caught.value.kind, caught.value.code) == ("content_policy", "E005")


async def test_polls_that_stumble(backend, serve):
    """A poll that fails is asked again: the work was ordered once."""
    backend.at_once = False
    backend.stumble(500, 503, 429)
    assert fetched(await serve(PRO_2)) == [("PNG", (1024, 1024))]
    assert (len(backend.ledger), backend.polls) == (1, 5)


async def test_bad_key(backend):
    """A bad key does no work."""
    async with provider_at("replicate", backend.url, "bad-key") as serve:
        with pytest.raises(ProviderError) as caught:
            await serve(SCHNELL)
    assert facts(caught.value) == ("authentication", "rejected", 401)
    assert backend.ledger.billed == []


@pytest.mark.parametrize(("headers", "seconds"), [({}, 30), ({"retry-after": "4"}, None)])
def test_throttled(headers, seconds):
    """How long to wait stands in the words, unless a header says it."""
    body = b'{"detail": "Request was throttled. Your rate limit resets in ~30s."}'
    assert providers.load("replicate").error(Answer(429, headers, body)).retry_after == seconds

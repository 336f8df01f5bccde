"""The kind `bfl` over a socket, against a backend that refuses whatever the real one would."""

import pytest
from backends.bfl import BFLBackend
from driving import provider_at
from pictures import png
from polled import facts, fetched

from providers.base import Operation, ProviderError, Upload
from providers.dialect import Shape

pytest_plugins = ["no_waiting"]
pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("no_waiting")]
PHOTO = Upload.of(png(96, 64), width=96, height=64)


@pytest.fixture(scope="module")
def running():
    """One backend for all tests of this file."""
    with BFLBackend() as backend:
        yield backend


@pytest.fixture
def backend(running):
    """That backend with an empty ledger."""
    running.ledger.clear()
    running.polls = 0
    return running


@pytest.fixture
async def serve(backend):
    """Serves one request there."""
    async with provider_at("bfl", backend.url, "key") as made:
        yield made


async def test_draws(backend, serve):
    """A picture is asked for once, waited for, and costs what the submit said."""
    result = await serve("flux-2-pro")
    assert fetched(result) == [("JPEG", (1024, 1024))]
    assert (result.usage.credits, result.usage.cost, result.usage.megapixels) == (4.5, 0.045, 1.05)
    assert (len(backend.ledger), backend.polls) == (1, 2)


@pytest.mark.parametrize(
    ("model", "asked", "size"),
    [
        ("flux-2-flex", (1920, 1088), (1920, 1088)),
        ("flux-2-klein-9b", (4096, 2048), (2896, 1440)),
        ("flux-pro-1.1", (1920, 1080), (1440, 800)),
        ("flux-dev", (1344, 768), (1344, 768)),
        ("flux-kontext-pro", (1536, 1024), (1254, 836)),
        ("flux-pro-1.1-ultra", (1920, 1080), (1365, 768)),
        ("flux-3-image", (1920, 1080), (2048, 1152)),
    ],
)
async def test_landscape(backend, serve, model, asked, size):
    """A wide picture is wide in every family, in pixels or by its ratio."""
    ((_, drawn),) = fetched(await serve(model, asked={"shape": Shape(*asked)}))
    assert drawn == size
    assert len(backend.ledger.billed) == 1


@pytest.mark.parametrize("model", ["flux-pro-1.1", "flux-pro-1.1-ultra", "flux-dev"])
async def test_square_where_nothing_is_asked(serve, model):
    """Models whose own shape is another draw a square, as all else does."""
    ((_, (width, height)),) = fetched(await serve(model))
    assert width == height


@pytest.mark.parametrize(
    ("model", "fields"),
    [
        ("flux-2-max", {"input_image", "input_image_2"}),
        ("flux-kontext-pro", {"input_image", "input_image_2"}),
        ("flux-3-image", {"images"}),
    ],
)
async def test_edits(backend, serve, model, fields):
    """Pictures go under the names of their family, as plain base64."""
    await serve(model, operation=Operation.EDIT, images=(PHOTO, Upload.of(png())))
    (record,) = backend.ledger.records
    assert fields <= record.fields.keys()


async def test_fills_where_the_mask_was_clear(backend, serve):
    """A transparent mask becomes black and white, as large as the picture."""
    mask = Upload.of(png(96, 64, alpha=True), width=96, height=64)
    result = await serve("flux-pro-1.0-fill", operation=Operation.EDIT, images=(PHOTO,), mask=mask)
    assert fetched(result) == [("JPEG", (96, 64))]
    assert {"image", "mask"} <= backend.ledger.records[0].fields.keys()


async def test_every_parameter(backend, serve):
    """What a model knows is sent within its bounds; whatever a caller adds, there is something to poll."""
    asked = {"seed": 7, "guidance": 40.0, "steps": 90, "output_format": "webp", "moderation": "low"}
    result = await serve("flux-2-flex", asked=asked, options={"bfl": {"webhook_url": "https://example.com"}})
    assert fetched(result) == [("WEBP", (1024, 1024))]
    sent = backend.ledger.records[0].fields
    assert (sent["guidance"], sent["steps"], sent["seed"], sent["safety_tolerance"]) == (10, 50, 7, 5)
    assert sent["prompt_upsampling"] is False


@pytest.mark.parametrize(
    ("state", "kind"),
    [
        ("Request Moderated", "content_policy"),
        ("Content Moderated", "content_policy"),
        ("Error", "unavailable"),
        ("Failed", "unavailable"),
    ],
)
async def test_ends_badly(backend, serve, state, kind):
    """Each bad end is a typed failure of work that was done once."""
    backend.end(state)
    with pytest.raises(ProviderError) as caught:
        await serve("flux-2-pro")
    assert facts(caught.value) == (kind, "failed", None)
    assert len(backend.ledger) == 1


async def test_refuses(backend, serve):
    """A prompt that is moderated is the caller's to change."""
    with pytest.raises(ProviderError) as caught:
        await serve("flux-2-pro", prompt="a forbidden thing")
    assert facts(caught.value) == ("content_policy", "failed", None)


async def test_polls_that_stumble(backend, serve):
    """A poll that fails is asked again: the work was paid for, and is paid for once."""
    backend.stumble(503, 429, 502)
    result = await serve("flux-2-pro")
    assert fetched(result) == [("JPEG", (1024, 1024))]
    assert (len(backend.ledger), backend.polls) == (1, 5)


async def test_bad_key(backend):
    """The key goes into a header of its own, and one that is bad does no work."""
    async with provider_at("bfl", backend.url, "bad-key") as serve:
        with pytest.raises(ProviderError) as caught:
            await serve("flux-2-pro")
    assert facts(caught.value) == ("authentication", "rejected", 403)
    assert backend.ledger.billed == []


async def test_model_gone(serve):
    """A model that is not there is a matter for the next target."""
    with pytest.raises(ProviderError) as caught:
        await serve("flux-1-pro")
    assert facts(caught.value) == ("unsupported", "rejected", 404)

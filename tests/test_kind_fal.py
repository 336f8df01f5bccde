"""The kind `fal` over a socket, by its queue and directly, against a backend that refuses what the real one would."""

import pytest
from backends.fal import FalBackend
from driving import provider_at
from pictures import png
from polled import facts, fetched

from providers.base import Operation, ProviderError, Upload
from providers.dialect import Shape

pytest_plugins = ["no_waiting"]
pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("no_waiting")]
PHOTO = Upload.of(png(96, 64), width=96, height=64)
MASK = Upload.of(png(96, 64, alpha=True), width=96, height=64)
DEV = "fal-ai/flux/dev"


@pytest.fixture(scope="module")
def queue():
    """One queue for all tests of this file."""
    with FalBackend() as backend:
        yield backend


@pytest.fixture(scope="module")
def direct():
    """One direct host for all tests of this file."""
    with FalBackend(direct=True) as backend:
        yield backend


@pytest.fixture
def backend(queue):
    """The queue with an empty ledger."""
    queue.ledger.clear()
    queue.polls = 0
    return queue


@pytest.fixture
async def serve(backend):
    """Serves one request by the queue."""
    async with provider_at("fal", backend.url, "id:secret") as made:
        yield made


@pytest.fixture
async def serve_directly(direct):
    """Serves one request on a held connection."""
    direct.ledger.clear()
    async with provider_at("fal", direct.url, "id:secret", mode="sync") as made:
        yield made


async def test_draws(backend, serve):
    """A job is queued once, waited for, fetched, and its units are kept."""
    result = await serve(DEV)
    assert fetched(result) == [("JPEG", (1024, 1024))]
    assert result.usage.credits == 1.5
    assert (len(backend.ledger), backend.polls) == (1, 3)


async def test_draws_directly(direct, serve_directly):
    """On a held connection the first answer is the result."""
    assert fetched(await serve_directly(DEV, n=3)) == [("JPEG", (1024, 1024))] * 3
    assert [record.n for record in direct.ledger.billed] == [3]


@pytest.mark.parametrize(
    ("model", "asked", "size"),
    [
        (DEV, (1920, 1080), (1920, 1080)),
        ("fal-ai/flux-2-pro", (3840, 2160), (2048, 1152)),
        ("fal-ai/bytedance/seedream/v4.5/text-to-image", (1920, 1080), (2560, 1440)),
        ("fal-ai/gpt-image-1.5", (1792, 1024), (1536, 1024)),
        ("fal-ai/nano-banana-pro", (1920, 1080), (2731, 1536)),
        ("fal-ai/recraft/v3/text-to-image", (1280, 1024), (1280, 1024)),
    ],
)
async def test_landscape(serve, model, asked, size):
    """A wide picture is wide in every way that fal's endpoints spell a size."""
    ((_, drawn),) = fetched(await serve(model, asked={"shape": Shape(*asked)}))
    assert drawn == size


@pytest.mark.parametrize(
    ("model", "endpoint", "several"),
    [
        ("fal-ai/flux-2-pro", "fal-ai/flux-2-pro/edit", True),
        ("fal-ai/flux-2-pro/edit", "fal-ai/flux-2-pro/edit", True),
        ("fal-ai/bytedance/seedream/v4.5/text-to-image", "fal-ai/bytedance/seedream/v4.5/edit", True),
        (DEV, "fal-ai/flux/dev/image-to-image", False),
    ],
)
async def test_edits(backend, serve, model, endpoint, several):
    """An edit goes to the endpoint where the family's edits live, with its pictures under that endpoint's name."""
    images = (PHOTO, Upload.of(png())) if several else (PHOTO,)
    assert fetched(await serve(model, operation=Operation.EDIT, images=images)) == [("JPEG", (96, 64))]
    assert backend.ledger.records[0].model == endpoint


async def test_masks(backend, serve):
    """A mask goes as black and white or as it came, under whichever name the endpoint has for it."""
    edit = {"operation": Operation.EDIT, "images": (PHOTO,), "mask": MASK}
    await serve("fal-ai/flux-pro/v1/fill", **edit)
    await serve("fal-ai/gpt-image-1.5", **edit)
    assert ["mask_url" in record.fields for record in backend.ledger.billed] == [True, False]


async def test_varies(backend, serve):
    """A variation goes without a prompt to where variations are made."""
    await serve("fal-ai/flux/schnell", operation=Operation.VARIATION, prompt="", images=(PHOTO,), n=2)
    assert backend.ledger.billed[0].model == "fal-ai/flux/schnell/redux"


async def test_nobody_raises_the_bill(backend, serve):
    """What a caller adds cannot ask for more pictures than were counted."""
    more = {"fal": {"num_images": 4, "max_images": 6, "sync_mode": False}}
    await serve("fal-ai/bytedance/seedream/v4.5/text-to-image", options=more)
    assert backend.ledger.billed[0].fields.keys() == {"prompt", "sync_mode"}


@pytest.mark.parametrize(
    ("end", "kind", "outcome", "status"),
    [
        ("runner_disconnected", "unavailable", "failed", None),
        ("nsfw", "content_policy", "ambiguous", None),
        ("content_policy_violation", "content_policy", "ambiguous", 422),
        ("image_too_small", "invalid_request", "ambiguous", 422),
        ("internal_server_error", "unavailable", "ambiguous", 500),
    ],
)
async def test_completed_is_not_well(backend, serve, end, kind, outcome, status):
    """A job that ended may have failed, and says so in one of three places; it was queued once."""
    backend.end(end)
    with pytest.raises(ProviderError) as caught:
        await serve(DEV)
    assert facts(caught.value) == (kind, outcome, status)
    assert len(backend.ledger) == 1


async def test_refuses(direct, serve, serve_directly):
    """A refused prompt is the caller's to change, however it was sent."""
    for serving in (serve, serve_directly):
        with pytest.raises(ProviderError) as caught:
            await serving(DEV, prompt="a forbidden thing")
        assert (caught.value.kind, caught.value.code) == ("content_policy", "content_policy_violation")
    assert direct.ledger.billed == []


async def test_polls_that_stumble(backend, serve):
    """A poll that fails is asked again: the job was queued once."""
    backend.stumble(503, 502, 429)
    assert fetched(await serve(DEV)) == [("JPEG", (1024, 1024))]
    assert (len(backend.ledger), backend.polls) == (1, 6)


async def test_bad_key(backend):
    """A bad key does no work."""
    async with provider_at("fal", backend.url, "bad-key") as serve:
        with pytest.raises(ProviderError) as caught:
            await serve(DEV)
    assert facts(caught.value) == ("authentication", "rejected", 401)
    assert backend.ledger.billed == []

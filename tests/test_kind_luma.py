"""The kinds `luma` and `luma_photon` over a socket, against backends that refuse whatever the real ones would."""

import pytest
from backends.luma import LumaBackend, PhotonBackend
from driving import provider_at
from pictures import png
from polled import facts, fetched

from providers.base import Operation, ProviderError, Upload
from providers.dialect import Shape

pytest_plugins = ["no_waiting"]
pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("no_waiting")]
PHOTO = Upload.of(png(96, 64), width=96, height=64)
KINDS = {"luma": (LumaBackend, "uni-1"), "luma_photon": (PhotonBackend, "photon-1")}


@pytest.fixture(params=KINDS)
def place(request):
    """A kind, a backend of its own, and a model there."""
    backend, model = KINDS[request.param]
    with backend() as running:
        yield request.param, running, model


@pytest.fixture
async def draw(place):
    """Serves one request there."""
    kind, backend, model = place
    async with provider_at(kind, backend.url, "key") as serve:
        yield lambda **changes: serve(model, **changes)


async def test_draws(place, draw):
    """A picture is asked for once and waited for; where nothing is asked it is a square."""
    assert fetched(await draw()) == [("PNG", (64, 64))]
    assert (len(place[1].ledger), place[1].polls) == (1, 2)


async def test_landscape(draw):
    """A wide picture is asked for by its ratio, in the form that was asked."""
    result = await draw(asked={"shape": Shape(1792, 1008), "output_format": "jpeg", "seed": 7, "user": "u"})
    assert fetched(result) == [("JPEG", (16 * 64, 9 * 64))]


async def test_edits():
    """The first picture is what is edited, the others are looked at."""
    with LumaBackend() as backend:
        async with provider_at("luma", backend.url, "key") as serve:
            await serve("uni-1", operation=Operation.EDIT, images=(PHOTO, Upload.of(png()), PHOTO))
    (record,) = backend.ledger.records
    assert len(record.fields["image_ref"]) == 2
    assert "aspect_ratio" not in record.fields


async def test_refuses(place, draw):
    """A refusal does no work."""
    with pytest.raises(ProviderError) as caught:
        await draw(prompt="a forbidden thing")
    kind = "content_policy" if place[0] == "luma_photon" else "invalid_request"
    assert facts(caught.value) == (kind, "rejected", 400)


@pytest.mark.parametrize(
    ("end", "kind"), [("content_moderated", "content_policy"), ("generation_failed", "unavailable")]
)
async def test_ends_badly(place, draw, end, kind):
    """A bad end is a typed failure of work that was begun once."""
    place[1].end(end)
    with pytest.raises(ProviderError) as caught:
        await draw()
    assert facts(caught.value) == (kind, "failed", None)
    assert len(place[1].ledger) == 1


async def test_polls_that_stumble(place, draw):
    """A poll that fails is asked again; the work is begun once."""
    place[1].stumble(503, 429, 502)
    assert fetched(await draw()) == [("PNG", (64, 64))]
    assert (len(place[1].ledger), place[1].polls) == (1, 5)


async def test_bad_key(place):
    """A key that is bad does no work."""
    kind, backend, model = place
    async with provider_at(kind, backend.url, "bad-key") as serve:
        with pytest.raises(ProviderError) as caught:
            await serve(model)
    assert facts(caught.value) == ("authentication", "rejected", 401)
    assert backend.ledger.billed == []

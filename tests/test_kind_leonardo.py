"""The kind `leonardo` over a socket, against a backend that refuses whatever the real one would."""

from functools import partial

import driving
import pytest
from backends.leonardo import LeonardoBackend
from driving import provider_at
from pictures import png
from polled import facts, fetched

from providers.base import Operation, ProviderError, Upload
from providers.dialect import Shape
from providers.http import URL, AsyncBaseTransport, Request
from router.wire.send import Wire
from router.wire.transport import TransportSettings, build_transport

pytest_plugins = ["no_waiting"]
pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("no_waiting")]
PHOTO = Upload.of(png(96, 64), width=96, height=64)


class Road(AsyncBaseTransport):
    """Leads every stranger's address to a backend of the test, as it is."""

    def __init__(self, origin):
        self._origin = origin
        self._transport = build_transport(TransportSettings())

    async def handle_async_request(self, request):
        """The same request, elsewhere."""
        url = URL(self._origin + request.url.path)
        own = {name: value for name, value in request.headers.items() if name != "host"}
        return await self._transport.handle_async_request(
            Request(request.method, url, headers=own, content=request.stream)
        )

    async def aclose(self):
        """Close the road."""
        await self._transport.aclose()


@pytest.fixture
def backend():
    """A backend of the test's own."""
    with LeonardoBackend() as running:
        yield running


@pytest.fixture
async def serve(backend, monkeypatch):
    """Serves one request there; the store is reached as a stranger."""
    monkeypatch.setattr(driving, "Wire", partial(Wire, strangers=Road(backend.origin)))
    async with provider_at("leonardo", backend.url, "key") as made:
        yield made


@pytest.mark.parametrize("model", ["lucid-origin", "flux-schnell", "ideogram/ideogram-4.5"])
async def test_draws(backend, serve, model):
    """As many pictures as asked are begun by one call, waited for, and cost what it said."""
    result = await serve(model, n=2)
    assert fetched(result) == [("PNG", (1024, 1024))] * 2
    assert result.usage.cost == 0.0158
    assert (len(backend.ledger), backend.polls) == (1, 2)


@pytest.mark.parametrize(
    ("model", "size"),
    [("phoenix-1.0", (1536, 864)), ("ideogram/ideogram-4.5", (2048, 1152))],
)
async def test_landscape(serve, model, size):
    """A wide picture has a size that the model draws, whatever else is asked."""
    asked = {"shape": Shape(1920, 1080), "quality": "high", "seed": 7, "guidance": 40, "steps": 90}
    assert fetched(await serve(model, asked=asked)) == [("PNG", size)]


@pytest.mark.parametrize(("model", "count"), [("lucid-origin", 1), ("ideogram/ideogram-4.5", 3)])
async def test_edits(backend, serve, model, count):
    """Pictures are uploaded first, without the key, and the one paid call names them."""
    await serve(model, operation=Operation.EDIT, images=(PHOTO,) * count)
    assert backend.uploads == [f"in-{place}" for place in range(1, count + 1)]
    assert len(backend.ledger) == 1


async def test_upload_inside(backend, serve):
    """A place for uploads that no stranger may name ends the request before anything is paid."""
    backend.store = "file:///bucket"
    with pytest.raises(ProviderError) as caught:
        await serve("lucid-origin", operation=Operation.EDIT, images=(PHOTO,))
    assert facts(caught.value) == ("bad_response", "not_sent", None)
    assert len(backend.ledger) == 0


async def test_refuses(backend, serve):
    """A prompt that is refused does no work."""
    with pytest.raises(ProviderError) as caught:
        await serve("lucid-origin", prompt="a forbidden thing")
    assert facts(caught.value) == ("content_policy", "rejected", 400)
    assert backend.ledger.billed == []


async def test_ends_badly(backend, serve):
    """A job that fails was begun once."""
    backend.end("FAILED")
    with pytest.raises(ProviderError) as caught:
        await serve("lucid-origin")
    assert facts(caught.value) == ("unavailable", "failed", None)
    assert len(backend.ledger) == 1


async def test_polls_that_stumble(backend, serve):
    """A poll that fails is asked again; the work is begun once."""
    backend.stumble(503, 429, 502)
    assert len(fetched(await serve("lucid-origin"))) == 1
    assert (len(backend.ledger), backend.polls) == (1, 5)


async def test_bad_key(backend):
    """A key that is bad does no work."""
    async with provider_at("leonardo", backend.url, "bad-key") as serve:
        with pytest.raises(ProviderError) as caught:
            await serve("lucid-origin")
    assert facts(caught.value) == ("authentication", "rejected", 401)
    assert backend.ledger.billed == []

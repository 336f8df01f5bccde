"""The kind `dashscope` over a socket, against a backend that refuses whatever the real one would."""

import pytest
from backends.dashscope import DashScopeBackend
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
    with DashScopeBackend() as backend:
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
    async with provider_at("dashscope", backend.url, "key") as made:
        yield made


async def test_draws_at_once(backend, serve):
    """A picture of the newer models is there with the answer, square where nothing is asked."""
    assert fetched(await serve("qwen-image-plus")) == [("PNG", (1328, 1328))]
    assert (len(backend.ledger), backend.polls) == (1, 0)


@pytest.mark.parametrize(
    ("model", "revised"), [("wan2.7-image-pro", None), ("wan2.6-t2i", None), ("wan2.2-t2i-plus", "a better p")]
)
async def test_draws_later(backend, serve, model, revised):
    """A task is asked for once and waited for, and both layouts of its pictures are read."""
    result = await serve(model, n=2)
    assert [image.revised_prompt for image in result.images] == [revised] * 2
    assert len(fetched(result)) == 2
    assert (len(backend.ledger), backend.polls, backend.ledger.pictures) == (1, 2, 2)


@pytest.mark.parametrize(
    ("model", "asked", "size"),
    [
        ("qwen-image-3.0", (1536, 1024), (1536, 1024)),
        ("qwen-image-2.0-pro", (3840, 2160), (2730, 1536)),
        ("qwen-image-plus", (1792, 1024), (1664, 928)),
        ("z-image-turbo", (1024, 768), (1024, 768)),
        ("wan2.7-image-pro", (1920, 1080), (1920, 1080)),
        ("wan2.5-t2i-preview", (1024, 1024), (1280, 1280)),
        ("wan2.2-t2i-plus", (1344, 768), (1344, 768)),
    ],
)
async def test_landscape(backend, serve, model, asked, size):
    """Each family draws the size asked, or the nearest that is legal."""
    assert fetched(await serve(model, asked={"shape": Shape(*asked)})) == [("PNG", size)]
    assert len(backend.ledger.billed) == 1


@pytest.mark.parametrize(("width", "height"), [(1, 1), (100, 9000), (9000, 100), (1999, 2001), (1440, 512)])
async def test_any_shape_is_legal(serve, width, height):
    """Whatever is asked, the backend takes what is sent."""
    for model in ("qwen-image-3.0", "qwen-image-plus", "wan2.7-image-pro", "wan2.6-t2i", "wan2.2-t2i-plus"):
        assert fetched(await serve(model, asked={"shape": Shape(width, height)}))


@pytest.mark.parametrize(
    "model",
    ["qwen-image-2.0-pro", "qwen-image-edit-plus", "qwen-image-edit", "wan2.7-image-pro", "wan2.6-image"],
)
async def test_edits(backend, serve, model):
    """Pictures stand in order before the words."""
    result = await serve(model, operation=Operation.EDIT, images=(Upload.of(png()), PHOTO))
    assert fetched(result) == [("PNG", (96, 64))]
    ((message,),) = [record.fields["input"]["messages"] for record in backend.ledger.records]
    assert [list(item) for item in message["content"]] == [["image"], ["image"], ["text"]]


async def test_older_edits(backend, serve):
    """The older models are told of their pictures by fields."""
    await serve("wan2.5-i2i-preview", operation=Operation.EDIT, images=(PHOTO, PHOTO))
    await serve("wanx2.1-imageedit", operation=Operation.EDIT, images=(PHOTO,))
    first, second = (record.fields["input"] for record in backend.ledger.records)
    assert len(first["images"]) == 2
    assert second["function"] == "description_edit"


async def test_fills_where_the_mask_was_clear(backend, serve):
    """A transparent mask becomes black and white, as large as the picture."""
    mask = Upload.of(png(96, 64, alpha=True), width=96, height=64)
    result = await serve("wanx2.1-imageedit", operation=Operation.EDIT, images=(PHOTO,), mask=mask)
    assert fetched(result) == [("PNG", (96, 64))]
    assert backend.ledger.records[0].fields["input"]["function"] == "description_edit_with_mask"


@pytest.mark.parametrize(("model", "place"), [("qwen-image-3.0", "parameters"), ("wan2.2-t2i-plus", "input")])
async def test_every_parameter(backend, serve, model, place):
    """What a model knows is sent where its address wants it."""
    asked = {"seed": 7, "negative_prompt": "rain" * 200, "output_format": "png"}
    await serve(model, asked=asked, extras={"watermark": True, "prompt_extend": True, "n": 9, "max_images": 9})
    sent = backend.ledger.records[0].fields
    assert len(sent[place]["negative_prompt"]) == 500
    wanted = {"seed": 7, "watermark": True, "prompt_extend": True, "n": 1}
    assert {name: sent["parameters"][name] for name in wanted} == wanted


@pytest.mark.parametrize("model", ["qwen-image-plus", "wan2.7-image-pro"])
async def test_refuses(backend, serve, model):
    """A prompt that is refused is the caller's to change."""
    with pytest.raises(ProviderError) as caught:
        await serve(model, prompt="a forbidden thing")
    assert facts(caught.value) == ("content_policy", "rejected", 400)
    assert backend.ledger.billed == []


@pytest.mark.parametrize(
    ("end", "kind", "outcome"),
    [
        ("FAILED DataInspectionFailed", "content_policy", "failed"),
        ("FAILED InternalError.Algo", "unavailable", "failed"),
        ("FAILED", "unavailable", "failed"),
        ("CANCELED", "unavailable", "failed"),
        ("UNKNOWN", "bad_response", "ambiguous"),
    ],
)
async def test_ends_badly(backend, serve, end, kind, outcome):
    """Each bad end is a typed failure of work that was asked for once."""
    backend.end(end)
    with pytest.raises(ProviderError) as caught:
        await serve("wan2.2-t2i-plus")
    assert facts(caught.value) == (kind, outcome, None)
    assert len(backend.ledger) == 1


async def test_polls_that_stumble(backend, serve):
    """A poll that fails is asked again: the work was paid for, and is paid for once."""
    backend.stumble(503, 429, 502)
    assert len(fetched(await serve("wan2.7-image-pro"))) == 1
    assert (len(backend.ledger), backend.polls) == (1, 5)


async def test_bad_key(backend):
    """A key that is bad, or of another region, does no work."""
    async with provider_at("dashscope", backend.url, "bad-key") as serve:
        with pytest.raises(ProviderError) as caught:
            await serve("qwen-image-plus")
    assert facts(caught.value) == ("authentication", "rejected", 401)
    assert backend.ledger.billed == []


async def test_model_gone(serve):
    """A model that is not there is a matter for the next target."""
    with pytest.raises(ProviderError) as caught:
        await serve("qwen-image-0")
    assert facts(caught.value) == ("unsupported", "rejected", 404)

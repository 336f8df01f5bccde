"""AUTOMATIC1111 over a real socket, against a backend that refuses what the real one would."""

import pytest
from backends import Reset, Status
from backends.automatic1111 import GOOD_KEY, NAME, TITLE, Automatic1111Backend, white
from driving import provider_at, seen
from pictures import png
from polled import facts

from providers.base import Operation, ProviderError, Upload
from providers.dialect import Shape

pytest_plugins = ["no_waiting"]
pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("no_waiting")]
PICTURE = Upload.of(png(96, 64), width=96, height=64)
MASK = Upload.of(png(96, 64, alpha=True), width=96, height=64)
EDIT = {"operation": Operation.EDIT, "images": (PICTURE,)}
KIND = "automatic1111"


@pytest.fixture
def backend():
    """One backend, which asks for no key."""
    with Automatic1111Backend() as backend:
        yield backend


@pytest.fixture
async def draw(backend):
    """Serves one request there, without a key."""
    async with provider_at(KIND, backend.url, None) as serve:
        yield serve


async def failed(work):
    """The error in which a request ends."""
    with pytest.raises(ProviderError) as caught:
        await work
    return caught.value


@pytest.mark.parametrize("model", [NAME, TITLE])
async def test_draws(backend, draw, model):
    """A checkpoint goes by its name or its title, and all that the table names is taken."""
    asked = {"shape": Shape(768, 512), "seed": 7, "negative_prompt": "people", "guidance": 6, "quality": "high"}
    result = await draw(model, asked={**asked, "style": "vivid", "output_format": "webp"})
    assert seen(result) == ("image/png", 768, 512)
    (record,) = backend.ledger.records
    assert (record.model, record.fields["steps"], record.fields["seed"]) == (model, 30, 7)
    assert "authorization" not in record.headers


async def test_several_pictures(backend, draw):
    """Several pictures are one call, drawn one after another."""
    result = await draw(NAME, n=3)
    assert len(result.images) == backend.ledger.pictures == 3
    assert len(backend.ledger) == 1


async def test_odd_landscape(draw):
    """A size off the grid goes to the nearest on it."""
    assert seen(await draw(NAME, asked={"shape": Shape(1001, 500)})) == ("image/png", 1000, 496)


async def test_edit_keeps_the_picture_s_size(backend, draw):
    """An edit without a size is as large as its picture, not as the server's default."""
    result = await draw(NAME, **EDIT, asked={"strength": 0.4})
    assert seen(result) == ("image/png", 96, 64)
    (record,) = backend.ledger.records
    assert (record.path, record.fields["denoising_strength"]) == ("/sdapi/v1/img2img", 0.4)


async def test_mask_is_white_where_the_picture_changes(backend, draw):
    """What is transparent in a caller's mask is white in the one that is sent, and nothing else is."""
    await draw(NAME, **EDIT, mask=MASK)
    assert white(backend.masks.pop()) == [True] * 48 + [False] * 48


async def test_variation(backend, draw):
    """A variation is drawn from its picture without a word."""
    await draw(NAME, operation=Operation.VARIATION, images=(PICTURE,), prompt="")
    (record,) = backend.ledger.records
    assert (record.fields["prompt"], record.fields["denoising_strength"]) == ("", 0.6)


async def test_unknown_checkpoint_is_not_drawn_with_another(backend, draw):
    """A name that the server does not know ends before any work: it would have drawn with what it has loaded."""
    error = await failed(draw("nowhere"))
    assert facts(error) == ("unsupported", "rejected", None)
    assert "nowhere" in error.message
    assert len(backend.ledger) == 0


async def test_stumbling_before_the_work(backend, draw):
    """The look at the checkpoints is repeated where it fails in passing; the work is asked for once."""
    backend.stumbles += [503, 500]
    await draw(NAME)
    assert (backend.looks, len(backend.ledger)) == (3, 1)


async def test_own_options(backend, draw):
    """What a caller aims at this kind is passed on where it is known; anything else rules the provider out."""
    await draw(NAME, options={KIND: {"sampler_name": "Euler a"}})
    assert backend.ledger.records[0].fields["sampler_name"] == "Euler a"
    assert facts(await failed(draw(NAME, options={KIND: {"sampler_name": "No such"}})))[:2] == (
        "unsupported",
        "rejected",
    )
    for name in ("override_settings", "save_images", "batch_size", "script_name", "alwayson_scripts"):
        error = await failed(draw(NAME, options={KIND: {name: 1}}))
        assert (error.param, *facts(error)) == (name, "unsupported", "not_sent", None)
    assert len(backend.ledger) == 2


@pytest.mark.parametrize(
    ("prompt", "sent"),
    [
        ("a (red:1.4) kite", r"a \(red:1.4\) kite"),
        ("a [red:blue:0.5] kite", r"a \[red:blue:0.5\] kite"),
        (r"a \(red) kite", r"a \\\(red\) kite"),
        ("<lora:me:1> and <hypernet:x:1>", "< lora:me:1> and < hypernet:x:1>"),
        ("sun AND moon BREAK stars", "sun and moon break stars"),
        ("a clock at 12:30", "a clock at 12:30,"),
        ("a plain SAND kite, 3 < 4", "a plain SAND kite, 3 < 4"),
    ],
)
async def test_syntax_is_escaped(backend, draw, prompt, sent):
    """A prompt means what it says: nothing in it steers the server."""
    await draw(NAME, prompt=prompt, asked={"negative_prompt": prompt})
    (record,) = backend.ledger.records
    assert record.fields["prompt"] == record.fields["negative_prompt"] == sent


async def test_syntax_is_allowed_by_the_configuration(backend):
    """Where the configuration says so, prompts pass as they are, and so do the always-on scripts."""
    prompt = "a (red:1.4) kite <lora:me:1> AND 12:30"
    async with provider_at(KIND, backend.url, None, prompt_syntax="allow") as draw:
        await draw(NAME, prompt=prompt, options={KIND: {"alwayson_scripts": {}}})
    (record,) = backend.ledger.records
    assert (record.fields["prompt"], record.fields["alwayson_scripts"]) == (prompt, {})


async def test_key(backend):
    """A user's name and password open a server that asks for them; others do not."""
    backend.locked = True
    async with provider_at(KIND, backend.url, GOOD_KEY) as draw:
        await draw(NAME)
    async with provider_at(KIND, backend.url, "painter:guess") as draw:
        assert facts(await failed(draw(NAME))) == ("authentication", "rejected", 401)
    assert len(backend.ledger) == 1


@pytest.mark.parametrize(
    ("step", "end"),
    [
        (Status(500, "OutOfMemoryError", message="CUDA out of memory"), ("unavailable", "failed", 500)),
        (Status(422, "type_error", param="steps"), ("invalid_request", "rejected", 422)),
        (Status(429), ("rate_limited", "rejected", 429)),
        (Reset(), ("unavailable", "ambiguous", None)),
    ],
    ids=["memory", "value", "429", "reset"],
)
async def test_failures(backend, draw, step, end):
    """Each failure is known for what it is, and the work is not asked for twice."""
    backend.script(step)
    assert facts(await failed(draw(NAME))) == end
    assert len(backend.ledger) == 1

"""stable-diffusion.cpp over a real socket, against a backend that reads the tag in its prompts as the real one does."""

import pytest
from backends import Reset, Status
from backends.sdcpp import SdCppBackend, white
from driving import provider_at, seen
from pictures import png
from polled import facts

from providers.base import Operation, ProviderError, Upload
from providers.dialect import Shape

pytestmark = pytest.mark.anyio
PICTURE = Upload.of(png(96, 64), width=96, height=64)
MASK = Upload.of(png(96, 64, alpha=True), width=96, height=64)
EDIT = {"operation": Operation.EDIT, "images": (PICTURE,)}
MODEL = "sd-cpp-local"


@pytest.fixture
def backend():
    """One backend."""
    with SdCppBackend() as backend:
        yield backend


@pytest.fixture
async def draw(backend):
    """Serves one request there."""
    async with provider_at("sdcpp", backend.url, None) as serve:
        yield serve


async def failed(work):
    """The error in which a request ends."""
    with pytest.raises(ProviderError) as caught:
        await work
    return caught.value


async def test_draws(backend, draw):
    """All that the table names is taken: what the API has no field for goes into the tag, and nowhere else."""
    asked = {"shape": Shape(768, 512), "seed": 7, "negative_prompt": "people", "guidance": 6, "steps": 28}
    result = await draw(MODEL, asked={**asked, "output_format": "webp", "output_compression": 80, "quality": "high"})
    assert seen(result) == ("image/webp", 768, 512)
    (record,) = backend.ledger.records
    assert record.fields["prompt"] == "a paper lantern on a pier"
    sampling = {"sample_steps": 28, "guidance": {"txt_cfg": 6}}
    assert record.fields["extra"] == {"seed": 7, "negative_prompt": "people", "sample_params": sampling}
    assert (record.fields["output_compression"], record.fields.get("model")) == (80, None)


async def test_without_a_seed(backend, draw):
    """Where nobody names a seed it is a random one: the server would draw the same picture each time."""
    await draw(MODEL)
    assert backend.ledger.records[0].fields["extra"] == {"seed": -1}


async def test_key_is_optional(backend, draw):
    """A key is for what stands before the server, and goes as a bearer's; without one there is no such header."""
    await draw(MODEL)
    async with provider_at("sdcpp", backend.url, "gate-key") as keyed:
        await keyed(MODEL)
    sent = [record.headers.get("authorization") for record in backend.ledger.records]
    assert sent == [None, "Bearer gate-key"]


async def test_several_pictures(backend, draw):
    """Several pictures are one call."""
    result = await draw(MODEL, n=3)
    assert len(result.images) == backend.ledger.pictures == 3
    assert len(backend.ledger) == 1


async def test_landscape(draw):
    """A size goes out as it is; a mere ratio becomes about a megapixel."""
    assert seen(await draw(MODEL, asked={"shape": Shape(1536, 640)})) == ("image/png", 1536, 640)
    assert seen(await draw(MODEL, asked={"shape": Shape(aspect=16 / 9)})) == ("image/png", 1360, 768)


async def test_edits(backend, draw):
    """An edit is a form, as large as its picture where no size is asked, and never WebP."""
    result = await draw(MODEL, **EDIT, asked={"strength": 0.4, "output_format": "webp"})
    assert seen(result) == ("image/png", 96, 64)
    (record,) = backend.ledger.records
    assert (record.path, record.fields["extra"]) == ("/v1/images/edits", {"seed": -1, "strength": 0.4})


async def test_edits_of_several(backend, draw):
    """Several pictures go out as a list."""
    await draw(MODEL, operation=Operation.EDIT, images=(PICTURE, PICTURE))
    assert [name for name, _, _ in backend.ledger.records[0].files] == ["image[]", "image[]"]


async def test_mask_is_white_where_the_picture_changes(backend, draw):
    """What is transparent in a caller's mask is white in the one that is sent, and nothing else is."""
    await draw(MODEL, **EDIT, mask=MASK)
    assert white(backend.masks.pop()) == [True] * 48 + [False] * 48


@pytest.mark.parametrize(
    "prompt",
    [
        'kite <sd_cpp_extra_args>{"batch_count":99}</sd_cpp_extra_args>',
        'kite <sd_cpp_<sd_cpp_extra_args></sd_cpp_extra_args>extra_args>{"batch_count":99}</sd_cpp_extra_args>',
        'kite <sd_cpp_extra_args>{"batch_count":99}',
        "kite </sd_cpp_extra_args>",
    ],
)
async def test_tag_cannot_be_forged(backend, draw, prompt):
    """Nothing that a caller writes, in either prompt, adds to the tag, ends it, or goes for another."""
    await draw(MODEL, prompt=prompt, asked={"negative_prompt": prompt, "seed": 7})
    (record,) = backend.ledger.records
    assert record.fields["extra"].keys() == {"seed", "negative_prompt"}
    assert record.fields["extra"]["seed"] == 7
    assert record.fields["extra"]["negative_prompt"] == record.fields["prompt"]
    assert record.fields["prompt"].startswith("kite <")


@pytest.mark.parametrize(
    ("prompt", "sent"),
    [
        ("a (red:1.4) kite", r"a \(red:1.4 ) kite"),
        ("a [red] kite", r"a \[red] kite"),
        (r"a \(red) kite", r"a \\\(red) kite"),
        ("sun BREAK stars", "sun break stars"),
        ("BREAKFAST at 12:30, 3 < 4", "BREAKFAST at 12:30, 3 < 4"),
    ],
)
async def test_syntax_is_escaped(backend, draw, prompt, sent):
    """A prompt means what it says: nothing in it weighs or breaks."""
    await draw(MODEL, prompt=prompt)
    assert backend.ledger.records[0].fields["prompt"] == sent


async def test_syntax_is_allowed_by_the_configuration(backend):
    """Where the configuration says so, a prompt passes as it is, and its own tag comes before the router's."""
    prompt = 'a (red:1.4) kite <sd_cpp_extra_args>{"clip_skip":2}</sd_cpp_extra_args>'
    async with provider_at("sdcpp", backend.url, None, prompt_syntax="allow") as draw:
        await draw(MODEL, prompt=prompt)
    (record,) = backend.ledger.records
    assert (record.fields["prompt"], record.fields["extra"]) == ("a (red:1.4) kite", {"clip_skip": 2})


async def test_own_options(backend, draw):
    """What a caller aims at this kind is passed on where it is known; anything else rules the provider out."""
    aimed = {"sample_method": "euler_a", "clip_skip": 2}
    await draw(MODEL, options={"sdcpp": aimed}, asked={"steps": 20})
    extra = {"seed": -1, "sample_params": {"sample_steps": 20, "sample_method": "euler_a"}, "clip_skip": 2}
    assert backend.ledger.records[0].fields["extra"] == extra
    error = await failed(draw(MODEL, options={"sdcpp": {"batch_count": 99}}))
    assert (error.param, *facts(error)) == ("batch_count", "unsupported", "not_sent", None)


@pytest.mark.parametrize(
    ("step", "end"),
    [
        (Status(400, message="invalid params"), ("invalid_request", "rejected", 400)),
        (Status(500, message="generate_image returned no results"), ("unavailable", "failed", 500)),
        (Status(500, "server_error", message="bad allocation"), ("unavailable", "failed", 500)),
        (Reset(), ("unavailable", "ambiguous", None)),
    ],
    ids=["value", "failed", "unforeseen", "reset"],
)
async def test_failures(backend, draw, step, end):
    """Each failure is known for what it is, in the server's own words, and the work is not asked for twice."""
    backend.script(step)
    error = await failed(draw(MODEL))
    assert facts(error) == end
    assert isinstance(step, Reset) or error.message == step.message
    assert len(backend.ledger) == 1

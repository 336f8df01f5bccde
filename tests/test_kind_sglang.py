"""SGLang over a real socket, against a backend that refuses what the real one would, or would ignore."""

import pytest
from backends import Reset, Status
from backends.self_hosted import GOOD_KEY
from backends.sglang import SglangBackend
from driving import provider_at, seen
from pictures import png
from polled import facts

from providers.base import Operation, ProviderError, Upload
from providers.dialect import Shape, Unsupported

pytestmark = pytest.mark.anyio
KIND = "sglang"
MODEL = "black-forest-labs/FLUX.1-dev"
PICTURE = Upload.of(png(96, 64), width=96, height=64)
EDIT = {"operation": Operation.EDIT, "images": (PICTURE,)}


@pytest.fixture
def backend():
    """One backend, which asks for no key."""
    with SglangBackend() as backend:
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


async def test_draws(backend, draw):
    """All that the table names is taken, and what is drawn comes as bytes: links want a store that few servers have."""
    asked = {"shape": Shape(768, 512), "seed": 7, "negative_prompt": "people", "guidance": 6, "steps": 28}
    result = await draw(MODEL, asked={**asked, "output_format": "webp", "response_format": "url", "quality": "high"})
    assert seen(result) == ("image/webp", 768, 512)
    (record,) = backend.ledger.records
    assert record.fields["response_format"] == "b64_json"
    assert (record.fields["num_inference_steps"], record.fields["seed"]) == (28, 7)


async def test_key_is_optional(backend, draw):
    """Without a key there is no such header; a server that asks for one is given it as a bearer's."""
    await draw(MODEL)
    backend.locked = True
    assert facts(await failed(draw(MODEL))) == ("authentication", "rejected", 401)
    async with provider_at(KIND, backend.url, GOOD_KEY) as keyed:
        await keyed(MODEL)
    sent = [record.headers.get("authorization") for record in backend.ledger.billed]
    assert sent == [None, f"Bearer {GOOD_KEY}"]


async def test_several_pictures(backend, draw):
    """Several pictures are one call."""
    assert len((await draw(MODEL, n=3)).images) == 3
    assert len(backend.ledger) == 1


async def test_landscape(draw):
    """A size goes out as it is; a mere ratio becomes about a megapixel."""
    assert seen(await draw(MODEL, asked={"shape": Shape(1536, 640)})) == ("image/jpeg", 1536, 640)
    assert seen(await draw(MODEL, asked={"shape": Shape(aspect=16 / 9)})) == ("image/jpeg", 1360, 768)


@pytest.mark.parametrize(("many", "name"), [(1, "image"), (3, "image[]")])
async def test_edits(backend, draw, many, name):
    """An edit is a form with one picture or a list of them."""
    result = await draw(MODEL, operation=Operation.EDIT, images=(PICTURE,) * many, asked={"output_format": "png"})
    assert seen(result) == ("image/png", 96, 64)
    (record,) = backend.ledger.records
    assert record.path == "/v1/images/edits"
    assert [part for part, _, _ in record.files] == [name] * many


async def test_masks_rule_it_out(backend, draw):
    """The server would draw over the whole picture, so a masked edit never reaches it."""
    with pytest.raises(Unsupported, match="mask: the model takes none"):
        await draw(MODEL, **EDIT, mask=PICTURE)
    assert len(backend.ledger) == 0


async def test_the_prompt_s_echo_is_no_revision(draw):
    """The server repeats the prompt with each picture; only one that it made finer is told."""
    assert (await draw(MODEL)).images[0].revised_prompt is None
    finer = await draw(MODEL, options={KIND: {"enhance_prompt": True}})
    assert finer.images[0].revised_prompt == "finer: a paper lantern on a pier"


@pytest.mark.parametrize(("counts", "told"), [(None, None), ((0, 0), None), ((12, 4096), (12, 4096, 4108))])
async def test_usage(backend, draw, counts, told):
    """Tokens are told where the server counts them; zeros say that it does not."""
    backend.counts = counts
    usage = (await draw(MODEL)).usage
    assert (usage and (usage.input_tokens, usage.output_tokens, usage.total_tokens)) == told


@pytest.mark.parametrize(
    ("changes", "aimed"),
    [
        ({}, {"true_cfg_scale": 4.0, "flow_shift": 3, "diffusers_kwargs": {"sigmas": [1, 0]}}),
        (EDIT, {"true_cfg_scale": 4.0, "enable_upscaling": True, "upscaling_scale": 2}),
    ],
    ids=["drawing", "editing"],
)
async def test_own_options(backend, draw, changes, aimed):
    """What a caller aims at this kind is passed on where the operation knows it."""
    await draw(MODEL, **changes, options={KIND: aimed})
    assert aimed.keys() <= backend.ledger.records[0].fields.keys()


@pytest.mark.parametrize("name", ["perf_dump_path", "upscaling_model_path", "response_format", "n"])
async def test_foreign_options(backend, draw, name):
    """Anything else rules the provider out before it is asked: nobody names the server's files, or raises the bill."""
    error = await failed(draw(MODEL, options={KIND: {name: 1}}))
    assert (error.param, *facts(error)) == (name, "unsupported", "not_sent", None)
    assert len(backend.ledger) == 0


@pytest.mark.parametrize(
    ("step", "end"),
    [
        (Status(400, message="Invalid size"), ("invalid_request", "rejected", 400)),
        (
            Status(422, "value_error", message="Input should be valid", param="size"),
            ("invalid_request", "rejected", 422),
        ),
        (Status(404, message="Not Found"), ("unsupported", "rejected", 404)),
        (Status(502, message="cloud upload failed"), ("unavailable", "ambiguous", 502)),
        (Status(500, message="torch.OutOfMemoryError: CUDA"), ("unsupported", "failed", 500)),
        (Status(500, message="the scheduler died"), ("unavailable", "failed", 500)),
        (Reset(), ("unavailable", "ambiguous", None)),
    ],
    ids=["value", "field", "path", "store", "memory", "failed", "reset"],
)
async def test_failures(backend, draw, step, end):
    """Each failure is known for what it is, in the server's own words, and the work is not asked for twice."""
    backend.script(step)
    error = await failed(draw(MODEL))
    assert facts(error) == end
    assert isinstance(step, Reset) or (error.message, error.param) == (step.message, step.param)
    assert len(backend.ledger) == 1

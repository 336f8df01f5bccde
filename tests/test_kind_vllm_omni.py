"""vLLM-Omni over a real socket, against a backend that refuses what the real one would, or would ignore."""

import pytest
from backends import Reset, Status
from backends.self_hosted import GOOD_KEY, white
from backends.vllm_omni import SERVED, VllmOmniBackend
from driving import provider_at, seen
from pictures import png
from polled import facts

from providers.base import Operation, ProviderError, Upload
from providers.dialect import Shape

pytestmark = pytest.mark.anyio
KIND = "vllm_omni"
PICTURE = Upload.of(png(96, 64), width=96, height=64)
MASK = Upload.of(png(96, 64, alpha=True), width=96, height=64)
EDIT = {"operation": Operation.EDIT, "images": (PICTURE,)}


@pytest.fixture
def backend():
    """One backend, which asks for no key."""
    with VllmOmniBackend() as backend:
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
    """All that the table names is taken, and what is drawn comes as bytes whatever the caller asked."""
    asked = {"shape": Shape(768, 512), "seed": 7, "negative_prompt": "people", "guidance": 6, "steps": 28}
    result = await draw(SERVED, asked={**asked, "output_format": "webp", "response_format": "url", "quality": "high"})
    assert seen(result) == ("image/webp", 768, 512)
    assert result.usage is None
    (record,) = backend.ledger.records
    assert record.fields["response_format"] == "b64_json"
    assert (record.fields["num_inference_steps"], record.fields["seed"]) == (28, 7)


async def test_key_is_optional(backend, draw):
    """Without a key there is no such header; a server that asks for one is given it as a bearer's."""
    await draw(SERVED)
    backend.locked = True
    assert facts(await failed(draw(SERVED))) == ("authentication", "rejected", 401)
    async with provider_at(KIND, backend.url, GOOD_KEY) as keyed:
        await keyed(SERVED)
    sent = [record.headers.get("authorization") for record in backend.ledger.billed]
    assert sent == [None, f"Bearer {GOOD_KEY}"]


async def test_several_pictures(backend, draw):
    """Several pictures are one call."""
    assert len((await draw(SERVED, n=3)).images) == 3
    assert len(backend.ledger) == 1


async def test_landscape(draw):
    """A size goes out as it is; a mere ratio becomes about a megapixel."""
    assert seen(await draw(SERVED, asked={"shape": Shape(1536, 640)})) == ("image/png", 1536, 640)
    assert seen(await draw(SERVED, asked={"shape": Shape(aspect=16 / 9)})) == ("image/png", 1360, 768)


async def test_edits(backend, draw):
    """An edit is a form, and as large as its picture where no size is asked."""
    assert seen(await draw(SERVED, **EDIT, asked={"strength": 0.4})) == ("image/png", 96, 64)
    (record,) = backend.ledger.records
    assert (record.path, record.fields["strength"]) == ("/v1/images/edits", "0.4")


async def test_mask_goes_by_the_server_s_name(backend, draw):
    """A mask is the part that the server reads, and white where the caller's is transparent."""
    await draw(SERVED, **EDIT, mask=MASK)
    assert [name for name, _, _ in backend.ledger.records[0].files] == ["image", "mask_image"]
    assert white(backend.masks.pop()) == [True] * 48 + [False] * 48


async def test_more_pictures_than_the_model_takes(backend, draw):
    """How many pictures a model takes only the server knows, and another model may take more."""
    await draw(SERVED, operation=Operation.EDIT, images=(PICTURE,) * 4)
    assert [name for name, _, _ in backend.ledger.records[0].files] == ["image[]"] * 4
    error = await failed(draw(SERVED, operation=Operation.EDIT, images=(PICTURE,) * 5))
    assert facts(error) == ("unsupported", "rejected", 400)


async def test_another_model_is_not_taken_for_the_one_asked(draw):
    """A server that serves another model is the configuration's fault: the chain goes on."""
    error = await failed(draw("black-forest-labs/FLUX.1-dev"))
    assert facts(error) == ("unsupported", "rejected", 400)
    assert error.message.startswith("Model mismatch")


@pytest.mark.parametrize(
    ("changes", "aimed"),
    [
        ({}, {"true_cfg_scale": 4.0, "flow_shift": 3, "extra_params": {"cfg_renorm": True}}),
        (EDIT, {"true_cfg_scale": 4.0, "guidance_scale_2": 2.5, "sys_type": "en_unified"}),
    ],
    ids=["drawing", "editing"],
)
async def test_own_options(backend, draw, changes, aimed):
    """What a caller aims at this kind is passed on where the operation knows it."""
    await draw(SERVED, **changes, options={KIND: aimed})
    assert aimed.keys() <= backend.ledger.records[0].fields.keys()


@pytest.mark.parametrize("name", ["lora", "response_format", "n", "guidance_scale_2"])
async def test_foreign_options(backend, draw, name):
    """Anything else rules the provider out before it is asked: nobody names the server's files, or raises the bill."""
    error = await failed(draw(SERVED, options={KIND: {name: 1}}))
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
        (Status(503, message="No diffusion stage found"), ("unavailable", "rejected", 503)),
        (Status(500, message="CUDA out of memory. Tried to allocate 2.00 GiB."), ("unsupported", "failed", 500)),
        (Status(500, message="the engine died"), ("unavailable", "failed", 500)),
        (Reset(), ("unavailable", "ambiguous", None)),
    ],
    ids=["value", "field", "path", "stage", "memory", "failed", "reset"],
)
async def test_failures(backend, draw, step, end):
    """Each failure is known for what it is, in the server's own words, and the work is not asked for twice."""
    backend.script(step)
    error = await failed(draw(SERVED))
    assert facts(error) == end
    assert isinstance(step, Reset) or (error.message, error.param) == (step.message, step.param)
    assert len(backend.ledger) == 1

"""ComfyUI over a real socket, against a backend that judges graphs and runs them on true pictures."""

import io
import json
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from backends import Reset, Status
from backends.comfyui import ComfyUIBackend
from backends.comfyui_nodes import CHECKPOINT, DRAWN
from driving import PLAIN, provider_at, seen
from pictures import png
from PIL import Image
from polled import facts

import providers
from providers.base import Operation, ProviderError, Upload
from providers.comfyui.checkpoint import IMAGE, INPAINT, TEXT
from providers.dialect import MaskForm, Shape, Unsupported
from router import shipped
from router.engine.decoding import Decoding
from router.engine.plan import plan
from router.engine.prepare import prepared
from router.engine.route import Policy, Provider, Target
from router.wire.conversation import converse
from router.wire.send import Wire
from router.wire.transport import TransportSettings, build_transport

pytest_plugins = ["no_waiting"]
pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("no_waiting")]
PICTURE = Upload.of(png(96, 64), width=96, height=64)
OTHER = Upload.of(png(96, 64, tint=20), width=96, height=64)
MASK = Upload.of(png(96, 64, alpha=True), width=96, height=64)
EDIT = {"operation": Operation.EDIT, "images": (PICTURE,)}
KIND = "comfyui"
ROLES = ("text", "image", "inpaint")


def workflow(name):
    """A graph that comes with the router."""
    return json.loads((shipped.path("workflows") / f"{name}.json").read_text())


FLUX = {"flux": [workflow(f"flux-{role}") for role in ROLES]}
PAIR = workflow("flux-image")
PAIR["second"] = {"class_type": "LoadImage", "inputs": {"image": "{{image_2}}"}}


@pytest.fixture
def backend():
    """One backend, which asks for no key."""
    with ComfyUIBackend() as backend:
        yield backend


@pytest.fixture
async def draw(backend):
    """Serves one request there with a plain checkpoint's graphs."""
    async with provider_at(KIND, backend.url, None) as serve:
        yield serve


@asynccontextmanager
async def equipped(backend, graphs):
    """Serves requests there with graphs of the configuration's."""
    adapter = providers.load(KIND).workflows.equipped(graphs)
    wire = Wire(adapter, backend.url, None, build_transport(TransportSettings()))
    provider = Provider(name=KIND, kind=KIND, adapter=adapter, send=wire, base_url=backend.url)

    async def serve(model, **changes):
        dialect = adapter.dialect(model)
        target = Target(name=f"{KIND}/x", provider=provider, model=model, dialect=dialect, policy=Policy())
        (shard,) = plan(replace(PLAIN, model=model, **changes), {}, target).shards
        return await converse(adapter, await prepared(shard.job, dialect, Decoding()), wire)

    try:
        yield serve
    finally:
        await wire.aclose()


async def failed(work):
    """The error in which a request ends."""
    with pytest.raises(ProviderError) as caught:
        await work
    return caught.value


def row(image):
    """The colours along a picture's middle row, each once and in order."""
    with Image.open(io.BytesIO(image.data)) as opened:
        pixels = [opened.convert("RGB").getpixel((column, opened.height // 2)) for column in range(opened.width)]
    return [pixel for at, pixel in enumerate(pixels) if at == 0 or pixels[at - 1] != pixel]


async def test_draws_with_a_checkpoint(backend, draw):
    """A model without a workflow is a checkpoint, and all that the table names goes into its graph."""
    asked = {"shape": Shape(768, 512), "seed": 7, "negative_prompt": "people", "guidance": 5.5, "steps": 30}
    assert seen(await draw(CHECKPOINT, asked={**asked, "style": "vivid"})) == ("image/png", 768, 512)
    (record,) = backend.ledger.records
    sampler = record.fields["graph"]["sampler"]["inputs"]
    assert (record.model, sampler["seed"], sampler["cfg"], sampler["steps"]) == (CHECKPOINT, 7, 5.5, 30)
    assert record.fields["graph"]["negative"]["inputs"]["text"] == "people"
    assert "authorization" not in record.headers


async def test_several_pictures_are_one_batch(backend, draw):
    """Several pictures are one graph, and each is fetched."""
    result = await draw(CHECKPOINT, n=3)
    assert len({image.data for image in result.images}) == backend.ledger.pictures == 3
    assert len(backend.ledger) == 1


async def test_odd_landscape(draw):
    """A size off the grid goes to the nearest on it."""
    assert seen(await draw(CHECKPOINT, asked={"shape": Shape(1001, 500)})) == ("image/png", 1008, 496)


async def test_the_same_prompt_twice(backend, draw):
    """Without a seed each call draws anew; with one, what the server still has is saved again."""
    for asked in ({}, {}, {"seed": 7}, {"seed": 7}):
        assert len((await draw(CHECKPOINT, asked=asked)).images) == 1
    seeds = [graph["sampler"]["inputs"]["seed"] for graph in backend.graphs]
    assert seeds[0] != seeds[1]
    assert seeds[2:] == [7, 7]


async def test_edit_is_as_large_as_its_picture(backend, draw):
    """An edit without a size is as large as its picture, and as near to it as is asked."""
    assert seen(await draw(CHECKPOINT, **EDIT, asked={"strength": 0.4})) == ("image/png", 96, 64)
    assert backend.graphs[0]["sampler"]["inputs"]["denoise"] == 0.4


async def test_edit_of_a_huge_picture(backend, draw):
    """A picture too large to be drawn at once gives an edit only its ratio, unless a size is asked."""
    huge = replace(PICTURE, width=6000, height=4000)
    await draw(CHECKPOINT, operation=Operation.EDIT, images=(huge,))
    assert backend.graphs[0]["scaled"]["inputs"]["width"] == 1248


@pytest.mark.parametrize("model", [CHECKPOINT, "flux"])
@pytest.mark.parametrize("n", [1, 2])
async def test_inpaint_changes_nothing_outside_its_mask(backend, model, n):
    """What the mask has transparent is drawn anew, and every other pixel is the source's own."""
    async with equipped(backend, FLUX) as draw:
        result = await draw(model, **EDIT, mask=MASK, n=n)
    drawn = [(DRAWN[0], DRAWN[1] + 20 * at, 40) for at in range(n)]
    assert [row(image) for image in result.images] == [[colour, (90, 90, 90)] for colour in drawn]


async def test_uploads_never_overwrite_each_other(backend, draw):
    """Two calls of one id with other pictures, and a picture and its mask, lie side by side at the server."""
    await draw(CHECKPOINT, **EDIT, mask=MASK)
    await draw(CHECKPOINT, operation=Operation.EDIT, images=(OTHER,))
    names = [graph["image"]["inputs"]["image"] for graph in backend.graphs]
    assert [backend.files[name][:200] for name in names] == [png(96, 64)[:200], png(96, 64, tint=20)[:200]]
    assert len(backend.files) == 3


async def test_variation(backend, draw):
    """A variation is an edit that asks for one."""
    await draw(CHECKPOINT, operation=Operation.VARIATION, images=(PICTURE,), prompt="")
    assert backend.graphs[0]["prompt"]["inputs"]["text"]


@pytest.mark.parametrize("role", ROLES)
async def test_the_workflows_that_come_with_the_router(backend, role):
    """Each is sound, does what its name says, and those for a checkpoint are the ones built in."""
    flux, plain = workflow(f"flux-{role}"), workflow(f"checkpoint-{role}")
    assert list(providers.load(KIND).workflows.flaws([flux])) == []
    assert plain == {"text": TEXT, "image": IMAGE, "inpaint": INPAINT}[role]
    inputs = {} if role == "text" else EDIT | ({"mask": MASK} if role == "inpaint" else {})
    async with equipped(backend, {"flux": [flux], CHECKPOINT: [plain]}) as draw:
        for model in ("flux", CHECKPOINT):
            assert len((await draw(model, **inputs)).images) == 1


async def test_slots_are_what_a_model_can(backend):
    """Without a picture's slot a model cannot edit, without a mask's it takes none, and no parameter is invented."""
    graphs = {"text": [workflow("flux-text")], "image": [workflow("flux-image")]}
    adapter = providers.load(KIND).workflows.equipped(graphs)
    assert adapter.dialect("text").operations == {Operation.GENERATE}
    assert (adapter.dialect("image").operations, adapter.dialect("image").mask) == ({Operation.EDIT}, None)
    assert "negative_prompt" not in adapter.dialect("text").params
    assert "strength" not in adapter.dialect("text").params
    assert adapter.dialect("image").rule("strength", Operation.EDIT)(2).fields == {"strength": 1}
    assert adapter.dialect("other.safetensors").mask is MaskForm.CLEAR
    async with equipped(backend, graphs) as draw:
        with pytest.raises(Unsupported, match="cannot edit"):
            await draw("text", **EDIT)
        with pytest.raises(Unsupported, match="mask"):
            await draw("image", **EDIT, mask=MASK)


async def test_pictures_choose_the_workflow(backend):
    """Of several workflows the one runs that takes as many pictures as there are; without one the target is out."""
    async with equipped(backend, {"pair": [*FLUX["flux"], PAIR]}) as draw:
        await draw("pair", operation=Operation.EDIT, images=(PICTURE, OTHER))
        assert "second" in backend.graphs[0]
        error = await failed(draw("pair", operation=Operation.EDIT, images=(PICTURE, OTHER), mask=MASK))
    assert facts(error) == ("unsupported", "not_sent", None)


@pytest.mark.parametrize(
    ("prompt", "sent"),
    [
        ("a (red:1.4) kite", r"a \(red:1.4\) kite"),
        ("a {red|blue} kite", r"a \(red|blue\) kite"),
        ("a __colour__ kite", "a _colour_ kite"),
        ("embedding:mine and <lora:me:1>", "embedding :mine and < lora:me:1>"),
        ("{{seed}} at 12:30, 3 < 4", r"\(\(seed\)\) at 12:30, 3 < 4"),
    ],
)
async def test_syntax_is_escaped(backend, draw, prompt, sent):
    """A prompt means what it says: nothing in it steers the nodes."""
    await draw(CHECKPOINT, prompt=prompt, asked={"negative_prompt": prompt})
    (graph,) = backend.graphs
    assert graph["prompt"]["inputs"]["text"] == graph["negative"]["inputs"]["text"] == sent


async def test_syntax_is_allowed_by_the_configuration(backend):
    """Where the configuration says so, prompts pass as they are, and still fill no slot."""
    prompt = "a (red:1.4) {kite|bird} {{seed}}"
    async with provider_at(KIND, backend.url, None, prompt_syntax="allow") as draw:
        await draw(CHECKPOINT, prompt=prompt)
    assert backend.graphs[0]["prompt"]["inputs"]["text"] == prompt


async def test_a_prompt_within_a_text(backend):
    """A prompt may stand within a text of the workflow's."""
    graph = {**TEXT, "prompt": {"class_type": "CLIPTextEncode", "inputs": {"clip": ["checkpoint", 1]}}}
    graph["prompt"]["inputs"]["text"] = "an ink drawing of {{prompt}}, signed"
    async with equipped(backend, {CHECKPOINT: [graph]}) as draw:
        await draw(CHECKPOINT, prompt="a kite")
    assert backend.graphs[0]["prompt"]["inputs"]["text"] == "an ink drawing of a kite, signed"


async def test_polls_that_stumble(backend, draw):
    """Questions are repeated where they fail in passing; the graph is submitted once."""
    backend.stumble(503, 500)
    await draw(CHECKPOINT)
    assert backend.polls >= 4
    assert len(backend.ledger) == 1


@pytest.mark.parametrize(
    ("end", "code", "kind"),
    [("memory", "out_of_memory", "unavailable"), ("error", None, "unavailable"), ("previews", None, "bad_response")],
)
async def test_jobs_that_fail(backend, draw, end, code, kind):
    """A graph that fails, or saves nothing, is a typed error after one submit; no memory is known for what it is."""
    backend.end(end)
    error = await failed(draw(CHECKPOINT))
    assert (str(error.kind), error.code, error.status) == (kind, code, None)
    assert "\n" not in error.message
    assert len(backend.ledger) == 1


async def test_refused_graphs(backend, draw):
    """What the configuration has wrong lets a chain go on; a number out of bounds is the caller's; lists stay there."""
    error = await failed(draw("nowhere.safetensors"))
    assert (*facts(error), error.code) == ("unsupported", "rejected", 400, "value_not_in_list")
    assert "ckpt_name" in error.message
    assert "not in [" not in error.message
    error = await failed(draw(CHECKPOINT, asked={"steps": 20_000}))
    assert (*facts(error), error.code) == ("invalid_request", "rejected", 400, "value_bigger_than_max")
    strange = {**TEXT, "extra": {"class_type": "NoSuchNode", "inputs": {}}}
    async with equipped(backend, {CHECKPOINT: [strange]}) as serve:
        error = await failed(serve(CHECKPOINT))
    assert (*facts(error), error.code) == ("unsupported", "rejected", 400, "invalid_prompt")


async def test_own_options(backend, draw):
    """What a caller aims at this kind reaches no node."""
    error = await failed(draw(CHECKPOINT, options={KIND: {"ckpt_name": "x"}}))
    assert (error.param, *facts(error)) == ("ckpt_name", "unsupported", "not_sent", None)
    assert len(backend.ledger) == 0


async def test_key(backend):
    """A key opens what stands before the server."""
    backend.key = "swordfish"
    async with provider_at(KIND, backend.url, "swordfish") as draw:
        await draw(CHECKPOINT, **EDIT)
    async with provider_at(KIND, backend.url, "guess") as draw:
        assert facts(await failed(draw(CHECKPOINT))) == ("authentication", "rejected", 401)


@pytest.mark.parametrize(
    ("step", "end"),
    [
        (Status(500, message="scripted"), ("unavailable", "failed", 500)),
        (Status(429), ("rate_limited", "rejected", 429)),
        (Reset(), ("unavailable", "ambiguous", None)),
    ],
    ids=["500", "429", "reset"],
)
async def test_failures(backend, draw, step, end):
    """Each failure is known for what it is, and the graph is not submitted twice."""
    backend.script(step)
    assert facts(await failed(draw(CHECKPOINT))) == end
    assert len(backend.ledger) == 1

"""LocalAI over a real socket, against a backend that splits its prompts as the real one does."""

import pytest
from backends import Reset, Status
from backends.localai import MODELS, LocalAIBackend
from backends.self_hosted import GOOD_KEY, white
from driving import planned, provider_at, seen
from pictures import png
from polled import facts

import providers
from providers.base import Operation, ProviderError, Upload
from providers.dialect import Shape
from router.engine.route import Provider

pytestmark = pytest.mark.anyio
KIND = "localai"
MODEL = MODELS[0]
PICTURE = Upload.of(png(96, 64), width=96, height=64)
MASK = Upload.of(png(96, 64, alpha=True), width=96, height=64)
EDIT = {"operation": Operation.EDIT, "images": (PICTURE,)}
PLAIN = "a paper lantern on a pier"


@pytest.fixture
def backend():
    """One backend, which asks for no key."""
    with LocalAIBackend() as backend:
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
    """All that the table names is taken; what not to draw goes into the prompt, and a usage of zeros is none."""
    asked = {"shape": Shape(768, 512), "seed": 7, "negative_prompt": "people", "steps": 28}
    result = await draw(MODEL, asked={**asked, "quality": "high", "response_format": "url"})
    assert seen(result) == ("image/png", 768, 512)
    assert result.usage is None
    (record,) = backend.ledger.records
    assert (record.fields["step"], record.fields["seed"], record.fields["response_format"]) == (28, 7, "b64_json")
    assert backend.prompts == [(PLAIN, "people")]


async def test_landscape(draw):
    """A size goes out as it is; a mere ratio becomes about a megapixel."""
    assert seen(await draw(MODEL, asked={"shape": Shape(1536, 640)})) == ("image/png", 1536, 640)
    assert seen(await draw(MODEL, asked={"shape": Shape(aspect=16 / 9)})) == ("image/png", 1360, 768)


async def test_each_picture_is_a_call_with_a_seed_of_its_own():
    """Several pictures in one call would all be drawn with one seed, and be the same."""
    adapter = providers.load(KIND)
    provider = Provider(name=KIND, kind=KIND, adapter=adapter, send=None, options={}, base_url="")
    shards = planned(provider, MODEL, n=3, asked={"seed": 7}).shards
    assert [(shard.job.n, shard.job.params["seed"]) for shard in shards] == [(1, 7), (1, 8), (1, 9)]


async def test_edits(backend, draw):
    """An edit is a drawing that is given a picture, and as large as that where no size is asked."""
    assert seen(await draw(MODEL, **EDIT)) == ("image/png", 96, 64)
    assert seen(await draw(MODEL, **EDIT, asked={"shape": Shape(256, 128)})) == ("image/png", 256, 128)
    assert {record.path for record in backend.ledger.records} == {"/v1/images/generations"}


async def test_masked_edits(backend, draw):
    """A mask has a path of its own and is white where the caller's is transparent; the picture is fetched."""
    result = await draw(MODEL, **EDIT, mask=MASK, asked={"steps": 30})
    assert seen(result) == ("image/png", 512, 512)
    (record,) = backend.ledger.records
    assert (record.path, record.fields["steps"]) == ("/v1/images/inpainting", "30")
    assert white(backend.masks.pop()) == [True] * 48 + [False] * 48


async def test_a_masked_edit_says_what_it_leaves_out(backend):
    """What the path for masks does not know is told, and not sent: seed, size, and what not to draw."""
    provider = Provider(name=KIND, kind=KIND, adapter=providers.load(KIND), send=None, options={}, base_url=backend.url)
    asked = {"seed": 7, "negative_prompt": "people", "shape": Shape(64, 64), "steps": 30}
    made = planned(provider, MODEL, **EDIT, mask=MASK, n=2, asked=asked)
    assert {warning.parameter for warning in made.warnings} == {"seed", "negative_prompt", "size"}
    assert [shard.job.params for shard in made.shards] == [{"steps": 30}] * 2


async def test_key_is_optional(backend, draw):
    """Without a key there is no such header; a server that asks for one is given it, for its links too."""
    await draw(MODEL)
    backend.locked = True
    assert facts(await failed(draw(MODEL))) == ("authentication", "rejected", 401)
    async with provider_at(KIND, backend.url, GOOD_KEY) as keyed:
        await keyed(MODEL, **EDIT, mask=MASK)
    sent = [record.headers.get("authorization") for record in backend.ledger.billed]
    assert sent == [None, f"Bearer {GOOD_KEY}"]


@pytest.mark.parametrize(
    ("prompt", "negative", "drawn"),
    [
        ("a kite | a cloud", None, ("a kite , a cloud", "")),
        ("|", None, (",", "")),
        ("a kite", "ugly|blurry", ("a kite", "ugly,blurry")),
        ("a kite|clouds", "ugly", ("a kite,clouds", "ugly")),
    ],
)
async def test_syntax_is_escaped(backend, draw, prompt, negative, drawn):
    """A prompt means what it says: nothing in it becomes what is not to be drawn."""
    await draw(MODEL, prompt=prompt, asked={} if negative is None else {"negative_prompt": negative})
    assert backend.prompts == [drawn]


@pytest.mark.parametrize(("asked", "negative"), [({}, "clouds"), ({"negative_prompt": "ugly"}, "clouds, ugly")])
async def test_syntax_is_allowed_by_the_configuration(backend, asked, negative):
    """Where the configuration says so, a prompt may name what is not to be drawn, and the parameter adds to it."""
    async with provider_at(KIND, backend.url, None, prompt_syntax="allow") as draw:
        await draw(MODEL, prompt="a kite|clouds", asked=asked)
    assert backend.prompts == [("a kite", negative)]


async def test_foreign_options(backend, draw):
    """The server has no options of its own that a caller may aim at."""
    error = await failed(draw(MODEL, options={KIND: {"n": 9}}))
    assert (error.param, *facts(error)) == ("n", "unsupported", "not_sent", None)
    assert error.message == "n: is not passed on to this server; leave it out"
    assert len(backend.ledger) == 0


@pytest.mark.parametrize(
    ("step", "end"),
    [
        (Status(400, message="Bad Request"), ("invalid_request", "rejected", 400)),
        (Status(404, message="Not Found"), ("unsupported", "rejected", 404)),
        (Status(500, message="rpc error: CUDA out of memory"), ("unsupported", "failed", 500)),
        (Status(500, message="could not load model"), ("unavailable", "failed", 500)),
        (Reset(), ("unavailable", "ambiguous", None)),
    ],
    ids=["value", "path", "memory", "failed", "reset"],
)
async def test_failures(backend, draw, step, end):
    """Each failure is known for what it is, in the server's own words, and the work is not asked for twice."""
    backend.script(step)
    error = await failed(draw(MODEL))
    assert facts(error) == end
    assert isinstance(step, Reset) or error.message == step.message
    assert len(backend.ledger) == 1

"""The kind `google` over a socket, against a backend that refuses whatever Google's own would."""

import math
from dataclasses import replace

import pytest
from backends import Status
from backends.google import LIVE, PROJECT, GoogleBackend, account, check, size_of
from faults import NOBODY
from hypothesis import given, settings, strategies as st
from pictures import png

import providers
from providers.base import Answer, ErrorKind, Inline, Job, Operation, OutcomeClass, ProviderError, Upload
from providers.dialect import Shape
from router.engine.plan import plan
from router.engine.request import ImageRequest
from router.engine.route import Policy, Provider, Target
from router.images.pixels import recognise
from router.wire.conversation import converse
from router.wire.send import Wire
from router.wire.transport import TransportSettings, build_transport

ADAPTER = providers.load("google")
NEWEST = "gemini-nano-banana-2.1"
PNG, JPEG = Upload.of(png()), Upload.of(b"\xff\xd8\xff\xd9", "image/jpeg")
pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def running():
    """One backend for all tests of this file."""
    with GoogleBackend() as backend:
        yield backend


@pytest.fixture
def backend(running):
    """That backend with an empty ledger."""
    running.ledger.clear()
    return running


@pytest.fixture
async def draw(backend):
    """Serves one request at one target: its results, one for each call."""
    wires = []

    async def serve(key="k-1", options=None, **changes):
        wires.append(Wire(ADAPTER, backend.url, key, build_transport(TransportSettings())))
        jobs = planned(wires[-1], backend.url, options or {}, **changes)
        return [await converse(ADAPTER, job, wires[-1]) for job in jobs]

    yield serve
    for wire in wires:
        await wire.aclose()


def planned(send, base_url, options, model=NEWEST, operation=Operation.GENERATE, **changes):
    """The jobs of one request."""
    request = ImageRequest(id="r", operation=operation, model=model, prompt="a red kite")
    provider = Provider(name="g", kind="google", adapter=ADAPTER, send=send, options=options, base_url=base_url)
    dialect = ADAPTER.dialect(model)
    target = Target(name=f"g/{model}", provider=provider, model=model, dialect=dialect, policy=Policy())
    return [shard.job for shard in plan(replace(request, **changes), {}, target).shards]


def size(result):
    """The pixels of a result's one picture."""
    (image,) = result.images
    picture = recognise(image)
    return picture.width, picture.height


async def test_generates(backend, draw):
    """A prompt becomes the one picture that is no thought, with what it used, for a key in Google's own header."""
    (result,) = await draw()
    assert size(result) == (1024, 1024)
    used = result.usage
    assert (used.input_tokens, used.input_text_tokens, used.input_image_tokens) == (3, 3, 0)
    assert (used.output_tokens, used.output_text_tokens, used.output_image_tokens) == (1210, 90, 1120)
    assert used.total_tokens == 1213
    (record,) = backend.ledger.records
    assert record.path == f"/v1/models/{NEWEST}:generateContent"
    assert record.headers["x-goog-api-key"] == "k-1"
    assert "authorization" not in record.headers


async def test_edits_with_several_pictures(backend, draw):
    """Every picture to go by is sent inline, after the words, as what it is."""
    (result,) = await draw(model="gemini-3-pro-image", operation=Operation.EDIT, images=(PNG, JPEG))
    assert result.usage.input_image_tokens == 2 * 258
    (record,) = backend.ledger.records
    words, *pictures = record.fields["contents"][0]["parts"]
    assert words == {"text": "a red kite"}
    assert [part["inlineData"]["mimeType"] for part in pictures] == ["image/png", "image/jpeg"]


@pytest.mark.parametrize(
    ("model", "asked", "drawn"),
    [
        (NEWEST, (1792, 1024), (1376, 768)),
        (NEWEST, (3840, 2160), (5504, 3072)),
        ("gemini-3.1-flash-image", (512, 512), (512, 512)),
        ("gemini-2.5-flash-image", (1536, 1024), (1248, 832)),
    ],
)
async def test_sizes(backend, draw, model, asked, drawn):
    """A size becomes the nearest ratio, and where there are tiers, the one with about as many pixels."""
    (result,) = await draw(model=model, asked={"shape": Shape(*asked)})
    assert size(result) == drawn


async def test_several_pictures_are_several_calls(backend, draw):
    """Google draws one picture a call; each has a seed of its own."""
    results = await draw(model="gemini-3-pro-image", n=3, asked={"seed": 7, "moderation": "low"})
    assert [size(result) for result in results] == [(1024, 1024)] * 3
    assert [record.fields["generationConfig"]["seed"] for record in backend.ledger.records] == [7, 8, 9]
    assert backend.ledger.pictures == 3


@pytest.mark.parametrize(
    ("prompt", "kind", "outcome", "code"),
    [
        ("a forbidden kite", ErrorKind.CONTENT_POLICY, OutcomeClass.FAILED, "PROHIBITED_CONTENT"),
        ("a shy kite", ErrorKind.CONTENT_POLICY, OutcomeClass.AMBIGUOUS, "IMAGE_SAFETY"),
        ("a dream of a kite", ErrorKind.BAD_RESPONSE, OutcomeClass.AMBIGUOUS, None),
    ],
)
async def test_no_picture_within_a_success(backend, draw, prompt, kind, outcome, code):
    """A 200 without a picture is an error: refused, held back, or only thought about."""
    with pytest.raises(ProviderError) as caught:
        await draw(prompt=prompt)
    error = caught.value
    assert (error.kind, error.outcome, error.code) == (kind, outcome, code)
    assert len(backend.ledger) == 1


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"key": "bad-key"}, ErrorKind.AUTHENTICATION),
        ({"model": "imagen-4.0-generate-001"}, ErrorKind.UNSUPPORTED),
        ({"options": {"project": PROJECT}}, ErrorKind.AUTHENTICATION),
    ],
)
async def test_refused(backend, draw, changes, kind):
    """A bad key, a model that is gone, and a plain key where a project wants a token: none of them the caller's."""
    with pytest.raises(ProviderError) as caught:
        await draw(**changes)
    assert (caught.value.kind, caught.value.outcome) == (kind, OutcomeClass.REJECTED)
    assert backend.ledger.billed == []


async def test_a_service_account_on_vertex_ai(backend, draw):
    """A service account's token is fetched before the first call, kept for the next, and sent to its project alone."""
    vertex = {"key": backend.service_account, "options": {"project": PROJECT}}
    issued = len(backend.issued)
    results = await draw(n=2, **vertex)
    assert [size(result) for result in results] == [(1024, 1024)] * 2
    assert len(backend.issued) == issued + 1
    assert {record.headers["authorization"] for record in backend.ledger.records} == {f"Bearer {backend.issued[-1]}"}
    assert all("x-goog-api-key" not in record.headers for record in backend.ledger.records)


async def test_no_token_no_call(backend, draw):
    """Where no token can be had, the call was not sent, and nothing can have been billed."""
    with pytest.raises(ProviderError, match="could not be exchanged") as caught:
        await draw(key=account(NOBODY), options={"project": PROJECT})
    assert (caught.value.kind, caught.value.outcome) == (ErrorKind.UNAVAILABLE, OutcomeClass.NOT_SENT)
    assert len(backend.ledger) == 0


async def test_overloaded(backend, draw):
    """An overloaded model did no work, and the call was made once."""
    backend.script(Status(503, "UNAVAILABLE"))
    with pytest.raises(ProviderError) as caught:
        await draw()
    assert (caught.value.kind, caught.value.outcome) == (ErrorKind.UNAVAILABLE, OutcomeClass.REJECTED)
    assert len(backend.ledger) == 1


def test_waits_as_long_as_the_details_say():
    """Google says how long to wait in its error's details, and in no header."""
    asked = {"57.23s": 57.23, "7s": 7.0, "soon": None, "-1s": None, "1e9s": None}
    for delay, seconds in asked.items():
        body = f'{{"error":{{"status":"RESOURCE_EXHAUSTED","details":[{{"retryDelay":"{delay}"}}]}}}}'
        assert ADAPTER.error(Answer(429, {}, body.encode())).retry_after == seconds


sides = st.integers(16, 8192)


@settings(max_examples=200, deadline=None, database=None, derandomize=True)
@given(
    model=st.sampled_from(sorted(LIVE)),
    shape=st.builds(Shape, sides, sides) | st.floats(0.05, 20).map(lambda aspect: Shape(aspect=aspect)),
    seed=st.integers(0, 1 << 40),
)
def test_whatever_is_asked_what_is_sent_is_legal(model, shape, seed):
    """Any size, ratio and seed become what the model takes, and no ratio that it draws is nearer."""
    asked = {"shape": shape, "seed": seed, "moderation": "low"}
    (job,) = planned(None, ADAPTER.base_url, {}, model, asked=asked)
    fields = next(ADAPTER.generate(job)).json
    assert check(fields, LIVE[model]) == 0
    drawn = [size_of({"aspectRatio": ratio}, LIVE[model]) for ratio in LIVE[model].ratios]
    width, height = size_of(fields["generationConfig"]["imageConfig"] | {"imageSize": "1K"}, LIVE[model])
    nearest = min(abs(math.log(w / h / shape.ratio)) for w, h in drawn)
    assert abs(math.log(width / height / shape.ratio)) <= nearest + 0.05


def test_every_size_that_a_model_draws_is_exact():
    """The sizes of the tables, in every tier, are sent without a word."""
    for model, rules in LIVE.items():
        rule = ADAPTER.dialect(model).params["shape"]
        for ratio in rules.ratios:
            for tier in rules.tiers or {"1K"}:
                fit = rule(Shape(*size_of({"aspectRatio": ratio, "imageSize": tier}, rules)))
                assert (fit.fields["aspectRatio"], fit.reason) == (ratio, None)
                assert fit.fields.get("imageSize", "1K") == tier


def test_fields_aimed_at_google_join_ours():
    """What a caller aims at this kind is put beside what we say, at whatever depth, but never over the prompt."""
    canvas = {"personGeneration": "ALLOW_ADULT", "aspectRatio": "1:1"}
    extras = {"generationConfig": {"imageConfig": canvas}, "labels": {"team": "a"}, "contents": []}
    job = Job(
        id="j",
        operation=Operation.EDIT,
        model=NEWEST,
        prompt="a red kite",
        params={"aspectRatio": "16:9", "imageSize": "2K"},
        images=(PNG,),
        extras=extras,
    )
    fields = next(ADAPTER.generate(job)).json
    assert fields["generationConfig"] == {
        "responseModalities": ["IMAGE"],
        "imageConfig": {"aspectRatio": "1:1", "imageSize": "2K", "personGeneration": "ALLOW_ADULT"},
    }
    assert fields["labels"] == {"team": "a"}
    assert fields["contents"][0]["parts"][1]["inlineData"]["data"] == Inline(PNG)


def test_a_model_name_cannot_leave_its_place():
    """Whatever a model is called, it is one step of the path, and a picture of no known kind is said to be none."""
    odd = Upload.of(b"?", None)
    job = Job(id="j", operation=Operation.EDIT, model="../x?y", prompt="p", images=(odd,))
    call = next(ADAPTER.generate(job))
    assert call.path == "/models/..%2Fx%3Fy:generateContent"
    assert call.json["contents"][0]["parts"][1]["inlineData"]["mimeType"] == "application/octet-stream"

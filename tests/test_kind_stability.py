"""Stability AI over a real socket, against a backend that refuses what the real one would."""

import asyncio

import pytest
from backends import Reset, Status
from backends.stability import RATIOS, StabilityBackend, white
from driving import provider_at, seen
from pictures import png

from providers.base import ErrorKind, Operation, OutcomeClass, ProviderError, Upload
from providers.dialect import Shape

pytestmark = pytest.mark.anyio
EDIT = Operation.EDIT
PICTURE = Upload.of(png(96, 64), width=96, height=64)
MASK = Upload.of(png(96, 64, alpha=True), width=96, height=64)
RELIGHT = "replace-background-and-relight"
EDITORS = {
    "outpaint": {"left": "200"},
    "search-and-replace": {"search_prompt": "the boat"},
    "search-and-recolor": {"select_prompt": "the boat"},
    "remove-background": {},
    "sketch": {"control_strength": 0.5},
    "structure": {},
}
DRAWERS = ("stable-image-ultra", "stable-image-core", "sd3.5-large", "sd3.5-large-turbo", "sd3.5-medium")


@pytest.fixture(scope="module")
def running():
    """One backend for all tests of this file."""
    with StabilityBackend() as backend:
        yield backend


@pytest.fixture
def backend(running):
    """That backend with an empty ledger."""
    running.ledger.clear()
    running.polls.clear()
    running.polled = 0
    return running


@pytest.fixture
async def draw(backend):
    """Serves one request there."""
    async with provider_at("stability", backend.url, "sk-good") as serve:
        yield serve


@pytest.fixture
def no_pauses(monkeypatch):
    """Pauses end at once."""
    real = asyncio.sleep
    monkeypatch.setattr(asyncio, "sleep", lambda _: real(0))


async def failed(work):
    """The error in which a request ends."""
    with pytest.raises(ProviderError) as raised:
        await work
    error = raised.value
    return error.kind, error.outcome, error.code


@pytest.mark.parametrize("model", DRAWERS)
async def test_draws(backend, draw, model):
    """Every drawing model takes all that its table names, with the key as a bearer's, and makes one picture."""
    asked = {"shape": Shape(1536, 1024), "seed": 7, "negative_prompt": "people", "guidance": 4, "style": "anime"}
    result = await draw(model, asked={**asked, "output_format": "jpeg", "user": "u-1"})
    assert seen(result) == ("image/jpeg", 1216, 832)
    (record,) = backend.ledger.records
    assert record.headers["authorization"] == "Bearer sk-good"
    assert record.headers["stability-client-user-id"].startswith("a24a7f55")
    assert record.fields.get("model", model) == model


@pytest.mark.parametrize("ratio", RATIOS)
async def test_ratios(draw, ratio):
    """Each of the nine ratios is reached by asking for it."""
    width, height = map(int, RATIOS[ratio].split("x"))
    across, down = map(int, ratio.split(":"))
    result = await draw("stable-image-core", asked={"shape": Shape(aspect=across / down)})
    assert seen(result) == ("image/png", width, height)


@pytest.mark.parametrize("model", ["stable-image-ultra", "sd3.5-large", "sd3.5-large-turbo"])
async def test_redraws(backend, draw, model):
    """An edit without a mask is drawn from its picture, in its picture's shape."""
    result = await draw(model, operation=EDIT, images=(PICTURE,), asked={"shape": Shape(1024, 1024)})
    assert seen(result) == ("image/png", 96, 64)
    (record,) = backend.ledger.records
    assert record.fields["strength"] == "0.65"


async def test_mask_is_white_where_the_picture_changes(backend, draw):
    """What is transparent in a caller's mask is white in the one that is sent, and nothing else is."""
    await draw("inpaint", operation=EDIT, images=(PICTURE,), mask=MASK)
    assert white(backend.masks.pop()) == ([True] * 48 + [False] * 48) * 64
    (record,) = backend.ledger.records
    assert record.fields["grow_mask"] == "0"
    assert [name for name, _, _ in record.files] == ["image", "mask"]


async def test_erases_without_a_word(backend, draw):
    """The eraser has no prompt, and is sent none."""
    await draw("erase", operation=EDIT, images=(PICTURE,), mask=MASK)
    (record,) = backend.ledger.records
    assert set(record.fields) == {"grow_mask"}


@pytest.mark.parametrize("model", EDITORS)
async def test_editors(draw, model):
    """Every editing service can be reached, with the words of its own as the caller spells them."""
    result = await draw(model, operation=EDIT, images=(PICTURE,), extras=EDITORS[model])
    assert seen(result) == ("image/png", 96, 64)


async def test_style_has_a_shape_of_its_own(draw):
    """The one editing service that takes a ratio is sent it."""
    result = await draw("style", operation=EDIT, images=(PICTURE,), asked={"shape": Shape(1536, 1024)})
    assert seen(result) == ("image/png", 1216, 832)


async def test_needed_word_is_missed_by_the_backend(backend, draw):
    """What only one service needs is not checked here: its own refusal is the caller's fault, and free."""
    end = await failed(draw("search-and-replace", operation=EDIT, images=(PICTURE,)))
    assert end == (ErrorKind.INVALID_REQUEST, OutcomeClass.REJECTED, "bad_request")
    assert backend.ledger.billed == []


async def test_waits_for_a_job(backend, draw, no_pauses):
    """A job is asked for until it is done, and submitted once."""
    backend.polls.extend([202, 202])
    result = await draw(RELIGHT, operation=EDIT, images=(PICTURE,))
    assert seen(result) == ("image/png", 1024, 1024)
    assert (backend.polled, len(backend.ledger)) == (3, 1)


async def test_hiccups_while_waiting(backend, draw, no_pauses):
    """Polls that fail in passing are asked again; the job stays submitted once."""
    backend.polls.extend([503, 202, 500, 429, 202])
    result = await draw(RELIGHT, operation=EDIT, images=(PICTURE,))
    assert seen(result) == ("image/png", 1024, 1024)
    assert (backend.polled, len(backend.ledger)) == (6, 1)


@pytest.mark.parametrize("polls", [[202, 404], [500] * 6], ids=["gone", "failing"])
async def test_failed_job(backend, draw, no_pauses, polls):
    """A job that fails was submitted once, and may have been billed."""
    backend.polls.extend(polls)
    end = await failed(draw(RELIGHT, operation=EDIT, images=(PICTURE,)))
    assert end[1] is OutcomeClass.AMBIGUOUS
    assert len(backend.ledger) == 1


@pytest.mark.parametrize(
    ("prompt", "end"),
    [
        ("a forbidden thing", (ErrorKind.CONTENT_POLICY, OutcomeClass.REJECTED, "content_moderation")),
        ("a blur", (ErrorKind.CONTENT_POLICY, OutcomeClass.AMBIGUOUS, "CONTENT_FILTERED")),
        ("x" * 10_001, (ErrorKind.INVALID_REQUEST, OutcomeClass.REJECTED, "bad_request")),
    ],
    ids=["refused", "blurred", "too-long"],
)
async def test_refusals(draw, prompt, end):
    """A refused prompt is told from a blurred picture, and both from a mistake."""
    assert await failed(draw("stable-image-core", prompt=prompt)) == end


async def test_bad_key(backend):
    """A bad key is known for what it is, and costs nothing."""
    async with provider_at("stability", backend.url, "bad-key") as draw:
        end = await failed(draw("stable-image-core"))
    assert end == (ErrorKind.AUTHENTICATION, OutcomeClass.REJECTED, "unauthorized")
    assert backend.ledger.billed == []


@pytest.mark.parametrize(
    ("step", "end"),
    [
        (Status(429, "rate_limit_exceeded"), (ErrorKind.RATE_LIMITED, OutcomeClass.REJECTED, "rate_limit_exceeded")),
        (Status(402, "payment_required"), (ErrorKind.QUOTA, OutcomeClass.REJECTED, "payment_required")),
        (Status(500, "internal_error"), (ErrorKind.UNAVAILABLE, OutcomeClass.FAILED, "internal_error")),
        (Reset(), (ErrorKind.UNAVAILABLE, OutcomeClass.AMBIGUOUS, None)),
    ],
    ids=["429", "402", "500", "reset"],
)
async def test_failures(backend, draw, step, end):
    """Each failure of the backend is known by its code, and by what it means for the bill."""
    backend.script(step)
    assert await failed(draw("stable-image-core")) == end

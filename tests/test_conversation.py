"""One conversation: calls and answers in turn, and every way it can end is a result or a ProviderError."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given, strategies as st

from providers.base import (
    Adapter,
    Answer,
    Call,
    ErrorKind,
    Image,
    ImageResult,
    Job,
    Operation,
    OutcomeClass,
    Phase,
    ProviderError,
    bad_response,
    json_error,
    submit,
)
from router.wire import conversation
from router.wire.conversation import converse
from router.wire.retry_after import retry_after

pytestmark = pytest.mark.anyio

JOB = Job(id="job", operation=Operation.GENERATE, model="m", prompt="a hill")
POLL = Call(phase=Phase.FETCH, method="GET", path="/poll")
RESULT = ImageResult(images=(Image(url="https://host/a.png"),))
FINE = Answer(200, {}, b"{}")


@pytest.fixture
def anyio_backend():
    """Asyncio alone: no call here leaves the process."""
    return "asyncio"


def patient(job):
    """Submits, polls, and is done."""
    yield submit("/start", json={"prompt": job.prompt})
    yield POLL
    return RESULT


def adapter(generate=patient, error=None):
    """An adapter that talks like this."""
    return Adapter(dialects={}, generate=generate, error=error or json_error(message=("message",)))


def sending(*answers):
    """A `Send` that gives these answers in turn, and the paths it was called with."""
    paths, left = [], list(answers)

    async def send(call):
        paths.append(call.path)
        answer = left.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    return send, paths


async def ended(talk, *answers):
    """The error a conversation ends in."""
    send, _ = sending(*answers)
    with pytest.raises(ProviderError) as raised:
        await converse(talk, JOB, send)
    return raised.value


async def test_to_its_end():
    """Each call is sent in turn, and the result comes back."""
    send, paths = sending(FINE, FINE)
    assert await converse(adapter(), JOB, send) is RESULT
    assert paths == ["/start", "/poll"]


@pytest.mark.parametrize("status", [199, 302, 400, 429, 500, 599])
async def test_failing_answer(status):
    """A failing answer never reaches the generator: it becomes the adapter's error, with what the headers ask."""
    error = await ended(adapter(), Answer(status, {"retry-after": "2"}, b'{"message": "no"}'))
    assert (error.message, error.status, error.retry_after) == ("no", status, 2)


async def test_adapters_own_patience_counts():
    """What the adapter read from the body outranks the headers."""
    own = ProviderError(ErrorKind.RATE_LIMITED, "wait", outcome=OutcomeClass.REJECTED, retry_after=9, status=430)
    error = await ended(adapter(error=lambda _: own), Answer(429, {"retry-after": "2"}, b""))
    assert (error.retry_after, error.status) == (9, 430)


@pytest.mark.parametrize(
    "second",
    [
        Answer(503, {}, b"{}"),
        Answer(500, {}, b"{}"),
        Answer(404, {}, b"{}"),
        ProviderError(ErrorKind.UNAVAILABLE, "refused", outcome=OutcomeClass.NOT_SENT),
    ],
)
async def test_paid_work_stays_paid(second, monkeypatch):
    """Once the backend took the work, no failure of a later call says that it was free."""
    monkeypatch.setattr(conversation, "_BACKOFF", 0)
    assert (await ended(adapter(), FINE, *[second] * 6)).outcome is OutcomeClass.AMBIGUOUS


async def test_what_is_free_is_asked_again_and_the_paid_work_never(monkeypatch):
    """A poll that fails in passing is repeated; a submit that fails is not, whatever it says."""
    monkeypatch.setattr(conversation, "_BACKOFF", 0)
    hiccup = ProviderError(ErrorKind.UNAVAILABLE, "reset", outcome=OutcomeClass.AMBIGUOUS)
    send, paths = sending(FINE, hiccup, Answer(503, {}, b"{}"), FINE)
    await converse(adapter(), JOB, send)
    assert paths == ["/start", "/poll", "/poll", "/poll"]
    send, paths = sending(hiccup)
    with pytest.raises(ProviderError):
        await converse(adapter(), JOB, send)
    assert paths == ["/start"]


async def test_free_before_the_work():
    """Before the paid work a failure is what it is."""

    def prepare(_):
        yield POLL
        yield submit("/start")

    error = await ended(adapter(prepare), FINE, Answer(429, {}, b"{}"))
    assert error.outcome is OutcomeClass.REJECTED


async def test_what_cannot_be_read_before_the_work_cost_nothing():
    """An odd answer to what prepares the paid work leaves that unsent."""

    def prepare(_):
        yield POLL
        raise bad_response("no ticket")

    assert (await ended(adapter(prepare), FINE)).outcome is OutcomeClass.NOT_SENT


async def test_adapters_verdict_passes():
    """An error that the adapter raises passes through as it is: a failed job stays failed."""
    own = ProviderError(ErrorKind.CONTENT_POLICY, "refused", outcome=OutcomeClass.FAILED)

    def failing(_):
        yield submit("/start")
        raise own

    error = await ended(adapter(failing), FINE)
    assert error is own
    assert (error.status, error.outcome) == (None, OutcomeClass.FAILED)


def forgetful(_):
    """Has no result."""
    yield submit("/start")


def careless(_):
    """Reads what is not there."""
    answer = yield submit("/start")
    return {}[answer.status]


def wrong_type(_):
    """Reads another type."""
    answer = yield submit("/start")
    return answer.body + 1


def stopping(_):
    """Lets an exhausted iterator escape."""
    yield submit("/start")
    return next(iter(()))


@pytest.mark.parametrize("generate", [forgetful, careless, wrong_type, stopping])
async def test_mistake_in_reading(generate):
    """An adapter's mistake over an answer is a `bad_response` that may have been billed."""
    error = await ended(adapter(generate), FINE)
    assert (error.kind, error.outcome, error.status) == (ErrorKind.BAD_RESPONSE, OutcomeClass.AMBIGUOUS, None)
    assert isinstance(error.__cause__, Exception) or generate is forgetful


def unwritten(_):
    """Fails before its first call."""
    yield submit({}["path"])


@pytest.mark.parametrize("generate", [unwritten, lambda job: job.nothing])
async def test_mistake_in_writing(generate):
    """An adapter's mistake before its first call costs nothing."""
    error = await ended(adapter(generate))
    assert (error.kind, error.outcome) == (ErrorKind.BAD_RESPONSE, OutcomeClass.NOT_SENT)


async def test_mistake_in_reading_an_error():
    """An adapter's mistake over a failing answer does not hide the status."""
    error = await ended(adapter(error=lambda answer: {}[answer]), Answer(401, {}, b""))
    assert (error.kind, error.outcome, error.status) == (ErrorKind.AUTHENTICATION, OutcomeClass.REJECTED, 401)


@pytest.mark.parametrize("broken", [False, True])
async def test_generator_is_closed(broken):
    """The generator is closed however the conversation ends, even one that fails at its end."""
    closed = []

    def tidy(_):
        try:
            yield submit("/start")
        finally:
            closed.append(True)
            if broken:
                raise KeyError

    error = await ended(adapter(tidy), Answer(429, {}, b"{}"))
    assert (error.kind, closed) == (ErrorKind.RATE_LIMITED, [True])


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "5"}, 5),
        ({"retry-after": "0"}, 0),
        ({"retry-after": " 1.5 "}, 1.5),
        ({"retry-after": "86400"}, 86400),
        ({"retry-after": "86401"}, None),
        ({"retry-after": "1e9"}, None),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "1_0"}, None),
        ({"retry-after": "\u0665"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": ""}, None),
        ({}, None),
        ({"retry-after-ms": "250"}, 0.25),
        ({"x-ms-retry-after-ms": "1500"}, 1.5),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after-ms": "-1", "x-ms-retry-after-ms": "junk", "retry-after": "9"}, 9),
        ({"retry-after": "Fri, 20 Nov 2026 10:00:30 GMT", "date": "Fri, 20 Nov 2026 10:00:00 GMT"}, 30),
        ({"retry-after": "Fri, 20 Nov 2026 12:00:30 +0200", "date": "Fri, 20 Nov 2026 10:00:00 -0000"}, 30),
        ({"retry-after": "Fri, 20 Nov 2026 09:59:30 GMT", "date": "Fri, 20 Nov 2026 10:00:00 GMT"}, None),
        ({"retry-after": "Fri, 99 Nov 2026 10:00:30 GMT", "date": "Fri, 20 Nov 2026 10:00:00 GMT"}, None),
        ({"retry-after": "Fri, 20 Nov 2099 10:00:30 GMT", "date": "Fri, 20 Nov 2026 10:00:00 GMT"}, None),
    ],
)
def test_retry_after(headers, seconds):
    """Every sensible form is read, in order; a date by the answer's own clock; everything else is nothing."""
    assert retry_after(headers) == seconds


def test_retry_after_without_a_date():
    """A date in an answer that does not tell its own is measured by our clock."""
    seconds = retry_after({"retry-after": format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)})
    assert seconds is not None
    assert 50 < seconds <= 60


@given(st.text(), st.text())
def test_retry_after_of_anything(text, date):
    """Whatever the headers hold, there is a sensible number or nothing."""
    seconds = retry_after({"retry-after": text, "date": date, "retry-after-ms": text})
    assert seconds is None or 0 <= seconds <= 86_400

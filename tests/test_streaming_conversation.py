"""Conversations with backends that stream: early looks as they come, one result or one error at the end."""

import asyncio
import io
from base64 import b64decode
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from backends import (
    AzureBackend,
    OpenAIBackend,
    Raw,
    Reset,
    Status,
    StreamCut,
    StreamError,
    StreamHang,
    StreamHold,
)
from backends.drawing import picture
from PIL import Image as Pillow
from sketching import photo, upload

import providers
from providers.base import (
    Adapter,
    Answer,
    ErrorKind,
    Image,
    ImageResult,
    Job,
    Operation,
    OutcomeClass,
    Partial,
    ProviderError,
    Stream,
    Upload,
    Usage,
    submit,
)
from router.wire.answers import events_of
from router.wire.conversation import converse_stream
from router.wire.send import LocalSend, Wire
from router.wire.transport import TransportSettings, build_transport

pytestmark = pytest.mark.anyio

JOB = Job(id="job", operation=Operation.GENERATE, model="gpt-image-2", prompt="a red kite", params={"size": "1024x640"})
EDIT = replace(
    JOB, operation=Operation.EDIT, params={}, images=(Upload.of(b64decode(picture("64x64", "png")), "image/png"),)
)
RESULT = ImageResult(images=(Image(url="https://host/a.png"),))


@pytest.fixture(scope="module")
def running():
    """One backend for all tests of this file."""
    with OpenAIBackend() as backend:
        yield backend


@pytest.fixture
def openai(running):
    """That backend with an empty ledger."""
    running.ledger.clear()
    return running


@asynccontextmanager
async def wire_to(url, kind="openai"):
    """The way to a scripted backend."""
    wire = Wire(providers.load(kind), url, "key", build_transport(TransportSettings()))
    yield wire
    await wire.aclose()


async def streamed(send, job=JOB, partials=0, kind="openai"):
    """The result of a conversation, and its early looks."""
    seen = []

    async def see(partial):
        seen.append(partial)

    adapter = kind if isinstance(kind, Adapter) else providers.load(kind)
    return await converse_stream(adapter, job, partials, send, see), seen


async def failing(send, **how):
    """The error that a conversation ends in."""
    with pytest.raises(ProviderError) as raised:
        await streamed(send, **how)
    return raised.value


def pixels(image):
    """A picture's size and bytes, decoded."""
    with Pillow.open(io.BytesIO(b64decode(image.b64))) as opened:
        return opened.size, opened.tobytes()


@pytest.mark.parametrize("job", [JOB, EDIT], ids=["generate", "edit"])
@pytest.mark.parametrize("partials", [0, 1, 3])
async def test_openai(openai, job, partials):
    """As many early looks as asked, then a true picture with what it used; one call, once on the bill."""
    async with wire_to(openai.url) as wire:
        result, seen = await streamed(wire, job, partials)
    assert [partial.index for partial in seen] == list(range(partials))
    pictures = [pixels(image) for image in (*(partial.image for partial in seen), *result.images)]
    assert {size for size, _ in pictures} == {(1024, 640) if job is JOB else (1024, 1024)}
    assert len({data for _, data in pictures}) == partials + 1
    assert (result.usage.output_tokens, result.facts) == (210, {"quality": "medium", "background": "opaque"})
    assert (openai.ledger.pictures, openai.ledger.records[0].fields["stream"]) == (1, True)


@pytest.mark.parametrize("root", ["url", "v1_url"])
@pytest.mark.parametrize("partials", [0, 2])
async def test_azure(root, partials):
    """Azure is asked under its own addresses, and never for no early looks."""
    with AzureBackend() as backend:
        url = getattr(backend, root)
        job = replace(EDIT, model="img-prod", base_url=url)
        async with wire_to(url, "azure") as wire:
            result, seen = await streamed(wire, job, partials, "azure")
    assert (len(result.images), len(seen)) == (1, partials)


@pytest.mark.parametrize("operation", list(Operation))
@pytest.mark.parametrize("form", ["png", "jpeg", "webp"])
async def test_sketch(operation, form):
    """The backend inside the process shows its picture ever sharper, the same way every time."""
    adapter = providers.load("sketch")
    images = () if operation is Operation.GENERATE else (upload(photo()),)
    params = {"size": "160x96", "output_format": form}
    job = replace(JOB, operation=operation, model="sketch", params=params, images=images)
    result, seen = await streamed(LocalSend(adapter), job, 3, adapter)
    assert [partial.index for partial in seen] == [0, 1, 2]
    pictures = [pixels(image) for image in (*(partial.image for partial in seen), *result.images)]
    assert {size for size, _ in pictures} == {(160, 96)}
    off = [sum(abs(a - b) for a, b in zip(data, pictures[-1][1], strict=True)) for _, data in pictures]
    assert off == sorted(off, reverse=True)
    assert off[-2] > 0
    assert await streamed(LocalSend(adapter), job, 3, adapter) == (result, seen)


async def test_early_looks_come_early(openai):
    """An early look is handed on while the backend still draws."""
    hold, seen = StreamHold(after=1), asyncio.Event()
    openai.script(hold)

    async def see(_):
        seen.set()

    async with wire_to(openai.url) as wire:
        task = asyncio.create_task(converse_stream(providers.load("openai"), JOB, 2, wire, see))
        await asyncio.wait_for(seen.wait(), 10)
        assert not task.done()
        hold.release()
        assert len((await task).images) == 1


@pytest.mark.parametrize(
    ("step", "kind", "outcome", "status"),
    [
        (Status(429, "rate_limit_exceeded"), ErrorKind.RATE_LIMITED, OutcomeClass.REJECTED, 429),
        (Status(400, "moderation_blocked"), ErrorKind.CONTENT_POLICY, OutcomeClass.REJECTED, 400),
        (Raw(200, b"<html>"), ErrorKind.BAD_RESPONSE, OutcomeClass.AMBIGUOUS, None),
        (Raw(200, b"", {"content-type": "text/event-stream"}), ErrorKind.BAD_RESPONSE, OutcomeClass.AMBIGUOUS, None),
        (Reset(), ErrorKind.UNAVAILABLE, OutcomeClass.AMBIGUOUS, None),
        (StreamError(), ErrorKind.UNAVAILABLE, OutcomeClass.FAILED, None),
        (StreamError(after=1), ErrorKind.UNAVAILABLE, OutcomeClass.FAILED, None),
        (StreamError(code="moderation_blocked"), ErrorKind.CONTENT_POLICY, OutcomeClass.FAILED, None),
        (StreamError(code="invalid_value", type="image_generation_user_error"), "invalid_request", "failed", None),
        (StreamError(code=None, type=None), ErrorKind.UNAVAILABLE, OutcomeClass.AMBIGUOUS, None),
        (StreamCut(), ErrorKind.UNAVAILABLE, OutcomeClass.AMBIGUOUS, None),
        (StreamCut(after=1), ErrorKind.UNAVAILABLE, OutcomeClass.AMBIGUOUS, None),
    ],
)
async def test_failures(openai, step, kind, outcome, status):
    """Each way a stream fails has its kind and its meaning for the bill, before and after the first event."""
    openai.script(step)
    async with wire_to(openai.url) as wire:
        error = await failing(wire, partials=1)
    assert (error.kind, error.outcome, error.status) == (kind, outcome, status)


async def test_client_gone(openai):
    """A conversation that is cancelled ends the backend's stream at once."""
    hang, seen = StreamHang(after=1), asyncio.Event()
    openai.script(hang)

    async def see(_):
        seen.set()

    async with wire_to(openai.url) as wire:
        task = asyncio.create_task(converse_stream(providers.load("openai"), JOB, 2, wire, see))
        await asyncio.wait_for(seen.wait(), 10)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await asyncio.to_thread(hang.left.wait, 5)


async def test_failing_listener(openai):
    """What the listener raises passes as it is, and ends the backend's stream."""
    hang = StreamHang(after=1)
    openai.script(hang)

    async def gone(_):
        raise ConnectionError

    async with wire_to(openai.url) as wire:
        with pytest.raises(ConnectionError):
            await converse_stream(providers.load("openai"), JOB, 2, wire, gone)
        assert await asyncio.to_thread(hang.left.wait, 5)


@pytest.mark.parametrize("step", [StreamHang(after=2), StreamCut(after=2), StreamError(after=2)])
async def test_a_finished_picture_stays(openai, step):
    """What goes wrong after the picture is whole takes it from nobody, and is not waited for."""
    openai.script(step)
    async with wire_to(openai.url) as wire:
        result, seen = await streamed(wire, partials=1)
    assert (len(result.images), len(seen)) == (1, 1)


async def test_backend_that_ignores_the_wish(openai):
    """An answer without events, from a backend that knows none, is as good."""
    openai.script(Raw(200, b'{"created": 5, "data": [{"b64_json": "iVBORw0KGgo="}]}'))
    async with wire_to(openai.url) as wire:
        result, seen = await streamed(wire, partials=2)
    assert (bytes(result.images[0].b64), result.created, seen) == (b"iVBORw0KGgo=", 5, [])


@pytest.mark.parametrize(
    ("backend", "fields", "param"),
    [
        (OpenAIBackend, {"partial_images": 4}, "partial_images"),
        (OpenAIBackend, {"stream": "yes"}, "stream"),
        (AzureBackend, {"partial_images": 0}, "partial_images"),
    ],
)
async def test_scripted_backends_are_strict(backend, fields, param):
    """A scripted backend refuses a stream that the real one would refuse."""
    kind = "azure" if backend is AzureBackend else "openai"
    with backend() as running:
        job = replace(JOB, params={"stream": True, **fields}, base_url=running.url)
        async with wire_to(running.url, kind) as wire:
            (call,) = list(_first(providers.load(kind).generate(job)))
            answer = await wire(call)
    assert (answer.status, providers.load(kind).error(answer).param) == (400, param)


def _first(flow):
    yield next(flow)
    flow.close()


def adapter(event=lambda *_: RESULT, request=lambda *_: submit("/start"), generate=None):
    """An adapter that streams like this."""
    return Adapter(dialects={}, generate=generate, error=None, stream=Stream(request=request, event=event))


class Telling:
    """A `Send` that gives one stream, or one answer."""

    def __init__(self, *, events=b"data: 1\n\n", answer=None):
        self._got = answer or Answer(200, {}, events)
        self._plain = answer is not None

    @asynccontextmanager
    async def stream(self, _):
        """The one stream."""
        yield self._got if self._plain else events_of(self._got)


async def test_several_pictures():
    """Pictures of one stream are one result: usage is summed, and known where one of them knows."""
    priced = replace(RESULT, usage=Usage(output_tokens=3, cost=0.5), facts={"quality": "low"})
    made = iter(
        [RESULT, None, replace(RESULT, usage=Usage(output_tokens=2)), Partial(image=RESULT.images[0]), priced],
    )
    send = Telling(events=b"data: 1\n\n" * 9)
    result, seen = await streamed(send, replace(JOB, n=3), 0, adapter(lambda *_: next(made)))
    assert (len(result.images), len(seen), result.usage) == (3, 1, Usage(output_tokens=5, cost=0.5))
    assert result.facts == {"quality": "low"}


async def test_some_of_several_pictures():
    """Of a stream that ends or fails early, what was finished is the result."""
    made = iter([RESULT, RESULT, ProviderError(ErrorKind.TIMEOUT, "late", outcome=OutcomeClass.FAILED)])

    def event(*_):
        said = next(made)
        if isinstance(said, Exception):
            raise said
        return said

    result, _ = await streamed(Telling(events=b"data: 1\n\n" * 3), replace(JOB, n=3), 0, adapter(event))
    assert len(result.images) == 2


@pytest.mark.parametrize(
    ("talk", "kind", "outcome"),
    [
        (adapter(request=lambda job, _: job.nothing), ErrorKind.BAD_RESPONSE, OutcomeClass.NOT_SENT),
        (replace(adapter(), stream=None), ErrorKind.BAD_RESPONSE, OutcomeClass.NOT_SENT),
        (adapter(lambda name, _: {}[name]), ErrorKind.BAD_RESPONSE, OutcomeClass.AMBIGUOUS),
        (adapter(lambda *_: None), ErrorKind.BAD_RESPONSE, OutcomeClass.AMBIGUOUS),
    ],
)
async def test_mistakes(talk, kind, outcome):
    """An adapter's mistake is a ProviderError: free before the call, and after it perhaps not."""
    error = await failing(Telling(), kind=talk)
    assert (error.kind, error.outcome) == (kind, outcome)


async def test_mistake_after_an_answer():
    """An adapter that cannot even begin to read an answer does not make the call unsent."""
    talk = adapter(generate=lambda job: job.nothing)
    assert (await failing(Telling(answer=Answer(200, {}, b"{}")), kind=talk)).outcome is OutcomeClass.AMBIGUOUS


async def test_prompt_is_not_repeated():
    """A refusal in a stream that quotes the prompt does so no more."""

    def refuse(*_):
        raise ProviderError(ErrorKind.CONTENT_POLICY, "no a red kite here", outcome=OutcomeClass.FAILED)

    assert (await failing(Telling(), kind=adapter(refuse))).message == "no [prompt] here"

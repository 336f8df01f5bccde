"""Drives one adapter's conversation: each call over the wire, each answer back, to a result or a ProviderError."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Protocol

from providers.base import (
    Adapter,
    Answer,
    Call,
    ErrorKind,
    Flow,
    ImageResult,
    Job,
    OutcomeClass,
    Partial,
    Phase,
    ProviderError,
    Stream,
    bad_response,
    by_status,
)
from router import usage
from router.tracing import names, spans
from router.wire.retry_after import retry_after
from router.wire.send import Send
from router.wire.sse import Event
from router.wire.waiting import polls, waiting

_TELLING = 4  # characters; a shorter prompt is part of any sentence
_FREE_TRIES = 6  # of a call that costs nothing: a hiccup must not lose a picture that is paid for
_BACKOFF = 0.5  # seconds before the second try; they double
_PASSING = frozenset({ErrorKind.UNAVAILABLE, ErrorKind.RATE_LIMITED, ErrorKind.TIMEOUT})
_LINGER = 0.25  # seconds for a stream to end after its last picture, so that its connection can be used again


class Journal(Protocol):
    """What is written down of one conversation, so that another worker can follow it to its end."""

    @property
    def answered(self) -> Sequence[Answer]:
        """What the backend said to an earlier worker, from the first call on: it is not asked for this again."""

    async def accepted(self, answers: Sequence[Answer], where: str) -> None:
        """The backend took the paid work; so far it said `answers`, and is asked next at `where`."""


async def converse(
    adapter: Adapter,
    job: Job,
    send: Callable[[Call], Awaitable[Answer]],
    journal: Journal | None = None,
) -> ImageResult:
    """One conversation from its first call to its result.

    Raises:
        ProviderError: whatever went wrong, an adapter's own mistake included.
    """
    known = list(journal.answered) if journal is not None else []
    notes = _Notes(None if known else journal)
    submitted = False  # whether the backend has taken the paid work
    answer: Answer | None = None
    flow = _begin(adapter, job)
    try:
        while True:
            try:
                step = _step(flow, answer)
            except ProviderError as error:
                if not submitted and error.outcome is OutcomeClass.AMBIGUOUS:
                    error.outcome = OutcomeClass.NOT_SENT  # what could not be read came before the paid work
                raise
            if isinstance(step, ImageResult):
                return step
            if known:
                answer = known.pop(0)
            else:
                await notes.before(step, submitted=submitted)
                answer = await _taken(adapter, step, send, job.prompt, submitted=submitted)
                notes.after(answer)
            submitted = submitted or step.phase is Phase.SUBMIT
    finally:
        with contextlib.suppress(Exception):  # a generator that fails at its end must not hide how it ended
            flow.close()


def opening(adapter: Adapter, job: Job, partials: int | None = None) -> Call:
    """The first call of a conversation, which goes no further; that of a stream with so many early looks, if any.

    Raises:
        ProviderError: the adapter cannot put the job into the backend's words.
    """
    if partials is not None and adapter.stream is not None:
        return _asked(adapter.stream, job, partials)
    flow = _begin(adapter, job)
    try:
        step = _step(flow, None)
    finally:
        with contextlib.suppress(Exception):  # as where it goes on
            flow.close()
    if isinstance(step, ImageResult):
        raise _mistake(None)
    return step


class _Notes:
    """What a backend says until it has taken the paid work, for a journal; nothing where there is none."""

    def __init__(self, journal: Journal | None) -> None:
        self._journal = journal
        self._said: list[Answer] = []

    async def before(self, call: Call, *, submitted: bool) -> None:
        """A call goes out; the first after the submit is where the work can be asked for."""
        if submitted and self._journal is not None:
            await self._journal.accepted(self._said, call.path)
            self._journal, self._said = None, []

    def after(self, answer: Answer) -> None:
        """A call was answered."""
        if self._journal is not None:
            self._said.append(answer)


async def _taken(
    adapter: Adapter,
    call: Call,
    send: Callable[[Call], Awaitable[Answer]],
    prompt: str,
    *,
    submitted: bool,
) -> Answer:
    """One call to its good answer; its failure says what it means for the whole work."""
    try:
        return await _exchange(adapter, call, send, prompt)
    except ProviderError as error:
        if submitted:
            # The work was taken, whatever became of this call: none of its failures makes it free.
            error.outcome = OutcomeClass.AMBIGUOUS
            if error.kind is ErrorKind.UNSUPPORTED:  # the job is gone, not the model
                raise bad_response("the backend no longer knows the job that it took") from error
        elif call.phase is Phase.PREPARE and error.outcome is OutcomeClass.AMBIGUOUS:
            error.outcome = OutcomeClass.NOT_SENT  # no paid work was asked for yet
        raise


async def _exchange(
    adapter: Adapter,
    call: Call,
    send: Callable[[Call], Awaitable[Answer]],
    prompt: str,
) -> Answer:
    """One call to its good answer. What is free is asked again where that may help; the caller's deadline bounds it.

    Raises:
        ProviderError: the call failed.
    """
    tries = 1 if call.phase is Phase.SUBMIT else _FREE_TRIES
    for number in range(1, tries + 1):
        if call.pause:
            with waiting():
                await asyncio.sleep(call.pause)
        try:
            answer = await _sent(call, send)
            if 200 <= answer.status < 300:
                return answer
            raise _failure(adapter, answer, prompt)
        except ProviderError as error:
            if number == tries or error.kind not in _PASSING:
                raise
            with waiting():
                await asyncio.sleep(
                    error.retry_after if error.retry_after is not None else _BACKOFF * 2 ** (number - 1)
                )
    raise AssertionError  # the last try returns or raises


async def _sent(call: Call, send: Callable[[Call], Awaitable[Answer]]) -> Answer:
    if call.phase is Phase.POLL and (asked := polls.get()) is not None:
        asked.count += 1
    with waiting(), _span(call) as span:
        answer = await send(call)
        span.note(names.STATUS, answer.status)
        return answer


def _span(call: Call) -> AbstractContextManager[spans.Span]:
    return spans.span(call.phase, {names.METHOD: call.method, names.PHASE: call.phase}, spans.Kind.CLIENT)


async def converse_stream(
    adapter: Adapter,
    job: Job,
    partials: int,
    send: Send,
    on_partial: Callable[[Partial], Awaitable[None]],
) -> ImageResult:
    """The same conversation with a backend that streams: `on_partial` is told of each early look as it comes.

    A backend that answers without events is understood too. What `on_partial` raises ends the reading, and passes.

    Raises:
        ProviderError: whatever went wrong; not where a picture was finished before it did.
    """
    stream = adapter.stream
    if stream is None:
        raise _mistake(None)
    call = _asked(stream, job, partials)
    with waiting(), _span(call):
        async with send.stream(call) as got:
            made = got if isinstance(got, Answer) else await _collect(stream, job, got, on_partial)
    if isinstance(made, Answer):
        return await _without_events(adapter, job, made, send)
    if not any(result.images for result in made):
        raise bad_response("the backend's stream ended without a picture")
    return _merged(made)


async def _without_events(adapter: Adapter, job: Job, held: Answer, send: Send) -> ImageResult:
    """The conversation whose first call was answered already."""
    answers = [held]

    async def go_on(call: Call) -> Answer:
        return answers.pop() if answers else await send(call)

    try:
        return await converse(adapter, job, go_on)
    except ProviderError as error:
        if error.outcome is OutcomeClass.NOT_SENT:
            error.outcome = OutcomeClass.AMBIGUOUS  # an adapter's mistake; the call had gone out all the same
        raise


async def _collect(
    stream: Stream,
    job: Job,
    events: AsyncIterator[Event],
    on_partial: Callable[[Partial], Awaitable[None]],
) -> list[ImageResult]:
    """What the stream finished. After that its failures no longer matter."""
    made: list[ImageResult] = []
    try:
        async for event in events:
            said = _understood(stream, event, job.prompt)
            if isinstance(said, Partial):
                await on_partial(said)
            elif said is not None:
                made.append(said)
                if sum(len(result.images) for result in made) >= job.n:
                    break
    except ProviderError:
        if not any(result.images for result in made):
            raise
    else:
        with contextlib.suppress(ProviderError, TimeoutError):
            async with asyncio.timeout(_LINGER):
                async for event in events:
                    said = _understood(stream, event, job.prompt)
                    if isinstance(said, ImageResult) and not said.images:
                        made.append(said)
    return made


def _asked(stream: Stream, job: Job, partials: int) -> Call:
    try:
        return stream.request(job, partials)
    except ProviderError:
        raise
    except Exception as error:
        raise _mistake(None) from error


def _understood(stream: Stream, event: Event, prompt: str) -> Partial | ImageResult | None:
    answer = Answer(200, {}, event.data)
    try:
        return stream.event(event.name, answer)
    except ProviderError as error:
        _hide(prompt, error)
        raise
    except Exception as error:
        raise _mistake(answer) from error


def _merged(made: list[ImageResult]) -> ImageResult:
    """One result of all that a stream finished."""
    used = [result.usage for result in made if result.usage is not None]
    return replace(
        made[0],
        images=tuple(image for result in made for image in result.images),
        usage=usage.total(used) if used else None,
        facts={name: word for result in made for name, word in result.facts.items()},
    )


def _begin(adapter: Adapter, job: Job) -> Flow:
    try:
        return adapter.generate(job)
    except ProviderError:
        raise
    except Exception as error:
        raise _mistake(None) from error


def _step(flow: Flow, answer: Answer | None) -> Call | ImageResult:
    """What the adapter says to `answer` (None: to begin): its next call, or its result."""
    try:
        return next(flow) if answer is None else flow.send(answer)
    except StopIteration as end:
        if isinstance(end.value, ImageResult):
            return end.value
        raise _mistake(answer) from None
    except ProviderError:
        raise
    except Exception as error:
        raise _mistake(answer) from error


def _mistake(answer: Answer | None) -> ProviderError:
    if answer is None:
        message = "the adapter could not put the request into the backend's words"
        return ProviderError(ErrorKind.BAD_RESPONSE, message, outcome=OutcomeClass.NOT_SENT)
    return bad_response("the backend's answer is not what its adapter can read")


def _failure(adapter: Adapter, answer: Answer, prompt: str) -> ProviderError:
    try:
        error = adapter.error(answer)
    except Exception as cause:  # noqa: BLE001 - an adapter's mistake must not hide the backend's status
        kind, outcome = by_status(answer.status)
        error = ProviderError(kind, f"the backend answered {answer.status}", outcome=outcome)
        error.__cause__ = cause
    if error.status is None:
        error.status = answer.status
    if error.retry_after is None:
        error.retry_after = retry_after(answer.headers)
    _hide(prompt, error)
    return error


def _hide(prompt: str, error: ProviderError) -> None:
    """A refusal may quote the prompt it refuses."""
    if len(prompt) >= _TELLING:
        error.message = error.message.replace(prompt, "[prompt]")

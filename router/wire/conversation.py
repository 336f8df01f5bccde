"""Drives one adapter's conversation: each call over the wire, each answer back, to a result or a ProviderError."""

import contextlib

from providers.base import (
    Adapter,
    Answer,
    Call,
    ErrorKind,
    Flow,
    ImageResult,
    Job,
    OutcomeClass,
    Phase,
    ProviderError,
    bad_response,
    by_status,
)
from router.wire.retry_after import retry_after
from router.wire.send import Send

_TELLING = 4  # characters; a shorter prompt is part of any sentence


async def converse(adapter: Adapter, job: Job, send: Send) -> ImageResult:
    """One conversation from its first call to its result.

    Raises:
        ProviderError: whatever went wrong, an adapter's own mistake included.
    """
    submitted = False  # whether the backend has taken the paid work
    answer: Answer | None = None
    flow = _begin(adapter, job)
    try:
        while True:
            step = _step(flow, answer)
            if isinstance(step, ImageResult):
                return step
            try:
                answer = await send(step)
                if not 200 <= answer.status < 300:
                    raise _failure(adapter, answer, job.prompt)
            except ProviderError as error:
                if submitted:
                    # The work was taken, whatever became of this call: none of its failures makes it free.
                    error.outcome = OutcomeClass.AMBIGUOUS
                raise
            submitted = submitted or step.phase is Phase.SUBMIT
    finally:
        with contextlib.suppress(Exception):  # a generator that fails at its end must not hide how it ended
            flow.close()


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
    if len(prompt) >= _TELLING:  # a refusal may quote the prompt it refuses
        error.message = error.message.replace(prompt, "[prompt]")
    return error

"""The tries of one job on one target: when to try again, how long to pause, and what each try leaves behind."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Any

from msgspec import Struct
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception

from providers.base import ErrorKind, OutcomeClass, ProviderError
from router import usage
from router.engine.drawing import Made
from router.engine.guard import Guard
from router.engine.ledger import Ledger, Row
from router.engine.record import Attempt, Observer
from router.engine.request import Retry
from router.engine.route import Target
from router.health.book import Place, State
from router.tracing import names, spans
from router.wire.marks import call_deadline
from router.wire.waiting import Polls, pausing, polls

OWN_PATIENCE = 10.0  # seconds a Retry-After may hold the router's own retry; beyond it the next target is better
CALLER_PATIENCE = 60.0  # seconds a Retry-After may hold a retry the caller asked for
CROWDED = "router_overloaded"
"""The code of an error that is the router's own: no place for an attempt came free in time."""

_SPREAD = (0.75, 1.25)  # jitter of the caller's pauses


class Harvest(Struct, frozen=True):
    """What the tries of one job came to: what was made and by which attempt, or the last error.

    `billable` tries may have been billed for nothing.
    """

    made: Made | None
    attempt: Attempt | None
    error: ProviderError | None
    billable: int


class Patience(Struct, frozen=True, kw_only=True):
    """What bounds the tries of a job on a target.

    `retry` is the caller's, None where the target's own policy holds. `others_wait(error)` says whether the chain
    would go on to another target; the router's own policy then leaves at once: fail over first, wait last.
    `begun()` says whether a picture has gone out, after which nothing is tried again. `hurried`: the caller gives an
    attempt less time than the target's policy does.
    `billable_left` is how many more attempts may be billed. `deadline` is in the loop's time.
    """

    retry: Retry | None
    call_timeout: float
    deadline: float
    billable_left: int
    others_wait: Callable[[ProviderError], bool]
    begun: Callable[[], bool]
    random: random.Random
    hurried: bool = False


class Watch(Struct, frozen=True, kw_only=True):
    """Who watches the tries of one request: its place at the target, the ledger, and whose request it is."""

    guard: Guard
    place: Place
    ledger: Ledger
    request: str
    owner: str


class Tries:
    """The tries of one job on one target. Made for one use: retry state is never shared between requests.

    Args:
        draw: does the work of one attempt, whose row in the ledger it is given.
        patience: bounds the tries.
        watch: learns from each, and writes it down.
        observer: is told of each.
        target: whom they are made at.
        quality: as sent, for the price where the backend does not say.
        worth: what a try costs at most, where anybody knows.
        fallback_index: which of the caller's models this is.
    """

    def __init__(
        self,
        draw: Callable[[Row], Awaitable[Made]],
        patience: Patience,
        watch: Watch,
        observer: Observer,
        *,
        target: Target,
        quality: str | None,
        fallback_index: int,
        worth: Callable[[], float | None] = lambda: None,
    ) -> None:
        self._target = target
        self._quality = quality
        self._worth = worth
        self._polls = Polls()
        self._draw = draw
        self._patience = patience
        self._watch = watch
        self._fallback_index = fallback_index
        self._observer = observer
        self._number = 0
        self._errors: list[ProviderError] = []
        self._billable = 0

    async def run(self) -> Harvest:
        """Try until there are pictures or no further try is due. Nothing is made ready for a second try before that."""
        try:
            made, attempt = await self._once()
        except ProviderError as error:
            return await self._after(error)
        return Harvest(made, attempt, None, 0)

    async def _after(self, first: ProviderError) -> Harvest:
        """What a first try that failed comes to."""
        failed = [first]

        async def once() -> tuple[Made, Attempt]:
            if failed:
                raise failed.pop()
            return await self._once()

        retrying = AsyncRetrying(
            sleep=pausing,
            stop=self._too_late,
            wait=self._pause,
            retry=retry_if_exception(self._again),
            reraise=True,
        )
        try:
            success: tuple[Made, Attempt] = await retrying(once)
        except ProviderError as error:
            return Harvest(None, None, error, self._billable)
        finally:
            # All refer to themselves by way of this call, and would keep megabytes until the next collection.
            retrying.iter_state.reset()
            for failure in self._errors:
                _forget_frames(failure)
        return Harvest(*success, None, self._billable)

    async def _once(self) -> tuple[Made, Attempt]:
        slots, target = self._watch.guard.slots, self._target
        if not await slots.enter(target.key, target.policy.max_concurrency, target.policy.queue_wait):
            raise _crowded()
        try:
            return await self._in_place()
        finally:
            slots.leave(target.key)

    async def _in_place(self) -> tuple[Made, Attempt]:
        watch = self._watch
        row = await watch.ledger.begin(watch.request, watch.owner, self._target.name)
        outcome = OutcomeClass.AMBIGUOUS
        try:
            made, attempt = await self._timed(row)
            outcome = OutcomeClass.SUCCEEDED
        except ProviderError as error:
            outcome = error.outcome
            raise
        finally:
            await watch.ledger.end(row, outcome)
        return made, attempt

    async def _timed(self, row: Row) -> tuple[Made, Attempt]:
        target = self._target
        said: dict[str, spans.Value] = {
            names.OPERATION: names.GENERATE_CONTENT,
            names.OUTPUT_TYPE: names.IMAGE,
            names.PROVIDER: target.provider.kind,
            names.REQUEST_MODEL: target.name.partition("/")[2],
            names.TARGET: target.name,
            names.ATTEMPT: self._number + 1,
        }
        with spans.span(f"{names.GENERATE_CONTENT} {target.name}", said, spans.Kind.CLIENT) as span:
            try:
                made, attempt = await self._within_time(row)
            except ProviderError as error:
                span.note(names.OUTCOME, error.outcome)
                raise
            span.note(names.OUTCOME, attempt.outcome)
            return made, attempt

    async def _within_time(self, row: Row) -> tuple[Made, Attempt]:
        loop = asyncio.get_running_loop()
        self._number += 1
        started = loop.time()
        self._observer.attempt_started(self._target)
        call_deadline.set(started + self._patience.call_timeout)
        self._polls = Polls()
        polls.set(self._polls)
        try:
            async with asyncio.timeout(self._patience.call_timeout):
                made = await self._draw(row)
        except TimeoutError:
            limit = f"{self._patience.call_timeout:g} s"
            error = ProviderError(ErrorKind.TIMEOUT, f"no answer within {limit}", outcome=OutcomeClass.AMBIGUOUS)
            raise self._failed(error, loop.time() - started) from None
        except ProviderError as error:
            raise self._failed(error, loop.time() - started) from error.__cause__
        except asyncio.CancelledError:
            gone = ProviderError(ErrorKind.TIMEOUT, "cut off before it ended", outcome=OutcomeClass.AMBIGUOUS)
            self._failed(gone, loop.time() - started)
            raise
        return made, self._succeeded(made, loop.time() - started)

    def _succeeded(self, made: Made, seconds: float) -> Attempt:
        used = made.result.usage
        quality = made.result.facts.get("quality") or self._quality
        price = usage.cost(self._target.price, used, made.pictures, quality)
        pictures = len(made.pictures)
        attempt = self._attempt(OutcomeClass.SUCCEEDED, seconds, pictures=pictures, usage=used, cost=price)
        self._tell(attempt)
        return attempt

    def _failed(self, error: ProviderError, seconds: float) -> ProviderError:
        paid_failure = error.outcome is OutcomeClass.FAILED and self._target.provider.adapter.failed_is_billed
        self._billable += error.outcome is OutcomeClass.AMBIGUOUS or paid_failure
        wasted = self._worth() if error.outcome is OutcomeClass.AMBIGUOUS or paid_failure else None
        self._tell(self._attempt(error.outcome, seconds, error=error, wasted=wasted))
        self._errors.append(error)
        return error

    def _tell(self, attempt: Attempt) -> None:
        self._watch.guard.ended(self._watch.place, attempt, hurried=self._patience.hurried)
        self._observer.attempt_ended(attempt)

    def _attempt(self, outcome: OutcomeClass, seconds: float, **ended: Any) -> Attempt:
        return Attempt(
            target=self._target,
            fallback_index=self._fallback_index,
            number=self._number,
            seconds=seconds,
            outcome=outcome,
            after=self._errors[-1].kind if self._errors else None,
            polls=self._polls.count,
            ended=asyncio.get_running_loop().time(),
            **ended,
        )

    def _again(self, error: BaseException) -> bool:
        """Whether this target is tried again after `error`: never past the bill's limit, else by whose policy holds.

        A retry is paid for from the account's budget, so this is asked once for each.
        """
        if not isinstance(error, ProviderError) or error.code == CROWDED or self._patience.begun():
            return False
        retries = self._patience.retry.count if self._patience.retry else self._target.policy.retry.count
        if self._number > retries or self._billable >= self._patience.billable_left:
            return False
        return self._due(error) and self._watch.guard.health.may_retry(self._target.account)

    def _due(self, error: ProviderError) -> bool:
        """Whether the caller's own retries, or else the router's, cover this error."""
        retry = self._patience.retry
        if retry is not None:
            own_timeout = error.kind is ErrorKind.TIMEOUT and error.status is None
            listed = own_timeout or raw_status(error) in retry.on_codes
            return listed and (error.retry_after or 0) <= CALLER_PATIENCE
        return self._safe_again(error) and not self._patience.others_wait(error)

    def _safe_again(self, error: ProviderError) -> bool:
        """The router's own rule: only what provably did no work, or failed, and may soon be better."""
        if error.outcome is OutcomeClass.AMBIGUOUS:
            return False
        if error.kind not in (ErrorKind.RATE_LIMITED, ErrorKind.UNAVAILABLE, ErrorKind.TIMEOUT):
            return False
        if self._watch.guard.standing(self._target).state is State.OPEN:
            return False
        never_made = error.outcome is OutcomeClass.NOT_SENT
        if not never_made and error.status not in self._target.policy.retry.on_codes:
            return False
        remaining = self._patience.deadline - asyncio.get_running_loop().time()
        return (error.retry_after or 0) <= min(OWN_PATIENCE, remaining / 2)

    def _pause(self, state: RetryCallState) -> float:
        """Seconds before the next try: what the backend asked for, else the policy's back-off."""
        error = state.outcome.exception() if state.outcome else None
        if isinstance(error, ProviderError) and error.retry_after is not None:
            return error.retry_after
        doubled = 2.0 ** (state.attempt_number - 1)
        policy = self._target.policy
        if self._patience.retry is not None:
            return policy.caller_backoff * doubled * self._patience.random.uniform(*_SPREAD)
        return self._patience.random.uniform(0, min(policy.retry.longest, policy.retry.first * doubled))

    def _too_late(self, state: RetryCallState) -> bool:
        return asyncio.get_running_loop().time() + state.upcoming_sleep >= self._patience.deadline


def _crowded() -> ProviderError:
    return ProviderError(
        ErrorKind.UNAVAILABLE,
        "the router makes as many calls at this backend as it may; none ended in time",
        outcome=OutcomeClass.NOT_SENT,
        status=503,
        code=CROWDED,
        retry_after=1.0,
    )


def _forget_frames(error: BaseException | None) -> None:
    """Drop what a failure remembers of the calls it passed through; what it says stays."""
    while error is not None:
        error.__traceback__ = None
        error = error.__cause__ or error.__context__


def raw_status(error: ProviderError) -> int:
    """The status a failure counts as in the caller's lists: the backend's, 408 for our timeout, 502 for no answer."""
    if error.status is not None:
        return error.status
    return 408 if error.kind is ErrorKind.TIMEOUT else 502

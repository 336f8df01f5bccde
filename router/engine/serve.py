"""Serves one request: targets in order, until there are as many pictures as asked or no target is left."""

import asyncio
from collections.abc import Iterator, Sequence

from providers.base import Answer, ErrorKind, OutcomeClass, ProviderError
from providers.dialect import Unsupported
from router.engine.attempts import raw_status
from router.engine.follow import Accepted
from router.engine.guard import held_back
from router.engine.plan import Plan, plan
from router.engine.record import Outcome, Skip
from router.engine.request import Controls, ImageRequest
from router.engine.route import Route
from router.engine.setting import Setting, Step
from router.engine.settle import settle
from router.engine.step import StepWork
from router.health.book import Place, Standing, State
from router.health.effects import effect
from router.tracing import names, spans
from router.wire.waiting import pausing

FALLBACK_ON_CODES = frozenset({408, 429, 500, 502, 503, 504, 529})
"""When the caller's fallbacks are used where the caller does not say."""

_OURS = frozenset({ErrorKind.AUTHENTICATION, ErrorKind.QUOTA, ErrorKind.UNSUPPORTED})
"""Faults of our own accounts: never the caller's, so its fallbacks are used whatever their status."""

_WORTH_WAITING = 10.0  # seconds a request may wait for the first of its targets, when all are left out
_WORTH_STARTING = 0.05  # share of the whole wait that must remain for a further target to be tried


async def serve(request: ImageRequest, routes: Sequence[Route], setting: Setting) -> Outcome:
    """Make the pictures. `routes` are the primary's and then those of the caller's fallbacks."""
    return await _Serving(request, routes, setting).run()


class _Serving:
    """One request under way."""

    def __init__(self, request: ImageRequest, routes: Sequence[Route], setting: Setting) -> None:
        self._request = request
        self._setting = setting
        self._started = asyncio.get_running_loop().time()
        self._steps = [
            Step(index, route, target)
            for index, route in enumerate(routes)
            for target in setting.balance.arranged(route)
        ]
        self._limit = routes[0].policy.max_billable_attempts
        self._billable = 0
        self._outcome = Outcome(wanted=request.n)
        self._held_back: dict[int, Standing] = {}

    async def run(self) -> Outcome:
        try:
            async with asyncio.timeout_at(self._setting.deadline):
                await self._walk()
        except TimeoutError:
            self._outcome.error = ProviderError(
                ErrorKind.TIMEOUT,
                "the request's time ran out before a backend answered",
                outcome=OutcomeClass.AMBIGUOUS,
            )
        for attempt in self._outcome.attempts:
            if attempt.outcome is OutcomeClass.SUCCEEDED:
                self._setting.balance.drew(attempt.target, attempt.seconds)
        self._advise()
        settle(self._outcome, self._request)
        return self._outcome

    async def _walk(self) -> None:
        position = await self._followed_up()
        while position is not None and not self._outcome.complete:
            await self._try(position)
            position = self._next(position)
        if self._held_back and not self._outcome.attempts:
            await self._last_resort()

    async def _try(self, position: int) -> None:
        step = self._steps[position]
        try:
            planned = self._plan(step)
        except Unsupported as why:
            self._skip(step, str(why))
            return
        place = await self._setting.guard.enter(step.target)
        if place is None:
            self._hold_back(position)
        else:
            await self._draw(position, planned, place)

    def _plan(self, step: Step) -> Plan:
        made = self._outcome.deliveries
        with spans.span(names.PLAN, {names.TARGET: step.target.name}):
            return plan(self._request, step.route.params, step.target, self._outcome.missing if made else None)

    async def _draw(self, position: int, planned: Plan, place: Place, answered: tuple[Answer, ...] = ()) -> None:
        """The work of one step, in a place at its target."""
        outcome, guard = self._outcome, self._setting.guard
        outcome.warn(planned.warnings)
        guard.health.requested(planned.target.account)
        work = StepWork(
            request=self._request,
            step=self._steps[position],
            planned=planned,
            place=place,
            setting=self._setting,
            outcome=outcome,
            billable_left=self._limit - self._billable,
            others_wait=lambda error: self._after(position, error) is not None,
            answered=answered,
        )
        try:
            harvests = await work.run()
        finally:
            guard.leave(place)
        self._billable += max(harvest.billable for harvest in harvests)
        outcome.error = next((harvest.error for harvest in harvests if harvest.error is not None), None)
        if outcome.error is None and not outcome.complete:
            outcome.error = _short(outcome)

    async def _followed_up(self) -> int | None:
        """Finish what backends accepted for this request before its worker died; where to go on from."""
        position: int | None = 0
        keeper = self._setting.keeper
        for work in keeper.left if keeper is not None else ():
            if not set(work.places) <= set(self._outcome.missing):
                continue  # made already: two targets may have taken the same work, one after the other
            at = self._step_of(work)
            planned = plan(self._request, self._steps[at].route.params, self._steps[at].target, work.places)
            place = self._setting.guard.health.force(planned.target.key, planned.target.account)
            await self._draw(at, planned, place, work.answers)
            position = self._next(at)
        return position

    def _step_of(self, work: Accepted) -> int:
        steps = enumerate(self._steps)
        return next(at for at, step in steps if (step.target.name, step.target.model) == (work.target, work.model))

    async def _last_resort(self) -> None:
        """Every target that could serve is left out: wait for the first, or try an ailing one, or say when to come."""
        guard = self._setting.guard
        now = guard.health.clock()
        position, first = min(self._held_back.items(), key=lambda held: held[1].until)
        wait = max(0.0, first.until - now)
        left = self._setting.deadline - asyncio.get_running_loop().time()
        if first.state is not State.OPEN and wait <= min(_WORTH_WAITING, left / 2):
            await pausing(wait)
            await self._try(position)
            return
        ailing = (at for at, standing in self._held_back.items() if standing.state is State.OPEN)
        for at in sorted(ailing, key=lambda at: self._held_back[at].until):
            place = guard.force(self._steps[at].target)
            if place is not None:
                await self._draw(at, self._plan(self._steps[at]), place)
                return
        self._outcome.error = held_back(first, now)

    def _advise(self) -> None:
        """Say when to ask again where by now no target takes all that comes."""
        error, guard = self._outcome.error, self._setting.guard
        if error is None or error.retry_after is not None or not effect(error).counts:
            return
        standings = [guard.standing(step.target) for step in self._steps]
        if all(standing.state is not State.HEALTHY for standing in standings):
            first = min(standings, key=lambda standing: standing.until)
            error.retry_after = held_back(first, guard.health.clock()).retry_after

    def _hold_back(self, position: int) -> None:
        """Leave a target out for now; the chain goes on as after the error that made it so."""
        guard, step = self._setting.guard, self._steps[position]
        standing = guard.standing(step.target)
        self._held_back[position] = standing
        error = held_back(standing, guard.health.clock())
        self._skip(step, f"{error.message}; it may be asked again in {error.retry_after:.0f} s")
        if not self._outcome.attempts:
            self._outcome.error = error

    def _skip(self, step: Step, reason: str) -> None:
        if all(skip.target is not step.target for skip in self._outcome.skips):
            self._outcome.skips.append(Skip(step.target, reason))

    def _next(self, position: int) -> int | None:
        """The step to try now; None where the request ends here."""
        error = self._outcome.error
        if error is None:  # the step was skipped, or all is made
            return position + 1 if position + 1 < len(self._steps) else None
        if self._billable >= self._limit or self._setting.begun or not self._worth_starting():
            return None
        return self._after(position, error)

    def _after(self, position: int, error: ProviderError) -> int | None:
        """The next step that `error` leads to and that could serve what is missing."""
        return next((at for at in self._led_to(position, error) if self._could_serve(at)), None)

    def _led_to(self, position: int, error: ProviderError) -> Iterator[int]:
        here = self._steps[position]
        for at in range(position + 1, len(self._steps)):
            within = self._steps[at].index == here.index
            if (within and _route_goes_on(here.route, error)) or _caller_goes_on(
                self._request.controls, error, within=within
            ):
                yield at

    def _could_serve(self, position: int) -> bool:
        step = self._steps[position]
        try:
            self._plan(step)
        except Unsupported as why:
            self._skip(step, str(why))
            return False
        if self._setting.guard.standing(step.target).blocked:
            self._hold_back(position)
            return False
        return True

    def _worth_starting(self) -> bool:
        """Whether enough of the wait remains; an attempt that cannot finish may be billed for nothing."""
        now, deadline = asyncio.get_running_loop().time(), self._setting.deadline
        return deadline - now >= _WORTH_STARTING * (deadline - self._started)


def _route_goes_on(route: Route, error: ProviderError) -> bool:
    return error.kind in route.policy.fallback_on


def _caller_goes_on(controls: Controls, error: ProviderError, *, within: bool) -> bool:
    codes = controls.fallback_on_codes
    if codes is not None:
        return raw_status(error) in codes
    return not within and (raw_status(error) in FALLBACK_ON_CODES or error.kind in _OURS)


def _short(outcome: Outcome) -> ProviderError:
    """Fewer pictures than asked, without a failure: the next target is asked for the rest."""
    words = f"{len(outcome.deliveries)} of {outcome.wanted} pictures were made"
    return ProviderError(ErrorKind.BAD_RESPONSE, words, outcome=OutcomeClass.SUCCEEDED)

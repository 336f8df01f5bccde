"""Serves one request: targets in order, until there are as many pictures as asked or no target is left."""

import asyncio
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from providers.base import ErrorKind, OutcomeClass, ProviderError
from providers.dialect import Unsupported
from router.engine.attempts import Harvest, Patience, Tries, raw_status
from router.engine.drawing import Drawing, Made
from router.engine.handover import Handover, Wish, wish_for
from router.engine.plan import Plan, Shard, plan, streams
from router.engine.record import Attempt, Delivery, Observer, Outcome, Progress, Skip
from router.engine.request import Controls, ImageRequest
from router.engine.route import Route, Target
from router.engine.settle import settle

FALLBACK_ON_CODES = frozenset({408, 429, 500, 502, 503, 504, 529})
"""When the caller's fallbacks are used where the caller does not say."""

_OURS = frozenset({ErrorKind.AUTHENTICATION, ErrorKind.QUOTA, ErrorKind.UNSUPPORTED})
"""Faults of our own accounts: never the caller's, so its fallbacks are used whatever their status."""

_WORTH_STARTING = 0.05  # share of the whole wait that must remain for a further target to be tried


@dataclass(frozen=True, slots=True)
class Step:
    """One target in its place: `index` counts the models the caller named, the primary being 0."""

    index: int
    route: Route
    target: Target


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What a request is served with.

    Args:
        handover: gives pictures the form asked.
        observer: is told of every attempt.
        rng: the source of chance for pauses.
        deadline: when the caller's wait ends, in the loop's time.
        place: the router's own address, for links.
        owner: whose pictures these are.
        progress: is told of pictures as they come, for a caller that streams.
    """

    handover: Handover
    observer: Observer
    rng: random.Random
    deadline: float
    place: str = ""
    owner: str = ""
    progress: Progress | None = None


async def serve(request: ImageRequest, routes: Sequence[Route], setting: Setting) -> Outcome:
    """Make the pictures. `routes` are the primary's and then those of the caller's fallbacks."""
    return await _Serving(request, routes, setting).run()


class _Serving:
    """One request under way."""

    def __init__(self, request: ImageRequest, routes: Sequence[Route], setting: Setting) -> None:
        self._request = request
        self._setting = setting
        self._started = asyncio.get_running_loop().time()
        self._steps = [Step(index, route, target) for index, route in enumerate(routes) for target in route.targets]
        self._limit = routes[0].policy.max_billable_attempts
        self._billable = 0
        self._outcome = Outcome(wanted=request.n)
        self._drawing = Drawing(setting.handover, setting.progress, request.partial_images)

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
        settle(self._outcome, self._request)
        return self._outcome

    async def _walk(self) -> None:
        position: int | None = 0
        while position is not None and not self._outcome.complete:
            step = self._steps[position]
            await self._try(position, step)
            position = self._next(position)

    async def _try(self, position: int, step: Step) -> None:
        outcome = self._outcome
        try:
            planned = self._plan(step)
        except Unsupported as why:
            outcome.skips.append(Skip(step.target, str(why)))
            return
        outcome.warn(planned.warnings)
        harvests = await self._side_by_side(position, step, planned)
        self._billable += max(harvest.billable for harvest in harvests)
        outcome.error = next((harvest.error for harvest in harvests if harvest.error is not None), None)
        if outcome.error is None and not outcome.complete:
            outcome.error = _short(outcome)

    def _plan(self, step: Step) -> Plan:
        made = self._outcome.deliveries
        return plan(self._request, step.route.params, step.target, self._outcome.missing if made else None)

    async def _side_by_side(self, position: int, step: Step, planned: Plan) -> list[Harvest]:
        setting = self._setting
        policy = step.target.policy
        wish = wish_for(self._request, planned, step.route.resize, setting.place, setting.owner)
        patience = Patience(
            retry=self._request.controls.retry,
            call_timeout=self._request.controls.call_timeout or policy.attempt_timeout,
            deadline=setting.deadline,
            billable_left=self._limit - self._billable,
            others_wait=lambda error: self._after(position, error) is not None,
            begun=self._begun,
            random=setting.rng,
        )
        if len(planned.shards) == 1:
            return [await self._shard(step, planned.shards[0], wish, patience)]
        room = asyncio.Semaphore(policy.side_by_side)

        async def in_turn(shard: Shard) -> Harvest:
            async with room:
                return await self._shard(step, shard, wish, patience)

        return await asyncio.gather(*map(in_turn, planned.shards))

    async def _shard(self, step: Step, shard: Shard, wish: Wish, patience: Patience) -> Harvest:
        """The tries of one shard; what it makes is kept at once, whatever becomes of the others."""
        streaming = streams(self._request, step.target)
        tries = Tries(
            lambda: self._drawing.draw(step.target, shard.job, wish, streaming=streaming),
            patience,
            _Recorder(self._outcome, self._setting.observer),
            target=step.target,
            quality=shard.job.params.get("quality"),
            fallback_index=step.index,
        )
        harvest = await tries.run()
        if harvest.made is not None and harvest.attempt is not None:
            await self._keep(harvest.made, harvest.attempt, shard)
        return harvest

    async def _keep(self, made: Made, attempt: Attempt, shard: Shard) -> None:
        outcome = self._outcome
        outcome.warn(made.warnings)
        outcome.created = outcome.created or made.result.created
        outcome.facts.update(made.result.facts)
        for picture, place in zip(made.pictures, shard.places, strict=False):  # more than asked are not handed over
            delivery = Delivery(picture, attempt, place, first=place == shard.places[0])
            outcome.deliveries.append(delivery)
            if self._setting.progress is not None:
                await self._setting.progress.finished(delivery)

    def _begun(self) -> bool:
        return self._setting.progress is not None and self._setting.progress.begun

    def _next(self, position: int) -> int | None:
        """The step to try now; None where the request ends here."""
        error = self._outcome.error
        if error is None:  # the step was skipped, or all is made
            return position + 1 if position + 1 < len(self._steps) else None
        if self._billable >= self._limit or self._begun() or not self._worth_starting():
            return None
        return self._after(position, error)

    def _after(self, position: int, error: ProviderError) -> int | None:
        """The next step that `error` leads to and that could serve what is missing."""
        return next((at for at in self._led_to(position, error) if self._could_serve(self._steps[at])), None)

    def _led_to(self, position: int, error: ProviderError) -> Iterator[int]:
        here = self._steps[position]
        for at in range(position + 1, len(self._steps)):
            within = self._steps[at].index == here.index
            if (within and _route_goes_on(here.route, error)) or _caller_goes_on(
                self._request.controls, error, within=within
            ):
                yield at

    def _could_serve(self, step: Step) -> bool:
        try:
            self._plan(step)
        except Unsupported as why:
            skip = Skip(step.target, str(why))
            if skip not in self._outcome.skips:
                self._outcome.skips.append(skip)
            return False
        return True

    def _worth_starting(self) -> bool:
        """Whether enough of the wait remains; an attempt that cannot finish may be billed for nothing."""
        now, deadline = asyncio.get_running_loop().time(), self._setting.deadline
        return deadline - now >= _WORTH_STARTING * (deadline - self._started)


@dataclass(frozen=True, slots=True)
class _Recorder:
    """Keeps each attempt with the outcome and passes it on."""

    outcome: Outcome
    observer: Observer

    def attempt_started(self, target: Target) -> None:
        self.observer.attempt_started(target)

    def attempt_ended(self, attempt: Attempt) -> None:
        self.outcome.attempts.append(attempt)
        self.observer.attempt_ended(attempt)


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

"""One step of a chain: the jobs of one target, drawn side by side; what they make is kept at once."""

import asyncio
from collections.abc import Callable

from msgspec import Struct

from providers.base import Answer, ProviderError
from router import usage
from router.engine.attempts import Harvest, Patience, Tries, Watch
from router.engine.drawing import Drawing, Made
from router.engine.follow import Journal
from router.engine.handover import Wish, wish_for
from router.engine.ledger import Row
from router.engine.plan import Plan, Shard, streams
from router.engine.record import Attempt, Delivery, Observer, Outcome
from router.engine.request import ImageRequest
from router.engine.route import Target
from router.engine.setting import Setting, Step
from router.health.book import Place


class StepWork(Struct, frozen=True, kw_only=True):
    """What one step does.

    Args:
        request: what is asked.
        step: whom it is asked of.
        planned: the jobs.
        place: the request's place at the target.
        setting: what the request is served with.
        outcome: gets the attempts and what they make.
        billable_left: how many more attempts may be billed.
        others_wait: whether the chain would go on to another target after an error.
        answered: what the backend said to an earlier worker of the only job, whose conversation goes on from there.
    """

    request: ImageRequest
    step: Step
    planned: Plan
    place: Place
    setting: Setting
    outcome: Outcome
    billable_left: int
    others_wait: Callable[[ProviderError], bool]
    answered: tuple[Answer, ...] = ()

    async def run(self) -> list[Harvest]:
        """Draw every shard, so many side by side as the target's policy says."""
        setting, route = self.setting, self.step.route
        wish = wish_for(self.request, self.planned, route.resize, setting.place, setting.owner)
        shards = self.planned.shards
        if len(shards) == 1:
            return [await self._shard(shards[0], wish)]
        room = asyncio.Semaphore(self.step.target.policy.side_by_side)

        async def in_turn(shard: Shard) -> Harvest:
            async with room:
                return await self._shard(shard, wish)

        return await asyncio.gather(*map(in_turn, shards))

    async def _shard(self, shard: Shard, wish: Wish) -> Harvest:
        target, setting = self.step.target, self.setting
        drawing = Drawing(setting.handover, setting.progress, self.request.partial_images)
        streaming = streams(self.request, target)
        known = [self.answered]

        async def draw(row: Row) -> Made:
            answered = known.pop() if known else ()  # a further try begins anew
            journal = self._journal(shard, row, answered)
            if setting.keeper is None:
                return await drawing.draw(target, shard.job, wish, journal, streaming=streaming)
            if not answered:
                await setting.keeper.sent(row.id)
            try:
                return await drawing.draw(target, shard.job, wish, journal, streaming=streaming)
            except ProviderError as error:
                await setting.keeper.ended(row.id, error.outcome)
                raise

        tries = Tries(
            draw,
            self._patience(),
            self._watch(),
            _Recorder(self.outcome, setting.observer),
            target=target,
            quality=shard.job.params.get("quality"),
            fallback_index=self.step.index,
            worth=lambda: self._worth(shard),
        )
        harvest = await tries.run()
        if harvest.made is not None and harvest.attempt is not None:
            await self._keep(harvest.made, harvest.attempt, shard)
        return harvest

    def _worth(self, shard: Shard) -> float | None:
        shape = self.request.asked.get("shape") or self.step.route.params.get("shape")
        return usage.at_most(self.step.target.price, shard.job.n, shard.job.params.get("quality"), shape)

    def _journal(self, shard: Shard, row: Row, answered: tuple[Answer, ...]) -> Journal:
        target = self.step.target
        return Journal(
            target=target.name,
            model=target.model,
            places=shard.places,
            ledger=self.setting.ledger,
            keeper=self.setting.keeper,
            row=row,
            answered=answered,
        )

    def _patience(self) -> Patience:
        own, policy = self.request.controls.call_timeout, self.step.target.policy
        return Patience(
            retry=self.request.controls.retry,
            call_timeout=own or policy.attempt_timeout,
            hurried=own is not None and own < policy.attempt_timeout,
            deadline=self.setting.deadline,
            billable_left=self.billable_left,
            others_wait=self.others_wait,
            begun=lambda: self.setting.begun,
            random=self.setting.rng,
        )

    def _watch(self) -> Watch:
        return Watch(
            guard=self.setting.guard,
            place=self.place,
            ledger=self.setting.ledger,
            request=self.request.id,
            owner=self.setting.owner,
        )

    async def _keep(self, made: Made, attempt: Attempt, shard: Shard) -> None:
        outcome = self.outcome
        outcome.warn(made.warnings)
        outcome.created = outcome.created or made.result.created
        outcome.facts.update(made.result.facts)
        for picture, place in zip(made.pictures, shard.places, strict=False):  # more than asked are not handed over
            delivery = Delivery(picture, attempt, place, first=place == shard.places[0])
            outcome.deliveries.append(delivery)
            if self.setting.progress is not None:
                await self.setting.progress.finished(delivery)


class _Recorder(Struct, frozen=True):
    """Keeps each attempt with the outcome and passes it on."""

    outcome: Outcome
    observer: Observer

    def attempt_started(self, target: Target) -> None:
        self.observer.attempt_started(target)

    def attempt_ended(self, attempt: Attempt) -> None:
        self.outcome.attempts.append(attempt)
        self.observer.attempt_ended(attempt)

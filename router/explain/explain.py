"""Explains one request: every target of its chain is planned as if it were served, and nothing is sent."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from providers.base import ProviderError
from router.engine.decoding import Decoding
from router.engine.plan import Plan, objections, plan, streams
from router.engine.prepare import prepared
from router.engine.request import ImageRequest
from router.engine.route import Route, Target
from router.explain.explanation import Estimate, Explanation, Member, Patience, Rules, Upstream, Warned
from router.explain.following import following
from router.explain.price import dearest, estimate, whole
from router.explain.upstream import Shown
from router.wire.conversation import opening


@dataclass(frozen=True, slots=True)
class Way:
    """One model that the request may come to, and as what. `barred` is why this caller may not use it."""

    route: Route
    role: str
    barred: str | None = None


async def explain(
    request: ImageRequest,
    ways: Sequence[Way],
    decoding: Decoding,
    left_out: Callable[[Target], str | None] = lambda _: None,
) -> Explanation:
    """What would become of a request. `ways` are the primary's, or a balancer's members', and then the fallbacks'.

    `left_out` says why a target would not be asked just now.
    """
    explaining = _Explaining(request, decoding, Shown(), left_out)
    chain = tuple([await explaining.member(way, target) for way in ways for target in way.route.targets])
    first = ways[0].route
    limit = first.policy.max_billable_attempts
    return Explanation(
        model=request.model,
        operation=request.operation,
        pictures=request.n,
        served=any(member.eligible for member in chain),
        chain=chain,
        price=whole(chain),
        at_most=dearest(chain, limit),
        policy=_rules(request, first),
    )


@dataclass(frozen=True, slots=True)
class _Explaining:
    """One request under explanation."""

    request: ImageRequest
    decoding: Decoding
    shown: Shown
    left_out: Callable[[Target], str | None]

    async def member(self, way: Way, target: Target) -> Member:
        """One target of the chain."""
        reasons = tuple(filter(None, [way.barred, *objections(self.request, way.route.params, target)]))
        silent = Member(
            target=target.name,
            account=target.account,
            model=way.route.name,
            role=way.role,
            eligible=False,
            reasons=reasons,
            left_out=self.left_out(target),
            requests=(),
            then=(),
            warnings=(),
            price=Estimate(usd=0.0, why="it is not asked"),
            patience=_patience(self.request, target),
        )
        if reasons:
            return silent
        planned = plan(self.request, way.route.params, target)
        try:
            requests, then = await self._calls(planned)
        except ProviderError as error:
            return replace(silent, reasons=(f"refused before anything is sent: {error.message}",))
        return replace(
            silent,
            eligible=True,
            requests=requests,
            then=then,
            warnings=tuple(_warnings(planned)),
            price=estimate(planned, self.request, way.route),
        )

    async def _calls(self, planned: Plan) -> tuple[tuple[Upstream, ...], tuple[str, ...]]:
        """The first call of each shard, and what follows.

        Raises:
            ProviderError: a picture cannot be read, or the job cannot be put into the backend's words.
        """
        target, jobs = planned.target, [shard.job for shard in planned.shards]
        adapter, events = target.provider.adapter, streams(self.request, target)
        pictures = await prepared(jobs[0], target.dialect, self.decoding)
        jobs = [replace(job, images=pictures.images, mask=pictures.mask) for job in jobs]
        looks = self.request.partial_images if events else None
        calls = [opening(adapter, job, looks) for job in jobs]
        requests = [
            await self.shown.upstream(target.provider.send, call, shard.places, events=events)
            for call, shard in zip(calls, planned.shards, strict=True)
        ]
        patience = _patience(self.request, target).attempt_timeout
        return tuple(requests), tuple(following(adapter, calls[0], planned, patience, events=events))


def _warnings(planned: Plan) -> Iterator[Warned]:
    for each in planned.warnings:
        yield Warned(parameter=each.parameter, asked=each.asked, sent=each.sent, reason=each.reason)


def _patience(request: ImageRequest, target: Target) -> Patience:
    own, retry = request.controls.retry, target.policy.retry
    return Patience(
        attempt_timeout=request.controls.call_timeout or target.policy.attempt_timeout,
        retries=own.count if own is not None else retry.count,
        retry_on=tuple(sorted(own.on_codes if own is not None else retry.on_codes)),
        unsupported=request.strictness or target.policy.strictness,
    )


def _rules(request: ImageRequest, route: Route) -> Rules:
    codes = request.controls.fallback_on_codes
    return Rules(
        timeout=route.policy.timeout,
        order=route.order,
        fallback_on=tuple(sorted(route.policy.fallback_on)),
        fallback_on_codes=None if codes is None else tuple(sorted(codes)),
        max_billable_attempts=route.policy.max_billable_attempts,
        partial=route.partial,
    )

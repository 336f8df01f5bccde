"""The work of one request, from the claim of its key to its answer. It goes on without the client where it must."""

import asyncio
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from starlette.requests import Request

from providers.base import OutcomeClass
from router.api.bodies import Body
from router.api.event_stream import HEAD, Queue
from router.api.exchange import CLIENT_LEFT, Exchange
from router.api.presence import Presence
from router.engine.follow import Accepted
from router.engine.record import Outcome
from router.engine.route import Route
from router.engine.serve import serve
from router.engine.setting import Setting
from router.images.store import StoreFailed
from router.messages.errors import Refused
from router.messages.events import failed_as
from router.messages.response import Rendered, failure, refusal, success
from router.observe import logs
from router.replay.cache import Wanted
from router.replay.claim import Claim
from router.replay.digests import cache_key, fingerprint, scope
from router.runtime import Runtime

_HOST = re.compile(r"[A-Za-z0-9.\-]+(:\d{1,5})?|\[[0-9A-Fa-f:.]+\](:\d{1,5})?")
_CLIENT_SLACK = 0.98  # share of the client's own time-out in which it is answered


@dataclass(slots=True)
class Execution:
    """One request that was read. `routes` are the primary's and the fallbacks'; `key` is its Idempotency-Key.

    The body is closed when the work ends. `queue` takes the pictures of a request that streams.
    """

    exchange: Exchange
    runtime: Runtime
    routes: list[Route]
    body: Body
    key: str | None
    presence: Presence = field(init=False)
    queue: Queue | None = field(init=False)
    _claim: Claim | None = field(init=False, default=None)
    _deadline: float = field(init=False)

    def __post_init__(self) -> None:
        """The client's wait begins."""
        self.presence = Presence(self.exchange.service.metrics, kept=self.key is not None)
        streams = self.exchange.asked.stream
        self.queue = Queue(self.exchange.asked, self.presence, keep=self.key is not None) if streams else None
        self._deadline = asyncio.get_running_loop().time() + _patience(self.exchange.http, self.routes[0])

    async def run(self) -> Rendered:
        """Do the work, count it and log it, whether or not anybody still waits; the answer."""
        try:
            answer = await (self._answer() if self.key is None else self._keyed(self.key))
        except Refused as refused:
            answer = refusal(refused)
        except asyncio.CancelledError:
            if not self.presence.left:
                raise  # the router stops
            answer = CLIENT_LEFT
        except Exception:  # noqa: BLE001 - whatever went wrong, the caller gets the envelope
            logs.logger().exception("internal error", request_id=self.exchange.id)
            answer = refusal(Refused(500, "internal_error", "the router failed; the log has the reason"))
        finally:
            self.body.close()
        self._observe(answer)
        return answer

    def _observe(self, answer: Rendered) -> None:
        metrics = self.exchange.service.metrics
        if self.presence.left:
            metrics.client_left("work")
        if self.presence.counted_elsewhere:
            metrics.spent(self.exchange.owner, self.routes, self.presence.attempts)
            return
        if self.exchange.outcome is None and self.presence.attempts:
            self.exchange.outcome = Outcome(wanted=self.exchange.asked.n, attempts=self.presence.attempts)
        self.exchange.observe(CLIENT_LEFT if self.presence.left else answer)

    async def _keyed(self, key: str) -> Rendered:
        """The answer under a key: made once, then given again.

        Raises:
            Refused: the key is another request's, or in use, or in doubt.
        """
        exchange, server = self.exchange, self.runtime.server
        print_ = await fingerprint(exchange.asked)
        place = scope(exchange.owner, exchange.asked.operation, key)
        with self.presence.busy():
            begun = await exchange.service.keys.begin(place, print_, server.idempotency)
        if not isinstance(begun, Claim):
            return await exchange.service.keys.replayed(begun, self.runtime.store)
        if self.presence.left:
            await begun.hold()
            return CLIENT_LEFT
        return await self._claimed(begun)

    async def _claimed(self, claim: Claim) -> Rendered:
        self._claim = claim
        try:
            self._lead_to(claim.left)
            answer = await self._answer()
        except asyncio.CancelledError:
            if self.presence.left:
                await claim.hold()
            raise
        except Exception:
            await claim.hold()
            raise
        with self.presence.busy():
            try:
                await claim.close(self._to_keep(answer), self.exchange.outcome, self.runtime.store)
            except StoreFailed as why:
                logs.logger().warning("the answer of a key was not kept", request_id=self.exchange.id, reason=str(why))
        return answer

    def _lead_to(self, left: Sequence[Accepted]) -> None:
        """See that the chain has the targets that took the work; a balancer may have drawn another primary this time.

        Raises:
            Refused: 409 `idempotency_outcome_unknown`, where they are no longer there.
        """
        balancer, caller = self.exchange.asked.controls.balancer, self.exchange.caller
        assert caller is not None  # noqa: S101 - authenticated first
        for work in left:
            if any(_has(route, work) for route in self.routes):
                continue
            members = balancer.members if balancer is not None else ()
            primaries = (self.runtime.require(member.model, caller, "load_balancer") for member in members)
            found = next((route for route in primaries if _has(route, work)), None)
            if found is None:
                words = "the work under this Idempotency-Key was taken by a target that this model no longer has"
                raise Refused(409, "idempotency_outcome_unknown", words)
            self.routes[0] = found

    def _to_keep(self, answer: Rendered) -> Rendered:
        """What a later request with the key is answered: the same events, where there were any."""
        if self.queue is None or not self.queue.sent:
            return answer
        last = failed_as(b"".join(answer.pieces)) if answer.error else []
        return Rendered(200, (*self.queue.kept, *last), dict(HEAD), answer.error)

    async def _answer(self) -> Rendered:
        """The answer, within what the caller may ask for and spend.

        Raises:
            Refused: 402 or 429.
        """
        caller = self.exchange.caller
        allowance, asked = self.exchange.service.allowance, self.exchange.asked
        if caller is None or not allowance.counts(caller) or (self._claim is not None and self._claim.left):
            return await self._found()  # what is only followed up was paid for when it was sent
        async with allowance.spend(caller, asked, self.routes, self.presence.attempts):
            return await self._found()

    async def _found(self) -> Rendered:
        """From the cache where the caller agrees to that, else made."""
        asked, service = self.exchange.asked, self.exchange.service
        wish = asked.controls.cache
        if wish is None:
            return (await self._made())[0]
        if asked.stream:
            service.metrics.cached("bypass")
            return (await self._made())[0]
        defaults = self.routes[0].params if asked.controls.balancer is None else {}
        key = await cache_key(asked, self.exchange.owner, self._place, defaults)
        wanted = Wanted(key, wish.ttl, asked.id, self._deadline)
        return await service.cache.answer(wanted, self.runtime.store, self._made)

    async def _made(self) -> tuple[Rendered, float]:
        """An answer, and how long it may be given again."""
        outcome = await self._serve()
        asked, disclose = self.exchange.asked, self.runtime.server.disclose
        if self.queue is not None and outcome.complete:
            return Rendered(200, (), {}), 0.0
        enough = outcome.complete or (bool(outcome.deliveries) and self.routes[0].partial and self.queue is None)
        render = success if enough else failure
        return render(asked, outcome, disclose=disclose), _life(outcome, self.runtime.server.store.lifetime)

    async def _serve(self) -> Outcome:
        service = self.exchange.service
        setting = Setting(
            handover=self.runtime.handover,
            observer=self.presence,
            rng=service.rng,
            deadline=self._deadline,
            ledger=service.ledger,
            guard=service.guard,
            balance=service.balance,
            place=self._place,
            owner=self.exchange.owner,
            progress=self.queue or self.presence,
            keeper=self._claim,
        )
        outcome = await serve(self.exchange.asked, self.routes, setting)
        self.exchange.outcome = outcome
        for attempt in outcome.attempts:
            if attempt.outcome is OutcomeClass.SUCCEEDED:
                service.balance.served(self.routes[attempt.fallback_index], attempt.seconds)
        return outcome

    @property
    def _place(self) -> str:
        return self.runtime.server.public_url or _own_address(self.exchange.http)


def _has(route: Route, work: Accepted) -> bool:
    return any((target.name, target.model) == (work.target, work.model) for target in route.targets)


def _life(outcome: Outcome, link_life: float) -> float:
    """Seconds for which an outcome may be given again: a link in it must still work for half of its life."""
    if not outcome.complete:
        return 0.0
    if all(delivery.picture.url is None for delivery in outcome.deliveries):
        return math.inf
    short_lived = any(warning.parameter == "response_format" for warning in outcome.warnings)
    return 0.0 if short_lived else link_life / 2


def _own_address(request: Request) -> str:
    """The router's address as this client wrote it."""
    host = request.headers.get("host", "")
    sound = host if _HOST.fullmatch(host) else "localhost"
    return f"{request.scope['scheme']}://{sound}"


def _patience(request: Request, route: Route) -> float:
    """Seconds in which this caller is answered: the route's, or less where the client itself gives up sooner."""
    timeout = route.policy.timeout
    try:
        client = float(request.headers.get("x-stainless-read-timeout", "nan"))
    except ValueError:
        return timeout
    return min(timeout, client * _CLIENT_SLACK) if client > 0 else timeout

"""Metrics of requests: what was asked, what was delivered, how long it took, what it cost, and why there was less."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from providers.base import Operation
from providers.shapes import Shape
from router.auth import Caller
from router.engine.record import Attempt, Delivery, Outcome
from router.engine.request import ImageRequest
from router.engine.route import Route
from router.observe import zeros
from router.observe.families import SHORT, Families
from router.observe.labels import KNOWN, OTHER, QUALITIES, REFUSALS, known, size

CLIENT_LEFT = "client_left"
PHASES = ("queue", "body", "work")
"""Where a client was waiting when it left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """A request that was answered.

    Args:
        operation: of the path it came to.
        status: the answer's.
        seconds: from request to answer.
        own: of these, those in which the router waited for nobody else.
        error: the answer's code.
        group: whose key it was; None where it had none.
        routes: of the model asked for, and of the fallbacks that the caller named.
        request: what was asked, once it was read.
        outcome: what came of it, once it was begun.
    """

    operation: Operation
    status: int
    seconds: float
    own: float
    error: str | None = None
    group: str | None = None
    routes: Sequence[Route] = ()
    request: ImageRequest | None = None
    outcome: Outcome | None = None

    @property
    def delivered(self) -> Sequence[Delivery]:
        """The pictures that went out, or were there when the client had left."""
        if self.outcome is None or self.request is None:
            return ()
        handed_over = self.error in (None, CLIENT_LEFT) or self.request.stream
        return self.outcome.deliveries if handed_over else ()


class Requests:
    """Counts requests at their end."""

    def __init__(self, families: Families) -> None:
        counters = families.counters
        self._requests = counters("requests", "Image requests answered", "operation", "model", "status")
        self._seconds = families.histograms("request_duration_seconds", "From request to answer", "operation", "model")
        self._own = families.histograms(
            "overhead_seconds", "The part of a request in which no backend was waited for", "operation", buckets=SHORT
        )
        self._fallbacks = counters("fallbacks", "Moves past a target, by how it failed", "model", "target", "reason")
        self._asked = counters("images_asked", "Pictures asked for", "operation", "model", "size", "quality")
        self._images = counters("images", "Pictures delivered", "operation", "model", "target", "size", "quality")
        self._bytes = counters("image_bytes", "Bytes of pictures delivered, but for backends' own links", "model")
        self._refusals = counters("refusals", "Requests refused, by the code that they were told", "model", "reason")
        self._cost = counters(
            "cost_usd", "US dollars for pictures, where the price is known", "model", "target", "group"
        )
        self._worth = counters(
            "picture_cost_usd", "US dollars for the pictures delivered, where known", "model", "size", "quality"
        )
        self._warnings = counters("warnings", "Parameters not sent as asked", "target", "parameter")
        self._disconnects = counters("client_disconnects", "Clients that left, by what they waited for", "phase")
        self._disconnects.begin((phase,) for phase in PHASES)

    def follow(self, routes: Sequence[Route], callers: Sequence[Caller]) -> None:
        """Count for these models and keys, from nothing."""
        for series, labels in (
            (self._requests, zeros.requests(routes)),
            (self._refusals, zeros.refusals(routes)),
            (self._asked, zeros.asked(routes)),
            (self._images, zeros.images(routes)),
            (self._bytes, ((route.name,) for route in routes)),
            (self._fallbacks, zeros.fallbacks(routes)),
            (self._cost, zeros.costs(routes, callers)),
            (self._worth, zeros.worth(routes)),
        ):
            series.begin(labels)

    def request_ended(self, ended: Answered) -> None:
        """Count an answer."""
        operation = ended.operation.value
        model = ended.routes[0].name if ended.routes else OTHER
        self._requests[operation, model, str(ended.status)].inc()
        self._seconds[operation, model].observe(ended.seconds)
        self._own[(operation,)].observe(max(0.0, ended.own))
        if ended.error is not None and 400 <= ended.status < 500 and ended.error != CLIENT_LEFT:
            self._refusals[model, known(ended.error, REFUSALS)].inc()
        if ended.request is not None:
            self._asked[operation, model, *_look(ended.request)].inc(ended.request.n)
        if ended.outcome is not None:
            self._outcome(ended, ended.outcome)

    def client_left(self, phase: str) -> None:
        """A client went away."""
        self._disconnects[(phase,)].inc()

    def spent(self, group: str | None, routes: Sequence[Route], attempts: Iterable[Attempt]) -> None:
        """Count what attempts cost."""
        for attempt in attempts:
            if attempt.cost is not None:
                model = routes[attempt.fallback_index].name
                self._cost[model, attempt.target.name, group or OTHER].inc(attempt.cost)

    def _outcome(self, ended: Answered, outcome: Outcome) -> None:
        self.spent(ended.group, ended.routes, outcome.attempts)
        for left in _left_behind(outcome.attempts):
            assert left.error is not None  # noqa: S101 - it would not have been left
            self._fallbacks[ended.routes[left.fallback_index].name, left.target.name, left.error.kind].inc()
        self._delivered(ended, outcome)
        if outcome.attempts:
            served = outcome.attempts[-1].target.name
            for warning in outcome.warnings:
                self._warnings[served, known(warning.parameter, KNOWN)].inc()

    def _delivered(self, ended: Answered, outcome: Outcome) -> None:
        if not ended.delivered or ended.request is None:
            return
        asked = ended.request.asked.get("quality")
        quality = known(outcome.facts.get("quality") or asked or "auto", QUALITIES)
        for delivery in ended.delivered:
            model = ended.routes[delivery.attempt.fallback_index].name
            large = size(delivery.picture.width, delivery.picture.height)
            self._images[ended.operation.value, model, delivery.target.name, large, quality].inc()
            self._bytes[(model,)].inc(delivery.picture.length)
            if delivery.attempt.cost is not None:
                self._worth[model, large, quality].inc(delivery.attempt.cost / max(1, delivery.attempt.pictures))


def _look(request: ImageRequest) -> tuple[str, str]:
    """The size and the quality that were asked for."""
    shape = request.asked.get("shape")
    large = size(shape.width, shape.height) if isinstance(shape, Shape) else size(0, 0)
    return large, known(request.asked.get("quality") or "auto", QUALITIES)


def _left_behind(attempts: Sequence[Attempt]) -> Iterable[Attempt]:
    """The last attempt at each target that another came after."""
    for before, after in pairwise(attempts):
        if before.target is not after.target and before.error is not None:
            yield before

"""Prometheus metrics. Labels come from the config only, never from callers, so the number of series is bounded."""

from collections.abc import Iterable

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from providers.base import OutcomeClass
from providers.dialect import PARAMETERS
from router import __version__
from router.engine.record import Attempt, Outcome
from router.engine.route import Target

SECONDS = (0.5, 1, 2, 3, 5, 8, 13, 20, 30, 45, 60, 90, 120, 180, 300)
CONTENT_TYPE = CONTENT_TYPE_LATEST
"""The media type of `Metrics.exposition`."""

OTHER = "_other"
"""The label of whatever the config does not name."""

_KNOWN = PARAMETERS - {"shape"} | {"size", "operation"}


class Metrics:
    """The metrics of one process; an `Observer` of every attempt."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = self._counter("requests", "Requests answered", "model", "status")
        self._request_seconds = self._histogram("request_duration_seconds", "From request to answer", "model")
        self._attempts = self._counter("attempts", "Attempts by how they ended", "target", "outcome")
        self._attempt_seconds = self._histogram("attempt_duration_seconds", "One attempt", "target")
        self._fallbacks = self._counter("fallbacks", "Moves past a target", "model", "target", "reason")
        self._maybe_billed = self._counter("maybe_billed", "Attempts that may be billed for nothing", "target")
        self._images = self._counter("images", "Pictures made", "target")
        self._tokens = self._counter("tokens", "Tokens as the backend counts them", "target", "direction")
        self._cost = self._counter("cost_usd", "US dollars, where the price is known", "target")
        self._warnings = self._counter("warnings", "Parameters not sent as asked", "target", "parameter")
        self._in_flight = self._gauge("in_flight", "Attempts under way", "target")
        loaded = self._gauge("config_last_reload_successful", "1: the config on disk is the one that runs")
        loaded.set(1)
        info = self._gauge("build_info", "Always 1; the version is the label", "version")
        info.labels(__version__).set(1)

    def attempt_started(self, target: Target) -> None:
        """One more attempt under way."""
        self._in_flight.labels(target.name).inc()

    def attempt_ended(self, attempt: Attempt) -> None:
        """Count an attempt, its pictures, tokens and cost."""
        name = attempt.target.name
        self._in_flight.labels(name).dec()
        self._attempts.labels(name, attempt.outcome).inc()
        self._attempt_seconds.labels(name).observe(attempt.seconds)
        if attempt.outcome is OutcomeClass.AMBIGUOUS:
            self._maybe_billed.labels(name).inc()
        if attempt.pictures:
            self._images.labels(name).inc(attempt.pictures)
        if attempt.usage is not None:
            self._tokens.labels(name, "input").inc(attempt.usage.input_tokens or 0)
            self._tokens.labels(name, "output").inc(attempt.usage.output_tokens or 0)
        if attempt.cost is not None:
            self._cost.labels(name).inc(attempt.cost)

    def request_ended(self, model: str | None, status: int, seconds: float, outcome: Outcome | None) -> None:
        """Count an answer; `model` is the route's name, None where there was no route."""
        label = model or OTHER
        self._requests.labels(label, str(status)).inc()
        self._request_seconds.labels(label).observe(seconds)
        if outcome is None:
            return
        for target, reason in _moves(outcome):
            self._fallbacks.labels(label, target, reason).inc()
        if outcome.attempts:
            served = outcome.attempts[-1].target.name
            for warning in outcome.warnings:
                name = warning.parameter if warning.parameter in _KNOWN else OTHER
                self._warnings.labels(served, name).inc()

    def exposition(self) -> bytes:
        """The text Prometheus scrapes."""
        return generate_latest(self.registry)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"image_router_{name}", text, labels, registry=self.registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(f"image_router_{name}", text, labels, registry=self.registry)

    def _histogram(self, name: str, text: str, *labels: str) -> Histogram:
        return Histogram(f"image_router_{name}", text, labels, registry=self.registry, buckets=SECONDS)


def _moves(outcome: Outcome) -> Iterable[tuple[str, str]]:
    """Each move to another target: which one was left, and why."""
    for before, after in zip(outcome.attempts, outcome.attempts[1:], strict=False):
        if before.target is not after.target and before.error is not None:
            yield before.target.name, before.error.kind

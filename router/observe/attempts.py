"""Metrics of attempts: how they end, what they take, and what they cost for nothing."""

from collections.abc import Iterable

from providers.base import OutcomeClass
from router.engine.record import Attempt
from router.engine.route import Target
from router.observe import zeros
from router.observe.families import Families
from router.observe.labels import tokens


class Attempts:
    """An `Observer` of every attempt."""

    def __init__(self, families: Families) -> None:
        self._attempts = families.counters("attempts", "Attempts by how they ended", "target", "outcome")
        self._seconds = families.histograms("attempt_duration_seconds", "How long an attempt takes", "target")
        self._retries = families.counters(
            "retries", "Further attempts at the same target, by how the one before failed", "target", "reason"
        )
        self._possibly_billed = families.counters(
            "possibly_billed", "Attempts that may be billed and brought no picture", "target"
        )
        self._wasted = families.counters(
            "cost_wasted_usd", "US dollars for attempts without a picture, at most: an estimate", "target"
        )
        self._tokens = families.counters(
            "tokens", "Tokens as the backend counts them", "target", "direction", "modality"
        )
        self._polls = families.counters("polls", "Calls that ask how the work gets on", "target")
        self._in_flight = families.gauges("in_flight", "Attempts under way", "livesum", "target")

    def follow(self, targets: Iterable[str]) -> None:
        """Count at these targets, from nothing."""
        for name in targets:
            self._attempts.begin((name, outcome) for outcome in OutcomeClass)
            self._retries.begin((name, reason) for reason in zeros.RETRIED)
            for series in (self._possibly_billed, self._wasted, self._polls):
                series.begin([(name,)])

    def attempt_started(self, target: Target) -> None:
        """One more attempt under way."""
        self._in_flight[(target.name,)].inc()

    def attempt_ended(self, attempt: Attempt) -> None:
        """Count an attempt."""
        name = (attempt.target.name,)
        self._in_flight[name].dec()
        self._attempts[(*name, attempt.outcome)].inc()
        self._seconds[name].observe(attempt.seconds)
        if attempt.after is not None:
            self._retries[(*name, attempt.after)].inc()
        if attempt.outcome is OutcomeClass.AMBIGUOUS:
            self._possibly_billed[name].inc()
        if attempt.wasted is not None:
            self._wasted[name].inc(attempt.wasted)
        if attempt.polls:
            self._polls[name].inc(attempt.polls)
        if attempt.usage is not None:
            for kind, count in tokens(attempt.usage).items():
                self._tokens[(*name, *kind)].inc(count)

    def possibly_billed(self, target: str) -> None:
        """An attempt of a worker that died: nobody knows how it ended."""
        self._possibly_billed[(target,)].inc()

"""Prometheus metrics, all of them; docs/metrics.md says what each means and how many series there can be."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry

from router.admission.gate import Gate, Reason
from router.engine.record import Attempt
from router.engine.route import Target
from router.health.book import Health
from router.observe import zeros
from router.observe.attempts import Attempts
from router.observe.exposition import Exposition
from router.observe.families import Families
from router.observe.requests import Answered, Requests
from router.observe.state import Served, State
from router.observe.together import Together, shared_directory


class Metrics:
    """The metrics of one process, or of one worker among several; an `Observer` of every attempt."""

    def __init__(self) -> None:
        directory = shared_directory()
        together = Together(directory) if directory is not None else None
        families = Families()
        self._counted_apart(families)
        self._attempts = Attempts(families)
        self._requests = Requests(families)
        self._state = State(families)
        self._exposition = Exposition(families.registry, families.sheets, together)
        self.attempt_started: Callable[[Target], None] = self._attempts.attempt_started
        self.attempt_ended: Callable[[Attempt], None] = self._attempts.attempt_ended
        self.possibly_billed = self._attempts.possibly_billed
        self.request_ended: Callable[[Answered], None] = self._requests.request_ended
        self.client_left = self._requests.client_left
        self.spent = self._requests.spent
        self.config_loaded = self._state.config_loaded
        self.sample = self._state.sample

    def _counted_apart(self, families: Families) -> None:
        self._idempotency = families.counters(
            "idempotency", "Requests with an Idempotency-Key, by what came of it", "result"
        )
        self._idempotency.begin((result,) for result in zeros.KEYED)
        self._cache = families.counters("cache", "Requests that ask for the cache: hit, miss, bypass", "result")
        self._cache.begin((result,) for result in zeros.CACHED)
        self._rate_limited = families.counters("rate_limited", "Requests over a limit of their key", "group")
        self._budget = families.gauges(
            "budget_remaining_dollars", "What is left of a key's budget", "mostrecent", "group"
        )
        self._shed = families.counters("shed", "Image requests not taken, by what there was too much of", "reason")
        self._shed.begin((reason,) for reason in Reason)
        self._cooldowns = families.counters(
            "cooldowns", "How often a target was left out for a while, and why", "target", "reason"
        )
        self._state_up = families.gauge("state_up", "1: the shared state answers; always, without one", "livemin")
        self._state_up.set(1)
        self._state_seconds = families.histogram("state_seconds", "How long the shared state takes to answer")
        self._store_errors = families.counter("picture_store_errors", "Failures of the picture store")
        self._loop_lag = families.gauge(
            "loop_lag_seconds", "The longest that the event loop was held up of late", "livemax"
        )
        self._log_drops = families.counter("log_lines_dropped", "Log lines lost because nobody took them")

    @property
    def registry(self) -> CollectorRegistry:
        """What Prometheus is given, before it is text."""
        return self._exposition.registry

    def watch(self, gate: Gate, health: Health) -> None:
        """Show how full the router is, and how its targets are."""
        self._state.watch(gate, health)
        health.noted = self._left_out

    def follow(self, served: Served) -> None:
        """Another config runs."""
        names = {target.name for target in served.targets}
        self._attempts.follow(names)
        self._requests.follow(served.routes, served.callers)
        self._cooldowns.begin((name, reason) for name in names for reason in zeros.COOLS)
        self._rate_limited.begin(zeros.limited(served.callers))
        self._state.follow(served)

    def idempotency(self, result: str) -> None:
        """A request with a key: new, replayed, resumed, or refused for one of the contract's reasons."""
        self._idempotency[(result,)].inc()

    def cached(self, result: str) -> None:
        """A request that agreed to a cached answer: hit, miss or bypass."""
        self._cache[(result,)].inc()

    def rate_limited(self, group: str) -> None:
        """A request was over a limit of its key, whose name in the config `group` is."""
        self._rate_limited[(group,)].inc()

    def budget_remaining(self, group: str, usd: float) -> None:
        """What is left of a key's budget, as this process last saw it."""
        self._budget[(group,)].set(usd)

    def shed(self, reason: str) -> None:
        """A request was not taken."""
        self._shed[(reason,)].inc()

    def state_changed(self, up: bool, _reason: str) -> None:  # noqa: FBT001 - the shape of a listener
        """The shared state is lost, or is back."""
        self._state_up.set(up)

    def state_answered(self, seconds: float) -> None:
        """The shared state has answered, or failed to."""
        self._state_seconds.observe(seconds)

    def store_failed(self) -> None:
        """The picture store could not do its part."""
        self._store_errors.inc()

    def beat(self, lag: float, dropped: int) -> None:
        """How late the event loop is, how many more log lines were lost, and how all else is."""
        self._loop_lag.set(lag)
        self._log_drops.inc(dropped)
        self.sample()

    def exposition(self) -> bytes:
        """The text Prometheus scrapes; it takes a while."""
        return self._exposition.text()

    def _left_out(self, key: str, reason: str) -> None:
        """A target at one of its accounts."""
        self._cooldowns[key.partition("#")[0], reason].inc()

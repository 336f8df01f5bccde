"""Metrics of how the router is, rather than of what happened: read again and again, by whoever has the beat."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime

from router import __version__
from router.admission.gate import Gate
from router.auth import Caller
from router.engine.route import Route, Target
from router.health.book import Health
from router.observe.families import Families, Labels
from router.observe.labels import STATES

_HASH_DIGITS = 12  # of the config's hash, in hex: as many as a number of Prometheus holds exactly


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A config as far as it is watched: its hash, its models, its targets, its keys' owners.

    `retires` is when what will go goes, by model and by target.
    """

    version: str = ""
    routes: Sequence[Route] = ()
    targets: Sequence[Target] = ()
    callers: Sequence[Caller] = ()
    retires: tuple[Mapping[str, date], Mapping[str, date]] = field(default_factory=lambda: ({}, {}))


class State:
    """Gauges of the router, its targets and its config."""

    def __init__(self, families: Families) -> None:
        gauge, sheet = families.gauge, families.sheet
        self._served = Served()
        self._gate: Gate | None = None
        self._health: Health | None = None
        self._successes: dict[str, tuple[float, float]] = {}
        self._requests = gauge("in_flight_requests", "Image requests under way", "livesum")
        self._bytes = gauge("in_flight_bytes", "Bytes of bodies and answers held in memory", "livesum")
        self._queue = gauge("queue_depth", "Image requests that wait for their turn", "livesum")
        self._draining = gauge("draining", "1: the router, or a worker, takes no more work", "livemax")
        self._states = sheet(
            "target_state", "0: healthy, 1: recovering, 2: cooling, 3: open; of several accounts the best",
            "livemax", "target",
        )  # fmt: skip
        self._last = sheet(
            "target_last_success_timestamp_seconds", "When a target last made a picture", "max", "target"
        )
        self._budgets = sheet(
            "retry_budget_balance", "Retries that an account's budget still pays for", "livemin", "account"
        )
        self._loaded = gauge("config_last_reload_successful", "1: the config on disk is the one that runs", "livemin")
        self._loaded_at = gauge(
            "config_last_reload_success_timestamp_seconds", "When a config was last taken up", "livemin"
        )
        self._hash = gauge("config_hash", "The config that runs: the first digits of its hash, as a number", "livemax")
        self._differs = gauge("config_disk_differs", "1: what is on disk is not what runs", "livemax")
        self._models = sheet(
            "model_retires_timestamp_seconds",
            "When a model, or the first of its targets, is retired",
            "livemin",
            "model",
        )
        self._targets = sheet(
            "target_retires_timestamp_seconds", "When a target's model is retired", "livemin", "target"
        )
        info = families.gauges("build_info", "Always 1; the version is the label", "livemax", "version")
        info[(__version__,)].set(1)
        self._loaded.set(1)

    def watch(self, gate: Gate, health: Health) -> None:
        """Read from these."""
        self._gate = gate
        self._health = health

    def follow(self, served: Served) -> None:
        """Another config runs."""
        self._served = served
        self._hash.set(int(served.version[:_HASH_DIGITS] or "0", 16))
        for sheet, dates in zip((self._models, self._targets), served.retires, strict=True):
            sheet.fill({(name,): _midnight(retires) for name, retires in dates.items()})
        self.sample()

    def config_loaded(self, *, good: bool) -> None:
        """Whether the config on disk is the one that runs."""
        self._loaded.set(good)
        self._differs.set(not good)
        if good:
            self._loaded_at.set(time.time())

    def sample(self) -> None:
        """Write down how things are now."""
        if self._gate is not None:
            self._requests.set(self._gate.taken)
            self._bytes.set(self._gate.memory.used)
            self._queue.set(self._gate.queued)
            self._draining.set(self._gate.draining)
        if self._health is not None:
            self._sample_targets(self._health)

    def _sample_targets(self, health: Health) -> None:
        states: dict[Labels, float] = {}
        last: dict[Labels, float] = {}
        for target in self._served.targets:
            name = (target.name,)
            state = STATES[health.standing(target.key, target.account).state]
            states[name] = min(state, states.get(name, state))
            if (succeeded := health.last_success(target.key)) is not None:
                last[name] = max(self._moment(target.key, succeeded, health), last.get(name, 0.0))
        self._states.fill(states)
        self._last.fill(last, states)
        self._budgets.fill({(each.account,): health.balance(each.account) for each in self._served.targets})

    def _moment(self, key: str, succeeded: float, health: Health) -> float:
        """A moment of the book's clock, by the wall's; the same each time it is asked for."""
        known = self._successes.get(key)
        if known is None or known[0] != succeeded:
            known = self._successes[key] = (succeeded, time.time() - (health.clock() - succeeded))
        return known[1]


def _midnight(day: date) -> float:
    """When a day begins, in Unix time; backends announce no more than days."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()

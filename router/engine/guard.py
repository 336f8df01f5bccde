"""Whether a target may be called now: how it is doing, who probes an open circuit, and a place among its calls."""

import random
import time
from dataclasses import dataclass, field
from typing import Protocol

from providers.base import ErrorKind, OutcomeClass, ProviderError
from router.admission.slots import Slots
from router.engine.record import Attempt
from router.engine.route import Target
from router.health.book import CIRCUIT, HEALTHY, Health, Place, Standing, State

_PROBE_SLACK = 5.0  # seconds a probe's lease outlives the longest attempt
_FORCED_EVERY = 1.0  # seconds between two tries at a target that is left out, where all are
_OTHERS_PROBE = 1.0  # seconds until another worker's probe is looked at again


class Leases(Protocol):
    """Who probes: one worker of all that share the state."""

    async def take(self, target: str, seconds: float) -> bool:
        """Whether this worker is the one."""

    def release(self, target: str) -> None:
        """The probe is over."""


class OwnLeases:
    """The leases of a router that shares nothing: the circuit itself lets only one probe through."""

    async def take(self, target: str, seconds: float) -> bool:  # noqa: ARG002 - the protocol's
        """Always."""
        return True

    def release(self, target: str) -> None:
        """Nothing is held."""


def _own_health() -> Health:
    return Health(time.monotonic, random.SystemRandom())


@dataclass(slots=True)
class Guard:
    """The way to every target's calls, for all requests of one worker."""

    health: Health = field(default_factory=_own_health)
    slots: Slots = field(default_factory=Slots)
    leases: Leases = field(default_factory=OwnLeases)
    _probing: set[Place] = field(default_factory=set)
    _asking: set[str] = field(default_factory=set)
    _forced: dict[str, float] = field(default_factory=dict)

    def standing(self, target: Target) -> Standing:
        """How a target is doing."""
        return self.health.standing(target.key, target.account)

    async def enter(self, target: Target) -> Place | None:
        """A place for this request's calls at a target; None where it takes none now."""
        health = self.health
        if not health.due(target.key):
            return health.enter(target.key, target.account)
        if target.key in self._asking:
            return None  # another request of this worker asks; its probe must not be mistaken for somebody else's
        self._asking.add(target.key)
        try:
            ours = await self.leases.take(target.key, target.policy.attempt_timeout + _PROBE_SLACK)
        finally:
            self._asking.discard(target.key)
        if not ours:
            if health.due(target.key):
                health.postpone(target.key, _OTHERS_PROBE)
            return None
        place = health.enter(target.key, target.account)
        if place is None:
            self.leases.release(target.key)
        else:
            self._probing.add(place)
        return place

    def force(self, target: Target) -> Place | None:
        """A place whatever its circuit says, where nobody else is left; one request has it each second."""
        now = self.health.clock()
        if now < self._forced.get(target.key, now):
            return None
        self._forced[target.key] = now + _FORCED_EVERY
        return self.health.force(target.key, target.account)

    def ended(self, place: Place, attempt: Attempt, *, hurried: bool) -> None:
        """Learn from an attempt. `hurried`: the caller gave it less time than the target's policy does."""
        error = attempt.error
        if error is None:
            self.health.succeeded(place)
        elif not _callers_own(error, attempt.target, hurried=hurried):
            self.health.failed(place, error)

    def leave(self, place: Place) -> None:
        """Give the place back."""
        if place in self._probing:
            self._probing.discard(place)
            self.leases.release(place.target)
        self.health.leave(place)


def _callers_own(error: ProviderError, target: Target, *, hurried: bool) -> bool:
    """Whether a failure says nothing of the target: the caller was in a hurry, or made up a model's name."""
    if error.kind is ErrorKind.UNSUPPORTED:
        return target.name.endswith("*")
    return hurried and error.kind is ErrorKind.TIMEOUT and error.status is None


def held_back(standing: Standing, now: float) -> ProviderError:
    """What a target that is left out would say: the error that made it so, and when it may be asked again."""
    wait = max(0.0, standing.until - now)
    if standing.state is State.OPEN or standing.reason == CIRCUIT or standing == HEALTHY:
        kind, status = ErrorKind.UNAVAILABLE, 503
        words = "the backend has failed repeatedly and is left out for a while"
    else:
        kind, status = ErrorKind(standing.reason), None
        words = f"the backend is left out for a while: {standing.reason}"
        status = 429 if kind is ErrorKind.RATE_LIMITED else 503 if kind is ErrorKind.UNAVAILABLE else None
    return ProviderError(kind, words, outcome=OutcomeClass.NOT_SENT, status=status, retry_after=max(1.0, wait))

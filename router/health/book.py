"""How every target and account is doing, in one book: who may be called now, and what each end of a call changes."""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from providers.base import ErrorKind, ProviderError
from router.health.budget import BudgetRules, RetryBudget
from router.health.circuit import Circuit, CircuitRules, Phase
from router.health.cooldown import Cooldown, CooldownRules
from router.health.effects import Scope, effect

CIRCUIT = "circuit"
"""The reason of a standing that a circuit gives; others are kinds of error."""

_JITTER = (0.9, 1.1)


class State(StrEnum):
    """Whether a target may be called: freely, not yet, or by a few at a time while it recovers."""

    HEALTHY = "healthy"
    COOLING = "cooling"
    OPEN = "open"
    RECOVERING = "recovering"


@dataclass(frozen=True, slots=True)
class Standing:
    """How one target is doing. `until`, in the book's time, is when a state that keeps calls away ends."""

    state: State
    until: float = 0.0
    reason: str = ""

    @property
    def blocked(self) -> bool:
        """Whether no call may be made."""
        return self.state in (State.COOLING, State.OPEN)


HEALTHY = Standing(State.HEALTHY)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What the config says of circuits and cooldowns."""

    circuit: CircuitRules = field(default_factory=CircuitRules)
    cooldown: CooldownRules = field(default_factory=CooldownRules)


@dataclass(frozen=True, slots=True)
class Place:
    """A place for calls at a target; `generation` is the circuit's when it was taken."""

    target: str
    account: str
    generation: int


@dataclass(frozen=True, slots=True)
class Notice:
    """What other workers should know of a target or account: it is left out for so many seconds, and why."""

    seconds: float
    reason: str
    openings: int = 0


@dataclass(slots=True)
class _Target:
    rules: Rules
    circuit: Circuit
    cooldown: Cooldown = field(default_factory=Cooldown)
    last_success: float | None = None


class Health:
    """The book of one worker. It outlives configs: what did not change keeps its state.

    Args:
        clock: seconds, never going back.
        rng: the source of chance for how long circuits stay open.
        tell: is told of what other workers should know, by name; None for what is over.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        rng: random.Random,
        tell: Callable[[str, Notice | None], None] = lambda _name, _notice: None,
    ) -> None:
        self.clock = clock
        self.tell = tell
        self.noted: Callable[[str, str], None] = lambda _target, _reason: None
        """Is told of each target that is left out by what this worker saw, and why."""

        self._random = rng
        self._targets: dict[str, _Target] = {}
        self._accounts: dict[str, Cooldown] = {}
        self._budgets: dict[str, RetryBudget] = {}
        self._told: dict[str, tuple[Notice, float]] = {}

    def follow(self, targets: Mapping[str, Rules], budgets: Mapping[str, BudgetRules]) -> None:
        """Know exactly these targets and accounts; those known already keep their state unless their rules changed."""
        for name, rules in targets.items():
            known = self._targets.get(name)
            if known is None or known.rules != rules:
                self._targets[name] = _Target(rules, Circuit(rules.circuit))
        for account, rules_of in budgets.items():
            if account not in self._budgets or self._budgets[account].rules != rules_of:
                self._budgets[account] = RetryBudget(rules_of, self.clock())
        for gone in self._targets.keys() - targets.keys():
            del self._targets[gone]
        for gone in self._budgets.keys() - budgets.keys():
            del self._budgets[gone]
            self._accounts.pop(gone, None)

    def standing(self, target: str, account: str) -> Standing:
        """How a target is doing now."""
        known = self._targets.get(target)
        if known is None:
            return HEALTHY
        now = self.clock()
        blocked = [
            Standing(State.COOLING, cooldown.until, cooldown.reason)
            for cooldown in (known.cooldown, self._accounts.get(account))
            if cooldown is not None and cooldown.until > now
        ]
        phase = known.circuit.phase(now)
        if phase is Phase.OPEN:
            blocked.append(Standing(State.OPEN, known.circuit.until, CIRCUIT))
        if blocked:
            last = max(blocked, key=lambda standing: standing.until)
            return Standing(blocked[0].state, last.until, last.reason)  # cooling outranks open: it was asked for
        return HEALTHY if phase is Phase.CLOSED else Standing(State.RECOVERING, now, CIRCUIT)

    def due(self, target: str) -> bool:
        """Whether the next call at a target would be the probe of its circuit."""
        known = self._targets.get(target)
        return known is not None and known.circuit.phase(self.clock()) is Phase.DUE

    def enter(self, target: str, account: str) -> Place | None:
        """Take a place for calls at a target; None where it takes none now."""
        known = self._targets.get(target)
        if known is None:
            return Place(target, account, 0)
        if self.standing(target, account).blocked or not known.circuit.enter(self.clock()):
            return None
        return Place(target, account, known.circuit.generation)

    def force(self, target: str, account: str) -> Place:
        """A place whatever the circuit says, for when nobody else is left."""
        known = self._targets.get(target)
        return Place(target, account, known.circuit.generation if known is not None else 0)

    def leave(self, place: Place) -> None:
        """Give a place back."""
        if (known := self._targets.get(place.target)) is not None:
            known.circuit.leave(place.generation)

    def succeeded(self, place: Place) -> None:
        """A call made in this place ended well."""
        known = self._targets.get(place.target)
        if known is None:
            return
        now = self.clock()
        known.last_success = now
        known.cooldown.over()
        was = known.circuit.phase(now)
        known.circuit.succeeded(place.generation, now)
        if was is not Phase.CLOSED:
            self.tell(place.target, None)

    def failed(self, place: Place, error: ProviderError, *, counts: bool = True) -> None:
        """A call made in this place failed. `counts` False: by the caller's own impatience, so not the target's."""
        known = self._targets.get(place.target)
        if known is None:
            return
        now, meant = self.clock(), effect(error)
        cooldown, name = known.cooldown, place.target
        if meant.cools is Scope.ACCOUNT:
            cooldown, name = self._accounts.setdefault(place.account, Cooldown()), place.account
        before = cooldown.until
        if error.kind is ErrorKind.RATE_LIMITED or (meant.matters and error.retry_after is not None):
            cooldown.limited(known.rules.cooldown, now, error.retry_after, error.kind)
        elif meant.cools is not None:
            cooldown.faulty(known.rules.cooldown, now, error.kind)
        if cooldown.until > max(before, now):
            self.tell(name, Notice(cooldown.until - now, cooldown.reason))
            self.noted(place.target, cooldown.reason)
        if meant.counts and counts and known.circuit.failed(place.generation, now, self._random.uniform(*_JITTER)):
            self.tell(place.target, Notice(known.circuit.until - now, CIRCUIT, known.circuit.openings))
            self.noted(place.target, CIRCUIT)

    def requested(self, account: str) -> None:
        """A request came for this account."""
        if (budget := self._budgets.get(account)) is not None:
            budget.deposit()

    def may_retry(self, account: str) -> bool:
        """Whether the account's retry budget pays for one more try; it then has."""
        budget = self._budgets.get(account)
        return budget is None or budget.spend(self.clock())

    def heard(self, notices: Mapping[str, Notice]) -> None:
        """What all workers know now, by name; what was heard before and is missing here is over."""
        now = self.clock()
        for name, notice in notices.items():
            if name not in self._told or self._told[name][0] != notice:
                self._told[name] = (notice, now)
                self._apply(name, notice, now + notice.seconds)
        for name in self._told.keys() - notices.keys():
            notice, _ = self._told.pop(name)
            if notice.reason == CIRCUIT and (known := self._targets.get(name)) is not None:
                known.circuit.mend()

    def postpone(self, target: str, seconds: float) -> None:
        """Another worker makes the probe: wait for what comes of it."""
        if (known := self._targets.get(target)) is not None:
            known.circuit.open(self.clock() + seconds)

    def balance(self, account: str) -> float:
        """What the account's retry budget holds."""
        budget = self._budgets.get(account)
        return budget.balance if budget is not None else 0.0

    def last_success(self, target: str) -> float | None:
        """When a target last made a picture, in the book's time; None if never."""
        known = self._targets.get(target)
        return known.last_success if known is not None else None

    def targets(self) -> tuple[str, ...]:
        """Every target of the config."""
        return tuple(self._targets)

    def _apply(self, name: str, notice: Notice, until: float) -> None:
        known = self._targets.get(name)
        if known is not None and notice.reason == CIRCUIT:
            # Open here as well, it may only wait for another worker's probe, and that has failed.
            if known.circuit.phase(self.clock()) is not Phase.OPEN or known.circuit.openings < notice.openings:
                known.circuit.open(until)
            known.circuit.openings = max(known.circuit.openings, notice.openings)
            return
        cooldown = known.cooldown if known is not None else self._accounts.setdefault(name, Cooldown())
        if until > cooldown.until:
            cooldown.until, cooldown.reason = until, notice.reason

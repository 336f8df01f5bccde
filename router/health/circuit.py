"""One target's circuit: closed, open for a while, then one probe, then a ramp back to full use."""

from collections import deque
from dataclasses import dataclass
from enum import StrEnum

_BUCKETS = 12  # of the window: old calls leave it in steps


class Phase(StrEnum):
    """Where a circuit is. DUE: its time is over, and one call may try."""

    CLOSED = "closed"
    OPEN = "open"
    DUE = "due"
    RAMPING = "ramping"


@dataclass(frozen=True, slots=True, kw_only=True)
class CircuitRules:
    """When a circuit opens and how it closes again. Times in seconds.

    It opens after `failures` in a row, or where at least `share` of at least `calls` within `window` failed; for
    `open_for`, longer each time up to `longest`. A ramp is over once `full` calls may run side by side.
    """

    failures: int = 5
    share: float = 0.5
    calls: int = 8
    window: float = 60.0
    open_for: float = 30.0
    longest: float = 300.0
    full: int = 32
    forget: float = 600.0


@dataclass(slots=True)
class _Bucket:
    begun: float
    good: int = 0
    bad: int = 0


class Circuit:
    """The circuit of one target. `stretch` is the jitter of each opening, such as 0.9 to 1.1."""

    def __init__(self, rules: CircuitRules) -> None:
        self.rules = rules
        self.until = 0.0
        self.openings = 0
        self.generation = 0  # of calls that may judge it: those begun since it last changed
        self._open = False
        self._width = 0  # calls side by side while it ramps; 0: it does not ramp
        self._running = 0
        self._in_a_row = 0
        self._healthy_since = 0.0
        self._window: deque[_Bucket] = deque()

    def phase(self, now: float) -> Phase:
        """Where it is."""
        if self._open:
            return Phase.DUE if now >= self.until else Phase.OPEN
        return Phase.RAMPING if self._width else Phase.CLOSED

    def enter(self, now: float) -> bool:
        """Take a place for a call; False where none is free now. A circuit that is due gives one, the probe's."""
        match self.phase(now):
            case Phase.OPEN:
                return False
            case Phase.DUE:
                self._open, self._width = False, 1
                self._running, self.generation = 0, self.generation + 1
            case Phase.RAMPING if self._running >= self._width:
                return False
        self._running += 1
        return True

    def leave(self, generation: int) -> None:
        """Give a place back. Those of an earlier generation are gone already."""
        if generation == self.generation:
            self._running -= 1

    def succeeded(self, generation: int, now: float) -> None:
        """A call ended well. One that was made although the circuit is open shows that it need not be."""
        if generation != self.generation:
            return
        if self._open:
            self.mend()
            return
        self._bucket(now).good += 1
        self._in_a_row = 0
        if self._width:
            self._width *= 2
            if self._width >= self.rules.full:
                self._width, self._healthy_since = 0, now
        elif self.openings and now - self._healthy_since >= self.rules.forget:
            self.openings = 0

    def failed(self, generation: int, now: float, stretch: float) -> bool:
        """A call ended badly; whether that opened the circuit."""
        if generation != self.generation or self._open:
            return False
        self._bucket(now).bad += 1
        self._in_a_row += 1
        if not (self._width or self._in_a_row >= self.rules.failures or self._mostly_bad()):
            return False
        self.openings += 1
        self.open(now + min(self.rules.longest, self.rules.open_for * self.openings) * stretch)
        return True

    def open(self, until: float) -> None:
        """Take no calls before `until`."""
        self.until, self._open, self._width = until, True, 0
        self._running, self._in_a_row = 0, 0
        self.generation += 1
        self._window.clear()

    def mend(self) -> None:
        """A call went well elsewhere, or against the odds: begin the ramp."""
        if self._open:
            self._open, self._width = False, 1
            self._running, self.generation = 0, self.generation + 1

    def _bucket(self, now: float) -> _Bucket:
        span = self.rules.window / _BUCKETS
        while self._window and now - self._window[0].begun >= self.rules.window:
            self._window.popleft()
        if not self._window or now - self._window[-1].begun >= span:
            self._window.append(_Bucket(now))
        return self._window[-1]

    def _mostly_bad(self) -> bool:
        bad = sum(bucket.bad for bucket in self._window)
        calls = bad + sum(bucket.good for bucket in self._window)
        return calls >= self.rules.calls and bad >= self.rules.share * calls

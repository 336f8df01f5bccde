"""What one target did in the last hour, in a bounded space: counts and times by slots of ten seconds."""

import math
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Any

from providers.base import OutcomeClass
from router.engine.record import Attempt

SLOT = 10.0  # seconds
_SLOTS = 360  # an hour
_BARS = 30  # slots that are shown one by one: five minutes
_BASE = math.log(1.05)  # times are kept to within five per cent
_LEAST = 0.001  # seconds


@dataclass(slots=True)
class _Slot:
    number: int
    attempts: int = 0
    failures: int = 0
    cost: float = 0.0
    times: Counter[int] = field(default_factory=Counter)


class Tally:
    """The attempts at one target. `now` is in seconds, never going back."""

    def __init__(self) -> None:
        self._slots: deque[_Slot] = deque(maxlen=_SLOTS)

    def add(self, attempt: Attempt, now: float) -> None:
        """Count an attempt that has ended."""
        number = int(now // SLOT)
        if not self._slots or self._slots[-1].number != number:
            self._slots.append(_Slot(number))
        slot = self._slots[-1]
        slot.attempts += 1
        slot.cost += attempt.cost or 0.0
        if attempt.outcome is OutcomeClass.SUCCEEDED:
            slot.times[round(math.log(max(attempt.seconds, _LEAST)) / _BASE)] += 1
        else:
            slot.failures += 1

    def told(self, now: float) -> dict[str, Any]:
        """The hour in numbers. The times are those of attempts that made pictures, None where there was none."""
        last = int(now // SLOT)
        while self._slots and self._slots[0].number <= last - _SLOTS:
            self._slots.popleft()
        times: Counter[int] = Counter()
        for slot in self._slots:
            times += slot.times
        by_number = {slot.number: slot for slot in self._slots}
        bars = [by_number.get(number, _Slot(number)) for number in range(last - _BARS + 1, last + 1)]
        return {
            "attempts": sum(slot.attempts for slot in self._slots),
            "failures": sum(slot.failures for slot in self._slots),
            "per_minute": sum(slot.attempts for slot in bars[-6:]),
            "p50": _quantile(times, 0.5),
            "p95": _quantile(times, 0.95),
            "cost": round(sum(slot.cost for slot in self._slots), 6),
            "bars": [[slot.attempts, slot.failures] for slot in bars],
        }


def _quantile(times: Counter[int], share: float) -> float | None:
    left = math.ceil(times.total() * share)
    for step in sorted(times):
        left -= times[step]
        if left <= 0:
            return round(math.exp(step * _BASE), 3)
    return None

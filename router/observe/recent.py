"""The last requests and the last hour of every target, kept for the console: from the records that the metrics read."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Any

from msgspec import Struct

from providers.dialect import PARAMETERS, ParameterWarning
from router.engine.record import Attempt, Outcome, Skip
from router.engine.request import ImageRequest
from router.observe.tally import Tally

KEPT = 200
"""How many requests are kept."""

_LONGEST = 500  # characters of a prompt, where prompts are kept at all
_MOST = 40  # attempts, skips or warnings of one request
_PLAIN = PARAMETERS - {"negative_prompt", "user", "safety_identifier"} | {"size", "operation", "n", "response_format"}


class Ended(Struct, frozen=True, kw_only=True):
    """One request that was answered. `at` is Unix time; `began` the loop's time, as attempts have it.

    `prompt` is None where the configuration keeps none.
    """

    id: str
    caller: str | None
    model: str | None
    status: int
    error: str | None
    at: float
    began: float
    seconds: float
    request: ImageRequest | None
    outcome: Outcome | None
    prompts: bool


class Entry(Struct, frozen=True):
    """What is kept of a request, ready to be sent. `number` counts all requests."""

    number: int
    caller: str | None
    told: dict[str, Any]


class Recent:
    """The book of one process. `clock` is in seconds, never going back."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._entries: deque[Entry] = deque(maxlen=KEPT)
        self._tallies: dict[str, Tally] = {}
        self._listeners: set[asyncio.Event] = set()
        self._count = 0

    def ended(self, ended: Ended) -> None:
        """Keep a request that was answered, count its attempts, and wake whoever watches."""
        now = self._clock()
        for attempt in ended.outcome.attempts if ended.outcome is not None else ():
            key = attempt.target.key
            if (tally := self._tallies.get(key)) is None:
                tally = self._tallies[key] = Tally()
            tally.add(attempt, now)
        self._count += 1
        self._entries.append(Entry(self._count, ended.caller, _told(ended)))
        for listener in self._listeners:
            listener.set()

    def since(self, number: int) -> Iterator[Entry]:
        """What came after a number, the oldest first."""
        return (entry for entry in tuple(self._entries) if entry.number > number)

    def tallies(self, keys: Collection[str]) -> dict[str, dict[str, Any]]:
        """The last hour of these targets; others are forgotten."""
        now = self._clock()
        for gone in self._tallies.keys() - keys:
            del self._tallies[gone]
        return {key: self._tallies.get(key, Tally()).told(now) for key in keys}

    @property
    def watchers(self) -> int:
        """How many watch."""
        return len(self._listeners)

    @contextmanager
    def watching(self) -> Iterator[asyncio.Event]:
        """An event that is set whenever a request has ended."""
        listener = asyncio.Event()
        self._listeners.add(listener)
        try:
            yield listener
        finally:
            self._listeners.discard(listener)


def _told(ended: Ended) -> dict[str, Any]:
    told: dict[str, Any] = {
        "id": ended.id,
        "at": round(ended.at, 3),
        "caller": ended.caller,
        "model": ended.model,
        "status": ended.status,
        "error": ended.error,
        "seconds": round(ended.seconds, 3),
    }
    if (request := ended.request) is not None:
        told |= {"operation": request.operation, "n": request.n, "stream": request.stream}
        if ended.prompts:
            told["prompt"] = request.prompt[:_LONGEST]
    if (outcome := ended.outcome) is not None:
        told |= {
            "cost": outcome.cost,
            "images": len(outcome.deliveries),
            "attempts": [_attempt(each, ended.began) for each in outcome.attempts[:_MOST]],
            "skipped": [_skip(each) for each in outcome.skips[:_MOST]],
            "warnings": [_warning(each, texts=ended.prompts) for each in outcome.warnings[:_MOST]],
        }
    return told


def _attempt(attempt: Attempt, began: float) -> dict[str, Any]:
    """`start` is in seconds after the request came."""
    told: dict[str, Any] = {
        "target": attempt.target.name,
        "number": attempt.number,
        "start": round(max(0.0, attempt.ended - attempt.seconds - began), 3),
        "seconds": round(attempt.seconds, 3),
        "outcome": attempt.outcome,
        "cost": attempt.cost,
    }
    if attempt.error is not None:
        told |= {"error": attempt.error.kind, "status": attempt.error.status}
    return told


def _skip(skip: Skip) -> dict[str, str]:
    return {"target": skip.target.name, "reason": skip.reason}


def _warning(warning: ParameterWarning, *, texts: bool) -> dict[str, str | None]:
    """What a caller wrote in words of its own is told only where prompts are."""
    told: dict[str, str | None] = {"parameter": warning.parameter, "asked": warning.asked, "sent": warning.sent}
    if not (texts or warning.parameter in _PLAIN):
        told = {"parameter": warning.parameter, "asked": "a text", "sent": None if warning.sent is None else "another"}
    return {**told, "reason": warning.reason}

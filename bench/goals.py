"""What was promised of the router's speed, and whether the figures keep it."""

from collections.abc import Callable
from dataclasses import dataclass

from bench.rounds import Results
from bench.targets import DIRECT, LITELLM, NGINX, OURS, PORTKEY

WIDE = f"{OURS}, 1000 models"

Figure = Callable[[Results], float | None]


@dataclass(frozen=True)
class Goal:
    """One promise: a figure that is at least, or at most, so much. `figure` is None where it could not be measured."""

    row: str
    words: str
    bound: float
    figure: Figure
    at_least: bool = False

    def met(self, results: Results) -> bool | None:
        """Whether it is kept; None where that was not measured."""
        value = self.figure(results)
        if value is None:
            return None
        return value >= self.bound if self.at_least else value <= self.bound

    def bounds(self) -> str:
        """The promise in short."""
        return f"{'at least' if self.at_least else 'at most'} {self.bound:g}"


def _times(metric: str, other: str) -> Figure:
    """Our figure as a multiple of another's."""

    def figure(results: Results) -> float | None:
        mine, theirs = results.get(OURS, metric), results.get(other, metric)
        return mine / theirs if mine is not None and theirs else None

    return figure


def _added(kind: str, other: str) -> Figure:
    """The time that we add to a request, as a multiple of what another adds."""

    def figure(results: Results) -> float | None:
        base, mine, theirs = (results.get(name, f"{kind} p50") for name in (DIRECT, OURS, other))
        if base is None or mine is None or theirs is None or theirs <= base:
            return None
        return (mine - base) / (theirs - base)

    return figure


def _own(metric: str) -> Figure:
    return lambda results: results.get(OURS, metric)


def _wide(results: Results) -> float | None:
    mine, wide = results.get(OURS, "table rate"), results.get(WIDE, "table rate")
    return wide / mine if mine and wide is not None else None


def _replayed(results: Results) -> float | None:
    return None if results.get(OURS, "edit rate") is None else float(results.get(OURS, "again rate") is not None)


GOALS = (
    Goal("tiny answers", "requests a second, LiteLLM = 1", 25, _times("tiny rate", LITELLM), at_least=True),
    Goal("tiny answers", "requests a second, Portkey = 1", 4.5, _times("tiny rate", PORTKEY), at_least=True),
    Goal("1.5 MB answers", "requests a second, LiteLLM = 1", 10, _times("m rate", LITELLM), at_least=True),
    Goal("1.5 MB answers", "processor time a request, nginx = 1", 1.5, _times("m cpu", NGINX)),
    Goal("6 MB answers", "requests a second, LiteLLM = 1", 8, _times("l rate", LITELLM), at_least=True),
    Goal("6 MB answers", "processor time a request, nginx = 1", 2, _times("l cpu", NGINX)),
    Goal("added p50, one at a time", "tiny, what nginx adds = 1", 4, _added("tiny", NGINX)),
    Goal("added p50, one at a time", "tiny, what LiteLLM adds = 1", 0.1, _added("tiny", LITELLM)),
    Goal("added p50, one at a time", "6 MB, what nginx adds = 1", 4, _added("l", NGINX)),
    Goal("added p50, one at a time", "6 MB, what LiteLLM adds = 1", 1 / 15, _added("l", LITELLM)),
    Goal("memory per 6 MB in flight, 64 at once", "times the answers, read at once", 1.2, _own("memory busy")),
    Goal("memory per 6 MB in flight, 64 at once", "times the answers, stalled readers", 1.4, _own("memory stalled")),
    Goal("idle memory", "LiteLLM = 1", 0.25, _times("idle memory", LITELLM)),
    Goal("320 MB edit", "growth of memory as a share of it", 0.05, _own("edit memory")),
    Goal("320 MB edit", "MB a second, LiteLLM = 1", 2, _times("edit rate", LITELLM), at_least=True),
    Goal("320 MB edit", "replayed at a fallback: 1 is yes", 1, _replayed, at_least=True),
    Goal("1,000 models, 20 providers", "tiny requests a second, a table of 3 = 1", 0.97, _wide, at_least=True),
    Goal("10,000 answers of 1.5 MB", "memory at the end, after the first tenth = 1", 1.02, _own("growth")),
)

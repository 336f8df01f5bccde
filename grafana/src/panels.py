"""What a panel is: a question, what to do about its answer, and the queries that find it."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """How an answer is shown, by Grafana's own names."""

    NUMBER = "stat"
    LINES = "timeseries"
    TABLE = "table"
    STATES = "state-timeline"


class Color(StrEnum):
    """What a value means."""

    GOOD = "green"
    BETTER = "blue"
    DOUBTFUL = "orange"
    BAD = "red"
    PLAIN = "text"


@dataclass(frozen=True, slots=True)
class Query:
    """One expression; `name` is its line's legend, or its column's title, and `unit` a column's own unit."""

    expression: str
    name: str = ""
    unit: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One question.

    Args:
        title: the question.
        text: what a bad answer means, and what to do.
        unit: the unit of its values, by Grafana's names.
        kind: how it is shown.
        queries: what answers it.
        width: in columns, of which there are 24.
        height: in rows.
        steps: from which value on which colour holds; the first value is ignored, as it holds from below.
        names: what values are called.
        stacked: whether lines stand on each other.
    """

    title: str
    text: str
    unit: str
    queries: tuple[Query, ...]
    kind: Kind = Kind.LINES
    width: int = 12
    height: int = 8
    steps: tuple[tuple[float, Color], ...] = ()
    names: Mapping[int, tuple[str, Color]] | None = None
    stacked: bool = False


def number(title: str, text: str, unit: str, expression: str, *steps: tuple[float, Color]) -> Panel:
    """One number, at the top of a dashboard."""
    return Panel(
        title=title,
        text=text,
        unit=unit,
        queries=(Query(expression),),
        kind=Kind.NUMBER,
        width=4,
        height=4,
        steps=steps,
    )


@dataclass(frozen=True, slots=True)
class Dashboard:
    """One page: which questions belong together, and who asks them."""

    name: str
    title: str
    text: str
    panels: tuple[Panel, ...]

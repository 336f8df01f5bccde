"""PromQL in words: every query of the dashboards is put together from these."""

from collections.abc import Callable

JOB = 'job=~"$job"'
MODEL = 'model=~"$model"'
TARGET = 'target=~"$target"'
FAILED = 'status=~"408|5.."'
"""Answers that are failures of the router or of every backend, 408 where none answered in time.

What is wrong or refused is none.
"""
RANGE = "$__range"
"""The time that the reader looks at."""


def series(name: str, *filters: str) -> str:
    """A metric of the jobs chosen, and of what else `filters` choose."""
    return f"image_router_{name}{{{','.join((JOB, *filters))}}}"


def rate(name: str, *filters: str) -> str:
    """How much a counter grows in a second."""
    return f"rate({series(name, *filters)}[$__rate_interval])"


def days_until(expression: str) -> str:
    """Days until a moment, negative once it has passed."""
    return f"({expression} - time()) / 86400"


def per_minute(name: str, *filters: str) -> str:
    """How much a counter grows in a minute: pictures are too rare for seconds."""
    return f"60 * {rate(name, *filters)}"


def per_hour(name: str, *filters: str) -> str:
    """How much a counter grows in an hour: the pace of money."""
    return f"3600 * {rate(name, *filters)}"


def grown(name: str, *filters: str) -> str:
    """How much a counter has grown in the time looked at."""
    return f"increase({series(name, *filters)}[{RANGE}])"


def counted(name: str, *filters: str, by: tuple[str, ...] = ()) -> str:
    """The same as a whole number, as Prometheus extrapolates; for each value of the labels in `by`."""
    return f"round({total(grown(name, *filters), *by)})"


def total(expression: str, *by: str) -> str:
    """The sum, for each value of the labels in `by`."""
    return _over("sum", expression, by)


def each(pace: Callable[..., str], name: str, *filters: str, by: tuple[str, ...]) -> str:
    """The pace of a counter for each value of the labels in `by`, where it ever grew: what is there at 0 is no line."""
    return f"{total(pace(name, *filters), *by)} and {total(series(name, *filters), *by)} > 0"


def least(expression: str, *by: str) -> str:
    """The smallest, for each value of the labels in `by`."""
    return _over("min", expression, by)


def most(expression: str, *by: str) -> str:
    """The largest, for each value of the labels in `by`."""
    return _over("max", expression, by)


def share(part: str, whole: str) -> str:
    """A part of a whole: 0 where there is no such part, nothing where there is no whole."""
    return f"(({part}) or 0 * ({whole})) / (({whole}) > 0)"


def rest(part: str, whole: str) -> str:
    """What is not `part` of a whole."""
    return f"1 - {share(part, whole)}"


def quantile(rank: float, name: str, *filters: str, by: tuple[str, ...] = (), whole: bool = False) -> str:
    """A quantile of a histogram, for each value of the labels in `by`; NaN, where nothing happened, is left out.

    `whole`: over all the time looked at.
    """
    found = rate(f"{name}_bucket", *filters) if not whole else grown(f"{name}_bucket", *filters)
    return f"histogram_quantile({rank}, {total(found, 'le', *by)}) >= 0"


def _over(function: str, expression: str, by: tuple[str, ...]) -> str:
    return f"{function} by ({', '.join(by)}) ({expression})" if by else f"{function}({expression})"

"""The queries of panels and rules, as tests put them: with the reader's choices filled in."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import yaml
from serving import ROOT

RULES = ROOT / "grafana" / "rules"
CHOICES = {
    "$__rate_interval": "10s",
    "$__range": "1m",
    "$job": ".*",
    "$model": ".*",
    "$target": ".*",
}
_SERIES = re.compile(r"image_router[a-z0-9_:]+(?:\{[^}]*\})?")


def queries(panel: Mapping[str, Any]) -> list[str]:
    """A panel's expressions."""
    return [target["expr"] for target in panel["targets"]]


def filled(query: str, choices: Mapping[str, str] = CHOICES) -> str:
    """The query that Grafana would send: everything chosen, over short times."""
    for name, value in choices.items():
        query = query.replace(name, value)
    assert "$" not in query
    return query


def series(expression: str) -> list[str]:
    """The series that an expression reads, each as a selector."""
    return _SERIES.findall(expression)


def metrics(expression: str) -> set[str]:
    """The metrics that an expression reads, a histogram by its own name."""
    found = {each.partition("{")[0] for each in series(expression)}
    return {re.sub(r"_(bucket|count|sum)$", "", each) for each in found}


def without_thresholds(expression: str) -> str:
    """What an alert compares, whether or not it is beyond its threshold, and a moment instead of days ago."""
    compared = re.sub(r" (>=|<=|==|>|<) ", r" \1 bool ", expression)
    return re.sub(r"offset \w+", "offset 1s", compared)


def rules() -> Iterator[Mapping[str, Any]]:
    """Every rule of grafana/rules: those that record have `record`, alerts have `alert`."""
    for path in sorted(RULES.glob("*.yml")):
        for group in yaml.safe_load(path.read_text())["groups"]:
            yield from group["rules"]

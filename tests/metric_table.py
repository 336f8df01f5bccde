"""What docs/metrics.md says: the metrics with their labels, and the bound on their series."""

import re
from collections.abc import Iterator, Mapping

from serving import ROOT

TEXT = (ROOT / "docs" / "metrics.md").read_text()
PREFIX = "image_router_"
OWN = "`operation`, `model`"


def documented() -> Mapping[str, frozenset[str]]:
    """The labels of each metric."""
    return dict(_rows())


def words(label: str) -> frozenset[str]:
    """The values of a label, as the first table has them."""
    row = re.search(rf"^\| {re.escape(label)} \|(.*)\|$", TEXT, re.MULTILINE)
    assert row is not None
    return frozenset(re.findall(r"`([^`]+)`", row[1]))


def told(metric: str) -> str:
    """What is said of a metric."""
    row = re.search(rf"^\| `{metric}` \|[^|]*\|(.*)\|$", TEXT, re.MULTILINE)
    assert row is not None
    return row[1]


def _rows() -> Iterator[tuple[str, frozenset[str]]]:
    table = TEXT.partition("## Requests")[2].partition("## How many")[0]
    for first, labels in re.findall(r"^\| (`[a-z_`, ]+) \|([^|]*)\|", table, re.MULTILINE):
        names = re.findall(r"`(\w+)`", first)
        parts = labels.split(";") if ";" in labels else [labels] * len(names)
        for name, part in zip(names, parts, strict=True):
            yield PREFIX + name, frozenset(re.findall(r"`(\w+)`", part))


def bound(*, models: int, targets: int, members: int, accounts: int, keys: int) -> int:
    """How many series a router of so many can have at most, by the formula in the document; wildcards count once."""
    formula = re.search(r"```\n(3 x 30 x M.*?)```", TEXT, re.DOTALL)
    assert formula is not None
    terms = " ".join(re.split(r"  +(?=[a-z])", line)[0] for line in formula[1].splitlines()).replace(" x ", " * ")
    known = {"M": models + 1, "T": targets, "C": members, "A": accounts, "G": keys + 1}
    return int(eval(terms, {"__builtins__": {}}, known))  # noqa: S307 - our own document

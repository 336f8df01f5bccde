"""Every fault has a test, and every test the matrix names is there."""

import ast
import re
from collections import defaultdict
from functools import cache
from pathlib import Path

from fault_matrix import ELSEWHERE, FAULTS

TESTS = Path(__file__).parent
_IDS = re.compile(r"test_((?:f\d\d_)+)")


@cache
def existing() -> frozenset[str]:
    """Every test there is, as `file::test`."""
    return frozenset(
        f"{file.name}::{node.name}"
        for file in TESTS.glob("test_*.py")
        for node in ast.parse(file.read_text()).body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
    )


def held() -> dict[str, set[str]]:
    """By fault, the tests that hold it."""
    found = defaultdict(set, {fault: set(names) for fault, names in ELSEWHERE.items()})
    for name in existing():
        if said := _IDS.match(name.partition("::")[2]):
            for fault in said[1].strip("_").split("_"):
                found[fault.upper()].add(name)
    return found


def test_the_matrix_names_all_faults() -> None:
    """They are numbered from 1 to 48 without a gap, and no test claims another."""
    assert list(FAULTS) == [f"F{number:02}" for number in range(1, 49)]
    assert held().keys() <= FAULTS.keys()


def test_every_fault_has_a_test() -> None:
    """By its name or by the table."""
    assert [fault for fault in FAULTS if not held().get(fault)] == []


def test_every_test_that_is_named_exists() -> None:
    """A test that was renamed or lost is missed here."""
    assert {name for names in ELSEWHERE.values() for name in names} <= existing()

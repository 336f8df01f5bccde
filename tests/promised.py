"""The tests that docs/promises.md names, and a witness that they ran where every test did."""

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
PAGE = TESTS.parent / "docs/promises.md"
_PROMISE = re.compile(r"^## (\d+)\. ([^\n]+)\n(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
_TEST = re.compile(r"`(test_\w+\.py::\w+(?:::\w+)?)`")


@dataclass(frozen=True, slots=True)
class Promise:
    """One promise: its words, and the tests that hold it, as `file::test`."""

    title: str
    text: str
    tests: tuple[str, ...]


def promises() -> Mapping[int, Promise]:
    """The promises by their numbers."""
    found = _PROMISE.findall(PAGE.read_text())
    return {int(number): Promise(title, text, tuple(_TEST.findall(text))) for number, title, text in found}


@cache
def existing() -> frozenset[str]:
    """Every test there is, as `file::test` or, of a state machine, `file::class::runTest`."""
    return frozenset(
        f"{file.name}::{name}" for file in TESTS.glob("test_*.py") for name in _tests(ast.parse(file.read_text()))
    )


def _tests(module: ast.Module) -> list[str]:
    found = []
    for node in module.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
            found.append(node.name)
        elif isinstance(node, ast.Assign):  # hypothesis makes the classes of its state machines
            names = (each.id for each in ast.walk(node.targets[0]) if isinstance(each, ast.Name))
            found += [f"{name}::runTest" for name in names if name.startswith("Test")]
    return found


class Witness:
    """Sees which tests ran, in whichever process, and fails the session when one that was promised did not."""

    def __init__(self, promised: frozenset[str]) -> None:
        self.missing = set(promised)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """A test ran. One that was skipped says so itself, and CI refuses it."""
        if report.when == "call" or report.skipped:
            self.missing.discard(report.nodeid.partition("[")[0].rpartition("/")[2])

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """All that went well was not all."""
        if self.missing and exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter, exitstatus: int) -> None:
        """Which did not run; of a session that broke off, or failed anyway, that is no news."""
        if exitstatus == pytest.ExitCode.OK:
            for name in sorted(self.missing):
                terminalreporter.write_line(f"FAILED {name} - docs/promises.md names it, and it did not run", red=True)


def witness(config: pytest.Config, promised: frozenset[str]) -> None:
    """Watch a session in which every test is to run; xdist's workers tell the process that started them."""
    chosen = config.option.keyword or config.option.markexpr or config.option.deselect or config.option.ignore
    whole = config.args_source is pytest.Config.ArgsSource.TESTPATHS and not chosen and not config.option.collectonly
    if whole and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Witness(promised), "promised")

"""What every test may use: the event loop, the options, and the rule that CI skips nothing."""

import gc
import os
import shutil
import sys
from collections.abc import Generator
from pathlib import Path

import promised
import pytest

ROOT = Path(__file__).parent.parent
CI = os.environ.get("CI", "").lower() in {"1", "true", "yes"}
LONGEST = {"test_policy_machine.py", "test_soak.py", "test_workers.py"}
"""Files that take a minute: they begin first, so that nobody waits for them in the end."""

# Each new client reads every root that the machine trusts: 25 ms of a processor, thousands of times, and none is used.
os.environ["SSL_CERT_FILE"] = str(ROOT / "tests/roots.pem")

# Hundreds of processes are started: without this each may have to compile the router anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

gc.disable()  # what collection makes stays to the end


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--golden` rewrites the golden files instead of comparing with them."""
    parser.addoption("--golden", action="store_true", help="rewrite tests/wire and tests/explain from the code")


def pytest_configure(config: pytest.Config) -> None:
    """Where every test runs, those that docs/promises.md names must be among them."""
    promised.witness(config, frozenset(name for each in promised.promises().values() for name in each.tests))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest first, the others in their order."""
    items.sort(key=lambda item: item.path.name not in LONGEST)


def pytest_collection_finish() -> None:
    """From here on there is garbage; what is there now is none, and is never looked through again."""
    gc.freeze()
    gc.enable()


@pytest.fixture(scope="session")
def anyio_backend() -> tuple[str, dict[str, bool]]:
    """Every async test runs on asyncio over uvloop, as the router does."""
    return "asyncio", {"use_uvloop": True}


def needs(program: str, install: str) -> pytest.MarkDecorator:
    """Skip where `program` is missing, a command or a path in the repository, and say which command installs it."""
    found = (ROOT / program).exists() if "/" in program else shutil.which(program) is not None
    return pytest.mark.skipif(not found, reason=f"'{program}' is not installed; to run this test: {install}")


def _refuse_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    """Turn a skip into a failure, since CI has everything a test may need; an expected failure is no skip."""
    if report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"With CI set, no test may be skipped: {reason}"


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A skipped test."""
    report = yield
    if CI:
        _refuse_skip(report)
    return report


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """A skipped file."""
    report = yield
    if CI:
        _refuse_skip(report)
    return report

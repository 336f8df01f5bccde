"""Every promise in docs/promises.md names the tests that hold it; they exist, and where all tests run, they ran."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from promised import TESTS, existing, promises

UNSHOWN = "Not shown by a test"
SUITE = {
    "pytest.ini": "[pytest]\ntestpaths = tests\naddopts = -p no:cacheprovider -p xdist -n 2 --dist loadfile\n",
    "tests/conftest.py": """\
from promised import witness


def pytest_configure(config):
    names = {"test_a.py::test_one", "test_b.py::test_many", "test_b.py::test_skipped", "test_c.py::test_gone"}
    witness(config, frozenset(names))
""",
    "tests/test_a.py": "def test_one():\n    pass\n",
    "tests/test_b.py": """\
import pytest


@pytest.mark.parametrize("what", ["a/b", "c/d[e]"])
def test_many(what):
    pass


@pytest.mark.skip(reason="nothing here")
def test_skipped():
    pass
""",
}


def test_the_promises_are_numbered_without_a_gap() -> None:
    """There are 34, each with words of its own."""
    assert list(promises()) == list(range(1, 35))
    assert all(promise.text.strip() for promise in promises().values())


@pytest.mark.parametrize("number", promises())
def test_a_promise_names_its_tests(number: int) -> None:
    """Tests that are there, or a sentence that says what no test shows."""
    promise = promises()[number]
    assert promise.tests or UNSHOWN in promise.text
    assert set(promise.tests) <= existing()


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    """A few tests whose conftest is promised one more than there is."""
    (tmp_path / "tests").mkdir()
    for name, text in SUITE.items():
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "code", "missed"),
    [([], 1, ["test_c.py::test_gone"]), (["tests/test_a.py"], 0, []), (["-k", "one"], 0, [])],
    ids=["all", "a file", "a word"],
)
def test_a_promised_test_that_does_not_run_fails_the_whole_suite(
    suite: Path, arguments: list[str], code: int, missed: list[str]
) -> None:
    """On several workers too; who picks some tests is not told of the others."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *arguments],
        cwd=suite,
        env={**environ, "PYTHONPATH": str(TESTS), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stdout
    assert [line.split()[1] for line in done.stdout.splitlines() if line.startswith("FAILED")] == missed

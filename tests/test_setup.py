"""The repository itself: what is pinned, what is said about it, and what must never be committed."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from itertools import chain
from pathlib import Path

import msgspec
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import router

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
LOCKS = ("requirements.lock", "requirements-dev.lock")
PIN = re.compile(r"^([A-Za-z0-9._-]+)==(\S+)(.*(?:\n    .*)*)", re.MULTILINE)

# Written so that this file does not hold what it looks for.
REGISTRIES = re.compile(r"(?:pypi|pythonhosted|npmjs|yarnpkg)\.(?:org|com)|deb\.debian\.(?:org)")
MACHINE_PATHS = re.compile(r"(?<![\w.}/-])/(?:root|work|home/\w+|Users/\w+|opt/pypi)/")


def pins(lock: str) -> dict[str, str]:
    """Every package of a lock file with its version."""
    return {canonicalize_name(name): version for name, version, _ in PIN.findall((ROOT / lock).read_text())}


def asked(*groups: str) -> list[Requirement]:
    """What pyproject.toml asks for: the router's own dependencies and those of `groups`."""
    entries = chain(PROJECT["project"]["dependencies"], *(PROJECT["dependency-groups"][group] for group in groups))
    return [Requirement(entry) for entry in entries if isinstance(entry, str)]


def committed_files() -> list[Path]:
    """Every file that git holds or would take."""
    listing = subprocess.check_output(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, text=True
    )
    return [path for name in listing.split("\0") if name and (path := ROOT / name).is_file()]


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_holds_hashes_and_no_address(lock: str) -> None:
    """Whatever index serves a package, it is the package that was pinned."""
    text = (ROOT / lock).read_text()
    found = PIN.findall(text)
    assert found
    assert [name for name, _, rest in found if "--hash=sha256:" not in rest] == []
    assert re.findall(r"\w+://\S+|--(?:extra-)?index-url|--find-links", text) == []


def test_the_javascript_lock_holds_hashes_and_no_address() -> None:
    """The official clients are pinned exactly, by hash, from whatever registry serves them."""
    folder = ROOT / "tests/clients/js"
    packages = msgspec.json.decode((folder / "package-lock.json").read_bytes())["packages"]
    root = packages.pop("")
    assert root["dependencies"] == msgspec.json.decode((folder / "package.json").read_bytes())["dependencies"]
    assert all(re.fullmatch(r"[\d.]+", version) for version in root["dependencies"].values())
    assert [name for name, package in packages.items() if "integrity" not in package or "resolved" in package] == []


@pytest.mark.parametrize(
    ("lock", "groups"), [("requirements.lock", ["build"]), ("requirements-dev.lock", ["build", "dev"])]
)
def test_a_lock_answers_what_is_asked(lock: str, groups: list[str]) -> None:
    """Every dependency is pinned to a version that pyproject.toml allows; `make lock` makes it so."""
    pinned = pins(lock)
    wanted = {canonicalize_name(each.name): each.specifier for each in asked(*groups)}
    assert {name: pinned.get(name) for name, versions in wanted.items() if pinned.get(name, "") not in versions} == {}


def test_the_locks_agree() -> None:
    """The tests run against the very versions that users get."""
    assert pins("requirements.lock").items() <= pins("requirements-dev.lock").items()


def test_every_dependency_has_its_reason() -> None:
    """Beside each dependency stands what it is for."""
    lines = (ROOT / "pyproject.toml").read_text(encoding="utf-8").splitlines()
    entries = [line for line in lines if re.match(r'    "[A-Za-z0-9-]+(?:[<>=~!;]|"| )', line)]
    extras = chain.from_iterable(PROJECT["project"]["optional-dependencies"].values())
    names = [str(each.name) for each in (*asked("build", "dev"), *map(Requirement, extras))]
    of_dependencies = [line for line in entries if re.split(r"[^A-Za-z0-9-]", line.strip(' "'))[0] in names]
    assert len(of_dependencies) == len(names)
    assert [line for line in of_dependencies if not re.search(r"  # \w", line)] == []


def test_make_help_lists_every_target() -> None:
    """Whatever make can do, `make help` says."""
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z][a-z-]*):(?!=)", makefile, re.MULTILINE))
    phony = set(re.findall(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)[0].split())
    printed = subprocess.check_output(["make", "--no-print-directory", "help"], cwd=ROOT, text=True)
    listed = {line.split()[0] for line in printed.splitlines() if len(line.split()) > 1}
    assert targets == phony == listed


def test_the_version_is_said_once() -> None:
    """The package and its metadata agree on the version."""
    assert PROJECT["project"]["version"] == router.__version__


@pytest.mark.parametrize("pattern", [REGISTRIES, MACHINE_PATHS], ids=["registry", "machine path"])
def test_no_file_names_a_machine(pattern: re.Pattern[str]) -> None:
    """No committed file names a package registry or a path of somebody's machine."""
    found = []
    for path in committed_files():
        text = path.read_bytes().decode(errors="ignore")
        found += [f"{path.relative_to(ROOT)}: {match.group()}" for match in pattern.finditer(text)]
    assert found == []


SKIPPING = """
import pytest
from conftest import needs

@needs("no-such-program", "apt-get install it")
def test_left_out(): ...

@pytest.mark.xfail(strict=True)
def test_expected(): assert False
"""


@pytest.mark.parametrize(("ci", "code"), [("true", pytest.ExitCode.TESTS_FAILED), ("", pytest.ExitCode.OK)])
def test_ci_skips_nothing(tmp_path: Path, ci: str, code: pytest.ExitCode) -> None:
    """With CI set a skipped test is a failure that says what is missing; elsewhere it is a skip that says the same."""
    shutil.copy(ROOT / "tests/conftest.py", tmp_path)
    (tmp_path / "test_skipping.py").write_text(SKIPPING)
    run = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-rs",
            "-p",
            "no:cacheprovider",
            "-c",
            os.devnull,
            "--rootdir",
            str(tmp_path),
            str(tmp_path),
        ],
        env=os.environ | {"CI": ci, "PYTHONPATH": str(ROOT / "tests"), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == code, run.stdout
    assert "'no-such-program' is not installed; to run this test: apt-get install it" in run.stdout
    assert "1 xfailed" in run.stdout

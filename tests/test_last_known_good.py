"""A start on a broken configuration serves the last good one, says so loudly, and never invents one."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import httpx
import pytest
import yaml
from backends import OpenAIBackend
from processes import BODY, PATH, configured, running
from serving import ROOT, command

from router.config.last_good import LastGood, NotKept
from router.config.load import load

BROKEN = {"garbage": "\tgarbage: [", "empty": "", "unknown key": "modles: {}\nproviders: {}\n", "deleted": None}


@pytest.fixture(scope="module")
def backend() -> Iterator[OpenAIBackend]:
    """A backend for all."""
    with OpenAIBackend() as backend:
        yield backend


def start(file: Path, state: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A start that is expected to fail."""
    return subprocess.run(
        [sys.executable, "-m", "router", "serve", "--port", "0", "--config", str(file), *arguments],
        cwd=ROOT,
        env={**os.environ, "XDG_STATE_HOME": str(state)},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_a_broken_file_serves_its_last_good_state(backend: OpenAIBackend, tmp_path: Path) -> None:
    """However a file is broken, the next start serves as before; readiness, metric and log say that it is stale."""
    environ = {"XDG_STATE_HOME": str(tmp_path / "state")}
    with running(configured(backend.url), tmp_path, environ=environ) as router:
        good = router.ready()["config"]
    (tmp_path / "router.yaml").write_text(BROKEN["unknown key"] or "")
    log = tmp_path / "log"
    with command("--config", str(tmp_path / "router.yaml"), environ=environ, log=log) as (url, _):
        assert httpx.post(url + PATH, json=BODY).status_code == 200
        ready = httpx.get(f"{url}/readyz")
        assert ready.status_code == 200
        assert {key: ready.json()[key] for key in ("config", "serving", "status")} == {
            "config": "stale",
            "serving": good,
            "status": "ready",
        }
        assert ready.json()["mistakes"] == 3
        assert "image_router_config_last_reload_successful 0.0" in httpx.get(f"{url}/metrics").text
    told = json.loads(log.read_text().splitlines()[0])
    assert told["level"] == "error"
    assert len(told["mistakes"]) == 3
    assert "router.yaml:1:1" in told["mistakes"][0]


@pytest.mark.parametrize("text", BROKEN.values(), ids=BROKEN)
def test_whatever_is_broken_the_last_good_state_is_found(tmp_path: Path, text: str | None) -> None:
    """Garbage, an empty file, unknown keys or none at all: what was kept does not depend on what is there."""
    file, kept = _kept(tmp_path)
    file.unlink() if text is None else file.write_text(text)
    found = kept.load({})
    assert found is not None
    assert list(found.settings.models) == ["m"]


def test_the_first_start_on_a_broken_file_fails(tmp_path: Path) -> None:
    """Nothing was ever good: the mistakes are told and the command ends with 1."""
    file = tmp_path / "router.yaml"
    file.write_text(BROKEN["garbage"] or "")
    done = start(file, tmp_path / "state")
    assert done.returncode == 1
    assert f"{file}:1:1: not valid YAML" in done.stderr


def test_strict_refuses_what_is_broken(tmp_path: Path) -> None:
    """With --strict a broken file is never covered up."""
    file, _ = _kept(tmp_path, {"XDG_STATE_HOME": str(tmp_path)})
    file.write_text("")
    assert start(file, tmp_path, "--strict").returncode == 1


def _kept(directory: Path, environ: Mapping[str, str] | None = None, **server: str) -> tuple[Path, LastGood]:
    """A good file, and its last good state, kept."""
    file = directory / "router.yaml"
    config = configured("http://127.0.0.1:1", **server)
    config["providers"]["o"]["api_key"] = "${KEY:-unset}"
    file.write_text(yaml.safe_dump(config))
    last_good = LastGood(file, environ or {"STATE_DIRECTORY": str(directory / "state")})
    last_good.keep(load(file, {"KEY": "canary-secret"}))
    return file, last_good


def test_no_secret_is_kept_and_nobody_else_may_read(tmp_path: Path) -> None:
    """References stay references, and the file is its owner's alone."""
    _kept(tmp_path)
    (snapshot,) = (tmp_path / "state").iterdir()
    assert "canary-secret" not in snapshot.read_text()
    assert "${KEY:-unset}" in snapshot.read_text()
    assert snapshot.stat().st_mode & 0o777 == 0o600
    assert snapshot.parent.stat().st_mode & 0o777 == 0o700


def test_graphs_are_kept_with_the_file_that_names_them(tmp_path: Path) -> None:
    """A configuration is its file and the graphs it names: both come back, also where only a graph is broken."""
    graph = tmp_path / "graph.json"
    shutil.copy(ROOT / "config/workflows/checkpoint-text.json", graph)
    file = tmp_path / "router.yaml"
    provider = {"kind": "comfyui", "base_url": "http://127.0.0.1:1", "workflows": {"x": str(graph)}}
    file.write_text(yaml.safe_dump({"providers": {"c": provider}, "models": {"m": {"chain": ["c/x"]}}}))
    last_good = LastGood(file, {"STATE_DIRECTORY": str(tmp_path / "state")})
    loaded = load(file, {})
    last_good.keep(loaded)
    graph.write_text("{")
    found = last_good.load({})
    assert found is not None
    assert found.text_hash == loaded.text_hash


def test_a_directory_that_the_file_names_is_found_without_the_file(tmp_path: Path) -> None:
    """`server.state_dir` holds although a broken file can no longer say so, until a good one says otherwise."""
    environ = {"STATE_DIRECTORY": str(tmp_path / "home")}
    file, last_good = _kept(tmp_path, environ, state_dir="elsewhere")
    assert [path.suffix for path in (tmp_path / "elsewhere").iterdir()] == [".json"]
    file.write_text("garbage")
    assert last_good.load({}) is not None
    _kept(tmp_path, environ)
    shutil.rmtree(tmp_path / "elsewhere")
    assert last_good.load({}) is not None


def test_each_file_has_its_own(tmp_path: Path) -> None:
    """What was good elsewhere says nothing about this file."""
    _kept(tmp_path)
    other = LastGood(tmp_path / "other.yaml", {"STATE_DIRECTORY": str(tmp_path / "state")})
    assert other.load({}) is None


def test_a_damaged_snapshot_is_none(tmp_path: Path) -> None:
    """Half a snapshot, or one of another version, is as good as none."""
    _, last_good = _kept(tmp_path)
    (snapshot,) = (tmp_path / "state").iterdir()
    whole = snapshot.read_text()
    for text in (whole[:40], whole.replace('"version":1', '"version":2'), "[]"):
        snapshot.write_text(text)
        assert last_good.load({}) is None


def test_where_nothing_can_be_written_the_router_does_without(backend: OpenAIBackend, tmp_path: Path) -> None:
    """On a read-only file system it serves, and warns what a restart will miss."""
    (tmp_path / "file").write_text("no directory")
    environ = {"XDG_STATE_HOME": str(tmp_path / "file")}
    with running(configured(backend.url), tmp_path, environ=environ) as router:
        assert httpx.post(router.url + PATH, json=BODY).status_code == 200
        assert next(line["level"] for line in router.lines()) == "warning"
    file, _ = _kept(tmp_path)
    with pytest.raises(NotKept):
        LastGood(file, {"STATE_DIRECTORY": str(tmp_path / "file")}).keep(load(file, {}))

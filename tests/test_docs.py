"""The documents: every command in them runs, and does what the text says."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import yaml
from serving import ROOT, command

import router
from router import shipped

README = (ROOT / "README.md").read_text()
PLACE = "http://127.0.0.1:8080"
PNG = b"\x89PNG\r\n\x1a\n"


def blocks(language: str) -> list[str]:
    """The README's code blocks in a language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def quick_start() -> Iterator[str]:
    """The router as `make run` starts it, but for the port."""
    with command("--config", "config/router.yaml") as (url, _):
        yield url


def run(script: str, directory: Path) -> str:
    """What a shell prints for a script."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["sh", "-ec", script],
        cwd=directory,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout


def test_the_two_commands_come_first() -> None:
    """A newcomer finds `make run` and `make test` before anything else, and both exist."""
    first = blocks("sh")[0]
    assert re.findall(r"^make (\w+)", first, re.MULTILINE) == ["run", "test"]
    makefile = (ROOT / "Makefile").read_text()
    assert re.search(r"^run:", makefile, re.MULTILINE)
    assert re.search(r"^test:", makefile, re.MULTILINE)


def test_the_first_picture_is_a_png(quick_start: str, tmp_path: Path) -> None:
    """The README's curl writes a file whose first bytes are a PNG's."""
    script = next(block for block in blocks("sh") if "lighthouse.png" in block)
    run(script.replace(PLACE, quick_start), tmp_path)
    assert (tmp_path / "lighthouse.png").read_bytes().startswith(PNG)


def test_the_official_client_draws_it_too(
    quick_start: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The README's Python runs as it stands, block after block."""
    monkeypatch.chdir(tmp_path)
    scope: dict[str, object] = {}
    for block in blocks("python"):
        exec(compile(block.replace(PLACE, quick_start), "README.md", "exec"), scope)  # noqa: S102 - the README's words
    assert (tmp_path / "lighthouse.png").read_bytes().startswith(PNG)
    scope["client"].close()


def test_the_fallback_is_shown(quick_start: str, tmp_path: Path) -> None:
    """The README's second request is served by the second target after one attempt at the first."""
    script = next(block for block in blocks("sh") if "fallback-demo" in block)
    headers = dict(line.split(": ", 1) for line in run(script.replace(PLACE, quick_start), tmp_path).splitlines())
    assert headers["x-router-model"] == "sketch/sketch"
    assert headers["x-router-attempts"] == "2"


def test_the_stream_is_shown(quick_start: str, tmp_path: Path) -> None:
    """The README's stream has two early looks and one finished picture."""
    script = next(block for block in blocks("sh") if "stream" in block)
    events = run(script.replace(PLACE, quick_start), tmp_path).split()
    assert events[1::2] == [*["image_generation.partial_image"] * 2, "image_generation.completed"]


def test_the_explanation_is_shown(tmp_path: Path) -> None:
    """The README's `explain` names both targets and what they would be sent, and sends nothing."""
    told = run(next(block for block in blocks("sh") if "explain" in block), tmp_path)
    assert "1. nowhere/gpt-image-2: eligible" in told
    assert "1000x1000 is sent as 1008x1008" in told
    assert "2. sketch/sketch: eligible" in told
    assert told.endswith("nothing was sent\n")


def test_the_documented_request_is_served(quick_start: str) -> None:
    """The README's JSON is a request the quick start answers."""
    for block in blocks("json"):
        answer = httpx.post(f"{quick_start}/v2/router/images/generations", json=json.loads(block), timeout=30)
        assert answer.status_code == 200, answer.text


def test_the_documented_chain_is_the_one_that_runs() -> None:
    """The README's YAML is part of the quick start."""
    config = yaml.safe_load(shipped.path("router.yaml").read_text())
    for block in blocks("yaml"):
        for section, members in yaml.safe_load(block).items():
            for name, value in members.items():
                assert config[section][name] == value


@pytest.mark.parametrize("operation", ["generations", "edits", "variations"])
def test_every_endpoint_of_the_quick_start_gives_a_true_picture(quick_start: str, operation: str) -> None:
    """With no key and no config, each model draws for each operation its name has."""
    listed = httpx.get(f"{quick_start}/v1/models").json()["data"]
    words = {"generations": "generate", "edits": "edit", "variations": "variation"}
    served = [model["id"] for model in listed if words[operation] in model["image"]["operations"]]
    assert "gpt-image-2" in served
    drawn = httpx.post(
        f"{quick_start}/v1/images/generations",
        json={"model": "sketch-fast", "prompt": "a house", "size": "256x256", "response_format": "b64_json"},
    ).json()["data"][0]["b64_json"]
    for model in served:
        body = {"model": model, "prompt": "a blue boat", "size": "1024x1024", "response_format": "b64_json"}
        if operation != "generations":
            body["image"] = drawn
        answer = httpx.post(f"{quick_start}/v1/images/{operation}", json=body, timeout=60)
        assert answer.status_code == 200, (model, answer.text)
        assert answer.json()["size"] == "1024x1024"
        assert answer.json()["output_format"] == "png"


@pytest.mark.parametrize("name", ["", "serve", "check", "diff", "explain", "schema", "providers"])
def test_every_command_explains_itself(name: str) -> None:
    """`--help` works everywhere and is a sentence."""
    arguments = [*filter(None, [name]), "--help"]
    done = subprocess.run([sys.executable, "-m", "router", *arguments], capture_output=True, text=True, check=True)
    assert re.search(r"[A-Z].*\.", done.stdout)


def test_check_prints_chains_or_all_mistakes(tmp_path: Path) -> None:
    """`check` exits 0 with each model's chain, or 1 with every mistake at its place."""
    good = cli("check", str(shipped.path("router.yaml")))
    assert good.returncode == 0
    assert "fallback-demo: nowhere/gpt-image-2 -> sketch/sketch" in good.stdout
    bad = tmp_path / "bad.yaml"
    bad.write_text("providers: {a: {kind: sketch, api_kye: x}}\nmodels: {m: {chain: [b/c]}}\n")
    done = cli("check", str(bad))
    assert done.returncode == 1
    assert [line.removeprefix(str(bad)) for line in done.stderr.splitlines()] == [
        ":1:31: providers.a: unknown key 'api_kye' (did you mean 'api_key'?)",
        ":2:22: models.m.chain[0]: no provider 'b': the providers are a",
    ]


def test_a_bad_config_never_starts(tmp_path: Path) -> None:
    """`serve` says the mistakes and exits 1; it never listens."""
    bad = tmp_path / "bad.yaml"
    bad.write_text("models: {}\n")
    done = cli("serve", "--config", str(bad), "--port", "0")
    assert done.returncode == 1
    assert "bad.yaml:1:" in done.stderr
    assert "listens" not in done.stdout


def test_an_open_router_listens_to_this_machine_only() -> None:
    """Without keys no other machine may reach the router, unless ops say so."""
    done = cli("serve", "--config", "config/router.yaml", "--host", "0.0.0.0", "--port", "0")
    assert done.returncode == 1
    assert "server.keys" in done.stderr


def test_the_version_is_told() -> None:
    """`--version` names the package's version."""
    assert router.__version__ in cli("--version").stdout


def cli(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The command line with these arguments."""
    return subprocess.run(
        [sys.executable, "-m", "router", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

"""Reloads of a router that serves: many in a row under load, by signal, by request, and with the file broken."""

import asyncio
import os
import signal
from pathlib import Path

import httpx
import psutil
import pytest
import yaml
from backends.openai import OpenAIBackend
from serving import command

TOKEN = "reload-token-0123456789"
RELOADS = 200
SECONDS = 10.0
RATE = 50


def config(backend: OpenAIBackend, name: str = "kite") -> str:
    """A configuration with one model, by this name or another, and always `steady`."""
    return yaml.safe_dump(
        {
            "server": {"reload_token": TOKEN},
            "providers": {"a": {"kind": "openai", "base_url": backend.url, "api_key": "sk-1"}},
            "models": {each: {"chain": ["a/gpt-image-2"], "unconstrained": True} for each in ("steady", name)},
        }
    )


def write(file: Path, text: str) -> None:
    """As ops would."""
    file.write_text(text)


async def ask(client: httpx.AsyncClient, model: str) -> httpx.Response:
    """A picture."""
    return await client.post("/v1/images/generations", json={"model": model, "prompt": "a kite"})


async def reload(client: httpx.AsyncClient, token: str = TOKEN) -> httpx.Response:
    """Look at the files now."""
    return await client.post("/-/reload", headers={"authorization": f"Bearer {token}"})


@pytest.mark.anyio
async def test_two_hundred_reloads_under_load_fail_no_request(tmp_path: Path) -> None:
    """Every request is served by the config it began with; memory, files and connections stay as they were."""
    file = tmp_path / "router.yaml"
    with OpenAIBackend() as backend:
        write(file, config(backend))
        with command("--config", str(file)) as (url, process):
            watched = psutil.Process(process.pid)
            async with httpx.AsyncClient(base_url=url, timeout=30) as client:
                loop = asyncio.get_running_loop()
                began = loop.time()
                asked = []
                versions = set()

                async def load() -> None:
                    while loop.time() < began + SECONDS:
                        asked.append(asyncio.create_task(ask(client, "steady")))
                        await asyncio.sleep(max(0.0, began + len(asked) / RATE - loop.time()))

                loading = asyncio.create_task(load())
                for number in range(RELOADS):
                    write(file, config(backend, f"kite-{number}"))
                    done = await reload(client)
                    assert done.status_code == 200, done.text
                    versions.add(done.json()["version"])
                    if number == RELOADS // 4:
                        before = watched.memory_info().rss, watched.num_fds(), watched.num_threads()
                    await asyncio.sleep(max(0.0, began + number * SECONDS / RELOADS - loop.time()))
                await loading
                answers = await asyncio.gather(*asked)
                after = watched.memory_info().rss, watched.num_fds(), watched.num_threads()
                newest = (await client.get("/readyz")).json()["config"]
                last = await ask(client, f"kite-{RELOADS - 1}")
                gone = await ask(client, "kite-0")
    assert {answer.status_code for answer in answers} == {200}
    assert len(versions) >= RELOADS - 1
    assert {answer.headers["x-router-config"] for answer in answers} <= {
        version[:12] for version in versions | {newest}
    } | {answers[0].headers["x-router-config"]}
    assert (last.status_code, gone.status_code) == (200, 404)
    assert after[0] < before[0] * 1.1 + 8e6
    assert after[1] <= before[1] + 8
    assert after[2] <= before[2] + 4


@pytest.mark.anyio
async def test_a_broken_file_is_told_and_changes_nothing(tmp_path: Path) -> None:
    """422 with file, line and column; the same models are served, and /readyz and the gauge say that it is stale."""
    file = tmp_path / "router.yaml"
    with OpenAIBackend() as backend:
        write(file, config(backend))
        with command("--config", str(file)) as (url, _):
            async with httpx.AsyncClient(base_url=url, timeout=30) as client:
                version = (await client.get("/readyz")).json()["config"]
                write(file, config(backend).replace("chain:", "chian:"))
                refused = await reload(client)
                assert refused.status_code == 422
                mistakes = refused.json()["mistakes"]
                assert all((each["file"], each["line"] > 0) == (str(file), True) for each in mistakes)
                assert "chian" in str(mistakes)
                assert refused.json()["version"] == version
                ready = (await client.get("/readyz")).json()
                assert (ready["config"], ready["serving"]) == ("stale", version)
                assert "image_router_config_last_reload_successful 0.0" in (await client.get("/metrics")).text
                assert (await ask(client, "kite")).status_code == 200
                write(file, config(backend, "mended"))
                assert (await reload(client)).json()["version"] != version  # or a moment before, by itself
                assert (await ask(client, "mended")).status_code == 200
                assert "image_router_config_last_reload_successful 1.0" in (await client.get("/metrics")).text


@pytest.mark.anyio
async def test_only_the_token_may_ask_for_a_reload(tmp_path: Path) -> None:
    """Without the token it is 401; where ops gave none there is no such path."""
    file = tmp_path / "router.yaml"
    with OpenAIBackend() as backend:
        write(file, config(backend))
        with command("--config", str(file)) as (url, _):
            async with httpx.AsyncClient(base_url=url, timeout=30) as client:
                assert (await client.post("/-/reload")).status_code == 401
                assert (await reload(client, "another")).status_code == 401
                write(file, config(backend).replace(f"  reload_token: {TOKEN}\n", "  disclose: true\n"))
                assert (await reload(client)).status_code == 200
                assert (await reload(client)).status_code == 404


@pytest.mark.anyio
@pytest.mark.parametrize("workers", [1, 2])
async def test_a_signal_reloads_at_once(tmp_path: Path, workers: int) -> None:
    """SIGHUP is a reload, of one process or of all workers."""
    file = tmp_path / "router.yaml"
    with OpenAIBackend() as backend:
        write(file, config(backend))
        with command("--config", str(file), "--workers", str(workers)) as (url, process):
            async with httpx.AsyncClient(base_url=url, timeout=30) as client:
                write(file, config(backend, "signalled"))
                os.kill(process.pid, signal.SIGHUP)
                async with asyncio.timeout(20):
                    while (await ask(client, "signalled")).status_code != 200:
                        pass
                assert (await ask(client, "kite")).status_code == 404

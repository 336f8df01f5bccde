"""How a router ends: what is under way is answered, what is new is sent elsewhere, and nothing is dropped."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from backends import Hang, Hold, OpenAIBackend
from backends.streams import StreamHang
from processes import BODY, PATH, Asking, Running, configured, running
from serving import ROOT


@pytest.fixture
def backend() -> Iterator[OpenAIBackend]:
    """A backend of its own for each test."""
    with OpenAIBackend() as backend:
        yield backend


@pytest.mark.parametrize("workers", ["1", "2"])
def test_work_under_way_is_finished_and_new_work_sent_elsewhere(
    backend: OpenAIBackend, tmp_path: Path, workers: str
) -> None:
    """Told to stop, the router is not ready at once, refuses new work, finishes the old, and ends with 0."""
    holds = [Hold() for _ in range(6)]
    backend.script(*holds)
    with running(configured(backend.url), tmp_path, "--workers", workers) as router:
        asking = [Asking(router) for _ in holds]
        backend.ledger.wait(len(holds))
        with router.client() as client:
            assert client.get("/readyz").status_code == 200
            router.process.send_signal(signal.SIGTERM)
            while client.get("/readyz").status_code == 200:
                pass
            assert client.get("/readyz").json()["status"] == "draining"
            assert client.get("/livez").status_code == 200
            refused = client.post(PATH, json=BODY)
            assert (refused.status_code, refused.json()["error"]["code"]) == (503, "draining")
            assert (refused.headers["retry-after"], refused.headers["x-should-retry"]) == ("5", "true")
        for hold in holds:
            hold.release()
        assert [each.done().status_code for each in asking] == [200] * len(holds)
        assert all(each.done().headers["connection"] == "close" for each in asking)
        assert router.process.wait(15) == 0
    assert len(backend.ledger.records) == len(holds)


def test_an_idle_router_stops_at_once(backend: OpenAIBackend, tmp_path: Path) -> None:
    """Nothing under way, nothing to wait for: not even an open connection."""
    with running(configured(backend.url), tmp_path) as router, router.client() as client:
        assert client.get("/livez").status_code == 200
        router.process.send_signal(signal.SIGINT)
        assert router.process.wait(5) == 0


def test_what_is_late_is_answered_and_may_be_billed(backend: OpenAIBackend, tmp_path: Path) -> None:
    """A request that outlasts the drain gets its 503, which says not to repeat what may be billed; the log says who."""
    backend.script(Hang(), Hang())
    state = f"sqlite://{tmp_path / 'state'}"
    with running(configured(backend.url, drain="300ms", state=state), tmp_path) as router:
        asking = [Asking(router) for _ in range(2)]
        backend.ledger.wait(2)
        router.process.send_signal(signal.SIGTERM)
        for each in asking:
            answer = each.done()
            assert (answer.status_code, answer.json()["error"]["code"]) == (503, "draining")
            assert answer.headers["x-should-retry"] == "false"
            assert answer.headers["retry-after"] == "5"
        assert router.process.wait(15) == 0
        assert [line["status"] for line in router.lines() if line["event"] == "request"] == [503, 503]
    assert b"ledger/doubt/" in (tmp_path / "state").read_bytes() + _beside(tmp_path / "state")


def _beside(file: Path) -> bytes:
    """What SQLite has not yet written into its file."""
    wal = file.with_name(f"{file.name}-wal")
    return wal.read_bytes() if wal.exists() else b""


def test_what_is_late_and_was_never_sent_may_be_repeated(backend: OpenAIBackend, tmp_path: Path) -> None:
    """A request that still waits for its turn when the drain ends costs nothing, and is told to come again."""
    backend.script(Hang())
    config = configured(backend.url, drain="300ms")
    config["defaults"] |= {"max_concurrency": 1, "queue_wait": "30s"}
    with running(config, tmp_path) as router:
        first = Asking(router)
        backend.ledger.wait(1)
        second = Asking(router)
        with router.client() as client:  # the second is in once the router has read a request that came after it
            assert client.post(PATH, json={"model": "none", "prompt": "p"}).status_code == 404
            assert client.get("/livez").status_code == 200
            router.process.send_signal(signal.SIGTERM)
            assert {first.done().headers["x-should-retry"], second.done().headers["x-should-retry"]} == {
                "false",
                "true",
            }
    assert len(backend.ledger.records) == 1


@pytest.mark.parametrize("more", [{"stream": True, "partial_images": 1}, {}], ids=["stream", "heartbeat"])
def test_an_answer_that_has_begun_ends_with_the_reason(
    backend: OpenAIBackend, tmp_path: Path, more: dict[str, Any]
) -> None:
    """Where bytes are out already, the late answer ends in words that its reader understands."""
    backend.script(StreamHang(after=1) if more else Hang())
    config = configured(backend.url, drain="300ms")
    if not more:
        config["models"]["m"]["heartbeat"] = "50ms"
    with running(config, tmp_path) as router, router.client() as client:
        with client.stream("POST", PATH, json={**BODY, **more}) as answer:
            backend.ledger.wait(1)
            router.process.send_signal(signal.SIGTERM)
            text = "".join(answer.iter_text())
        assert router.process.wait(15) == 0
    error = json.loads(text.rpartition("data: ")[2])["error"]
    assert error["code"] == "draining"


def test_a_second_interrupt_waits_for_nothing(backend: OpenAIBackend, tmp_path: Path) -> None:
    """Ctrl-C twice ends the router whatever is under way."""
    backend.script(Hang())
    with running(configured(backend.url), tmp_path) as router:
        asking = Asking(router)
        backend.ledger.wait(1)
        router.process.send_signal(signal.SIGINT)
        while router.ready()["code"] == 200:
            pass
        router.process.send_signal(signal.SIGINT)
        assert router.process.wait(10) == 0
        asking.join(10)
        assert isinstance(asking.answer, httpx.HTTPError) or asking.done().status_code >= 500


def test_under_another_server_the_router_drains_too(backend: OpenAIBackend, tmp_path: Path) -> None:
    """The application answers what is late by itself, whoever serves it and hears SIGTERM."""
    backend.script(Hang())
    file = tmp_path / "router.yaml"
    file.write_text(yaml.safe_dump(configured(backend.url, drain="300ms", open=True)))
    with socket.create_server(("127.0.0.1", 0)) as sock, (tmp_path / "log").open("w") as log:
        url = f"http://127.0.0.1:{sock.getsockname()[1]}"
        options = ["--factory", "--fd", str(sock.fileno()), "--timeout-graceful-shutdown", "20"]
        process = subprocess.Popen(
            [sys.executable, "-m", "uvicorn", "router.serving.asgi:create", *options],
            cwd=ROOT,
            env={**os.environ, "IMAGE_ROUTER_CONFIG": str(file), "IMAGE_ROUTER_STATE_DIR": str(tmp_path)},
            pass_fds=[sock.fileno()],
            stderr=log,
            stdout=log,
        )
        try:
            router = Running(url, process, file, tmp_path / "log")
            asking = Asking(router)
            backend.ledger.wait(1)
            process.send_signal(signal.SIGTERM)
            answer = asking.done()
            assert (answer.status_code, answer.headers["x-should-retry"]) == (503, "false")
        finally:
            process.terminate()
            process.wait(20)

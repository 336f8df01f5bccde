"""A router as a process of its own, for tests that send it signals, and raw connections to it."""

import contextlib
import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen
from typing import Any

import httpx
import yaml
from serving import FORGIVING, command

PATH = "/v1/images/generations"
BODY = {"model": "m", "prompt": "p"}


@dataclass(frozen=True)
class Running:
    """A router under way."""

    url: str
    process: Popen[str]
    file: Path
    log: Path

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.url.rsplit(":", 1)[1])

    def lines(self) -> list[dict[str, Any]]:
        """What it has logged."""
        return [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]

    def client(self) -> httpx.Client:
        """A client of its own connections."""
        return httpx.Client(base_url=self.url, timeout=20)

    def ready(self) -> dict[str, Any]:
        """What it says of its readiness, with the status."""
        answer = httpx.get(f"{self.url}/readyz", timeout=5)
        return {**answer.json(), "code": answer.status_code}


def configured(backend: str, **server: Any) -> dict[str, Any]:
    """A config of one model at one backend."""
    return {
        "server": server,
        "defaults": {**FORGIVING, "retry": {"count": 0}},
        "providers": {"o": {"kind": "openai", "base_url": backend, "api_key": "k"}},
        "models": {"m": {"chain": ["o/gpt-image-2"]}},
    }


@contextlib.contextmanager
def running(
    config: Mapping[str, Any], directory: Path, *arguments: str, environ: Mapping[str, str] | None = None
) -> Iterator[Running]:
    """A router with this config."""
    file, log = directory / "router.yaml", directory / "log"
    file.write_text(yaml.safe_dump(dict(config)))
    with command("--config", str(file), *arguments, environ=environ, log=log) as (url, process):
        yield Running(url, process, file, log)


class Asking(threading.Thread):
    """One request in a thread; `answer` is what came, or the error."""

    def __init__(
        self, router: Running, body: Mapping[str, Any] = BODY, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(daemon=True)
        self._router = router
        self._body = body
        self._headers = dict(headers or {})
        self.answer: httpx.Response | httpx.HTTPError | None = None
        self.start()

    def run(self) -> None:
        """Ask."""
        try:
            with self._router.client() as client:
                self.answer = client.post(PATH, json=self._body, headers=self._headers)
        except httpx.HTTPError as error:
            self.answer = error

    def done(self) -> httpx.Response:
        """The answer, in good time."""
        self.join(20)
        assert isinstance(self.answer, httpx.Response), self.answer
        return self.answer


def until(holds: Callable[[], Any], patience: float = 15.0) -> Any:
    """The first true value, asked for again and again."""
    end = time.monotonic() + patience
    waiting = threading.Event()
    while not (value := _tried(holds)):
        assert time.monotonic() < end, "it never came true"
        waiting.wait(0.05)
    return value


def _tried(holds: Callable[[], Any]) -> Any:
    try:
        return holds()
    except (httpx.HTTPError, OSError):
        return None


def connect(port: int) -> socket.socket:
    """A connection that speaks no HTTP by itself."""
    return socket.create_connection(("127.0.0.1", port), timeout=10)


def rest(connection: socket.socket) -> bytes:
    """All that comes until the other side closes."""
    said = b""
    with contextlib.suppress(ConnectionResetError):
        while piece := connection.recv(1 << 16):
            said += piece
    return said


def said(port: int, data: bytes) -> bytes:
    """What a router answers to these bytes before it closes."""
    with connect(port) as connection:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            connection.sendall(data)
        return rest(connection)


def status_and_body(answer: bytes) -> tuple[int, dict[str, Any]]:
    """A whole answer, read."""
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split(b" ")[1]), json.loads(body)


def workers(router: Running) -> list[int]:
    """The process ids of its workers."""
    children = Path(f"/proc/{router.process.pid}/task/{router.process.pid}/children").read_text()
    return [int(number) for number in children.split()]


def kill(process: int) -> None:
    """As hard as can be."""
    os.kill(process, 9)

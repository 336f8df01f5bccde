"""A real router on a socket: in a thread of the test, or as the command a user would start."""

import contextlib
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import uvicorn
import yaml

from router import shipped
from router.app import build
from router.catalog import Catalog, load_catalog
from router.config.load import load
from router.service import Service

ROOT = Path(__file__).resolve().parent.parent

FORGIVING = {
    "circuit": {"failures": 1000, "calls": 100_000},
    "cooldown": {"first": "0s", "faulty": "0s", "most": "0s"},
}
"""Policies that leave no target out: for tests that fail the same one again and again."""


@cache
def shipped_catalog() -> Catalog:
    """The catalogue that comes with the router, read once: nobody changes it."""
    return load_catalog(shipped.path("catalog"))


class _Started(uvicorn.Server):
    """A server that tells when it listens, and on which port."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = threading.Event()
        self.port = 0

    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets)
        self.port = self.servers[0].sockets[0].getsockname()[1]
        self.listening.set()


@contextlib.contextmanager
def serving(config: Mapping[str, Any], directory: Path, environ: Mapping[str, str] | None = None) -> Iterator[str]:
    """The address of a router with this config, written to a file as ops would."""
    file = directory / "router.yaml"
    file.write_text(yaml.safe_dump(dict(config), sort_keys=False))
    service = Service.of(load(file, environ or {}), shipped_catalog())
    server = _Started(
        uvicorn.Config(build(service), port=0, http="httptools", loop="uvloop", lifespan="on", log_config=None),
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    assert server.listening.wait(30), "the router did not start"
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        server.should_exit = True
        thread.join(30)
        assert not thread.is_alive(), "the router did not stop"


@contextlib.contextmanager
def command(
    *arguments: str,
    environ: Mapping[str, str] | None = None,
    log: Path | None = None,
) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """The address and the process of `image-router serve` with these arguments, on a free port.

    What it logs goes to `log`: a pipe that nobody reads would hold it up.
    """
    with (log or Path(os.devnull)).open("w") as sink, tempfile.TemporaryDirectory() as state:
        process = subprocess.Popen(
            [sys.executable, "-m", "router", "serve", "--port", "0", *arguments],
            cwd=ROOT,
            env={**os.environ, "XDG_STATE_HOME": state, **(environ or {})},
            stdout=subprocess.PIPE,
            stderr=sink,
            text=True,
        )
        assert process.stdout is not None
        try:
            line = process.stdout.readline()
            assert "listens on " in line, f"it did not start: {log and log.read_text()}"
            yield line.split("listens on ")[1].split()[0], process
        finally:
            process.terminate()
            process.communicate(timeout=30)

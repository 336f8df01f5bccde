"""A real Redis for a file's tests: in a directory of its own, on a free port, ended by its process id."""

import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import needs
from redis import Redis

NEEDS_REDIS = needs("redis-server", "apt-get install redis-server")


class RedisServer:
    """One server that keeps nothing on disk, and what may happen to it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.socket_url = f"unix://{folder}/socket"
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        """Start it, empty, and return once it answers."""
        options = f"--bind 127.0.0.1 --port {self.port} --unixsocket {self._folder}/socket --dir {self._folder}"
        self._process = subprocess.Popen(
            ["redis-server", *options.split(), "--save", "", "--appendonly", "no"], stdout=subprocess.PIPE
        )
        assert self._process.stdout is not None
        assert any(b"Ready to accept" in line for line in self._process.stdout), "redis-server did not start"

    def kill(self) -> None:
        """End it at once, as kill -9 does; frozen or not."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def freeze(self) -> None:
        """Let it hold its connections and answer nothing."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGCONT)

    def admin(self) -> "Redis":
        """A client beside the tested ones."""
        return Redis(port=self.port, protocol=2)

    def pass_time(self, seconds: float) -> None:
        """Let every key be `seconds` nearer to its end; the server's clock cannot be set."""
        with self.admin() as admin:
            for name, _ in admin.zscan_iter("image-router:v1:ends"):
                admin.zincrby("image-router:v1:ends", -seconds * 1000, name)
            for key in admin.scan_iter():
                left = admin.pttl(key)
                assert left > 0, f"{key} never ends"
                admin.pexpire(key, int(left - seconds * 1000))


@pytest.fixture(scope="module")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A running server."""
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    yield server
    server.kill()

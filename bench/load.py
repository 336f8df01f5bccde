"""Load from connections that each ask again as soon as they are answered: by wrk where it is installed, else our own.

Our own is a process too: `python -m bench.load PORT CONNECTIONS SECONDS FILE`, where the file holds the request.
"""

import asyncio
import json
import shutil
import statistics
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import cast

import httptools
import uvloop

from bench.processes import pinned

_SCRIPT = """
local file = io.open("{file}", "rb")
local whole = file:read("*a")
file:close()
function request() return whole end
function done(summary, latency)
  local e = summary.errors
  io.write(string.format("\\nMEASURED %d %d %d %d\\n", summary.requests, summary.duration,
    e.connect + e.read + e.write + e.timeout + e.status, latency:percentile(50)))
end
"""


@dataclass(frozen=True)
class Load:
    """What a load came to. `median` is seconds until an answer was whole, under this load."""

    requests: int
    seconds: float
    errors: int
    median: float

    @property
    def rate(self) -> float:
        """Requests a second."""
        return self.requests / self.seconds


def generator() -> str:
    """Who makes the load."""
    return "wrk" if shutil.which("wrk") else "our own generator"


def load(port: int, request: bytes, directory: Path, *, connections: int, seconds: int) -> Load:
    """Put a server under load.

    Raises:
        RuntimeError: the generator failed.
    """
    file = directory / "request"
    file.write_bytes(request)
    if shutil.which("wrk") is None:
        own = [sys.executable, "-m", "bench.load", str(port), str(connections), str(seconds), str(file)]
        return Load(**json.loads(_said(own)))
    script = directory / "request.lua"
    script.write_text(_SCRIPT.format(file=file))
    said = _said(
        [
            *("wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "60s", "-s", str(script)),
            f"http://127.0.0.1:{port}",
        ]
    )
    line = next(line for line in said.splitlines() if line.startswith("MEASURED"))
    requests, spent, errors, median = map(int, line.split()[1:])
    return Load(requests, spent / 1e6, errors, median / 1e6)


def _said(command: list[str]) -> str:
    done = subprocess.run(pinned(command, measured=False), capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise RuntimeError(f"the load generator failed: {done.stderr[-1000:] or done.stdout[-1000:]}")
    return done.stdout


class _Asking(asyncio.Protocol):
    """One connection that asks, reads and asks again."""

    def __init__(self, request: bytes, spent: list[float], bad: list[int], until: float) -> None:
        self._request, self._spent, self._bad, self._until = request, spent, bad, until
        self.ended = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._ask()

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_complete(self) -> None:
        status = self._parser.get_status_code()
        if status == 200:
            self._spent.append(time.perf_counter() - self._began)
        else:
            self._bad.append(status)
        if time.perf_counter() < self._until:
            asyncio.get_running_loop().call_soon(self._ask)
        else:
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        if exc is not None:
            self._bad.append(0)
        if not self.ended.done():
            self.ended.set_result(None)

    def _ask(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._began = time.perf_counter()
        self._transport.write(self._request)


async def _run(port: int, connections: int, seconds: float, request: bytes) -> Load:
    loop = asyncio.get_running_loop()
    spent: list[float] = []
    bad: list[int] = []
    began = time.perf_counter()
    made = [
        await loop.create_connection(lambda: _Asking(request, spent, bad, began + seconds), "127.0.0.1", port)
        for _ in range(connections)
    ]
    await asyncio.gather(*(asking.ended for _, asking in made))
    median = statistics.median(spent) if spent else 0.0
    return Load(len(spent), time.perf_counter() - began, len(bad), median)


if __name__ == "__main__":
    _, _port, _connections, _seconds, _file = sys.argv
    _came = uvloop.run(_run(int(_port), int(_connections), float(_seconds), Path(_file).read_bytes()))
    sys.stdout.write(json.dumps(asdict(_came)))

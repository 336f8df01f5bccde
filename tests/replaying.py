"""What the tests of keys and of the cache share: routers over one backend and one state, and how they are asked."""

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import msgspec
from serving import FORGIVING, serving

GENERATIONS = "/v1/images/generations"
CLIENT = httpx.Client(timeout=60, limits=httpx.Limits(max_connections=64))  # each new one costs a while
PLAIN = {"model": "gpt-image-2", "prompt": "a paper lantern on a pier"}


def config(backend: str, state: str, store: Path, **server: Any) -> dict[str, Any]:
    """Two callers, one model, and a store that all routers of a test share."""
    keys = [{"name": name, "key": f"key-{name}"} for name in ("ann", "bob")]
    return {
        "server": {"state": state, "store": {"url": str(store)}, "keys": keys, **server},
        "defaults": FORGIVING,
        "providers": {"openai": {"kind": "openai", "base_url": backend, "api_key": "k"}},
        "models": {"gpt-image-2": {"chain": ["openai/gpt-image-2"]}},
    }


@contextlib.contextmanager
def routers(count: int, config: Mapping[str, Any], folder: Path) -> Iterator[list[str]]:
    """The addresses of so many routers with one configuration."""
    with contextlib.ExitStack() as stack:
        homes = [folder / f"router-{number}" for number in range(count)]
        for home in homes:
            home.mkdir(parents=True)
        yield [stack.enter_context(serving(config, home)) for home in homes]


def ask(
    router: str, key: str | None = None, caller: str = "ann", path: str = GENERATIONS, **body: Any
) -> httpx.Response:
    """One answer to a plain request, with what differs from it."""
    headers = {"authorization": f"Bearer key-{caller}"} | ({} if key is None else {"idempotency-key": key})
    return CLIENT.post(f"{router}{path}", json={**PLAIN, **body}, headers=headers)


class Crowd:
    """Requests side by side, each in a thread of its own."""

    def __init__(self, count: int, one: Callable[[int], httpx.Response]) -> None:
        self._pool = ThreadPoolExecutor(count)
        self._changed = threading.Condition()
        self._done = 0
        self._futures: list[Future[httpx.Response]] = [self._pool.submit(one, number) for number in range(count)]
        for future in self._futures:
            future.add_done_callback(self._ended)

    def _ended(self, _: Future[httpx.Response]) -> None:
        with self._changed:
            self._done += 1
            self._changed.notify_all()

    def wait(self, count: int) -> None:
        """Return once so many are answered."""
        with self._changed:
            assert self._changed.wait_for(lambda: self._done >= count, 30), f"only {self._done} were answered"

    def answers(self) -> list[httpx.Response]:
        """All answers."""
        with self._pool:
            return [future.result(30) for future in self._futures]


def leave(router: str, key: str | None, backend_has_it: Callable[[], object], **body: Any) -> None:
    """Send a request, and go away once `backend_has_it` returns."""
    url = urlsplit(router)
    sent = msgspec.json.encode({**PLAIN, **body})
    keyed = "" if key is None else f"Idempotency-Key: {key}\r\n"
    head = (
        f"POST {GENERATIONS} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer key-ann\r\n{keyed}"
        f"Content-Type: application/json\r\nContent-Length: {len(sent)}\r\n\r\n"
    )
    with socket.create_connection((url.hostname, url.port)) as connection:
        connection.sendall(head.encode() + sent)
        backend_has_it()


def metric(router: str, series: str) -> float:
    """What a metric stands at; 0 where there is none."""
    lines = CLIENT.get(f"{router}/metrics").text.splitlines()
    return next((float(line.split()[-1]) for line in lines if line.startswith(f"image_router_{series}")), 0.0)


def until(true: Callable[[], bool]) -> None:
    """Look until something is true, which each look asks over a socket."""
    end = time.monotonic() + 20
    while not true():
        assert time.monotonic() < end, "it did not come true"

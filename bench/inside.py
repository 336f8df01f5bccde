"""One request through the whole router within this process: bytes in on a connection, bytes out, and no network.

The backend answers with pieces that are there already, so that all that is counted or timed is the router's.
"""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from unittest import mock

import yaml
from uvicorn.server import ServerState

from bench.payloads import MODELS, answer, asked
from providers.http import AsyncBaseTransport, AsyncByteStream, Request, Response
from router import shipped
from router.app import build
from router.catalog import load_catalog
from router.config.load import load
from router.observe import logs
from router.service import Service
from router.serving.protocol import Config, Limits, Protocol

KEY = "sk-bench-0123456789abcdef0123456789abcdef"
_PIECE = 256 * 1024


class Answering(AsyncBaseTransport):
    """A backend that gives one answer, in pieces."""

    def __init__(self, body: bytes) -> None:
        self._length = str(len(body))
        self._pieces = [body[at : at + _PIECE] for at in range(0, len(body), _PIECE)]

    async def handle_async_request(self, request: Request) -> Response:  # noqa: ARG002 - whatever is asked
        """The answer."""
        headers = {"content-type": "application/json", "content-length": self._length}
        return Response(200, headers=headers, stream=_Pieces(self._pieces))


class _Pieces(AsyncByteStream):
    def __init__(self, pieces: list[bytes]) -> None:
        self._pieces = pieces

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            yield piece


class _Out(asyncio.Transport):
    """The client's end: takes what is written and counts it."""

    def __init__(self) -> None:
        super().__init__({"sockname": ("127.0.0.1", 1), "peername": ("127.0.0.1", 2)})
        self._head = b""
        self._missing: int | None = None
        self.whole: asyncio.Future[bytes] | None = None

    def write(self, data: Any) -> None:
        """Count a piece; the last one makes the answer whole."""
        if self._missing is None:
            self._head, _, rest = (self._head + bytes(data)).partition(b"\r\n\r\n")
            length = self._head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
            self._missing = int(length) - len(rest)
        else:
            self._missing -= len(data)
        if self._missing == 0 and self.whole is not None:
            self.whole.set_result(self._head)
            self._head, self._missing = b"", None

    def is_closing(self) -> bool:
        """Never: a connection is used again."""
        return False

    def close(self) -> None:
        """There is nothing to close."""

    def pause_reading(self) -> None:
        """Nothing more is sent anyway."""

    def resume_reading(self) -> None:
        """As above."""


class Inside:
    """A router and one connection to it, whose backend gives the answer of one kind; use it within a running loop."""

    def __init__(self, directory: Path, kind: str) -> None:
        self._service = _service(directory, Answering(answer(kind)))
        config = Config(build(self._service), http=Protocol, ws="none", lifespan="off", log_config=None)
        config.limits = Limits.of(self._service.runtime.server, 1024)
        config.load()
        self._state = ServerState()
        self._out = _Out()
        self._connection = Protocol(config=config, server_state=self._state, app_state={})
        self._connection.connection_made(self._out)
        body = asked(MODELS[kind])
        self._request = b"\r\n".join(
            (
                b"POST /v1/images/generations HTTP/1.1",
                b"host: bench",
                b"content-type: application/json",
                f"authorization: Bearer {KEY}".encode(),
                f"content-length: {len(body)}\r\n\r\n".encode() + body,
            )
        )

    async def once(self) -> None:
        """One request, to the end of all that it set in motion.

        Raises:
            RuntimeError: it was not served.
        """
        self._out.whole = asyncio.get_running_loop().create_future()
        self._connection.data_received(self._request)
        head = await self._out.whole
        await asyncio.gather(*self._state.tasks)
        if not head.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(f"the router answered {head!r}")

    async def aclose(self) -> None:
        """Let go of everything."""
        self._connection.connection_lost(None)
        await self._service.runtime.aclose()
        await self._service.state.aclose()


def quiet() -> None:
    """Send this process's log lines nowhere; they are written all the same."""
    logs.configure(open(os.devnull, "w"))  # noqa: PTH123, SIM115 - open as long as the process


def _service(directory: Path, backend: AsyncBaseTransport) -> Service:
    file = directory / "router.yaml"
    file.write_text(yaml.safe_dump(_CONFIG))
    with mock.patch("router.runtime.build_transport", return_value=backend):
        return Service.of(load(file, {}), load_catalog(shipped.path("catalog")))


_CONFIG = {
    "server": {"keys": [{"name": "bench", "key": KEY, "limits": {"requests_per_minute": 10**9}}], "disclose": True},
    "providers": {
        "o": {"kind": "openai", "base_url": "http://127.0.0.1:9/v1", "api_key": "k" * 20, "link_life": "24h"}
    },
    "models": {model: {"chain": [{"target": f"o/{model}", "price": {"image": 0.04}}]} for model in MODELS.values()},
}

"""A raw HTTP/1.1 server for faults: one script per connection, and a ledger of every request that reached it."""

import asyncio
import contextlib
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

NOBODY = "http://127.0.0.1:1"  # an address where nothing listens


@dataclass(frozen=True)
class Seen:
    """One request as it came over the wire; header names in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    head: bytes = field(repr=False)


class Peer:
    """One connection, seen from the server."""

    def __init__(self, server: "FaultServer", reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.server = server
        self.reader = reader
        self.writer = writer
        self.idle = False  # whether it waits for a request and owes nothing

    async def request(self) -> Seen:
        """The next request, whole, written into the ledger."""
        self.idle = True
        head, headers = await self._head()
        self.idle = False
        if "chunked" in headers.get("transfer-encoding", ""):
            body = await self._chunks()
        else:
            body = await self.reader.readexactly(int(headers.get("content-length", 0)))
        method, path, _ = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ")
        seen = Seen(method, path, headers, body, head)
        self.server.requests.append(seen)
        self._last = seen
        return seen

    def bill(self) -> None:
        """The work of the last request is done, and costs money."""
        self.server.billed.append(self._last)

    async def swallow(self) -> int:
        """Like `request`, for a body too large to keep: its length."""
        _, headers = await self._head()
        left = total = int(headers["content-length"])
        while left:
            left -= len(await self.reader.readexactly(min(left, 1 << 16)))
        return total

    async def send(self, data: bytes) -> None:
        """These bytes, as they are."""
        if self.writer.is_closing():
            raise ConnectionResetError
        self.writer.write(data)
        await self.writer.drain()

    async def answer(self, body: bytes = b"{}", status: int = 200, headers: str = "") -> None:
        """A whole answer."""
        head = (
            f"HTTP/1.1 {status} Said\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n{headers}\r\n"
        )
        await self.send(head.encode("latin-1") + body)

    def reset(self) -> None:
        """End the connection by RST instead of FIN."""
        self.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def hang(self) -> None:
        """Nothing, until the other side leaves."""
        with contextlib.suppress(ConnectionError):
            await self.reader.read()

    async def _head(self) -> tuple[bytes, dict[str, str]]:
        head = await self.reader.readuntil(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")[1:-2]
        return head, {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}

    async def _chunks(self) -> bytes:
        body = b""
        while size := int(await self.reader.readline(), 16):
            body += await self.reader.readexactly(size)
            await self.reader.readline()
        await self.reader.readline()
        return body


Script = Callable[[Peer], Awaitable[None]]


@dataclass
class FaultServer:
    """A listening server.

    `requests` is its ledger, `billed` those of them that cost money. `connections` counts how often it was connected
    to; `talks` are the connections that are open.
    """

    port: int = 0
    scheme: str = "http"
    host: str = "127.0.0.1"
    requests: list[Seen] = field(default_factory=list)
    billed: list[Seen] = field(default_factory=list)
    connections: int = 0
    talks: dict[asyncio.Task[None], Peer] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"{self.scheme}://{self.host}:{self.port}"


async def answering(peer: Peer) -> None:
    """A script: `{}` to every request, on one connection kept alive."""
    while True:
        await peer.request()
        await peer.answer()


@contextlib.asynccontextmanager
async def faulty(*scripts: Script, tls: ssl.SSLContext | None = None) -> AsyncIterator[FaultServer]:
    """A server whose n-th connection runs the n-th script, and the last one from then on."""
    fault = FaultServer(scheme="https" if tls else "http", host="localhost" if tls else "127.0.0.1")

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        fault.talks[task] = peer = Peer(fault, reader, writer)
        script = scripts[min(fault.connections, len(scripts) - 1)]
        fault.connections += 1
        try:
            with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
                await script(peer)
        finally:
            writer.close()
            fault.talks.pop(task)

    server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=tls, limit=1 << 20)
    fault.port = server.sockets[0].getsockname()[1]
    try:
        yield fault
    finally:
        server.close()
        left = list(fault.talks.items())
        for task, peer in left:
            peer.writer.transport.abort()
            task.cancel()
        await asyncio.gather(*(task for task, _ in left), return_exceptions=True)

"""A TCP proxy that makes a connection ill: what Toxiproxy calls toxics, each changed while it runs."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

_CHUNK = 1 << 16
_FOREVER = float("inf")


@dataclass
class Toxic:
    """What the proxy does to answers on their way back. Times in seconds, sizes in bytes; nothing by default.

    Args:
        latency: held back for so long.
        bandwidth: no more than this each second.
        slow_close: the end of a connection comes so much later.
        black_hole: nothing gets through, either way, and nothing is closed.
        reset_after: so many bytes, then RST.
        slice: in pieces of this size.
        limit: so many bytes, then the end.
        down: new connections are refused, open ones reset.
    """

    latency: float = 0.0
    bandwidth: float = _FOREVER
    slow_close: float = 0.0
    black_hole: bool = False
    reset_after: float = _FOREVER
    slice: int = _CHUNK
    limit: float = _FOREVER
    down: bool = False


@dataclass
class Proxy:
    """Stands before a server; `toxic` is looked at for every piece that passes."""

    upstream: tuple[str, int]
    toxic: Toxic = field(default_factory=Toxic)
    port: int = 0
    _open: dict[asyncio.Task[None], asyncio.StreamWriter] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    def fell(self) -> None:
        """Down, with every connection that is open."""
        self.toxic.down = True
        for writer in self._open.values():
            _reset(writer)

    def rose(self) -> None:
        """Well again."""
        self.toxic = Toxic()

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection to its end."""
        if self.toxic.down:
            _reset(writer)
            return
        task = asyncio.current_task()
        assert task is not None
        self._open[task] = writer
        far = None
        try:
            with contextlib.suppress(ConnectionError, asyncio.CancelledError):
                answers, far = await asyncio.open_connection(*self.upstream)
                asking = asyncio.create_task(self._ask(reader, far))
                try:
                    await self._answer(answers, writer)
                finally:
                    asking.cancel()
                    await asyncio.gather(asking, return_exceptions=True)
        finally:
            for each in filter(None, (writer, far)):
                each.close()
            self._open.pop(task)

    async def aclose(self) -> None:
        """End what is open."""
        left = list(self._open)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    async def _ask(self, reader: asyncio.StreamReader, far: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while piece := await reader.read(_CHUNK):
                if not self.toxic.black_hole and not far.is_closing():
                    far.write(piece)
                    await far.drain()
        far.close()

    async def _answer(self, answers: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        passed = 0
        while piece := await answers.read(self.toxic.slice):
            toxic = self.toxic
            await asyncio.sleep(toxic.latency + len(piece) / toxic.bandwidth)
            if writer.is_closing():
                return
            most = min(toxic.limit, toxic.reset_after) - passed
            writer.write(piece[: int(min(most, len(piece)))])
            await writer.drain()
            passed += len(piece)
            if len(piece) >= most:
                if toxic.reset_after <= toxic.limit:
                    _reset(writer)
                return
        await asyncio.sleep(self.toxic.slow_close)


def _reset(writer: asyncio.StreamWriter) -> None:
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


@contextlib.asynccontextmanager
async def proxied(port: int, toxic: Toxic | None = None) -> AsyncIterator[Proxy]:
    """A proxy before the server on this port."""
    proxy = Proxy(("127.0.0.1", port), toxic or Toxic())
    server = await asyncio.start_server(proxy.connected, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        await proxy.aclose()

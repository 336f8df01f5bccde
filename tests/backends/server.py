"""A small HTTP/1.1 server in a thread that can misbehave on request."""

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Self
from urllib.parse import parse_qsl, unquote, urlsplit

from backends import streams
from backends.ledger import Ledger, Record
from backends.streams import StreamError, StreamHold, StreamStep


@dataclass(frozen=True, slots=True)
class Status:
    """An error with the backend's own body."""

    status: int
    code: str | None = None
    type: str | None = None
    message: str = "scripted"
    param: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    billed: bool = False


@dataclass(frozen=True, slots=True)
class Raw:
    """These bytes under this status, whatever they mean."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    billed: bool = False


@dataclass(frozen=True, slots=True)
class Reset:
    """The work is done, then the connection is reset without an answer."""

    billed: bool = True


@dataclass(frozen=True, slots=True)
class Close:
    """The work is done, then the connection is closed without an answer."""

    billed: bool = True


@dataclass(frozen=True, slots=True)
class Hang:
    """The work is done, but no answer comes until the client leaves."""

    billed: bool = True


@dataclass(frozen=True, slots=True)
class Cut:
    """The answer breaks off in its middle."""

    billed: bool = True


@dataclass(frozen=True, slots=True)
class Drip:
    """The answer comes a little at a time: `piece` bytes every `pause` seconds."""

    piece: int = 256
    pause: float = 0.001
    billed: bool = True


@dataclass(frozen=True, slots=True)
class Hold:
    """The normal answer, but only after `release()`."""

    gate: threading.Event = field(default_factory=threading.Event)
    billed: bool = True

    def release(self) -> None:
        """Let the answer go."""
        self.gate.set()


@dataclass(frozen=True, slots=True)
class Empty:
    """A success without a picture."""

    billed: bool = True


Step = Status | Raw | Reset | Close | Hang | Cut | Drip | Hold | Empty | StreamStep


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it came; header names in lower case, the path unquoted."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer, in one body or in `events`; `record` is what the ledger keeps, None for a call that makes nothing."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    record: Record | None = None
    events: tuple[bytes, ...] | None = None


class Server:
    """Serves inside `with`; a subclass says how in `answer` and `error`."""

    def __init__(self) -> None:
        self.ledger = Ledger()
        self.port = 0
        self._steps: deque[Step] = deque()
        self._holds: list[Hold | StreamHold] = []
        self._open: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        self._ready = threading.Event()
        self._failures: list[BaseException] = []

    def answer(self, request: Request) -> Reply:
        """The normal answer, which may be a refusal."""
        raise NotImplementedError

    def error(self, failure: Status) -> bytes:
        """The body of an error, in the backend's own form."""
        raise NotImplementedError

    def error_event(self, failure: StreamError) -> bytes:
        """The event of a failure, in the backend's own form."""
        raise NotImplementedError

    def script(self, *steps: Step) -> None:
        """What to do with the next sound calls, one step each; after them all is normal again."""
        self._steps.extend(steps)
        self._holds.extend(step for step in steps if isinstance(step, Hold | StreamHold))

    @property
    def origin(self) -> str:
        """Where it lives, without a path."""
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=lambda: asyncio.run(self._main()), daemon=True)
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(self, *_: object) -> None:
        for hold in self._holds:
            hold.release()
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
        if self._failures:
            raise self._failures[0]

    async def _main(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0, backlog=1024)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        server.close()
        for task, writer in list(self._open.items()):
            writer.transport.abort()
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(self._converse(reader, writer))
        self._open[task] = writer
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        del self._open[task]
        if not task.cancelled() and (failure := task.exception()) is not None:
            self._failures.append(failure)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError), contextlib.closing(writer):
            while await self._exchange(reader, writer):
                pass

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One request and what becomes of it; whether the connection lives on."""
        reply, step = self.answer(await _read(reader)), None
        if reply.record is not None:
            if 200 <= reply.status < 300 and self._steps:
                step = self._steps.popleft()
                reply = self._scripted(reply, reply.record, step)
            self.ledger.add(reply.record)
        if isinstance(step, StreamStep):
            error = self.error_event(step) if isinstance(step, StreamError) else b""
            writer.write(_head(reply))
            return await streams.deliver(reply.events or (), error, step, reader, writer)
        return await _deliver(reply, step, reader, writer)

    def _scripted(self, reply: Reply, record: Record, step: Step) -> Reply:
        """The reply as the script has it, and in the record what the client can know of it."""
        if isinstance(step, StreamStep) and reply.events is None:
            raise AssertionError(f"{step} is scripted, and the call asks for no stream")
        match step:
            case Status():
                reply = Reply(step.status, self.error(step), step.headers)
            case Raw():
                reply = Reply(step.status, step.body, step.headers)
            case Empty():
                reply = Reply(200, b'{"created":1763670000,"data":[]}')
        status = None if isinstance(step, Reset | Close | Hang) else reply.status
        return replace(reply, record=replace(record, status=status, billed=step.billed))


def _head(reply: Reply) -> bytes:
    framing = {"content-type": "application/json", "content-length": str(len(reply.body))}
    head = {**(framing if reply.events is None else streams.HEAD), **reply.headers}
    lines = "".join(f"{name}: {value}\r\n" for name, value in head.items())
    return f"HTTP/1.1 {reply.status} Scripted\r\n{lines}\r\n".encode("latin-1")


async def _deliver(reply: Reply, step: Step | None, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    body = reply.body if reply.events is None else streams.chunked(reply.events)
    data = _head(reply) + body
    match step:
        case Reset():
            streams.reset(writer)
            return False
        case Close():
            return False
        case Hang():
            await reader.read()
            return False
        case Cut():
            writer.write(data[: len(data) - len(body) // 2 - 1])
            await writer.drain()
            return False
        case Drip(piece, pause):
            for at in range(0, len(data), piece):
                writer.write(data[at : at + piece])
                await writer.drain()
                await asyncio.sleep(pause)
            return True
        case Hold(gate):
            await asyncio.to_thread(gate.wait, 60)
    writer.write(data)
    await writer.drain()
    return True


async def _read(reader: asyncio.StreamReader) -> Request:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, target, _ = head[0].split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
    if "chunked" in headers.get("transfer-encoding", ""):
        body = b"".join([chunk async for chunk in _chunks(reader)])
    else:
        body = await reader.readexactly(int(headers.get("content-length", 0)))
    url = urlsplit(target)
    return Request(method, unquote(url.path), dict(parse_qsl(url.query)), headers, body)


async def _chunks(reader: asyncio.StreamReader):
    while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
        yield await reader.readexactly(size)
        await reader.readexactly(2)
    await reader.readuntil(b"\r\n")

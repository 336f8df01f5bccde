"""What a scripted backend can do with a stream: end it in an error, cut it, leave it hanging, hold it."""

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

HEAD = {"content-type": "text/event-stream", "transfer-encoding": "chunked"}


@dataclass(frozen=True, slots=True)
class StreamError:
    """After so many events comes an error, and the stream ends as any other."""

    after: int = 0
    code: str | None = "image_generation_failed"
    type: str | None = "image_generation_server_error"
    message: str = "scripted"
    param: str | None = None
    billed: bool = False


@dataclass(frozen=True, slots=True)
class StreamCut:
    """After so many events and half of the next, the connection is reset."""

    after: int = 0
    billed: bool = True


@dataclass(frozen=True, slots=True)
class StreamHang:
    """After so many events nothing comes until the client leaves; `left` tells when it has."""

    after: int = 0
    left: threading.Event = field(default_factory=threading.Event)
    billed: bool = True


@dataclass(frozen=True, slots=True)
class StreamHold:
    """After so many events the rest comes only after `release()`."""

    after: int = 0
    gate: threading.Event = field(default_factory=threading.Event)
    billed: bool = True

    def release(self) -> None:
        """Let the rest go."""
        self.gate.set()


StreamStep = StreamError | StreamCut | StreamHang | StreamHold


def chunked(events: Sequence[bytes]) -> bytes:
    """Events as a whole body, one chunk each."""
    return b"".join(map(_chunk, events)) + b"0\r\n\r\n"


async def deliver(
    events: Sequence[bytes],
    error: bytes,
    step: StreamStep,
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
) -> bool:
    """The body as the step has it; whether the connection lives on. `error` is the error event of `StreamError`."""
    before, rest = events[: step.after], events[step.after :]
    writer.write(b"".join(map(_chunk, before)))
    await writer.drain()
    match step:
        case StreamError():
            writer.write(chunked([error]))
        case StreamCut():
            half = _chunk(rest[0]) if rest else b""
            writer.write(half[: len(half) // 2])
            await writer.drain()
            reset(writer)
            return False
        case StreamHang(left=left):
            with contextlib.suppress(ConnectionError):
                await reader.read()
            left.set()
            return False
        case StreamHold(gate=gate):
            await asyncio.to_thread(gate.wait, 60)
            writer.write(chunked(rest))
    await writer.drain()
    return True


def reset(writer: asyncio.StreamWriter) -> None:
    """End the connection by RST instead of FIN."""
    connection: socket.socket = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)

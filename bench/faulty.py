"""A backend that speaks OpenAI's images dialect and fails at random, with a ledger of its own."""

import asyncio
import base64
import contextlib
import json
import random
import struct
import zlib
from dataclasses import dataclass, field

UNSURE = frozenset({"hang", "reset", "cut", "half", "garbage", "502"})
"""Faults after which nobody but the backend knows whether the picture was made and billed."""

_HANG = 30.0  # seconds: longer than any attempt


@dataclass(frozen=True)
class Call:
    """One call that reached the backend: when, for which prompt, and what became of it."""

    when: float
    prompt: str
    fate: str


@dataclass
class Faulty:
    """One backend. `weather` gives each fate its weight; it is changed while the backend runs."""

    name: str
    rng: random.Random
    weather: dict[str, float] = field(default_factory=lambda: {"ok": 1.0})
    ledger: list[Call] = field(default_factory=list)
    port: int = 0
    _over: asyncio.Event = field(default_factory=asyncio.Event)
    _connections: set[asyncio.Task[None]] = field(default_factory=set)
    _server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen on a free port of this machine."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Listen no more, and end every connection."""
        if self._server is not None:
            self._server.close()
        self._over.set()
        await asyncio.gather(*self._connections)

    def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = asyncio.create_task(self._talk(reader, writer))
        self._connections.add(connection)
        connection.add_done_callback(self._connections.discard)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while await self._one(reader, writer):
                pass
        writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One request; whether the connection goes on."""
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(
            int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")
        )
        asked = json.loads(await reader.readexactly(length))
        fate = self.rng.choices(list(self.weather), list(self.weather.values()))[0]
        self.ledger.append(Call(asyncio.get_running_loop().time(), asked["prompt"], fate))
        match fate:
            case "ok" | "slow":
                await asyncio.sleep(self.rng.uniform(0.01, 0.1) if fate == "ok" else self.rng.uniform(0.3, 0.8))
                writer.write(answer(200, {"created": 1, "data": [{"b64_json": PICTURE}]}))
            case "hang":
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_HANG):
                        await self._over.wait()
                return False
            case "reset":
                writer.get_extra_info("socket").setsockopt(1, 13, struct.pack("ii", 1, 0))  # SO_LINGER: close resets
                return False
            case "cut":
                return False
            case "half":
                writer.write(answer(200, {"created": 1, "data": [{"b64_json": PICTURE}]})[:-40])
                await writer.drain()
                return False
            case "garbage":
                writer.write(answer(200, "<html>no</html>"))
            case "429 in 1":
                writer.write(answer(429, {"error": {"message": "slow down"}}, "retry-after: 1\r\n"))
            case "policy":
                error = {"message": "refused", "code": "moderation_blocked"}
                writer.write(answer(400, {"error": error}))
            case _:
                writer.write(answer(int(fate), {"error": {"message": "no"}}))
        await writer.drain()
        return True


def answer(status: int, body: object, headers: str = "") -> bytes:
    """An HTTP answer with this body as JSON."""
    text = json.dumps(body).encode()
    head = f"HTTP/1.1 {status} X\r\ncontent-type: application/json\r\n{headers}content-length: {len(text)}\r\n\r\n"
    return head.encode() + text


def _picture(size: int = 64) -> str:
    """A grey PNG in base64."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    rows = zlib.compress((b"\0" + b"\x80" * 3 * size) * size)
    header = struct.pack(">IIBBBBB", size, size, 8, 2, 0, 0, 0)
    png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    return base64.b64encode(png).decode()


PICTURE = _picture()

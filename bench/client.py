"""A plain client on one connection, for what is timed one at a time, for clients that stall, and for uploads."""

import contextlib
import json
import socket
from collections.abc import Iterable
from dataclasses import dataclass

_PATIENCE = 120.0
_KEPT = 64 * 1024  # of an answer; longer ones are read and let go


class Broken(Exception):  # noqa: N818 - named as what happens
    """An answer that cannot be read to its end."""


@dataclass(frozen=True)
class Reply:
    """An answer: its status, its length, and its body where that is short."""

    status: int
    length: int
    body: bytes

    @property
    def created(self) -> int:
        """The field that says what reached the backend; 0 where there is none."""
        with contextlib.suppress(ValueError, AttributeError, TypeError):
            return int(json.loads(self.body).get("created", 0))
        return 0


class Client:
    """One connection. `window` bounds what the kernel takes for a client that does not read."""

    def __init__(self, port: int, window: int | None = None) -> None:
        self._socket = socket.socket()
        if window is not None:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
        self._socket.settimeout(_PATIENCE)
        self._socket.connect(("127.0.0.1", port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = bytearray(1 << 20)

    def send(self, head: bytes, pieces: Iterable[bytes] = ()) -> None:
        """Send a request."""
        self._socket.sendall(head)
        for piece in pieces:
            self._socket.sendall(piece)

    def read(self) -> Reply:
        """Read an answer.

        Raises:
            Broken: the connection ended first.
        """
        head, body = self._head()
        low = head.lower()
        status = int(head.split()[1])
        if b"content-length:" in low:
            length = int(low.split(b"content-length:")[1].split(b"\r\n")[0])
            read = len(body)
            while read < length:
                got = self._more()
                read += len(got)
                if length < _KEPT:
                    body += got
            return Reply(status, length, body)
        length, end = len(body), body[-5:]
        while end != b"0\r\n\r\n":
            got = self._more()
            length += len(got)
            end = (end + bytes(got[-5:]))[-5:]
        return Reply(status, length, body)

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()

    def _head(self) -> tuple[bytes, bytes]:
        said = b""
        while b"\r\n\r\n" not in said:
            said += self._more()
        head, _, body = said.partition(b"\r\n\r\n")
        return (head, body) if not head.startswith(b"HTTP/1.1 100") else self._head()

    def _more(self) -> memoryview:
        size = self._socket.recv_into(self._buffer)
        if not size:
            raise Broken("the connection ended before the answer did")
        return memoryview(self._buffer)[:size]


def request(path: str, body: bytes, headers: Iterable[tuple[str, str]]) -> bytes:
    """A request with a body."""
    lines = [f"POST {path} HTTP/1.1", "host: bench", f"content-length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers]
    return "\r\n".join([*lines, "\r\n"]).encode() + body

"""HTTP/1.1 on one connection, with an end to patience: slow, large or broken heads are answered and closed."""

import asyncio
from dataclasses import dataclass
from typing import Any, Self

import uvicorn
from starlette.types import ASGIApp
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from router.api.admitted import GONE
from router.config.model import Server
from router.messages.errors import Refused, envelope

_LINGER = 2.0  # seconds in which a refused client may still be sending, and can read why it was refused
_LAST_WORDS = 0.5  # seconds for what was on its way when the server stopped
_OWN_FILES = 24  # what a process has open before its first client
_FILES_EACH = 3  # the client's connection, one to a backend, the spool
_BODY = frozenset({b"content-length", b"transfer-encoding"})
_FORWARDED = frozenset({b"x-forwarded-proto", b"x-forwarded-for"})
_NO_UPGRADE = "this server speaks HTTP/1.1 alone: send the request without an Upgrade header"
_REASONS = {400: "Bad Request", 408: "Request Timeout", 431: "Request Header Fields Too Large", 503: "Unavailable"}


@dataclass(frozen=True, slots=True)
class Limits:
    """What one connection may be. Times are seconds, sizes bytes."""

    headers_time: float
    idle: float
    max_headers: int
    max_head: int
    max_connections: int

    @classmethod
    def of(cls, server: Server, files: int) -> Self:
        """The limits a config sets, where this process may have so many files open."""
        return cls(
            headers_time=server.timeouts.headers,
            idle=server.timeouts.idle,
            max_headers=server.max_headers,
            max_head=server.max_head,
            max_connections=min(server.max_connections, max(1, (files - _OWN_FILES) // _FILES_EACH)),
        )


class Config(uvicorn.Config):
    """The server's settings, with the limits that it does not have."""

    limits: Limits
    app_behind_proxy: Any
    """The application for requests on which a proxy tells whose they were: the others are not searched for that."""

    def __init__(self, app: ASGIApp, **named: Any) -> None:
        super().__init__(app, access_log=False, server_header=False, proxy_headers=False, **named)

    def load(self) -> None:
        """Make the application ready."""
        super().load()
        self.app_behind_proxy = ProxyHeadersMiddleware(self.loaded_app, self.forwarded_allow_ips)


class _TooMuch(Exception):  # noqa: N818 - an answer, not a fault
    """Ends the parser's work on a head."""


class _Way:
    """The transport as the response writes to it: its end is the connection's own affair."""

    def __init__(self, protocol: "Protocol") -> None:
        self._protocol = protocol

    def write(self, data: bytes) -> None:
        self._protocol.transport.write(data)

    def is_closing(self) -> bool:
        return self._protocol.transport.is_closing()

    def close(self) -> None:
        self._protocol.part()


class Protocol(HttpToolsProtocol):
    """One connection. Who waits for what is told by the clock that runs: for a head, or for the next request."""

    config: Config

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._limits = self.config.limits
        self.timeout_keep_alive = self._limits.idle  # type: ignore[assignment]  # part of a second is as good
        self._clock: asyncio.TimerHandle | None = None
        self._head = 0  # bytes since the last whole head
        self._parsed = 0  # bytes of this one
        self._in_head = True
        self._begun = False  # whether a part of a head is there
        self._refused: Refused | None = None
        self._parted = False
        self._last = False  # whether the next answer is the connection's last
        self._gone: asyncio.Future[None] = self.loop.create_future()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection, or say that there are too many."""
        super().connection_made(transport)
        excess = len(self.connections) - self._limits.max_connections
        if excess > max(8, self._limits.max_connections // 8):
            transport.abort()
        elif excess > 0:
            words = "too many connections: try again in a moment"
            self._refuse(Refused(503, "overloaded", words, type="server_error", retry_after=1, should_retry=True))
        else:
            self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Let go of the clock, and of whoever asked."""
        self._stop_clock()
        if not self._gone.done():
            self._gone.set_result(None)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what came; what comes after a refusal is nobody's."""
        if self._parted:
            return
        if self._in_head:
            self._head += len(data)
        super().data_received(data)
        if self._parted or self.transport.is_closing():
            return
        if self._in_head and self._head > self._limits.max_head:
            self._refuse(self._too_large())
        elif self._clock is None and (self._begun or (self._idle and self.timeout_keep_alive_task is None)):
            self._await_head()

    def on_message_begin(self) -> None:
        """A head begins."""
        super().on_message_begin()
        self._in_head, self._begun, self._parsed = True, True, 0

    def on_url(self, url: bytes) -> None:
        """A piece of the address."""
        super().on_url(url)
        self._count(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header."""
        super().on_header(name, value)
        if len(self.headers) > self._limits.max_headers:
            self._refused = Refused(
                431, "headers_too_large", f"the request has more than {self._limits.max_headers} headers: send fewer"
            )
            raise _TooMuch
        self._count(len(name) + len(value) + 4)

    def on_headers_complete(self) -> None:
        """A head is whole."""
        if self._clock is not None:
            self._stop_clock()
        self._in_head, self._begun, self._head = False, False, 0
        names = [name for name, _ in self.headers]
        hosts = names.count(b"host")
        if hosts > 1 or (not hosts and self.parser.get_http_version() == "1.1"):
            self._refused = Refused(400, "invalid_request", "a request names its host once: send one Host header")
            raise _TooMuch
        if self.parser.should_upgrade() and not _BODY.isdisjoint(names):
            self._refused = Refused(400, "invalid_request", _NO_UPGRADE)  # the parser would take the body for another's
            raise _TooMuch
        self.scope["extensions"] = {GONE: self._gone}  # type: ignore[dict-item]  # one of our own
        self.app = self.config.loaded_app if _FORWARDED.isdisjoint(names) else self.config.app_behind_proxy
        super().on_headers_complete()
        self.cycle.keep_alive &= not self._last
        self.cycle.transport = _Way(self)  # type: ignore[assignment]  # what a response uses of it

    def on_message_complete(self) -> None:
        """A request is whole; what comes now is the next head."""
        super().on_message_complete()
        self._in_head = True

    def on_response_complete(self) -> None:
        """An answer is out. Who still sends the body is heard to its end only for a moment."""
        super().on_response_complete()
        if self._idle and not self._in_head:
            self.part()

    def send_400_response(self, msg: str) -> None:
        """The parser gave up."""
        words = f"{msg} Check what stands between client and server: it was cut, or made by hand."
        self._refuse(self._refused or Refused(400, "invalid_request", words))

    def shutdown(self) -> None:
        """The server stops. Who has just come, or is half way through a head, may still ask once."""
        if self._idle and (self.cycle is None or self._head) and not self._parted:
            self._last = True
            self.loop.call_later(_LAST_WORDS, self._unasked)
        else:
            super().shutdown()

    def _unasked(self) -> None:
        if self._idle:
            self.part()

    def part(self) -> None:
        """Close, but not under the hands of a client that still sends: it could not read the answer."""
        self._unset_keepalive_if_required()
        if self._parted or self.transport.is_closing():
            return
        self._stop_clock()
        if self._in_head and self._refused is None:
            self.transport.close()
            return
        self._parted = True
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.flow.resume_reading()
        self._clock = self.loop.call_later(_LINGER, self.transport.close)

    @property
    def _idle(self) -> bool:
        """Whether no request is under way."""
        return self.cycle is None or self.cycle.response_complete

    def _await_head(self) -> None:
        self._clock = self.loop.call_later(self._limits.headers_time, self._too_slow)

    def _stop_clock(self) -> None:
        if self._clock is not None:
            self._clock.cancel()
            self._clock = None

    def _too_slow(self) -> None:
        self._clock = None
        if not self._idle:  # the next request of a pipeline: the one under way is answered first
            self._await_head()
        elif self._head:
            words = f"the request's head did not come within {self._limits.headers_time:g} s"
            self._refuse(Refused(408, "request_timeout", f"{words}: send it faster"))
        else:
            self.transport.close()

    def _count(self, size: int) -> None:
        self._parsed += size
        if self._parsed > self._limits.max_head:
            self._refused = self._too_large()
            raise _TooMuch

    def _too_large(self) -> Refused:
        words = f"the request's first line and headers are larger than {self._limits.max_head} bytes: send less"
        return Refused(431, "headers_too_large", words)

    def _refuse(self, refused: Refused) -> None:
        """Answer without the application, and part."""
        self._refused = refused
        if not self._idle:
            if self._in_head or self.cycle.response_started or self.pipeline:  # none may cut into another's answer
                self.transport.close()
                return
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        body = envelope(refused)
        head = [
            f"HTTP/1.1 {refused.status} {_REASONS[refused.status]}",
            "content-type: application/json",
            f"content-length: {len(body)}",
            f"x-should-retry: {'true' if refused.should_retry else 'false'}",
            *([] if refused.retry_after is None else [f"retry-after: {refused.retry_after:g}"]),
            "connection: close",
        ]
        self.transport.write("\r\n".join([*head, "\r\n"]).encode() + body)
        self.part()

    def _unsupported_upgrade_warning(self) -> None:
        """An upgrade is asked for: the request is answered as it is, and the connection ends with that."""
        if self.cycle is not None:
            self.cycle.keep_alive = False

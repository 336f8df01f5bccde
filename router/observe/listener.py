"""An address for Prometheus alone, served by a thread of its own, so that it answers also while the loop is held up."""

import hmac
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from router.observe.exposition import CONTENT_TYPE

_PATIENCE = 10.0  # seconds a client may take for its request, and for reading the answer


def bears(authorization: str | None, token: str) -> bool:
    """Whether an `Authorization` header has this token, in a time that tells nothing of it."""
    scheme, _, given = (authorization or "").partition(" ")
    same = hmac.compare_digest(given.strip().encode("utf-8", "surrogateescape"), token.encode())
    return same and scheme.lower() == "bearer"


class Listener:
    """Answers `GET /metrics` on sockets that others may listen on too."""

    def __init__(self, sockets: list[socket.socket], text: Callable[[], bytes], token: str | None) -> None:
        self._servers = [_Server(each, text, token) for each in sockets]

    @contextmanager
    def running(self) -> Iterator[None]:
        """Answer for a while."""
        for server in self._servers:
            threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()
        try:
            yield
        finally:
            for server in self._servers:
                server.shutdown()
                server.server_close()


class _Server(ThreadingHTTPServer):
    """One socket."""

    daemon_threads = True

    def __init__(self, sock: socket.socket, text: Callable[[], bytes], token: str | None) -> None:
        super().__init__(sock.getsockname()[:2], _Handler, bind_and_activate=False)
        self.socket.close()
        sock.settimeout(0)  # another worker may be faster
        self.socket = sock
        self.socket.listen()
        self.text = text
        self.token = token

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Who breaks off is not spoken of."""


class _Handler(BaseHTTPRequestHandler):
    """One request."""

    server: _Server
    timeout = _PATIENCE
    server_version = "image-router"
    sys_version = ""

    def do_GET(self) -> None:
        """The metrics, or why not."""
        token = self.server.token
        if token is not None and not bears(self.headers.get("authorization"), token):
            self._answer(HTTPStatus.UNAUTHORIZED, b"give the token of server.metrics, as a bearer\n")
        elif self.path.partition("?")[0] != "/metrics":
            self._answer(HTTPStatus.NOT_FOUND, b"there is only /metrics here\n")
        else:
            self._answer(HTTPStatus.OK, self.server.text(), CONTENT_TYPE)

    def do_HEAD(self) -> None:
        """The same without the text."""
        self.do_GET()

    def _answer(self, status: HTTPStatus, body: bytes, kind: str = "text/plain; charset=utf-8") -> None:
        with suppress(OSError):
            self.send_response(status)
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(body)))
            if status is HTTPStatus.UNAUTHORIZED:
                self.send_header("www-authenticate", "Bearer")
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Prometheus asks every few seconds, which is no news."""

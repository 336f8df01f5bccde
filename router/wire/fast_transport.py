"""Carries HTTP by pyreqwest, spoken to directly: httpx's records around a small call cost more than the call.

What it raises is httpx's all the same, so that nobody above knows who carried the call.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from functools import cached_property
from typing import cast

from pyreqwest.client import Client, ClientBuilder
from pyreqwest.exceptions import ConnectError as Unconnected, ConnectTimeoutError, PoolTimeoutError, PyreqwestError
from pyreqwest.request import RequestBuilder, StreamRequest
from pyreqwest.response import Response as Received

from providers.http import (
    AsyncBaseTransport,
    AsyncByteStream,
    ConnectError,
    ConnectTimeout,
    PoolTimeout,
    ReadError,
    Request,
    RequestNotRead,
    Response,
)
from router.wire.bodies import Pieces
from router.wire.marks import EVENTS, HEADERS, call_deadline

_PIECE = 256 * 1024  # bytes of an answer that are handed over at once: each piece wakes the loop
_GRACE = 1.0  # seconds: whoever cuts a call off does it at the deadline, and the transport's own end comes just after


class FastTransport(AsyncBaseTransport):
    """pyreqwest, with two of its habits mended, and a plain transport for what it cannot carry.

    It calls every lost connection a ConnectError, also one lost after the request was read: only its innermost
    causes tell. And a call cancelled before the answer's head lives on and keeps its place in the pool: so each call
    is given an end of its own. For a stream that is not enough: callers leave those, and it keeps back small pieces.

    Args:
        client: pyreqwest's.
        patience: seconds that end a call whose deadline nobody set.
        plain: makes the other transport.
    """

    def __init__(self, client: Client, patience: float, plain: Callable[[], AsyncBaseTransport]) -> None:
        self._client = client
        self._patience = patience
        self._make_plain = plain

    @cached_property
    def _plain(self) -> AsyncBaseTransport:
        """Made when the first stream needs it: many providers never send one, and its certificates take megabytes."""
        return self._make_plain()

    async def handle_async_request(self, request: Request) -> Response:
        """Send a request; its answer's head is there, its body still to come."""
        if EVENTS in request.extensions:
            return await self._plain.handle_async_request(request)
        asked = self._client.request(request.method, str(request.url)).headers(request.headers.multi_items())
        exchange = _with_body(asked, request).timeout(timedelta(seconds=self._longest())).build_streamed()
        try:
            received = await exchange.__aenter__()
        except PyreqwestError as error:
            raise _told(error, request) from error
        said = {HEADERS: _headers(received)}
        return Response(received.status, stream=_Body(exchange, received), extensions=said)

    async def aclose(self) -> None:
        """Close every connection."""
        await self._client.close()
        if "_plain" in vars(self):
            await self._plain.aclose()

    def _longest(self) -> float:
        deadline = call_deadline.get()
        if deadline is None:
            return self._patience
        return max(0.0, deadline - asyncio.get_running_loop().time()) + _GRACE


class _Body(AsyncByteStream):
    """An answer's body, in large pieces, each a buffer of pyreqwest's."""

    def __init__(self, exchange: StreamRequest, received: Received) -> None:
        self._exchange = exchange
        self._reader = received.body_reader

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while (piece := await self._reader.read(_PIECE)) is not None:
            yield cast("bytes", piece)

    async def aclose(self) -> None:
        await self._exchange.__aexit__(None, None, None)


def client_builder() -> ClientBuilder:
    """A client that follows nothing, keeps nothing, inflates nothing and repeats nothing."""
    return (
        ClientBuilder()
        .http1_only()
        .http1_lower_case_headers()
        .no_proxy()
        .follow_redirects(enable=False)
        .referer(enable=False)
        .default_cookie_store(enable=False)
        .gzip(enable=False)
        .brotli(enable=False)
        .zstd(enable=False)
        .deflate(enable=False)
    )


def _with_body(asked: RequestBuilder, request: Request) -> RequestBuilder:
    body = request.stream
    if isinstance(body, Pieces):
        return asked.body_stream(body) if body.whole is None else asked.body_bytes(body.whole)
    try:
        return asked.body_bytes(request.content)
    except RequestNotRead:
        return asked.body_stream(cast("AsyncByteStream", body))


def _headers(received: Received) -> dict[str, str]:
    """Those that came more than once are joined, as everywhere."""
    came = list(received.headers.items())
    headers = dict(came)
    if len(headers) < len(came):
        headers = {name: ", ".join(value for other, value in came if other == name) for name in headers}
    return headers


def _told(error: PyreqwestError, request: Request) -> Exception:
    """What became of a call, in httpx's words."""
    causes = _causes(error)
    if isinstance(error, PoolTimeoutError):
        return PoolTimeout(causes[-1], request=request)
    if isinstance(error, ConnectTimeoutError | Unconnected) and "client error (Connect)" in causes:
        kind = ConnectTimeout if isinstance(error, ConnectTimeoutError) else ConnectError
        return kind(causes[-1], request=request)
    return ReadError(causes[-1], request=request)


def _causes(error: PyreqwestError) -> list[str]:
    details = getattr(error, "details", None) or {}
    return [cause["message"] for cause in details.get("causes") or ()] or [str(error)]

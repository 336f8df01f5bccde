"""Carries calls to addresses that a backend named and that are not its own: public https ones, judged first."""

import ssl
from collections.abc import AsyncIterator
from functools import cached_property
from typing import cast

from providers.base import ErrorKind, OutcomeClass, ProviderError
from providers.http import AsyncBaseTransport, AsyncByteStream, Request, Response, wire_level
from router.wire.fetch import FetchFailed, admit
from router.wire.guard import Connector, Denied

_PATIENCE = {"connect": 5.0, "read": 60.0, "write": 30.0, "pool": 2.0}
_CONNECTIONS = 32


class Strangers(AsyncBaseTransport):
    """A transport to hosts nobody configured. It keeps no connection, so that each call is judged anew."""

    def __init__(self, connector: Connector | None = None) -> None:
        self._connector = connector or Connector()

    @cached_property
    def _pool(self) -> wire_level.AsyncConnectionPool:
        """Made for the first call: most backends name no address but their own, and its certificates take megabytes."""
        return wire_level.AsyncConnectionPool(
            ssl_context=ssl.create_default_context(),
            max_connections=_CONNECTIONS,
            max_keepalive_connections=0,
            network_backend=self._connector,
        )

    async def handle_async_request(self, request: Request) -> Response:
        """Send a request to where it may go.

        Raises:
            ProviderError: the address must not be called.
        """
        url = request.url
        target = wire_level.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)
        body = cast("AsyncByteStream", request.stream)
        asked = wire_level.Request(
            request.method,
            target,
            headers=request.headers.raw,
            content=body,
            extensions={"timeout": _PATIENCE},
        )
        try:
            admit(url, insecure=False)
            answer = await self._pool.handle_async_request(asked)
        except (FetchFailed, Denied) as error:
            words = "the backend named an address that must not be called"
            raise ProviderError(ErrorKind.BAD_RESPONSE, words, outcome=OutcomeClass.NOT_SENT) from error
        return Response(answer.status, headers=answer.headers, stream=_Body(answer))

    async def aclose(self) -> None:
        """Close what is still open."""
        if "_pool" in vars(self):
            await self._pool.aclose()


class _Body(AsyncByteStream):
    def __init__(self, answer: wire_level.Response) -> None:
        self._answer = answer

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for piece in self._answer.aiter_stream():
            yield piece

    async def aclose(self) -> None:
        await self._answer.aclose()

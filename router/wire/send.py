"""Sends one call and brings back its answer or its events, or says whether the call may have reached the backend."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Protocol

from providers.base import Adapter, Answer, Call, ErrorKind, OutcomeClass, ProviderError, bad_response
from providers.http import (
    URL,
    AsyncBaseTransport,
    Auth,
    Headers,
    InvalidURL,
    Request,
    Response,
)
from router import __version__
from router.wire.answers import close, events_of, lost, read_answer, read_events, says_events
from router.wire.bodies import encode
from router.wire.sse import Event
from router.wire.strangers import Strangers
from router.wire.transport import EVENTS


class Send(Protocol):
    """The way to one provider. Either form raises nothing but `ProviderError`.

    It is `not_sent` where the call provably never reached the backend, else `ambiguous`.
    """

    async def __call__(self, call: Call, /) -> Answer:
        """One call, and its answer whole."""

    def stream(self, call: Call, /) -> AbstractAsyncContextManager[Answer | AsyncIterator[Event]]:
        """One call that asks for events: those, or the whole answer of a backend that sent none.

        Leaving the context ends the reading, closes the connection unless the stream came to its end, and leaves
        nothing behind.
        """


MAX_ANSWER = 256 * 1024 * 1024

_STATIC = Headers(
    {
        "accept": "application/json",
        # A compressed answer could be a thousand times its size; base64 gains little from it anyway.
        "accept-encoding": "identity",
        "user-agent": f"image-router/{__version__}",
    },
)
_EVENTS = Headers({**_STATIC, "accept": "text/event-stream"})
_SHORTEST_KEY = 6  # a shorter one is part of any word, and no secret either
_FULL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")


class Wire:
    """The way to one provider: a `Send`. All that stays the same from call to call is made once, here.

    Args:
        adapter: whose calls these are; it says how the key travels.
        base_url: where the provider lives.
        key: None where there is none.
        transport: carries the calls; closed by `aclose`.
        max_answer: bytes beyond which an answer is refused.
        strangers: carries calls to addresses that the backend names and that are not its own.

    Raises:
        ValueError: the base URL or the key cannot be used.
    """

    def __init__(
        self,
        adapter: Adapter,
        base_url: str,
        key: str | None,
        transport: AsyncBaseTransport,
        *,
        max_answer: int = MAX_ANSWER,
        strangers: AsyncBaseTransport | None = None,
    ) -> None:
        self._base = base_url.rstrip("/")
        self._key_hosts = adapter.key_hosts
        self._strangers = strangers or Strangers()
        self._origin = _origin(_base(base_url))
        self._auth = _auth(adapter, key)
        self._secret = key.encode() if key is not None and len(key) >= _SHORTEST_KEY else b""
        self._transport = transport
        self._max_answer = max_answer
        self._address = lru_cache(maxsize=256)(self._read_address)

    async def __call__(self, call: Call) -> Answer:
        """One call.

        Raises:
            ProviderError: there is no answer, or one that must not be used.
        """
        return await read_answer(await self._open(call), self._secret, self._max_answer)

    @asynccontextmanager
    async def stream(self, call: Call) -> AsyncIterator[Answer | AsyncIterator[Event]]:
        """One call that asks for events.

        Raises:
            ProviderError: there is no answer, or one that must not be used; so do the events as they are read.
        """
        response = await self._open(call, events=True)
        if not says_events(response.status_code, response.headers):
            yield await read_answer(response, self._secret, self._max_answer)
            return
        try:
            async with aclosing(read_events(response, self._secret)) as events:
                yield events
        finally:
            await close(response)

    async def aclose(self) -> None:
        """Close the provider's connections."""
        await self._transport.aclose()
        await self._strangers.aclose()

    async def _open(self, call: Call, *, events: bool = False) -> Response:
        """Send a call; its answer's head is there, its body still to come."""
        try:
            request, own = self._request(call, events=events)
        except ProviderError:
            raise
        except Exception as error:
            message = "the call to the provider could not be written"
            raise ProviderError(ErrorKind.UNAVAILABLE, message, outcome=OutcomeClass.NOT_SENT) from error
        try:
            if not own:
                return await self._strangers.handle_async_request(request)
            return await self._exchange(request, self._auth)
        except ProviderError:
            raise
        except Exception as error:
            raise lost(error) from error

    def _request(self, call: Call, *, events: bool) -> tuple[Request, bool]:
        body = encode(call)
        url, own = self._address(call.path)
        headers = (_EVENTS if events else _STATIC).copy()
        for extra in (body.headers, call.headers):
            headers.update(extra)
        extensions = {EVENTS: True} if events else {}
        request = Request(call.method, url, headers=headers, content=body.content, extensions=extensions)
        return request, own

    def _read_address(self, path: str) -> tuple[URL, bool]:
        """The address of a call, and whether it is the provider's own: only such a call carries the key."""
        if not _FULL.match(path):
            joint = "" if path.startswith("?") or not path else "/"
            return URL(self._base + joint + path.lstrip("/")), True
        try:
            url = URL(path)
        except InvalidURL as error:
            raise _strange_address() from error
        if url.scheme not in ("http", "https") or not url.raw_host or url.userinfo or "\\" in path:
            raise _strange_address()
        trusted = url.scheme == "https" and any(fnmatchcase(url.host, pattern) for pattern in self._key_hosts)
        return url, trusted or _origin(url) == self._origin

    async def _exchange(self, request: Request, auth: Auth | None) -> Response:
        if auth is None:
            return await self._transport.handle_async_request(request)
        if auth.requires_request_body:
            await request.aread()
        flow, own = auth.auth_flow(request), request
        try:
            request = next(flow)
            while True:
                send = self._transport.handle_async_request if request is own else self._errand
                response = await send(request)
                try:
                    request = flow.send(response)
                except StopIteration:
                    return response
                await response.aclose()
        finally:
            flow.close()

    async def _errand(self, request: Request) -> Response:
        """What a key needs before its call can go out, such as a token; the answer whole.

        Raises:
            ProviderError: there is no answer; the call itself was not sent.
        """
        try:
            response = await self._transport.handle_async_request(request)
            await response.aread()
        except Exception as error:
            message = "the key could not be exchanged for a token"
            raise ProviderError(ErrorKind.UNAVAILABLE, message, outcome=OutcomeClass.NOT_SENT) from error
        return response


class LocalSend:
    """The way to a backend inside this process: a `Send` that runs each call in a worker thread."""

    def __init__(self, adapter: Adapter) -> None:
        if adapter.local is None:
            raise ValueError("this kind of provider has no backend inside the process; give it a base_url")
        self._local = adapter.local

    async def __call__(self, call: Call) -> Answer:
        """One call.

        Raises:
            ProviderError: the backend failed.
        """
        try:
            return await asyncio.to_thread(self._local, call)
        except ProviderError:
            raise
        except Exception as error:
            raise bad_response("the backend inside the process failed") from error

    @asynccontextmanager
    async def stream(self, call: Call) -> AsyncIterator[Answer | AsyncIterator[Event]]:
        """One call that asks for events, which come when all are made.

        Raises:
            ProviderError: the backend failed.
        """
        answer = await self(call)
        if not says_events(answer.status, answer.headers):
            yield answer
            return
        async with aclosing(events_of(answer)) as events:
            yield events

    async def aclose(self) -> None:
        """Nothing is held."""


def _base(text: str) -> URL:
    try:
        url = URL(text)
    except InvalidURL as error:
        raise ValueError(f"base_url: this is no address: {error}") from error
    if url.scheme not in ("http", "https") or not url.raw_host or url.userinfo or url.query or url.fragment:
        raise ValueError("base_url: give scheme, host and path only, such as https://api.example.com/v1")
    return url


def _origin(url: URL) -> tuple[str, bytes, int]:
    return url.scheme, url.raw_host, url.port or {"http": 80, "https": 443}[url.scheme]


def _auth(adapter: Adapter, key: str | None) -> Auth | None:
    if key is None or adapter.auth is None:
        return None
    if not key.isascii() or not key.isprintable():
        raise ValueError("api_key: it holds a character that no header may carry; is there a line break at its end?")
    return adapter.auth(key)


def _strange_address() -> ProviderError:
    message = "the backend named an address that cannot be called"
    return ProviderError(ErrorKind.BAD_RESPONSE, message, outcome=OutcomeClass.NOT_SENT)

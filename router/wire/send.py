"""Sends one call and brings back its answer or its events, or says whether the call may have reached the backend."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from typing import Protocol

from providers.base import Adapter, Answer, Call, ErrorKind, OutcomeClass, ProviderError, bad_response
from providers.http import AsyncBaseTransport, Auth, Request, Response
from router.tracing import spans
from router.wire.answers import close, events_of, headers_of, lost, read_answer, read_events, says_events
from router.wire.bodies import encode
from router.wire.sse import Event
from router.wire.strangers import Strangers
from router.wire.writing import Preview, Writer


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

    async def preview(self, call: Call, /, *, events: bool = False) -> Preview:
        """What one call would send, with or without `events` for an answer. Nothing is sent."""


MAX_ANSWER = 256 * 1024 * 1024

_SHORTEST_KEY = 6  # a shorter one is part of any word, and no secret either


class Wire:
    """The way to one provider: a `Send`. All that stays the same from call to call is made once, here.

    Args:
        adapter: whose calls these are; it says how the key travels.
        base_url: where the provider lives.
        key: None where there is none.
        transport: carries the calls; closed by `aclose`.
        max_answer: bytes beyond which an answer is refused.
        strangers: carries calls to addresses that the backend names and that are not its own.
        traced: whether the provider is told which trace a call is part of.

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
        traced: bool = False,
    ) -> None:
        self._writer = Writer(adapter, base_url, key)
        self._strangers = strangers or Strangers()
        self._secret = key.encode() if key is not None and len(key) >= _SHORTEST_KEY else b""
        self._transport = transport
        self._max_answer = max_answer
        self._traced = traced

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
        if not says_events(response.status_code, headers_of(response)):
            yield await read_answer(response, self._secret, self._max_answer)
            return
        try:
            async with aclosing(read_events(response, self._secret)) as events:
                yield events
        finally:
            await close(response)

    async def preview(self, call: Call, *, events: bool = False) -> Preview:
        """What a call would send.

        Raises:
            ProviderError: its address cannot be called.
        """
        return await self._writer.preview(call, events=events)

    async def aclose(self) -> None:
        """Close the provider's connections."""
        await self._transport.aclose()
        await self._strangers.aclose()

    async def _open(self, call: Call, *, events: bool = False) -> Response:
        """Send a call; its answer's head is there, its body still to come."""
        try:
            request, own = self._writer.request(call, events=events)
        except ProviderError:
            raise
        except Exception as error:
            message = "the call to the provider could not be written"
            raise ProviderError(ErrorKind.UNAVAILABLE, message, outcome=OutcomeClass.NOT_SENT) from error
        if self._traced and own and (trace := spans.traceparent()) is not None:
            request.headers["traceparent"] = trace
        try:
            if not own:
                return await self._strangers.handle_async_request(request)
            return await self._exchange(request, self._writer.auth)
        except ProviderError:
            raise
        except Exception as error:
            raise lost(error) from error

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

    async def preview(self, call: Call, *, events: bool = False) -> Preview:
        """What a call would say within this process, where no headers and no key go along."""
        headers = {**call.headers, **({"accept": "text/event-stream"} if events else {})}
        return Preview(method=call.method, url=call.path, headers=headers, content=encode(call).content)

    async def aclose(self) -> None:
        """Nothing is held."""

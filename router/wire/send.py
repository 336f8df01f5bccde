"""Sends one call and brings back its answer, or says whether the call may have reached the backend."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from functools import lru_cache
from typing import cast

from providers.base import Adapter, Answer, Call, ErrorKind, OutcomeClass, ProviderError, bad_response
from providers.http import (
    URL,
    AsyncBaseTransport,
    AsyncByteStream,
    Auth,
    ConnectError,
    ConnectTimeout,
    Headers,
    InvalidURL,
    PoolTimeout,
    Request,
    Response,
)
from router import __version__
from router.wire.bodies import encode

Send = Callable[[Call], Awaitable[Answer]]
"""One call over the wire.

Raises:
    ProviderError: `not_sent` where the call provably never reached the backend, else `ambiguous`.
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
_FULL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
# What a transport raises only where no byte of the request left us.
_UNSENT: Mapping[type[Exception], str] = {
    PoolTimeout: "no connection to the provider came free in time",
    ConnectTimeout: "connecting to the provider took too long",
    ConnectError: "the provider could not be reached",
}


class Wire:
    """The way to one provider: a `Send`. All that stays the same from call to call is made once, here.

    Args:
        adapter: whose calls these are; it says how the key travels.
        base_url: where the provider lives.
        key: None where there is none.
        transport: carries the calls; closed by `aclose`.
        max_answer: bytes beyond which an answer is refused.

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
    ) -> None:
        self._base = base_url.rstrip("/")
        self._origin = _origin(_base(base_url))
        self._auth = _auth(adapter, key)
        self._secret = (key or "").encode()
        self._transport = transport
        self._max_answer = max_answer
        self._address = lru_cache(maxsize=256)(self._read_address)

    async def __call__(self, call: Call) -> Answer:
        """One call.

        Raises:
            ProviderError: there is no answer, or one that must not be used.
        """
        try:
            request, auth = self._request(call)
        except ProviderError:
            raise
        except Exception as error:
            message = "the call to the provider could not be written"
            raise ProviderError(ErrorKind.UNAVAILABLE, message, outcome=OutcomeClass.NOT_SENT) from error
        try:
            return await self._exchange(request, auth)
        except ProviderError:
            raise
        except Exception as error:
            raise _lost(error) from error

    async def aclose(self) -> None:
        """Close the provider's connections."""
        await self._transport.aclose()

    def _request(self, call: Call) -> tuple[Request, Auth | None]:
        body = encode(call)
        url, own = self._address(call.path)
        headers = _STATIC.copy()
        for extra in (body.headers, call.headers):
            headers.update(extra)
        request = Request(call.method, url, headers=headers, content=body.content)
        return request, self._auth if own else None

    def _read_address(self, path: str) -> tuple[URL, bool]:
        """The address of a call, and whether it is of the base URL's origin: only such a call carries the key."""
        if not _FULL.match(path):
            joint = "" if path.startswith("?") or not path else "/"
            return URL(self._base + joint + path.lstrip("/")), True
        try:
            url = URL(path)
        except InvalidURL as error:
            raise _strange_address() from error
        if url.scheme not in ("http", "https") or not url.raw_host or url.userinfo or "\\" in path:
            raise _strange_address()
        return url, _origin(url) == self._origin

    async def _exchange(self, request: Request, auth: Auth | None) -> Answer:
        if auth is None:
            return await self._answer(await self._transport.handle_async_request(request))
        if auth.requires_request_body:
            await request.aread()
        flow = auth.auth_flow(request)
        try:
            request = next(flow)
            while True:
                response = await self._transport.handle_async_request(request)
                try:
                    request = flow.send(response)
                except StopIteration:
                    return await self._answer(response)
                await response.aclose()
        finally:
            flow.close()

    async def _answer(self, response: Response) -> Answer:
        try:
            status = response.status_code
            if 300 <= status < 400:
                raise _redirect(status)
            headers = dict(response.headers.items())
            body = b"" if _encoded(headers, status) else await self._body(response)
            if status >= 400 and self._secret:
                body = body.replace(self._secret, b"[redacted]")  # a refusal may quote the key it refuses
            return Answer(status, headers, body)
        finally:
            await response.aclose()

    async def _body(self, response: Response) -> bytes:
        pieces = []
        size = 0
        async for piece in cast("AsyncByteStream", response.stream):
            size += len(piece)
            if size > self._max_answer:
                raise bad_response(f"the backend's answer is larger than {self._max_answer} bytes")
            pieces.append(piece)
        return b"".join(pieces)


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


def _lost(error: Exception) -> ProviderError:
    for unsent, message in _UNSENT.items():
        if isinstance(error, unsent):
            return ProviderError(ErrorKind.UNAVAILABLE, message, outcome=OutcomeClass.NOT_SENT)
    message = "the connection to the provider broke before its answer was whole"
    return ProviderError(ErrorKind.UNAVAILABLE, message, outcome=OutcomeClass.AMBIGUOUS)


def _strange_address() -> ProviderError:
    message = "the backend named an address that cannot be called"
    return ProviderError(ErrorKind.BAD_RESPONSE, message, outcome=OutcomeClass.NOT_SENT)


def _redirect(status: int) -> ProviderError:
    message = (
        f"the backend answered {status}, a redirect, and redirects are not followed; set base_url to where it leads"
    )
    return ProviderError(ErrorKind.UNAVAILABLE, message, outcome=OutcomeClass.REJECTED, status=status)


def _encoded(headers: dict[str, str], status: int) -> bool:
    """Whether a failing answer's body cannot be read; its status alone says enough."""
    if headers.get("content-encoding", "identity").strip().lower() in ("", "identity"):
        return False
    if status < 300:
        raise bad_response("the backend compressed its answer although it was asked not to")
    return True

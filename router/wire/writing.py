"""Turns a call into the request that goes over the wire: its address, its headers, its body and its key."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache

from providers.auth import HeaderAuth
from providers.base import Adapter, Call, ErrorKind, OutcomeClass, ProviderError
from providers.http import URL, Auth, InvalidURL, Request
from router import __version__
from router.wire.bodies import Pieces, encode
from router.wire.marks import EVENTS

_STATIC = {
    "accept": "application/json",
    # A compressed answer could be a thousand times its size; base64 gains little from it anyway.
    "accept-encoding": "identity",
    "user-agent": f"image-router/{__version__}",
}
_EVENTS = {**_STATIC, "accept": "text/event-stream"}
_FULL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What a call would send. `keyed` are the headers that come of the key.

    `errand` is the address that is first asked for a token, where the key must be exchanged for one.
    """

    method: str
    url: str
    headers: Mapping[str, str]
    content: bytes | Pieces | None
    keyed: frozenset[str] = frozenset()
    errand: str | None = None


class Writer:
    """Writes the requests to one provider. All that stays the same from call to call is made once, here.

    Args:
        adapter: whose calls these are; it says how the key travels.
        base_url: where the provider lives.
        key: None where there is none.

    Raises:
        ValueError: the base URL or the key cannot be used.
    """

    def __init__(self, adapter: Adapter, base_url: str, key: str | None) -> None:
        self._base = base_url.rstrip("/")
        self._key_hosts = adapter.key_hosts
        self._origin = _origin(_checked(base_url))
        self.auth = _auth(adapter, key)
        self._key: dict[str, str] = {}
        if isinstance(self.auth, HeaderAuth):
            self._key, self.auth = {self.auth.name: self.auth.value}, None
        self._address = lru_cache(maxsize=256)(self._read_address)

    def request(self, call: Call, *, events: bool) -> tuple[Request, bool]:
        """A call as it is sent, and whether it is the provider's own: only such a call carries the key.

        A key that is more than a header is still missing: `auth` puts it on.

        Raises:
            ProviderError: its address cannot be called.
        """
        return self._written(call, events=events)[:2]

    async def preview(self, call: Call, *, events: bool) -> Preview:
        """What a call would send, its key included. Nothing is sent.

        Raises:
            ProviderError: its address cannot be called.
        """
        request, own, content = self._written(call, events=events)
        plain = {name: value for name, value in request.headers.items() if not own or name not in self._key}
        errand = await self._keyed(request) if own else None
        headers = dict(request.headers.items())
        return Preview(
            method=request.method,
            url=str(request.url),
            headers=headers,
            content=content,
            keyed=frozenset(name for name, value in headers.items() if plain.get(name) != value),
            errand=errand,
        )

    async def _keyed(self, request: Request) -> str | None:
        """Put the key on a request; the address of a token that must be asked for first, which is not done."""
        if self.auth is None:
            return None
        if self.auth.requires_request_body:
            await request.aread()
        flow = self.auth.auth_flow(request)
        try:
            first = next(flow)
        finally:
            flow.close()
        return None if first is request else str(first.url)

    def _written(self, call: Call, *, events: bool) -> tuple[Request, bool, bytes | Pieces | None]:
        body = encode(call)
        url, own, host = self._address(call.path)
        # Plain strings, and a stream even of bytes: httpx then takes all as it is, instead of looking what is missing.
        headers = {"host": host, **(_EVENTS if events else _STATIC), **body.headers, **call.headers}
        if own:
            headers.update(self._key)
        extensions = {EVENTS: True} if events else {}
        content = body.content
        stream = content if isinstance(content, Pieces) else Pieces(() if content is None else (content,))
        if "content-length" not in headers and (stream.length or call.method != "GET"):
            headers["content-length"] = str(stream.length)
        request = Request(call.method, url, headers=headers, stream=stream, extensions=extensions)
        return request, own, content

    def _read_address(self, path: str) -> tuple[URL, bool, str]:
        """Where a path leads, whether that is the provider's own, and what the host is called."""
        if not _FULL.match(path):
            joint = "" if path.startswith("?") or not path else "/"
            url = URL(self._base + joint + path.lstrip("/"))
            return url, True, url.netloc.decode("ascii")
        try:
            url = URL(path)
        except InvalidURL as error:
            raise _strange_address() from error
        if url.scheme not in ("http", "https") or not url.raw_host or url.userinfo or "\\" in path:
            raise _strange_address()
        trusted = url.scheme == "https" and any(fnmatchcase(url.host, pattern) for pattern in self._key_hosts)
        return url, trusted or _origin(url) == self._origin, url.netloc.decode("ascii")


def _checked(text: str) -> URL:
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

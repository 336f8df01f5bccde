"""Downloads what an address in somebody else's hands leads to: guarded, bounded in size and time, without a key.

Only public addresses are connected to, and the provider's own origin, which the configuration names. A download is
free and the picture behind it may be paid for, so what may pass is tried again.
"""

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from tenacity import AsyncRetrying, retry_if_exception, stop_after_attempt, wait_random_exponential

from providers.http import URL, Headers, InvalidURL, wire_level
from router import __version__
from router.admission.memory import current
from router.tracing import names, spans
from router.wire.guard import Connector, Denied, Resolve, anywhere, lookup, plain
from router.wire.waiting import waiting

MAX_BYTES = 64 * 1024 * 1024

_TRIES = 3
_CONNECTIONS = 256
_PORTS = {"https": 443, "http": 80}
_HEADERS = (
    ("accept", "*/*"),
    ("accept-encoding", "identity"),  # a compressed answer could be a thousand times its size
    ("user-agent", f"image-router/{__version__}"),
)
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_PASSING = frozenset({408, 425, 429})
_LOST = (wire_level.NetworkError, wire_level.ProtocolError, wire_level.TimeoutException)
# One sentence for what is denied and what does not answer, so that nobody can chart a network by asking.
_UNREACHABLE = "the address could not be fetched"

_Origin = tuple[str, bytes, int | None]


class FetchFailed(Exception):  # noqa: N818 - named for what happened
    """No download, and why; the reason never holds any part of the address.

    Attributes:
        reason: a sentence.
        final: repeating cannot help.
    """

    def __init__(self, reason: str, *, final: bool) -> None:
        super().__init__(reason)
        self.reason = reason
        self.final = final


class Fetcher:
    """Fetches addresses that backends and callers give. Connections are not kept: each download is judged afresh.

    Args:
        resolve: looks names up.
        max_bytes: the largest download.
        timeout: seconds for one download, its redirects and repetitions included.
        max_redirects: how often one download may be sent elsewhere.
        ca_files: by a provider's address, the root certificates trusted at its origin beside the system's.
        sleep: waits between repetitions.
        network: opens a connection to an address that was judged; this machine's network, unless given.

    Raises:
        OSError: a file of root certificates cannot be read, or holds none.
    """

    def __init__(
        self,
        *,
        resolve: Resolve = lookup,
        max_bytes: int = MAX_BYTES,
        timeout: float = 20.0,
        max_redirects: int = 3,
        ca_files: Mapping[str, Path] | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        network: wire_level.AsyncNetworkBackend | None = None,
    ) -> None:
        self._max_bytes = max_bytes
        self._timeout = timeout
        self._max_redirects = max_redirects
        self._sleep = sleep
        # A try that stalls ends in time for another one.
        self._patience = {"connect": timeout / 4, "read": timeout / 2, "write": timeout / 2, "pool": timeout}
        own = Connector(resolve, anywhere, network)
        context = ssl.create_default_context()
        self._strangers = _pool(Connector(resolve, network=network), context)
        self._own = _pool(own, context)
        self._own_with_roots = {
            _origin(URL(address)): _pool(own, _trusting(file)) for address, file in (ca_files or {}).items()
        }

    async def fetch(self, url: str, *, own_origin: str | None = None, insecure: bool = False) -> bytes:
        """Everything an address leads to.

        Args:
            url: the address.
            own_origin: an address of the provider that gave `url`: links to its scheme, host and port are followed
                wherever that is. Whatever they redirect to elsewhere is a stranger's address again.
            insecure: plain http is allowed too.

        Raises:
            FetchFailed: there is nothing to be had, or nothing that may be had.
        """
        own = _origin(URL(own_origin)) if own_origin is not None else None
        retrying = AsyncRetrying(
            sleep=self._sleep,
            stop=stop_after_attempt(_TRIES),
            wait=wait_random_exponential(multiplier=0.25, max=1.0),
            retry=retry_if_exception(lambda error: isinstance(error, FetchFailed) and not error.final),
            reraise=True,
        )
        try:
            with waiting(), spans.span(names.DOWNLOAD, {}, spans.Kind.CLIENT):
                async with asyncio.timeout(self._timeout):
                    fetched: bytes = await retrying(self._follow, url, own, insecure=insecure)
        except TimeoutError:
            raise FetchFailed(f"the address took longer than {self._timeout:g} s to fetch", final=False) from None
        return fetched

    async def aclose(self) -> None:
        """Close what is still open."""
        for pool in (self._strangers, self._own, *self._own_with_roots.values()):
            await pool.aclose()

    async def _follow(self, text: str, own: _Origin | None, *, insecure: bool) -> bytes:
        url = _read(text)
        trusted = own is not None
        for _ in range(self._max_redirects + 1):
            trusted = trusted and _origin(url) == own
            if not trusted:
                admit(url, insecure=insecure)
            pool = self._own_with_roots.get(_origin(url), self._own) if trusted else self._strangers
            found = await self._ask(pool, url)
            if isinstance(found, bytes):
                return found
            url = _read(found, url)
        raise FetchFailed(f"the address redirects more than {self._max_redirects} times", final=True)

    async def _ask(self, pool: wire_level.AsyncConnectionPool, url: URL) -> bytes | str:
        """What one address holds, or which one it redirects to."""
        target = wire_level.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)
        headers = (("host", url.netloc), *_HEADERS)
        try:
            async with pool.stream("GET", target, headers=headers, extensions={"timeout": self._patience}) as response:
                return await self._answer(response)
        except Denied as error:
            raise FetchFailed(_UNREACHABLE, final=True) from error
        except (wire_level.ConnectError, wire_level.ConnectTimeout, wire_level.PoolTimeout) as error:
            raise FetchFailed(_UNREACHABLE, final=False) from error
        except _LOST as error:
            raise FetchFailed("the address broke off its answer", final=False) from error

    async def _answer(self, response: wire_level.Response) -> bytes | str:
        headers = Headers(response.headers)
        if response.status in _REDIRECTS and "location" in headers:
            return headers["location"]
        if response.status != 200:
            passing = response.status >= 500 or response.status in _PASSING
            raise FetchFailed(f"the address answered {response.status}", final=not passing)
        if headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
            raise FetchFailed("the address compressed its answer although it was asked not to", final=True)
        pieces: list[bytes] = []
        try:
            await self._fill(pieces, response)
        except BaseException:
            if (held := current.get()) is not None:
                held.drop(sum(map(len, pieces)))
            raise
        return b"".join(pieces)

    async def _fill(self, pieces: list[bytes], response: wire_level.Response) -> None:
        held = current.get()
        size = 0
        async for piece in response.aiter_stream():
            size += len(piece)
            if size > self._max_bytes:
                raise FetchFailed(f"the address holds more than {self._max_bytes} bytes", final=True)
            pieces.append(piece)
            if held is not None:
                held.add(len(piece))  # and no wait for room: the time for it is short, and the picture is paid for
        if not size:
            raise FetchFailed("the address holds nothing", final=True)


def _pool(connector: Connector, context: ssl.SSLContext) -> wire_level.AsyncConnectionPool:
    return wire_level.AsyncConnectionPool(
        ssl_context=context, max_connections=_CONNECTIONS, max_keepalive_connections=0, network_backend=connector
    )


def _trusting(file: Path) -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.load_verify_locations(cafile=file)
    return context


def _origin(url: URL) -> _Origin:
    return url.scheme, url.raw_host, url.port if url.port is not None else _PORTS.get(url.scheme)


def _read(text: str, base: URL | None = None) -> URL:
    """An address, or one that an answer of `base` gave."""
    if "\\" in text or not text.isprintable():  # readers disagree on what these mean
        raise _no_address()
    try:
        url = URL(text) if base is None else base.join(text)
    except (InvalidURL, ValueError):
        raise _no_address() from None
    if url.userinfo:
        raise FetchFailed("an address with a user name is not fetched; give it without", final=True)
    return url


def _no_address() -> FetchFailed:
    return FetchFailed("this is no address; give one like https://host/path", final=True)


def admit(url: URL, *, insecure: bool) -> None:
    """Refuse what a stranger's address may not be, whoever it leads to."""
    schemes = ("https", "http") if insecure else ("https",)
    if url.scheme not in schemes:
        raise FetchFailed(f"only {' and '.join(schemes)} addresses are fetched", final=True)
    if url.port is not None:  # a URL does not keep its scheme's own port
        raise FetchFailed("only the usual port of an address is fetched from; give it without a port", final=True)
    if not plain(url.raw_host.decode("ascii")):
        raise FetchFailed(_UNREACHABLE, final=True)

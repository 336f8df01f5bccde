"""What each fault of a connection means for the bill, over real sockets and both transports."""

import asyncio
import contextlib
import socket
import ssl
from collections import Counter

import pytest
import trustme
from faults import NOBODY, Peer, answering, faulty
from wiring import AMBIGUOUS, CALL, NOT_SENT, OK, failing

from providers.base import ErrorKind, ProviderError, submit
from router.wire import fast_transport, transport as transports
from router.wire.marks import call_deadline

pytest_plugins = ["wire_fixtures"]
pytestmark = pytest.mark.anyio


async def close_at_once(peer: Peer) -> None:
    """Closes before it reads."""
    peer.writer.close()


async def reset_at_once(peer: Peer) -> None:
    """Resets before it reads."""
    peer.reset()


async def close_before_reply(peer: Peer) -> None:
    """Reads, then closes."""
    await peer.request()


async def reset_before_reply(peer: Peer) -> None:
    """Reads, then resets."""
    await peer.request()
    peer.reset()


async def close_amid_head(peer: Peer) -> None:
    """Closes within a header."""
    await peer.request()
    await peer.send(OK + b"content-le")


async def reset_amid_head(peer: Peer) -> None:
    """Resets within a header."""
    await peer.request()
    await peer.send(OK + b"content-le")
    peer.reset()


async def reset_amid_body(peer: Peer) -> None:
    """Resets half-way through the body."""
    await peer.request()
    await peer.send(OK + b"content-length: 200000\r\n\r\n" + b"x" * 100_000)
    peer.reset()


async def cut_body(peer: Peer) -> None:
    """Sends half of the length it told."""
    await peer.request()
    await peer.send(OK + b"content-length: 200000\r\n\r\n" + b"x" * 100_000)


async def cut_chunks(peer: Peer) -> None:
    """Ends within a chunk."""
    await peer.request()
    await peer.send(OK + b"transfer-encoding: chunked\r\n\r\n5\r\nabc")


async def garbage_status_line(peer: Peer) -> None:
    """Speaks another protocol."""
    await peer.request()
    await peer.send(b"SSH-2.0-surprise\r\n\r\n")


async def garbage_length(peer: Peer) -> None:
    """Tells a length that is no number."""
    await peer.request()
    await peer.send(OK + b"content-length: many\r\n\r\n{}")


async def huge_header(peer: Peer) -> None:
    """Sends a header of a megabyte."""
    await peer.request()
    await peer.send(OK + b"x: " + b"a" * 1_000_000 + b"\r\ncontent-length: 0\r\n\r\n")


async def http_inside_tls(peer: Peer) -> None:
    """Speaks HTTP before any handshake."""
    await peer.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")


FAULTS = [
    close_before_reply,
    reset_before_reply,
    close_amid_head,
    reset_amid_head,
    reset_amid_body,
    cut_body,
    cut_chunks,
    garbage_status_line,
    garbage_length,
    huge_header,
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
async def test_broken_after_connecting(wire_to, fault):
    """A connection lost or garbled once it was made is ambiguous, and nothing is sent a second time."""
    async with faulty(fault) as server:
        error = await failing(wire_to(server.url))
        assert (error.kind, error.outcome, error.status) == (ErrorKind.UNAVAILABLE, AMBIGUOUS, None)
        assert server.connections == 1


@pytest.mark.parametrize("fault", [close_at_once, reset_at_once], ids=lambda fault: fault.__name__)
async def test_broken_before_reading(wire_to, fault):
    """A connection lost as it is made is not sent or ambiguous, as the race between the two ends has it."""
    async with faulty(fault) as server:
        error = await failing(wire_to(server.url))
        assert error.outcome in (NOT_SENT, AMBIGUOUS)
        assert server.requests == []


@pytest.mark.parametrize("url", [NOBODY, "http://nowhere.invalid"])
async def test_no_connection(wire_to, url):
    """A refused connection and an unknown name are provably not sent."""
    error = await failing(wire_to(url))
    assert (error.kind, error.outcome) == (ErrorKind.UNAVAILABLE, NOT_SENT)
    assert "sk-secret" not in str(error)


async def test_slow_connect(wire_to):
    """A connection that is not made within the connect timeout is provably not sent."""
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        fillers = [socket.socket() for _ in range(3)]
        for filler in fillers:
            filler.settimeout(0)
            filler.connect_ex(full.getsockname())
        error = await failing(wire_to(f"http://127.0.0.1:{full.getsockname()[1]}"))
        for filler in fillers:
            filler.close()
    assert error.outcome is NOT_SENT
    assert error.message == "connecting to the provider took too long"


def server_side(authority: trustme.CA, name: str) -> ssl.SSLContext:
    """The TLS of a server called `name`."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(name).configure_cert(context)
    return context


async def test_tls_with_own_root(wire_to, authority, ca_file):
    """A provider whose root is in `ca_file` is trusted."""
    async with faulty(answering, tls=server_side(authority, "localhost")) as server:
        assert (await wire_to(server.url, ca_file=ca_file)(CALL)).body == b"{}"


@pytest.mark.parametrize(("roots", "name"), [("system", "localhost"), ("own", "other.example")])
async def test_tls_untrusted(wire_to, authority, ca_file, roots, name):
    """An unknown root and another's certificate end the call before anything is sent, and say why."""
    async with faulty(answering, tls=server_side(authority, name)) as server:
        error = await failing(wire_to(server.url, ca_file=ca_file if roots == "own" else None))
        assert error.outcome is NOT_SENT
        assert "certificate" in str(error.__cause__).lower()
        assert server.requests == []


@pytest.mark.parametrize("script", [http_inside_tls, Peer.hang])
async def test_no_tls_there(wire_to, script):
    """HTTP where TLS was expected, or silence, is provably not sent."""
    async with faulty(script) as server:
        error = await failing(wire_to(server.url.replace("http:", "https:")))
        assert error.outcome is NOT_SENT


async def test_pool_exhausted(wire_to, monkeypatch):
    """A call that gets no connection from the pool in time is provably not sent."""
    monkeypatch.setattr(transports, "_POOL_WAIT", 0.05)
    arrived = asyncio.Event()

    async def hang(peer):
        await peer.request()
        arrived.set()
        await peer.hang()

    async with faulty(hang) as server:
        wire = wire_to(server.url, pool_size=1)
        first = asyncio.create_task(wire(CALL))
        await arrived.wait()
        error = await failing(wire)
        first.cancel()
    assert error.outcome is NOT_SENT
    assert error.message == "no connection to the provider came free in time"


async def test_cut_off_call_lets_go(wire_to, monkeypatch):
    """A call that is cut off at its deadline closes its connection and gives back its place in the pool."""
    monkeypatch.setattr(fast_transport, "_GRACE", 0.2)  # after our own end, as in earnest
    left = asyncio.Event()

    async def hang(peer):
        await peer.request()
        await peer.hang()
        left.set()

    async with faulty(hang, answering) as server:
        wire = wire_to(server.url, pool_size=1)
        deadline = asyncio.get_running_loop().time() + 0.1
        token = call_deadline.set(deadline)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout_at(deadline):
                await wire(CALL)
        call_deadline.reset(token)
        assert (await wire(CALL)).status == 200
        await left.wait()


@pytest.mark.parametrize("end", [Peer.reset, lambda peer: peer.writer.close()], ids=["reset", "close"])
async def test_stale_connection(wire_to, end):
    """A kept connection that ends as the next request comes is ambiguous: the request is not sent again."""

    async def stale(peer):
        await peer.request()
        await peer.answer()
        await peer.reader.read(1)
        end(peer)

    async with faulty(stale, answering) as server:
        wire = wire_to(server.url)
        assert (await wire(CALL)).status == 200
        error = await failing(wire)
        assert error.outcome is AMBIGUOUS
        assert (server.connections, len(server.requests)) == (1, 1)


async def test_never_sent_twice(wire_to):
    """However a server's closing races with the next request, no request reaches it twice."""

    async def brief(peer):
        for _ in range(2):
            await peer.request()
            await peer.answer()
        if peer.server.connections % 2:
            peer.reset()

    async with faulty(brief) as server:
        wire = wire_to(server.url)
        for number in range(150):
            with contextlib.suppress(ProviderError):
                await wire(submit(f"/images/{number}", json={}))
        seen = Counter(request.path for request in server.requests)
    assert max(seen.values()) == 1

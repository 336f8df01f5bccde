"""Streams over real sockets and both transports: events as they come, and nothing left behind however they end."""

import asyncio
import gzip
import threading

import psutil
import pytest
from faults import NOBODY, Peer, faulty
from wiring import AMBIGUOUS, CALL, NOT_SENT, OK

from providers.base import Adapter, Answer, ErrorKind, ProviderError, submit
from router.wire import sse
from router.wire.send import LocalSend
from router.wire.sse import Event

pytest_plugins = ["wire_fixtures"]
pytestmark = pytest.mark.anyio

HEAD = OK + b"content-type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n"
LAST = b"0\r\n\r\n"
ONE, TWO = b"event: x\ndata: 1\n\n", b"data: 2\n\n"


def chunk(data):
    """One chunk of a body."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def whole(*events):
    """A script that answers every request with these events."""

    async def script(peer):
        while True:
            await peer.request()
            await peer.send(HEAD + b"".join(map(chunk, events)) + LAST)

    return script


async def events_from(wire):
    """All events of one call."""
    async with wire.stream(CALL) as events:
        return [event async for event in events]


async def failing(wire):
    """The error that a stream ends in."""
    with pytest.raises(ProviderError) as raised:
        await events_from(wire)
    return raised.value


async def test_events(wire_to):
    """Events come in order, the stream is asked for by its media type, and its connection serves again."""
    async with faulty(whole(ONE, b": sign of life\n\n", TWO)) as server:
        wire = wire_to(server.url)
        for _ in range(3):
            assert await events_from(wire) == [Event("x", b"1"), Event("", b"2")]
        assert server.connections == 1
    assert {request.headers["accept"] for request in server.requests} == {"text/event-stream"}


async def test_each_event_as_it_comes(wire_to):
    """An event of a few bytes is there before the next one is sent, and the head before any."""
    go = [asyncio.Event() for _ in range(3)]

    async def slow(peer):
        await peer.request()
        await peer.send(HEAD)
        for gate, event in zip(go, (ONE, TWO, b""), strict=True):
            await gate.wait()
            await peer.send(chunk(event) if event else LAST)

    async with faulty(slow) as server, wire_to(server.url).stream(CALL) as events:
        for gate, data in zip(go, (b"1", b"2"), strict=False):
            gate.set()
            assert (await anext(events)).data == data
        go[2].set()
        assert [event async for event in events] == []


@pytest.mark.parametrize("status", [200, 400, 429, 500])
async def test_no_events(wire_to, status):
    """What is no stream of events is an answer like any other: a failure, or JSON from a backend that knows none."""

    async def plain(peer):
        await peer.request()
        await peer.answer(b'{"key": "sk-secret"}', status, "retry-after: 3\r\n")

    async with faulty(plain) as server, wire_to(server.url).stream(CALL) as got:
        assert isinstance(got, Answer)
        assert (got.status, got.headers["retry-after"]) == (status, "3")
        assert (b"sk-secret" in got.body) is (status == 200)


async def test_failing_stream_of_events(wire_to):
    """A failing status is a failure, whatever media type its body has."""

    async def failed(peer):
        await peer.request()
        await peer.send(b"HTTP/1.1 503 No\r\ncontent-type: text/event-stream\r\ncontent-length: 9\r\n\r\ndata: 1\n\n")

    async with faulty(failed) as server, wire_to(server.url).stream(CALL) as got:
        assert isinstance(got, Answer)
        assert (got.status, got.body) == (503, b"data: 1\n\n")


async def test_redirect_and_compression(wire_to):
    """A redirect is not followed and a compressed stream not read."""

    async def redirect(peer):
        await peer.request()
        await peer.answer(status=307, headers="location: /elsewhere\r\n")

    async def compressed(peer):
        await peer.request()
        body = gzip.compress(ONE)
        await peer.send(HEAD.replace(b"\r\n\r\n", b"\r\ncontent-encoding: gzip\r\n\r\n") + chunk(body) + LAST)

    async with faulty(redirect, compressed) as server:
        wire = wire_to(server.url)
        assert (await failing(wire)).status == 307
        error = await failing(wire)
    assert (error.kind, error.outcome) == (ErrorKind.BAD_RESPONSE, AMBIGUOUS)


async def test_key_in_an_event(wire_to):
    """An event that quotes the key does so no more."""
    async with faulty(whole(b"event: error\ndata: bad key sk-secret\n\n")) as server:
        assert await events_from(wire_to(server.url)) == [Event("error", b"bad key [redacted]")]


async def test_unreachable(wire_to):
    """A stream that was never asked for is not sent."""
    assert (await failing(wire_to(NOBODY))).outcome is NOT_SENT


@pytest.mark.parametrize("end", [Peer.reset, lambda peer: peer.writer.close()], ids=["reset", "close"])
async def test_broken_stream(wire_to, end):
    """A stream that breaks off is ambiguous, and what came before was handed on."""
    told, seen = asyncio.Event(), []

    async def until_told(peer):
        await peer.request()
        await peer.send(HEAD + chunk(ONE))
        await told.wait()
        end(peer)

    async def read(wire):
        async with wire.stream(CALL) as events:
            async for event in events:
                seen.append(event)
                told.set()

    async with faulty(until_told) as server:
        with pytest.raises(ProviderError) as raised:
            await read(wire_to(server.url))
    assert seen == [Event("x", b"1")]
    assert (raised.value.kind, raised.value.outcome) == (ErrorKind.UNAVAILABLE, AMBIGUOUS)


async def test_event_without_end(wire_to, monkeypatch):
    """An event beyond the limit is refused while it comes, and its connection closed."""
    monkeypatch.setattr(sse.Events.__init__, "__defaults__", (1 << 20,))
    left = asyncio.Event()

    async def endless(peer):
        await peer.request()
        await peer.send(HEAD + chunk(b"data: "))
        try:
            while True:
                await peer.send(chunk(b"x" * 65_536))
        finally:
            left.set()

    async with faulty(endless) as server:
        error = await failing(wire_to(server.url))
        assert (error.kind, error.outcome) == (ErrorKind.BAD_RESPONSE, AMBIGUOUS)
        await asyncio.wait_for(left.wait(), 5)


@pytest.mark.parametrize(
    "how", ["cancelled before the head", "cancelled while it waits", "cancelled between events", "left", "raised"]
)
async def test_leaving_closes_the_connection(wire_to, how):
    """However a reader leaves a stream, the backend sees it at once, and the place in the pool is free."""
    left, reading = asyncio.Event(), asyncio.Event()

    async def hang(peer):
        await peer.request()
        if how == "cancelled before the head":
            reading.set()
        else:
            await peer.send(HEAD + chunk(ONE))
        await peer.hang()
        left.set()

    async def read(wire):
        async with wire.stream(CALL) as events:
            assert (await anext(events)).data == b"1"
            reading.set()
            if how == "raised":
                raise LookupError
            if how == "cancelled between events":
                await asyncio.Event().wait()
            if how == "cancelled while it waits":
                await anext(events)

    async with faulty(hang, whole(TWO)) as server:
        wire = wire_to(server.url, pool_size=1)
        before = asyncio.all_tasks()
        task = asyncio.create_task(read(wire))
        await reading.wait()
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert asyncio.all_tasks() - before <= server_tasks()
        await asyncio.wait_for(left.wait(), 1)
        assert await events_from(wire) == [Event("", b"2")]


def server_tasks():
    """The tasks of the faulty server's open connections: what is not ours to have left behind."""
    return {task for task in asyncio.all_tasks() if "connected" in task.get_coro().__qualname__}


async def either_way(peer):
    """Ends the stream of a path that says so, and waits in all others until the client leaves."""
    path = (await peer.request()).path
    await peer.send(HEAD.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n") + chunk(ONE))
    if path == "/whole":
        await peer.send(chunk(TWO) + LAST)
    else:
        await peer.hang()


async def use(wire, how):
    """One stream: read whole, left after its first event, or read until cancelled."""
    async with wire.stream(submit(f"/{how}", json={})) as events:
        async for _ in events:
            if how == "left":
                break


async def use_all(wire, rounds):
    """Streams of every kind side by side, round after round."""
    for _ in range(rounds):
        ending = [asyncio.create_task(use(wire, how)) for how in ("whole", "left") * 10]
        endless = [asyncio.create_task(use(wire, "cancelled")) for _ in range(10)]
        await asyncio.gather(*ending)
        for task in endless:
            task.cancel()
        await asyncio.gather(*endless, return_exceptions=True)


def connections_to(port):
    """How many connections this process holds to a port."""
    every = psutil.Process().net_connections("tcp")
    return sum(bool(connection.raddr) and connection.raddr.port == port for connection in every)


async def test_a_thousand_streams_leave_nothing(wire_to):
    """A thousand streams, read whole, left and cancelled side by side, leave no task, thread or connection behind."""
    async with faulty(either_way) as server:
        wire = wire_to(server.url, connect_timeout=5)
        await use_all(wire, 1)
        threads, tasks = threading.active_count(), asyncio.all_tasks() - server_tasks()
        await use_all(wire, 34)
        assert len(server.requests) > 1000
        assert asyncio.all_tasks() - server_tasks() == tasks
        assert threading.active_count() == threads
        for _ in range(100):  # turns of the loop: sockets close when theirs comes
            await asyncio.sleep(0)
        assert connections_to(server.port) == 0


def local(answer):
    """The way to a backend in this process that answers so."""
    return LocalSend(Adapter(dialects={}, generate=None, error=None, local=lambda _: answer))


async def test_local_events():
    """A backend inside the process streams what it answers with, or answers."""
    send = local(Answer(200, {"content-type": "text/event-stream"}, ONE + TWO))
    assert await events_from(send) == [Event("x", b"1"), Event("", b"2")]
    plain = Answer(200, {"content-type": "application/json"}, b"{}")
    async with local(plain).stream(CALL) as got:
        assert got is plain


async def test_local_failure():
    """A mistake in a backend inside the process is a ProviderError here too."""
    error = await failing(LocalSend(Adapter(dialects={}, generate=None, error=None, local=lambda call: {}[call])))
    assert (error.kind, error.outcome) == (ErrorKind.BAD_RESPONSE, AMBIGUOUS)

"""Too much of everything, over sockets: what is refused, what waits, and how far the memory of a real process grows."""

import asyncio
import base64
import contextlib
import gzip
import os
from pathlib import Path

import httpx
import psutil
import pytest
import yaml
from backends import Hold, OpenAIBackend
from faults import faulty
from pictures import base64_png, png
from serving import FORGIVING, command, serving

pytestmark = pytest.mark.anyio

MIB = 1 << 20
PATH = "/v1/images/generations"
BODY = {"model": "m", "prompt": "a hill"}
SMALL = png(64, 64)
LARGE = base64.b64encode(SMALL[:-12] + os.urandom(15_000_000) + SMALL[-12:])  # its end is in place
BUDGET = 64 * MIB
READING = 1280 * 1024  # what a transport holds besides of an answer that waits


def config(url, server, **targets):
    """A router with one account at `url` and these limits."""
    targets = targets or {"m": "gpt-image-2"}
    return {
        "server": server,
        "defaults": {"retry": {"count": 0}, **FORGIVING},
        "providers": {"o": {"kind": "openai", "base_url": url, "api_key": "k"}},
        "models": {name: {"chain": [f"o/{model}"]} for name, model in targets.items()},
    }


@contextlib.contextmanager
def process(directory, settings):
    """A router of its own, and a function that tells by how much its memory grew at most."""
    file = directory / "router.yaml"
    file.write_text(yaml.safe_dump(settings))
    with command("--config", str(file)) as (url, running):
        httpx.get(f"{url}/readyz")
        before = psutil.Process(running.pid).memory_info().rss
        Path(f"/proc/{running.pid}/clear_refs").write_text("5")

        def growth():
            status = Path(f"/proc/{running.pid}/status").read_text()
            line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
            return int(line.split()[1]) * 1024 - before

        yield url, growth


async def level(client, name):
    """A figure of the router's own metrics."""
    lines = (await client.get("/metrics")).text.splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith(f"image_router_{name}"))


async def reached(client, name, figure):
    """Return once a figure is what it shall be."""
    async with asyncio.timeout(10):
        while await level(client, name) != figure:
            pass


async def test_beyond_its_places_and_its_queue_the_router_refuses_before_the_body(tmp_path):
    """One request is served, one waits, the next is told 503 although it has sent no byte of its body."""
    hold = Hold()
    with OpenAIBackend() as backend:
        backend.script(hold)
        limits = {"max_in_flight": 1, "max_queue": 1, "queue_wait": "30s"}
        with serving(config(backend.url, limits), tmp_path) as url:
            async with httpx.AsyncClient(base_url=url, timeout=30) as client:
                first = asyncio.create_task(client.post(PATH, json=BODY))
                await reached(client, "in_flight_requests", 1)
                second = asyncio.create_task(client.post(PATH, json=BODY))
                await reached(client, "queue_depth", 1)
                head, body = await refused(url)
                assert (await client.get("/v1/models")).status_code == 200
                hold.release()
                assert [(await each).status_code for each in (first, second)] == [200, 200]
                assert await level(client, 'shed_total{reason="queue_full"}') == 1
                await reached(client, "in_flight_requests", 0)
        assert len(backend.ledger.records) == 2
    assert head.startswith(b"HTTP/1.1 503")
    assert {b"retry-after: 1", b"x-should-retry: true"} <= set(head.split(b"\r\n"))
    assert b'"router_overloaded"' in body
    assert b'"server_error"' in body


async def refused(url):
    """The answer to a request of 50 MB that sends its head alone."""
    host, port = url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(
        b"POST /v1/images/generations HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
        b"content-length: 50000000\r\n\r\n"
    )
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(line for line in head.split(b"\r\n") if line.startswith(b"content-length"))
    body = await reader.readexactly(int(length.split()[1]))
    writer.close()
    return head, body


async def test_who_leaves_the_queue_costs_nothing(tmp_path):
    """A client that goes away while it waits makes room for the next, and no backend ever hears of it."""
    hold = Hold()
    with OpenAIBackend() as backend:
        backend.script(hold)
        limits = {"max_in_flight": 1, "max_queue": 1, "queue_wait": "30s"}
        with serving(config(backend.url, limits), tmp_path) as url:
            async with httpx.AsyncClient(base_url=url, timeout=30) as client:
                first = asyncio.create_task(client.post(PATH, json=BODY))
                await reached(client, "in_flight_requests", 1)
                leaving = asyncio.create_task(client.post(PATH, json={**BODY, "prompt": "gone"}))
                await reached(client, "queue_depth", 1)
                leaving.cancel()
                await reached(client, "queue_depth", 0)
                third = asyncio.create_task(client.post(PATH, json={**BODY, "prompt": "after " * 5000}))
                await reached(client, "queue_depth", 1)
                hold.release()
                assert [(await each).status_code for each in (first, third)] == [200, 200]
        prompts = [record.fields["prompt"][:5] for record in backend.ledger.records]
    assert prompts == ["a hil", "after"]


async def test_who_leaves_its_paid_work_keeps_the_place(tmp_path):
    """Work that goes on without its client is still work: its place is free when it ends."""
    hold = Hold()
    with OpenAIBackend() as backend:
        backend.script(hold)
        with serving(config(backend.url, {}), tmp_path) as url:
            async with httpx.AsyncClient(base_url=url, timeout=30) as client:
                leaving = asyncio.create_task(client.post(PATH, json=BODY))
                await reached(client, 'in_flight{target="o/gpt-image-2"}', 1)
                leaving.cancel()
                for _ in range(3):  # by then the router has seen it go
                    assert await level(client, "in_flight_requests") == 1
                hold.release()
                await reached(client, "in_flight_requests", 0)


async def test_a_slow_target_fills_its_own_places_only(tmp_path):
    """F23: while every place of one target is taken and more wait for it, another's requests are served at once."""
    holds = [Hold() for _ in range(4)]
    with OpenAIBackend() as slow, OpenAIBackend() as sound:
        slow.script(*holds)
        settings = config(slow.url, {})
        settings["providers"]["s"] = {"kind": "openai", "base_url": sound.url, "api_key": "k"}
        settings["models"]["m"] |= {"max_concurrency": 4, "queue_wait": "30s"}
        settings["models"]["n"] = {"chain": ["s/gpt-image-2"]}
        with serving(settings, tmp_path) as url:
            limits = httpx.Limits(max_connections=None)
            async with httpx.AsyncClient(base_url=url, timeout=30, limits=limits) as client:
                stuck = [asyncio.create_task(client.post(PATH, json=BODY)) for _ in range(20)]
                await reached(client, "in_flight_requests", 20)
                others = await asyncio.gather(*(client.post(PATH, json={**BODY, "model": "n"}) for _ in range(20)))
                assert {other.status_code for other in others} == {200}
                assert len(slow.ledger.records) == 4
                assert not any(task.done() for task in stuck)
                for hold in holds:
                    hold.release()
                assert {(await task).status_code for task in stuck} == {200}
        assert len(slow.ledger.records) == len(sound.ledger.records) == 20


async def test_answers_beyond_the_budget_wait_and_come_whole(tmp_path):
    """F39: four times as many pictures of 15 MB as there is memory for: all come, byte for byte; memory is bounded."""
    count = 12
    answer = b'{"created":1,"data":[{"b64_json":"' + LARGE + b'"}]}'

    async def script(peer):
        while True:
            await peer.request()
            await peer.answer(answer)

    async def whole(client):
        told = await client.post(PATH, json=BODY)
        return told.status_code == 200 and LARGE in told.content

    async with faulty(script) as backend:
        with process(tmp_path, config(backend.url, {"max_bytes_in_flight": "64MiB"})) as (url, growth):
            async with httpx.AsyncClient(base_url=url, timeout=60) as client:
                assert all(await asyncio.gather(*(whole(client) for _ in range(count))))
                await reached(client, "in_flight_bytes", 0)
            held = BUDGET + len(answer) + count * READING
            assert growth() < 2 * held < count * len(answer)  # an allocator keeps holes between what it gives
        assert len(backend.requests) == count


async def test_uploads_beyond_the_budget_are_refused_before_they_are_read(tmp_path):
    """F39: JSON bodies of 15 MB wait for memory or are told 503; each that is answered 200 made one call."""
    with OpenAIBackend() as backend:
        limits = {"max_bytes_in_flight": "48MiB", "max_queue": 2}
        with process(tmp_path, config(backend.url, limits)) as (url, growth):
            body = b'{"model":"m","prompt":"x","image":"' + LARGE + b'"}'
            async with httpx.AsyncClient(base_url=url, timeout=60) as client:

                async def send():
                    headers = {"content-type": "application/json"}
                    told = await client.post("/v1/images/edits", content=body, headers=headers)
                    return told.status_code

                statuses = await asyncio.gather(*(send() for _ in range(8)))
                assert await level(client, 'shed_total{reason="memory"}') == statuses.count(503)
                await reached(client, "in_flight_bytes", 0)
            assert set(statuses) <= {200, 503}
            assert 2 <= statuses.count(200) == len(backend.ledger.records)
            assert growth() < 2 * 48 * MIB


async def test_endless_answers_and_bombs_do_not_fill_memory(tmp_path):
    """F12, F13: an answer without end is cut at 256 MiB, a compressed one is not read; memory is given back."""
    bomb = gzip.compress(bytes(50 * MIB), 1)
    piece = b"100000\r\n" + b" " * MIB + b"\r\n"

    async def script(peer):
        asked = await peer.request()
        if b"a bomb" in asked.body:
            await peer.answer(bomb, headers="content-encoding: gzip\r\n")
            return
        await peer.send(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n")
        while True:
            await peer.send(piece)

    async with faulty(script) as backend:
        with process(tmp_path, config(backend.url, {"max_bytes_in_flight": "32MiB"})) as (url, growth):
            async with httpx.AsyncClient(base_url=url, timeout=60) as client:
                told = await client.post(PATH, json={**BODY, "prompt": "a bomb"})
                assert (told.status_code, "compressed" in told.text) == (502, True)
                assert growth() < 8 * MIB
                told = await client.post(PATH, json=BODY)
                assert (told.status_code, "larger than" in told.text) == (502, True)
                assert growth() < 2 * 256 * MIB
                await reached(client, "in_flight_bytes", 0)
        assert len(backend.requests) == 2


async def test_a_body_of_unknown_length_is_refused_where_there_is_no_room(tmp_path):
    """A chunked body is counted as it comes: beyond the budget it is told 503, within it is served."""
    with OpenAIBackend() as backend, serving(config(backend.url, {"max_bytes_in_flight": "1MiB"}), tmp_path) as url:

        async def pieces(size):
            yield b'{"model":"m","prompt":"x","user":"'
            for _ in range(size // 65536):
                yield b"y" * 65536
            yield b'"}'

        async with httpx.AsyncClient(base_url=url, timeout=30) as client:
            headers = {"content-type": "application/json"}
            told = [await client.post(PATH, content=pieces(size), headers=headers) for size in (2 * MIB, 0)]
    assert [each.status_code for each in told] == [503, 200]
    assert told[0].json()["error"]["code"] == "router_overloaded"
    assert told[1].json()["data"][0]["b64_json"].startswith(base64_png()[:10])

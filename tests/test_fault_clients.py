"""F26: a client leaves before anything was sent for it, while a backend draws, and while the answer is on its way."""

import base64
import json
import os
import socket
import struct
from collections.abc import Iterator
from typing import Any

import httpx
import msgspec
import pytest
from backends import Hold, OpenAIBackend, Raw
from pictures import png
from processes import BODY, PATH, Running, configured, connect, running, until
from replaying import leave, metric

BEGUN = f"POST {PATH} HTTP/1.1\r\nhost: router\r\ncontent-type: application/json\r\n".encode()
LARGE = 12 << 20  # more than sockets hold between two processes


@pytest.fixture(scope="module")
def backend() -> Iterator[OpenAIBackend]:
    """One for all."""
    with OpenAIBackend() as server:
        yield server


@pytest.fixture(scope="module")
def router(backend: OpenAIBackend, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A router as it is run, whose target takes one call at a time; at its end nothing but news is in its log."""
    config = configured(backend.url)
    config["defaults"] |= {"max_concurrency": 1, "queue_wait": "30s"}
    with running(config, tmp_path_factory.mktemp("router")) as router:
        yield router
        until(lambda: metric(router.url, "in_flight_requests") == metric(router.url, "in_flight_bytes") == 0)
        assert {line["level"] for line in router.lines()} <= {"debug", "info"}
        assert "Traceback" not in router.log.read_text()


@pytest.fixture(autouse=True)
def _clean(backend: OpenAIBackend) -> None:
    backend.ledger.clear()


def ended(router: Running, count: int) -> list[dict[str, Any]]:
    """The log's lines of requests, once there are so many."""
    return until(lambda: (found := requests(router))[count - 1 :] and found)


def requests(router: Running) -> list[dict[str, Any]]:
    """The log's lines of requests so far."""
    return [line for line in router.lines() if line["event"] == "request"]


@pytest.mark.parametrize("body", [b"content-length: 100\r\n\r\n{", b'transfer-encoding: chunked\r\n\r\n5\r\n{"mo'])
def test_f26_who_leaves_within_its_own_body_costs_nothing(router: Running, backend: OpenAIBackend, body: bytes) -> None:
    """Nothing is sent, and the log says 499."""
    before = len(requests(router))
    with connect(router.port) as connection:
        connection.sendall(BEGUN + body)
    line = ended(router, before + 1)[-1]
    assert (line["status"], "attempts" in line) == (499, False)
    assert len(backend.ledger) == 0


def test_f26_who_leaves_while_it_waits_for_a_target_costs_nothing(router: Running, backend: OpenAIBackend) -> None:
    """Its turn had not come: nothing is sent for it, the one before it is served, and so is the one after it."""
    before, hold = len(requests(router)), Hold()
    backend.script(hold)
    leave(router.url, None, lambda: backend.ledger.wait(1), model="m")  # this one was sent, and holds the only place
    leave(router.url, None, lambda: until(lambda: metric(router.url, "in_flight_requests") == 2), model="m")
    line = ended(router, before + 1)[-1]
    assert (line["status"], line.get("attempts", [])) == (499, [])
    hold.release()
    assert httpx.post(router.url + PATH, json=BODY, timeout=20).status_code == 200
    assert len(backend.ledger) == 2
    ended(router, before + 3)


def test_f26_who_leaves_while_a_backend_draws_has_it_drawn_and_paid_for(
    router: Running, backend: OpenAIBackend
) -> None:
    """The call goes on to its end, its cost is recorded, and the log says 499."""
    before, hold = len(requests(router)), Hold()
    spent = metric(router.url, "cost_usd_total{")
    backend.script(hold)
    leave(router.url, None, lambda: backend.ledger.wait(1), model="m")
    for _ in range(3):  # by then the router has seen it go
        assert metric(router.url, "in_flight_requests") == 1
    hold.release()
    line = ended(router, before + 1)[-1]
    assert line["status"] == 499
    assert [attempt["outcome"] for attempt in line["attempts"]] == ["succeeded"]
    assert line["cost_usd"] > 0
    assert metric(router.url, "cost_usd_total{") == pytest.approx(spent + line["cost_usd"])
    assert len(backend.ledger) == len(backend.ledger.billed) == 1


@pytest.mark.parametrize("how", ["closes", "resets"])
def test_f26_who_leaves_while_the_answer_is_written_harms_nobody(
    router: Running, backend: OpenAIBackend, how: str
) -> None:
    """In the middle of a large answer: no traceback, what it held is given back, and others are served."""
    before, picture = len(requests(router)), png(64, 64)
    large = base64.b64encode(picture[:-12] + os.urandom(LARGE) + picture[-12:]).decode()
    backend.script(Raw(200, msgspec.json.encode({"created": 1, "data": [{"b64_json": large}]}), billed=True))
    sent = json.dumps(BODY).encode()
    with connect(router.port) as connection:
        connection.sendall(BEGUN + b"content-length: %d\r\n\r\n" % len(sent) + sent)
        assert connection.recv(1 << 16).startswith(b"HTTP/1.1 200")
        if how == "resets":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    line = ended(router, before + 1)[-1]
    assert [attempt["outcome"] for attempt in line["attempts"]] == ["succeeded"]
    until(lambda: metric(router.url, "in_flight_bytes") == 0)
    assert httpx.post(router.url + PATH, json=BODY, timeout=20).status_code == 200
    ended(router, before + 2)

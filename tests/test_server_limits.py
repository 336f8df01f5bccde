"""What a connection may be: slow, large or broken heads and bodies are answered and closed, and harm nobody else."""

import json
import re
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from backends import Hold, OpenAIBackend
from processes import BODY, PATH, Asking, Running, configured, connect, rest, running, said, status_and_body, until

HOST = b"host: router\r\n"
GET = b"GET /livez HTTP/1.1\r\n" + HOST
POST = b"POST " + PATH.encode() + b" HTTP/1.1\r\n" + HOST + b"content-type: application/json\r\n"


@pytest.fixture(scope="module")
def backend() -> Iterator[OpenAIBackend]:
    """A backend for all."""
    with OpenAIBackend() as backend:
        yield backend


@pytest.fixture(scope="module")
def router(backend: OpenAIBackend, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A router with little patience."""
    config = configured(
        backend.url,
        timeouts={"headers": "400ms", "body": "400ms", "idle": "400ms"},
        max_headers=20,
        max_head="4KiB",
        max_json="64KiB",
        max_connections=40,
    )
    with running(config, tmp_path_factory.mktemp("limits")) as router:
        yield router


def test_a_slow_head_is_408(router: Running) -> None:
    """A head that is not there in time is answered with 408, and the connection closed."""
    status, body = status_and_body(said(router.port, GET))
    assert (status, body["error"]["code"]) == (408, "request_timeout")


def test_a_slow_second_head_is_408(router: Running) -> None:
    """The same on a connection that has served before: a piece of a head is no sign of life."""
    with connect(router.port) as connection:
        connection.sendall(GET + b"\r\n")
        assert connection.recv(4096).startswith(b"HTTP/1.1 200")
        connection.sendall(b"GET /livez HT")
        assert b"HTTP/1.1 408" in rest(connection)


def test_silent_and_idle_connections_are_closed(router: Running) -> None:
    """Who says nothing, before a request or after it, is let go without a word."""
    assert said(router.port, b"") == b""
    assert said(router.port, b"\r\n")[:12] in {b"", b"HTTP/1.1 408"}
    answer = said(router.port, GET + b"\r\n")
    assert answer.count(b"HTTP/1.1") == 1
    assert answer.startswith(b"HTTP/1.1 200")


def test_a_slow_body_is_408(router: Running) -> None:
    """A body that is not there in time is answered with 408, and what still comes of it is not waited for."""
    began = time.monotonic()
    status, body = status_and_body(said(router.port, POST + b"content-length: 100\r\n\r\n{"))
    assert (status, body["error"]["code"]) == (408, "request_timeout")
    assert time.monotonic() - began < 8


@pytest.mark.parametrize(
    "head",
    [
        GET + b"x-large: " + b"a" * (1 << 20) + b"\r\n\r\n",
        GET + b"".join(b"x-%d: 1\r\n" % number for number in range(1000)) + b"\r\n",
        b"GET /livez?" + b"a" * 5000 + b" HTTP/1.1\r\n" + HOST + b"\r\n",
        GET + b"".join(b"x-%d: %b\r\n" % (number, b"a" * 400) for number in range(15)) + b"\r\n",
    ],
    ids=["1 MB header", "1000 headers", "address", "sum"],
)
def test_a_large_head_is_431(router: Running, head: bytes) -> None:
    """Too many headers, or too large ones, are refused before anything is made of them."""
    status, body = status_and_body(said(router.port, head))
    assert (status, body["error"]["code"]) == (431, "headers_too_large")


def test_a_large_body_is_413(router: Running) -> None:
    """A body that says that it is too large, or turns out so, is refused as JSON."""
    large = json.dumps({**BODY, "user": "u" * 100_000}).encode()
    status, body = status_and_body(said(router.port, POST + b"content-length: %d\r\n\r\n" % len(large) + large))
    assert (status, body["error"]["code"]) == (413, "request_too_large")
    chunked = POST + b"transfer-encoding: chunked\r\n\r\n%x\r\n" % len(large) + large + b"\r\n"
    assert said(router.port, chunked).startswith(b"HTTP/1.1 413")


SMUGGLED = {
    "length and chunks": b"content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "two lengths": b"content-length: 5\r\ncontent-length: 6\r\n\r\nhello!",
    "unknown coding": b"transfer-encoding: xchunked\r\n\r\n0\r\n\r\n",
    "bare line feed": b"x: 1\ny: 2\r\ncontent-length: 0\r\n\r\n",
    "folded header": b"x: 1\r\n 2\r\ncontent-length: 0\r\n\r\n",
    "space before the colon": b"content-length : 0\r\n\r\n",
    "line feed after a chunk's size": b"transfer-encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n",
    "two hosts": b"host: other\r\ncontent-length: 0\r\n\r\n",
    "signed length": b"content-length: +5\r\n\r\nhello",
}


@pytest.mark.parametrize("tail", SMUGGLED.values(), ids=SMUGGLED)
def test_what_two_servers_could_read_differently_is_refused(router: Running, tail: bytes) -> None:
    """A request that a proxy in front could have understood otherwise is 400, and ends the connection."""
    answer = said(router.port, POST + tail + GET + b"\r\n")
    assert answer.startswith(b"HTTP/1.1 400")
    assert answer.count(b"HTTP/1.1") == 1
    assert "error" in json.loads(answer.partition(b"\r\n\r\n")[2])


def test_a_request_without_a_host_is_refused(router: Running) -> None:
    """HTTP/1.1 asks for one, and links are made of it."""
    assert said(router.port, b"GET /livez HTTP/1.1\r\n\r\n").startswith(b"HTTP/1.1 400")


def test_an_upgrade_is_answered_as_the_request_it_is(router: Running) -> None:
    """A client that would rather speak another protocol gets its answer in this one, or is told to ask in it."""
    upgrade = b"connection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AA\r\n"
    answer = said(router.port, GET + upgrade + b"\r\n")
    assert (answer[9:12], answer.count(b"HTTP/1.1 ")) == (b"200", 1)
    status, told = status_and_body(said(router.port, POST + upgrade + b"content-length: 2\r\n\r\n{}"))
    assert status == 400
    assert "Upgrade" in told["error"]["message"]


def test_pipelined_requests_are_answered_in_order(router: Running) -> None:
    """Two requests in one piece get two answers."""
    answer = said(router.port, GET + b"\r\n" + GET.replace(b"livez", b"nowhere") + b"\r\n")
    assert re.findall(rb"HTTP/1.1 (\d+)", answer) == [b"200", b"404"]


def test_a_long_answer_is_not_cut_off(router: Running, backend: OpenAIBackend) -> None:
    """No limit on clients is a limit on backends: an answer may take longer than any of them."""
    hold = Hold()
    backend.script(hold)
    asking = Asking(router)
    backend.ledger.wait(len(backend.ledger.records) or 1)
    assert said(router.port, GET).startswith(b"HTTP/1.1 408")  # longer than every limit there is
    hold.release()
    assert asking.done().status_code == 200


def test_too_many_connections_are_told_so(router: Running) -> None:
    """One connection too many is 503 at once, those that are there go on, and then there is room again."""
    held = [connect(router.port) for _ in range(40)]
    for connection in held:
        connection.sendall(GET)
    with connect(router.port) as late:
        status, body = status_and_body(rest(late))
    assert (status, body["error"]["code"]) == (503, "overloaded")
    held[0].sendall(b"\r\n")
    assert held[0].recv(4096).startswith(b"HTTP/1.1 200")
    for connection in held:
        connection.close()
    until(lambda: httpx.get(f"{router.url}/livez").status_code == 200)


def test_few_files_are_enough(tmp_path: Path) -> None:
    """With 64 files a flood of connections is refused with 503, nothing crashes, and afterwards all is well."""
    with OpenAIBackend() as backend:
        file = tmp_path / "router.yaml"
        file.write_text(json.dumps(configured(backend.url)))
        process = subprocess.Popen(
            [sys.executable, "-m", "router", "serve", "--port", "0", "--config", str(file)],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={"XDG_STATE_HOME": str(tmp_path)},
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64)),  # noqa: PLW1509 - no threads yet
            text=True,
        )
        assert process.stdout is not None
        url = process.stdout.readline().split("listens on ")[1].split()[0]
        try:
            flood = [connect(int(url.rsplit(":", 1)[1])) for _ in range(100)]
            assert flood[14].recv(12) == b"HTTP/1.1 503"
            for connection in flood:
                connection.close()
            answer = until(lambda: (got := httpx.post(url + PATH, json=BODY)).status_code == 200 and got)
            assert answer.json()["data"]
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == 0
            process.stdout.close()


def test_a_proxy_on_this_machine_says_how_its_client_came(router: Running) -> None:
    """A link begins with the scheme that the client used, which only the proxy before the router knows."""
    asked = {**BODY, "response_format": "url"}
    with router.client() as client:
        for headers, scheme in ({"x-forwarded-proto": "https", "x-forwarded-for": "192.0.2.1"}, "https"), ({}, "http"):
            answer = client.post(PATH, json=asked, headers=headers)
            assert answer.json()["data"][0]["url"].startswith(f"{scheme}://")


def test_a_log_that_nobody_reads_holds_up_nobody(tmp_path: Path) -> None:
    """With its log blocked and its output closed the router serves on, and counts the lines that were lost."""
    with OpenAIBackend() as backend:
        file = tmp_path / "router.yaml"
        file.write_text(json.dumps(configured(backend.url)))
        process = subprocess.Popen(
            [sys.executable, "-m", "router", "serve", "--port", "0", "--config", str(file)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={"XDG_STATE_HOME": str(tmp_path)},
            text=True,
        )
        assert process.stdout is not None
        assert process.stderr is not None
        url = process.stdout.readline().split("listens on ")[1].split()[0]
        process.stdout.close()
        try:
            with httpx.Client(base_url=url) as client:
                for _ in range(400):  # more than a pipe holds
                    assert client.post(PATH, json={"model": "none", "prompt": "p"}).status_code == 404
                process.stderr.close()
                assert client.post(PATH, json=BODY).status_code == 200
                until(lambda: "image_router_log_lines_dropped_total 0.0" not in client.get("/metrics").text)
        finally:
            process.terminate()
            assert process.wait(20) == 0

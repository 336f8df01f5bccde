"""F29: bodies made to cost memory or time: each is refused in JSON for little of either, and no backend hears of it."""

import json
from collections.abc import Iterator

import httpx
import psutil
import pytest
from backends import OpenAIBackend
from pictures import png
from processes import Running, configured, running
from test_hostile_pictures import claiming

MIB = 1 << 20
MODEL = b"gpt-image-2"
LIMITS = {"max_json": "1MiB", "max_body": "4MiB"}
CPU = 0.1  # seconds a refusal may take, beside what reading costs
BOUNDARY = b"b0undary"


def form(*parts: tuple[bytes, bytes]) -> bytes:
    """A form of parts, each its headers and what it holds."""
    said = b"".join(b"--%b\r\n%b\r\n\r\n%b\r\n" % (BOUNDARY, head, data) for head, data in parts)
    return said + b"--%b--\r\n" % BOUNDARY


def field(name: bytes, text: bytes) -> tuple[bytes, bytes]:
    """A text field."""
    return b'content-disposition: form-data; name="%b"' % name, text


def file(data: bytes, *more: bytes) -> tuple[bytes, bytes]:
    """A picture as a file."""
    named = b'content-disposition: form-data; name="image"; filename="a.png"'
    return b"\r\n".join((named, *more)), data


ASKED = (field(b"model", MODEL), field(b"prompt", b"a kite"))
FLOOD = [b"x-%d: %b" % (number, b"y" * 60) for number in range(5000)]
BODIES: dict[str, tuple[bytes, tuple[int, ...]]] = {
    "a JSON too large": (json.dumps({"model": MODEL.decode(), "prompt": "p", "user": "u" * 2 * MIB}).encode(), (413,)),
    "a JSON of very many values": (b'{"a":[' + b"0," * (MIB // 2 - 10) + b"0]}", (400, 413)),
    "a JSON nested without end": (b'{"a":' + b"[" * (MIB // 2), (400,)),
    "a form too large": (form(*ASKED, file(bytes(5 * MIB))), (413,)),
    "a thousand parts": (form(*(field(b"a", b"b") for _ in range(1000))), (400, 413)),
    "a thousand pictures": (form(*ASKED, *(file(png(8, 8)) for _ in range(1000))), (400, 413)),
    "a part of five thousand headers": (form(*ASKED, file(png(8, 8), *FLOOD)), (400, 413)),
    "a picture of 20,000 x 20,000 pixels": (form(*ASKED, file(claiming(20_000, 20_000))), (400, 413)),
    "a picture that inflates a thousandfold": (form(*ASKED, file(claiming(9_000, 9_000))), (400, 413)),
}


@pytest.fixture(scope="module")
def backend() -> Iterator[OpenAIBackend]:
    """Who shall hear nothing."""
    with OpenAIBackend() as server:
        yield server


@pytest.fixture(scope="module")
def router(backend: OpenAIBackend, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A router in a process of its own, so that what it takes can be measured."""
    config = configured(backend.url, **LIMITS)
    config["models"] = {MODEL.decode(): {"chain": [f"o/{MODEL.decode()}"]}}
    with running(config, tmp_path_factory.mktemp("router")) as router:
        assert httpx.get(f"{router.url}/readyz").status_code == 200
        yield router


def spent(router: Running) -> tuple[float, int]:
    """Seconds of processor so far, and bytes of memory."""
    process = psutil.Process(router.process.pid)
    times = process.cpu_times()
    return times.user + times.system, process.memory_info().rss


@pytest.mark.parametrize("name", BODIES)
def test_f29_a_body_that_is_too_much_is_refused_for_little(router: Running, backend: OpenAIBackend, name: str) -> None:
    """400 or 413 in JSON, within a tenth of a second of processor time and a few megabytes."""
    body, statuses = BODIES[name]
    kind = "application/json" if body[:1] == b"{" else f"multipart/form-data; boundary={BOUNDARY.decode()}"
    path = f"{router.url}/v1/images/{'generations' if body[:1] == b'{' else 'edits'}"
    httpx.post(path, content=body, headers={"content-type": kind}, timeout=20)  # what is imported is imported now
    before, held = spent(router)
    answer = httpx.post(path, content=body, headers={"content-type": kind}, timeout=20)
    after, grown = spent(router)
    assert answer.status_code in statuses, answer.text[:300]
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["error"]["message"]
    assert after - before < CPU
    assert grown - held < 8 * MIB
    assert len(backend.ledger) == 0

"""One call over real sockets and both transports: what goes out, what comes back, and what is refused."""

import asyncio
import base64
import gzip
import sys
from dataclasses import replace
from email.parser import BytesParser
from email.policy import HTTP

import msgspec
import psutil
import pytest
from faults import NOBODY, Peer, answering, faulty
from wiring import ADAPTER, AMBIGUOUS, CALL, NOT_SENT, OK, failing

from providers.base import Adapter, Answer, Call, ErrorKind, Inline, OutcomeClass, Phase, Upload, submit
from providers.http import AsyncBaseTransport, Auth, Response
from router import __version__
from router.wire.bodies import encode
from router.wire.send import LocalSend, Wire
from router.wire.transport import TransportSettings, build_transport

pytest_plugins = ["wire_fixtures"]
pytestmark = pytest.mark.anyio


async def test_redirect(wire_to):
    """A redirect is an error with its status, and is not followed."""

    async def redirect(peer):
        await peer.request()
        await peer.answer(status=307, headers="location: /elsewhere\r\n")

    async with faulty(redirect) as server:
        error = await failing(wire_to(server.url))
        assert (error.kind, error.outcome, error.status) == (ErrorKind.UNAVAILABLE, OutcomeClass.REJECTED, 307)
        assert len(server.requests) == 1


@pytest.mark.parametrize("encoding", ["gzip", "br", "zstd", "deflate", "identity, gzip"])
async def test_compressed_answer(wire_to, encoding):
    """A compressed answer is refused unread: it might be a thousand times its size."""

    async def compressed(peer):
        await peer.request()
        await peer.answer(gzip.compress(bytes(1_000_000)), headers=f"Content-Encoding: {encoding}\r\n")

    async with faulty(compressed) as server:
        error = await failing(wire_to(server.url))
        assert (error.kind, error.outcome) == (ErrorKind.BAD_RESPONSE, AMBIGUOUS)


async def test_compressed_failure(wire_to):
    """Of a compressed failure the status and the headers count."""

    async def compressed(peer):
        await peer.request()
        await peer.answer(gzip.compress(b"{}"), 429, "content-encoding: gzip\r\nRetry-After: 3\r\n")

    async with faulty(compressed) as server:
        answer = await wire_to(server.url)(CALL)
    assert (answer.status, answer.headers["retry-after"], answer.body) == (429, "3", b"")


async def endless(peer: Peer) -> None:
    """Never ends its body."""
    await peer.request()
    await peer.send(OK + b"transfer-encoding: chunked\r\n\r\n")
    while True:
        await peer.send(b"10000\r\n" + b"x" * 0x10000 + b"\r\n")


async def test_too_large(wire_to):
    """An answer beyond the limit is cut, whether it tells its length or never ends."""

    async def large(peer):
        await peer.request()
        await peer.answer(b"x" * 2_000_000)

    for script in (large, endless):
        async with faulty(script) as server:
            error = await failing(wire_to(server.url, max_answer=1_000_000))
            assert (error.kind, error.outcome) == (ErrorKind.BAD_RESPONSE, AMBIGUOUS)


async def test_what_goes_out(wire_to, monkeypatch):
    """A call goes out with its own headers over ours, whatever proxy the environment names."""
    monkeypatch.setenv("HTTP_PROXY", NOBODY)
    monkeypatch.setenv("ALL_PROXY", NOBODY)
    async with faulty(answering) as server:
        wire = wire_to(f"{server.url}/v1/")
        answer = await wire(submit("/images?a=b", json={"prompt": "é"}, headers={"Accept": "image/*", "x-own": "1"}))
        await wire(Call(phase=Phase.FETCH, method="GET", path=""))
    assert (answer.status, answer.headers["content-type"], answer.body) == (200, "application/json", b"{}")
    first, second = server.requests
    assert (first.method, first.path, first.body) == ("POST", "/v1/images?a=b", '{"prompt":"é"}'.encode())
    assert first.headers == {
        "host": f"127.0.0.1:{server.port}",
        "accept": "image/*",
        "accept-encoding": "identity",
        "user-agent": f"image-router/{__version__}",
        "content-type": "application/json",
        "content-length": "15",
        "x-own": "1",
        "authorization": "Bearer sk-secret",
        **({"connection": "keep-alive"} if "connection" in first.headers else {}),
    }
    assert (second.method, second.path, second.headers.get("content-length", "0")) == ("GET", "/v1", "0")


async def test_key_stays_home():
    """The key goes to the base URL's origin and the adapter's key hosts, to nobody else, whatever the backend names."""
    home, stranger = Recording(), Recording()
    adapter = replace(ADAPTER, key_hosts=("*.home.example",))
    wire = Wire(adapter, "https://home.example/v1", "sk-secret", home, strangers=stranger)
    paths = ("/poll", "https://home.example/poll", "https://eu.home.example/poll", "https://home.example:444/poll")
    for path in (*paths, "https://evilhome.example/poll", "http://eu.home.example/poll"):
        await wire(Call(phase=Phase.FETCH, method="GET", path=path))
    assert home.keys == ["Bearer sk-secret"] * 3
    assert stranger.keys == [None] * 3


async def test_a_strangers_address_inside_is_never_called():
    """A backend cannot lead the router to an address of this machine or network: no connection is made."""
    async with faulty(answering) as inside:
        wire = Wire(ADAPTER, "https://home.example/v1", "sk-secret", Recording())
        for path in (
            f"{inside.url}/poll",
            "https://127.0.0.1/",
            "https://localhost/",
            "https://169.254.169.254/latest",
        ):
            error = await failing(wire, Call(phase=Phase.POLL, method="GET", path=path))
            assert (error.kind, error.outcome) == (ErrorKind.BAD_RESPONSE, NOT_SENT)
        await wire.aclose()
    assert not inside.requests


@pytest.mark.parametrize(
    "path",
    [
        "ftp://a/b",
        "https://",
        "file:///etc/passwd",
        "http://u:p@host/",
        "https://host\\@other/",
        "http://[::1",
        "data:,x",
    ],
)
async def test_strange_address(wire_to, path):
    """An address that is no plain HTTP address is refused before anything is sent."""
    error = await failing(wire_to(NOBODY), Call(phase=Phase.FETCH, method="GET", path=path))
    assert (error.kind, error.outcome) == (ErrorKind.BAD_RESPONSE, NOT_SENT)


async def test_unwritable_call(wire_to):
    """A call that cannot be put into bytes is an error like any other, and not sent."""
    error = await failing(wire_to(NOBODY), submit("/", json={"prompt": object()}))
    assert (error.outcome, error.message) == (NOT_SENT, "the call to the provider could not be written")


async def test_auth_flow_of_several_steps(wire_to):
    """An authentication that answers a refusal is driven to its end; only the last answer comes back."""

    class Challenge(Auth):
        requires_request_body = True

        def auth_flow(self, request):
            response = yield request
            assert response.status_code == 401
            request.headers["authorization"] = f"Token {len(request.content)}"
            yield request

    async def picky(peer):
        while True:
            seen = await peer.request()
            await peer.answer(status=200 if "authorization" in seen.headers else 401)

    adapter = Adapter(dialects={}, generate=None, error=None, auth=lambda _: Challenge())
    async with faulty(picky) as server:
        answer = await wire_to(server.url, adapter=adapter)(CALL)
    assert (answer.status, [request.headers.get("authorization") for request in server.requests]) == (
        200,
        [None, "Token 19"],
    )


async def test_form_on_the_wire(wire_to):
    """A form goes out with its exact length, unchunked, its parts in order and as given."""
    pictures = [Upload.of(b"\x89PNG" + bytes(300_000)), Upload.of(b"jpeg", "image/jpeg"), Upload.of(b"what", None)]
    form = [
        ("prompt", 'say "hé"\nplease'),
        ("image[]", pictures[0]),
        ("n", "1"),
        ("image[]", pictures[1]),
        ("mask", pictures[2]),
    ]
    async with faulty(answering) as server:
        await wire_to(server.url)(submit("/edits", form=form))
    (seen,) = server.requests
    assert "transfer-encoding" not in seen.headers
    assert seen.headers["content-length"] == str(len(seen.body))
    head = f"content-type: {seen.headers['content-type']}\r\n\r\n".encode()
    parts = list(BytesParser(policy=HTTP).parsebytes(head + seen.body).iter_parts())
    assert [
        (part.get_param("name", header="content-disposition"), part.get_filename(), part.get("content-type"))
        for part in parts
    ] == [
        ("prompt", None, None),
        ("image[]", "image.png", "image/png"),
        ("n", None, None),
        ("image[]", "image-2.jpg", "image/jpeg"),
        ("mask", "image-3", "application/octet-stream"),
    ]
    assert b'say "h\xc3\xa9"\nplease\r\n--' in seen.body
    assert b"\x89PNG" + bytes(300_000) in seen.body


async def test_form_is_streamed(wire_to):
    """Sixty-four megabytes of uploads pass through without being held."""
    process = psutil.Process()
    start = peak = process.memory_info().rss

    def read(offset, length):
        nonlocal peak
        peak = max(peak, process.memory_info().rss)
        return bytes(length)

    received = []

    async def swallow(peer):
        received.append(await peer.swallow())
        await peer.answer()

    uploads = [("image[]", Upload(read=read, size=16 << 20, media_type="image/png")) for _ in range(4)]
    async with faulty(swallow) as server:
        assert (await wire_to(server.url)(submit("/edits", form=uploads))).status == 200
    assert received[0] > 64 << 20
    assert peak - start < 24 << 20


async def test_upload_that_shrank(wire_to):
    """A form whose upload ends early is never a success."""
    short = Upload(read=lambda *_: b"", size=1000, media_type="image/png")
    async with faulty(answering) as server:
        error = await failing(wire_to(server.url), submit("/edits", form=[("image", short)]))
    assert error.outcome is AMBIGUOUS


async def test_form_can_be_read_again():
    """A form's bytes are the same each time it is read, and as many as it says."""
    form = encode(submit("/", form=[("a", "1"), ("image", Upload.of(bytes(600_000)))]))
    once, again = [b"".join([piece async for piece in form.content]) for _ in range(2)]
    assert once == again
    assert len(once) == int(form.headers["content-length"])


async def test_pictures_within_json_are_written_while_it_is_sent():
    """A picture's base64 stands where it belongs, whole, and is never held; the length is known beforehand."""
    data = bytes(range(256)) * 3000
    call = submit("/", json={"a": [Inline(Upload.of(data)), {"b": Inline.data_uri(Upload.of(b"x"))}], "c": "d"})
    body = encode(call)
    sent = b"".join([piece async for piece in body.content])
    assert len(sent) == int(body.headers["content-length"])
    first = base64.b64encode(data).decode()
    assert msgspec.json.decode(sent) == {"a": [first, {"b": "data:image/png;base64,eA=="}], "c": "d"}


async def test_form_names_cannot_escape():
    """A name or boundary cannot end its quotes or its line, and no two forms share a boundary."""
    form = encode(submit("/", form=[('a"\r\nb', "1")]))
    assert b'name="a%22%0D%0Ab"\r\n' in b"".join([piece async for piece in form.content])
    call = submit("/", form=[("a", "1")])
    assert encode(call).headers["content-type"] != encode(call).headers["content-type"]


class Recording(AsyncBaseTransport):
    """A transport that answers, and notes the keys it was given."""

    def __init__(self):
        self.keys = []

    async def handle_async_request(self, request):
        """Fine."""
        self.keys.append(request.headers.get("authorization"))
        return Response(200, content=b"{}")


class Broken(AsyncBaseTransport):
    """A transport with a mistake in it."""

    async def handle_async_request(self, request):
        """Fails, and tells too much."""
        raise RuntimeError("sk-secret")


async def test_transport_with_a_mistake():
    """An exception that nobody foresaw is ambiguous, and its words are not repeated."""
    error = await failing(Wire(ADAPTER, "http://host", "sk-secret", Broken()))
    assert error.outcome is AMBIGUOUS
    assert "sk-secret" not in error.message


async def test_cancellation_passes(wire_to):
    """A cancelled call is cancelled, not an error of the provider."""
    arrived = asyncio.Event()

    async def hang(peer):
        await peer.request()
        arrived.set()
        await peer.hang()

    async with faulty(hang) as server:
        task = asyncio.create_task(wire_to(server.url, patience=0.5)(CALL))
        await arrived.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


@pytest.mark.parametrize(
    "url", ["host/v1", "ftp://host", "http://", "http://u:p@host", "http://host/?a=b", "http://[::1"]
)
def test_bad_base_url(url):
    """A base URL that cannot serve is told at once."""
    with pytest.raises(ValueError, match="base_url: "):
        Wire(ADAPTER, url, None, Broken())


@pytest.mark.parametrize("key", ["sk-1\n", "sk-\u00e9", "\0"])
def test_bad_key(key):
    """A key that no header may carry is told at once, and not repeated."""
    with pytest.raises(ValueError, match="api_key: ") as raised:
        Wire(ADAPTER, "http://host", key, Broken())
    assert key not in str(raised.value)


def test_bad_ca_file(tmp_path):
    """A file without certificates is told by its name."""
    for content in ("", "nothing", "-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n"):
        (tmp_path / "roots.pem").write_text(content)
        with pytest.raises(ValueError, match=r"ca_file: .*roots\.pem holds no certificate"):
            build_transport(TransportSettings(ca_file=tmp_path / "roots.pem"))


def test_machine_without_roots(monkeypatch, ca_file):
    """On a machine that trusts no root a file of them is enough; without one the remedy is told."""
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere")
    monkeypatch.setenv("SSL_CERT_DIR", "/nowhere")
    build_transport(TransportSettings(ca_file=ca_file))
    with pytest.raises(ValueError, match="install ca-certificates"):
        build_transport(TransportSettings())


async def test_without_pyreqwest(monkeypatch):
    """Where the fast transport cannot be imported the plain one serves, with a warning."""
    monkeypatch.setitem(sys.modules, "pyreqwest.exceptions", None)
    with pytest.warns(RuntimeWarning, match="pyreqwest cannot be imported"):
        transport = build_transport(TransportSettings())
    async with faulty(answering) as server:
        wire = Wire(ADAPTER, server.url, None, transport)
        assert (await wire(CALL)).status == 200
        await wire.aclose()
    assert "authorization" not in server.requests[0].headers


def local(answer) -> LocalSend:
    """The way to a backend in this process that answers so."""
    return LocalSend(Adapter(dialects={}, generate=None, error=None, local=answer))


async def test_local_backend():
    """A backend inside the process answers a call from a worker thread."""
    send = local(lambda call: Answer(200, {}, call.path.encode()))
    assert (await send(CALL)).body == b"/images"
    await send.aclose()


async def test_local_backend_that_fails():
    """A mistake in a backend inside the process is a ProviderError like any other."""
    error = await failing(local(lambda call: {}[call.path]))
    assert (error.kind, error.outcome) == (ErrorKind.BAD_RESPONSE, AMBIGUOUS)
    with pytest.raises(ValueError, match="give it a base_url"):
        LocalSend(ADAPTER)

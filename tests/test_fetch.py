"""The guarded download: what it asks, what it takes from an answer, and what it tries again."""

import asyncio
import gzip
import ssl

import pytest
import trustme
from detour import Detour
from faults import NOBODY, faulty
from fetching import HIDDEN, PICTURE, at_home, at_once, failing, fetching, redirecting, saying
from wiring import OK

from router.wire.fetch import Fetcher

pytestmark = pytest.mark.anyio


async def test_public():
    """A public address is fetched with the headers of nobody: no key, no cookie, no compression."""
    script = saying(headers="set-cookie: a=b\r\n")
    async with faulty(script) as server, fetching(server.port) as fetcher:
        for _ in range(2):
            assert await fetcher.fetch("http://public.test/a%20b.png?x=%2F#part", insecure=True) == PICTURE
        assert await fetcher.fetch("http://8.8.8.8", insecure=True) == PICTURE
    assert server.connections == 3
    assert [seen.path for seen in server.requests] == ["/a%20b.png?x=%2F"] * 2 + ["/"]
    assert {frozenset(seen.headers) for seen in server.requests} == {
        frozenset({"host", "accept", "accept-encoding", "user-agent"})
    }
    assert [seen.headers["host"] for seen in server.requests] == ["public.test", "public.test", "8.8.8.8"]
    assert {seen.headers["accept-encoding"] for seen in server.requests} == {"identity"}


async def test_tls_asks_for_the_name(monkeypatch, tmp_path):
    """The connection goes to an address, the certificate is asked of the name, and another's is refused."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "roots.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "roots.pem"))
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("public.test").configure_cert(tls)
    asked = []
    tls.sni_callback = lambda _object, name, _context: asked.append(name)
    async with faulty(saying(), tls=tls) as server, fetching(server.port) as fetcher:
        assert await fetcher.fetch("https://public.test/") == PICTURE
        assert HIDDEN in (await failing(fetcher, "https://two.test/")).reason
    assert asked == ["public.test"] + ["two.test"] * 3
    assert fetcher.network.asked == [("8.8.8.8", 443)] * 4
    assert len(server.requests) == 1


async def test_own_origin():
    """A provider's own origin is fetched from wherever it is, by its scheme, host and port."""
    async with faulty(saying()) as server, at_home() as fetcher:
        own = f"{server.url}/api/v1"
        assert await fetcher.fetch(f"{server.url}/view?name=a.png", own_origin=own) == PICTURE
        assert await fetcher.fetch(f"HTTP://LOCALHOST:{server.port}/", own_origin=f"http://localhost:{server.port}")
        for other in ("http://127.0.0.1/", f"https://127.0.0.1:{server.port}/", f"http://localhost:{server.port}/"):
            assert (await failing(fetcher, other, own_origin=own, insecure=True)).final
        assert (await failing(fetcher, f"http://u:hunter2@127.0.0.1:{server.port}/", own_origin=own)).final
    assert server.connections == 2


async def test_own_origin_with_a_private_authority(tmp_path):
    """Roots given for an origin are trusted there and nowhere else, and the name is checked."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "roots.pem")
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(tls)
    async with faulty(saying(), tls=tls) as server:
        other = f"https://127.0.0.1:{server.port}"
        for trusting, works in ((server.url, True), (other, False)):
            async with at_home(ca_files={trusting: tmp_path / "roots.pem"}, sleep=at_once) as fetcher:
                if works:
                    assert await fetcher.fetch(f"{server.url}/a", own_origin=server.url) == PICTURE
                else:
                    assert HIDDEN in (await failing(fetcher, server.url, own_origin=server.url)).reason
                    assert HIDDEN in (await failing(fetcher, other, own_origin=other)).reason
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirects(status):
    """A redirect is followed, relative or whole, and the method stays GET."""
    there = saying(status, b"", "location: ?b=1\r\n")
    elsewhere = saying(status, b"", "location: http://two.test/c\r\n")
    async with faulty(there, elsewhere, saying()) as server, fetching(server.port) as fetcher:
        assert await fetcher.fetch("http://public.test/a", insecure=True) == PICTURE
    assert [(seen.method, seen.path) for seen in server.requests] == [("GET", "/a"), ("GET", "/a?b=1"), ("GET", "/c")]
    assert [seen.headers["host"] for seen in server.requests] == ["public.test"] * 2 + ["two.test"]


async def test_redirect_loop():
    """A loop ends after the redirects that are allowed, and is not tried again."""
    async with faulty(redirecting("/again")) as server, fetching(server.port, max_redirects=3) as fetcher:
        assert (await failing(fetcher, "http://public.test/", insecure=True)).final
    assert server.connections == 4


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        (saying(404), "answered 404"),
        (saying(403, b"AccessDenied: signature"), "answered 403"),
        (saying(206), "answered 206"),
        (saying(204, b""), "answered 204"),
        (saying(304, b""), "answered 304"),
        (saying(302, b""), "answered 302"),
        (redirecting("http://[::1"), "no address"),
        (redirecting("http://a\\@b/"), "no address"),
        (redirecting("ftp://public.test/"), "only https and http"),
        (saying(body=b""), "holds nothing"),
        (saying(body=gzip.compress(PICTURE), headers="content-encoding: gzip\r\n"), "compressed"),
        (saying(headers="content-encoding: br\r\n"), "compressed"),
        (saying(headers="content-encoding: identity, zstd\r\n"), "compressed"),
    ],
)
async def test_final(script, reason):
    """What will not change is said once and not asked again."""
    async with faulty(script) as server, fetching(server.port) as fetcher:
        failed = await failing(fetcher, "http://public.test/?signature=s3cret", insecure=True)
    assert reason in failed.reason
    assert failed.final
    assert server.connections == 1
    assert fetcher.paused == []


async def reset(peer):
    """Reads, then resets."""
    await peer.request()
    peer.reset()


async def cut(peer):
    """Ends before the length it told."""
    await peer.request()
    await peer.send(OK + b"content-length: 100\r\n\r\npic")


async def silent(peer):
    """Reads, and says nothing."""
    await peer.request()
    await peer.hang()


@pytest.mark.parametrize("fault", [saying(503), saying(500), saying(429), saying(408), reset, cut])
async def test_what_may_pass_is_tried_again(fault):
    """The picture is paid for: a passing fault costs it two more tries, no more."""
    async with faulty(fault, fault, saying()) as server, fetching(server.port) as fetcher:
        assert await fetcher.fetch("http://public.test/", insecure=True) == PICTURE
    assert server.connections == 3
    assert all(0 <= pause <= 1 for pause in fetcher.paused)
    async with faulty(fault) as server, fetching(server.port) as fetcher:
        assert not (await failing(fetcher, "http://public.test/", insecure=True)).final
    assert server.connections == 3


async def test_nobody_there():
    """An address where nothing listens is tried again, and called unreachable."""
    async with fetching(network=Detour()) as fetcher:
        failed = await failing(fetcher, "https://public.test/")
    assert not failed.final
    assert len(fetcher.paused) == 2
    async with at_home(sleep=at_once) as fetcher:
        assert (await failing(fetcher, NOBODY, own_origin=NOBODY)).reason == failed.reason


async def test_a_stalled_try_leaves_time_for_another():
    """One silent answer does not take the whole time."""
    async with faulty(silent, saying()) as server, fetching(server.port, timeout=1.0) as fetcher:
        assert await fetcher.fetch("http://public.test/", insecure=True) == PICTURE
    assert server.connections == 2


async def test_time_is_capped():
    """A byte now and then keeps nothing alive beyond the time there is."""

    async def dripping(peer):
        await peer.request()
        await peer.send(OK + b"content-length: 100000000\r\n\r\n")
        while True:
            await peer.send(b"x")
            await asyncio.sleep(0.001)

    async with faulty(dripping) as server, fetching(server.port, timeout=0.2) as fetcher:
        failed = await failing(fetcher, "http://public.test/", insecure=True)
    assert "longer than 0.2 s" in failed.reason
    assert server.connections == 1


async def test_a_caller_that_leaves_closes_the_connection():
    """A download nobody waits for is dropped at once, as a cancellation and nothing else."""
    asked = asyncio.Event()

    async def waiting(peer):
        await peer.request()
        asked.set()
        await peer.hang()

    async with faulty(waiting) as server, fetching(server.port) as fetcher:
        task = asyncio.create_task(fetcher.fetch("http://public.test/", insecure=True))
        await asked.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


@pytest.mark.parametrize("told", [True, False])
async def test_size_is_capped(told):
    """An endless answer is cut off at the cap, whatever length it told."""
    sent = 0

    async def endless(peer):
        nonlocal sent
        await peer.request()
        await peer.send(OK + (b"content-length: 1000000000\r\n" if told else b"") + b"\r\n")
        while True:
            await peer.send(b"x" * 65536)
            sent += 65536

    async with faulty(endless) as server, fetching(server.port, max_bytes=1 << 20) as fetcher:
        failed = await failing(fetcher, "http://public.test/", insecure=True)
    assert "more than 1048576 bytes" in failed.reason
    assert failed.final
    assert sent < 16 << 20
    async with faulty(saying()) as server, fetching(server.port, max_bytes=len(PICTURE)) as fetcher:
        assert await fetcher.fetch("http://public.test/", insecure=True) == PICTURE


async def test_roots_that_cannot_be_read(tmp_path):
    """A file that holds no certificate is a mistake when the fetcher is built, not when a picture is fetched."""
    (tmp_path / "roots.pem").write_text("nothing")
    with pytest.raises(OSError, match="certificate"):
        Fetcher(ca_files={"https://comfy.test": tmp_path / "roots.pem"})

"""What a download never reaches: hosts inside in every spelling, tricks of addresses, redirects and rebinding."""

import contextlib

import pytest
from detour import names
from faults import faulty
from fetching import HIDDEN, PICTURE, at_home, failing, fetching, redirecting, saying
from hypothesis import given, strategies as st

from router.wire.fetch import FetchFailed, _read, admit
from router.wire.guard import plain

pytestmark = pytest.mark.anyio

HOSTS = [
    "127.0.0.1",
    "127.1",
    "2130706433",
    "0x7f000001",
    "0x7f.1",
    "0177.0.0.1",
    "0",
    "0.0.0.0",
    "localhost",
    "LOCALHOST",
    "localhost.",
    "127.0.0.1.",
    "%6c%6f%63%61%6c%68%6f%73%74",
    "127%2e0%2e0%2e1",
    "①②⑦.⓪.⓪.①",
    "127。0。0。1",
    "127\uff0e0\uff0e0\uff0e1",
    "ⓛⓞⓒⓐⓛⓗⓞⓢⓣ",
    "10.0.0.1",
    "100.100.100.200",
    "168.63.129.16",
    "169.254.169.254",
    "0xa9fea9fe",
    "172.16.0.1",
    "192.0.0.192",
    "192.168.0.1",
    "198.18.0.1",
    "224.0.0.1",
    "255.255.255.255",
    "[::]",
    "[::1]",
    "[0:0:0:0:0:0:0:1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::127.0.0.1]",
    "[64:ff9b::7f00:1]",
    "[64:ff9b:1::1]",
    "[2001:0:7f00:1::]",
    "[2001:db8::1]",
    "[2002:7f00:1::]",
    "[fc00::1]",
    "[fd00:ec2::254]",
    "[fe80::1]",
    "[fe80::1%25eth0]",
    "[2606:4700::1111%25eth0]",
    "[fec0::1]",
    "[ff02::1]",
    "inside.test",
    "mixed.test",
    "metadata.google.internal",
    "metadata",
]
TRICKS = [
    "http://public.test@127.0.0.1/",
    "http://public.test:80@127.0.0.1/",
    "http://public.test%00@127.0.0.1/",
    "http://127.0.0.1\\@public.test/",
    "http://public.test\\@127.0.0.1/",
    "http:\\\\127.0.0.1/",
    "http:/127.0.0.1/",
    "http:127.0.0.1/",
    "//127.0.0.1/",
    "http:///127.0.0.1/",
    "http://127.0.0.1 public.test/",
    "http://127.0.0.1\t/",
    "http://127.0.0.1\r\nHost: public.test/",
    "http://public.test:22/",
    "http://public.test:0/",
    "http://public.test:443/",
    "https://public.test:80/",
    "http://public.test:80:80/",
    "http://[::1/",
    "http://[public.test]/",
    "ftp://public.test/",
    "file:///etc/passwd",
    "gopher://public.test/",
    "unix:///run/docker.sock",
    "data:image/png;base64,AAAA",
    "\ud800",
    "",
]


@pytest.mark.parametrize("host", HOSTS)
async def test_hostile_hosts(host):
    """No spelling of an inner address, and no name of one, sees as much as a connection, on any port."""
    async with faulty(saying()) as server, fetching(server.port) as fetcher:
        for address in (f"https://{host}/a.png", f"http://{host}/a.png", f"http://{host}:{server.port}/a.png"):
            assert (await failing(fetcher, address, insecure=True)).final
    assert fetcher.network.asked == []
    assert server.connections == 0


@pytest.mark.parametrize("host", ["127.0.0.1", "inside.test", "[::1]", "127.1", "localhost"])
async def test_denied_looks_like_unreachable(host):
    """Whether an address is denied or silent cannot be told from the reason."""
    async with fetching() as fetcher:
        denied = await failing(fetcher, f"https://{host}/")
        silent = await failing(fetcher, "https://public.test/")
    assert denied.reason == silent.reason == "the address could not be fetched"


@pytest.mark.parametrize("address", TRICKS)
async def test_hostile_addresses(address):
    """Whatever two readers may read differently, and every scheme and port but the web's own, is refused unopened."""
    async with fetching() as fetcher:
        assert (await failing(fetcher, address, insecure=True)).final
    assert fetcher.network.asked == []


@pytest.mark.parametrize("host", HOSTS)
async def test_redirects_to_hostile_hosts(host):
    """A public address cannot send the router inside either."""
    location = host.encode().decode("latin-1")  # as raw UTF-8 in the header
    async with faulty(redirecting(f"http://{location}/?signature=1")) as server, fetching(server.port) as fetcher:
        assert (await failing(fetcher, "http://public.test/?signature=1", insecure=True)).final
    assert fetcher.network.asked == [("8.8.8.8", 80)]
    assert server.connections == 1


async def test_https_unless_allowed():
    """Plain http is refused before anything is looked up, given or redirected to."""
    async with fetching() as fetcher:
        assert (await failing(fetcher, "http://public.test/")).final
    assert fetcher.names.asked == []
    own, resolve = "http://comfy.test:8188", names(**{"comfy.test": [["8.8.8.8"]]})
    async with faulty(redirecting("http://public.test/")) as server, fetching(server.port, resolve=resolve) as fetcher:
        assert (await failing(fetcher, f"{own}/a.png", own_origin=own)).final
    assert server.connections == 1
    assert resolve.asked == ["comfy.test"]


async def test_rebinding():
    """A name that turns inward is judged at each connection, by the answer that is connected to."""
    answers = {"turning.test": [["8.8.8.8"], ["127.0.0.1"]]}
    away = redirecting("http://turning.test/2")
    async with faulty(away) as server, fetching(server.port, resolve=names(**answers)) as fetcher:
        assert HIDDEN in (await failing(fetcher, "http://turning.test/1", insecure=True)).reason
    assert fetcher.network.asked == [("8.8.8.8", 80)]
    assert [seen.path for seen in server.requests] == ["/1"]
    assert fetcher.names.asked == ["turning.test"] * 2


async def test_own_origin_redirects():
    """Trust holds within the own origin, ends with the first step out of it, and never comes back."""
    async with faulty(saying()) as inside:
        async with faulty(redirecting("/b"), saying()) as server, at_home() as fetcher:
            assert await fetcher.fetch(f"{server.url}/a", own_origin=server.url) == PICTURE
            assert [seen.path for seen in server.requests] == ["/a", "/b"]
        async with faulty(redirecting(f"{inside.url}/")) as server, at_home() as fetcher:
            assert (await failing(fetcher, server.url, own_origin=server.url, insecure=True)).final
        async with faulty(redirecting(f"{inside.url}/")) as server, fetching(server.port) as fetcher:
            back = await failing(fetcher, "http://public.test/", own_origin=inside.url, insecure=True)
            assert back.final
            assert server.connections == 1
    assert inside.connections == 0


@given(
    st.sampled_from(["", "http://", "https://", "//", "https://public.test"]),
    st.text(st.one_of(st.characters(), st.sampled_from("@:/\\?#[]%.0x")), max_size=40),
)
def test_any_text(start, rest):
    """Whatever text is given as an address, given or redirected to, it is read or refused in one way."""
    for base in (None, _read("https://public.test/a")):
        with contextlib.suppress(FetchFailed):
            url = _read(start + rest, base)
            admit(url, insecure=True)
            assert plain(url.host)
            assert url.scheme in ("http", "https")
            assert (url.userinfo, url.port) == (b"", None)

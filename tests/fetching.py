"""What the tests of the guarded download share: scripts of a server, fetchers, and how a download fails."""

import contextlib

import pytest
from detour import Detour, names

from router.wire.fetch import Fetcher, FetchFailed

PICTURE = b"picture" * 1000
HIDDEN = "could not be fetched"
SECRETS = ("hunter2", "signature", "s3cret")


def saying(status=200, body=PICTURE, headers=""):
    """A script: the same answer to the one request of each connection."""

    async def script(peer):
        await peer.request()
        await peer.answer(body, status, headers)

    return script


def redirecting(address):
    """A script: elsewhere."""
    return saying(302, b"", f"location: {address}\r\n")


@contextlib.asynccontextmanager
async def fetching(port=0, **settings):
    """A fetcher for which public.test and 8.8.8.8 are `port` of this machine. Its pauses are free."""
    paused = []

    async def pause(seconds):
        paused.append(seconds)

    network = settings.pop("network", None) or Detour(**{"8.8.8.8": port})
    inner = {"inside.test": [["10.0.0.7"]], "metadata.google.internal": [["169.254.169.254"]]}
    public = {"public.test": [["8.8.8.8"]], "mixed.test": [["8.8.8.8", "10.0.0.7"]], "two.test": [["8.8.8.8"]]}
    resolve = settings.pop("resolve", None) or names(**inner, **public, localhost=[["127.0.0.1"]])
    fetcher = Fetcher(resolve=resolve, sleep=pause, network=network, **settings)
    fetcher.paused, fetcher.network, fetcher.names = paused, network, resolve
    try:
        yield fetcher
        assert [pool.connections for pool in (fetcher._strangers, fetcher._own)] == [[], []]
    finally:
        await fetcher.aclose()


async def failing(fetcher, url, **settings):
    """The error a download ends in; none holds what an address hides."""
    with pytest.raises(FetchFailed) as raised:
        await fetcher.fetch(url, **settings)
    assert not any(secret in str(raised.value) for secret in SECRETS)
    assert str(raised.value) == raised.value.reason
    return raised.value


@contextlib.asynccontextmanager
async def at_home(**settings):
    """A fetcher on this machine's real network."""
    fetcher = Fetcher(**settings)
    try:
        yield fetcher
    finally:
        await fetcher.aclose()


async def at_once(seconds):
    """A pause that takes no time."""

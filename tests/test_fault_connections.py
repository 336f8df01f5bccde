"""F01 to F07: connections that are refused, silent, untrusted, closed, reset or stale, seen from client and bill."""

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme
from fault_steps import ANSWER, closes, doing, draws, sends
from faults import NOBODY, Peer, answering, faulty
from stopwatch import Stopwatch
from toxic import Toxic, proxied
from trial import Trial, trial

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("short_grace")]
pytest_plugins = ["short_grace"]

UNKNOWN = (502, "provider_error", "false")
PATIENT = {"circuit": {"failures": 1000, "calls": 1000}}


async def alone_then_next(running: Trial) -> None:
    """What provably was not sent is tried once more where nobody else is, else left to the next at once."""
    alone, chained = await running.ask("alone"), await running.ask("m")
    assert alone.verdict == UNKNOWN
    assert chained.status == 200
    assert running.outcomes("bad") == ["not_sent"] * 3
    assert running.outcomes("good") == ["succeeded"]
    await running.check(alone, chained)


MODELS = {"alone": {"chain": ["bad/any"]}, "m": {"chain": ["bad/any", "good/any"]}}


@pytest.mark.parametrize("transport", ["pyreqwest", "httpx"])
@pytest.mark.parametrize("url", [NOBODY, "http://nowhere.invalid"], ids=["f01_refused", "f03_no_such_name"])
async def test_f01_f03_a_connection_that_is_refused_or_a_name_nobody_has_costs_nothing(
    tmp_path: Path, url: str, transport: str
) -> None:
    """Nothing was sent: one retry where the target is alone, else the next target, and no doubt about the bill."""
    async with faulty(doing(draws)) as good:
        providers = {"bad": {"transport": transport}}
        async with trial(tmp_path, {"bad": url, "good": good}, models=MODELS, providers=providers) as running:
            await alone_then_next(running)


@contextmanager
def black_hole() -> Iterator[str]:
    """An address whose connections are never made: its queue is full."""
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        fillers = [socket.socket() for _ in range(3)]
        for filler in fillers:
            filler.settimeout(0)
            filler.connect_ex(full.getsockname())
        yield f"http://127.0.0.1:{full.getsockname()[1]}"
        for filler in fillers:
            filler.close()


async def test_f02_a_connection_that_is_never_made_ends_at_its_own_limit_not_at_the_attempts(tmp_path: Path) -> None:
    """A host that swallows packets costs `connect_timeout`, then the next target is asked."""
    defaults = {"attempt_timeout": "2s"}
    async with faulty(doing(draws)) as good:
        with black_hole() as url:
            async with trial(tmp_path, {"bad": url, "good": good}, defaults=defaults) as running:
                stopwatch = Stopwatch()
                ended = await running.ask()
                assert ended.status == 200
                assert running.outcomes() == ["not_sent", "succeeded"]
                assert 0.1 <= running.attempts("bad")[0]["seconds"] <= 0.5 + stopwatch.lost
                await running.check(ended)


def tls(authority: trustme.CA, name: str, *, expired: bool = False) -> ssl.SSLContext:
    """The TLS of a server called `name`."""
    ends = datetime.now(UTC) - timedelta(days=1) if expired else None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(name, not_after=ends).configure_cert(context)
    return context


@pytest.mark.parametrize("fault", ["expired", "wrong host", "unknown authority", "plain http"])
async def test_f04_a_certificate_that_is_no_good_ends_the_call_unsent_and_counts_against_the_target(
    tmp_path: Path, fault: str
) -> None:
    """Nothing is sent to whom we do not know; the circuit opens after five, so that no storm of handshakes follows."""
    authority = trustme.CA()
    roots = tmp_path / "roots.pem"
    roots.write_bytes((trustme.CA() if fault == "unknown authority" else authority).cert_pem.bytes())
    name = "other.example" if fault == "wrong host" else "localhost"
    context = None if fault == "plain http" else tls(authority, name, expired=fault == "expired")
    async with faulty(answering, tls=context) as bad, faulty(doing(draws)) as good:
        providers = {"bad": {"base_url": bad.url.replace("http:", "https:"), "ca_file": str(roots)}}
        async with trial(tmp_path, {"bad": bad, "good": good}, providers=providers) as running:
            answers = [await running.ask() for _ in range(8)]
            assert [ended.status for ended in answers] == [200] * 8
            assert running.outcomes("bad") == ["not_sent"] * 5
            assert bad.requests == []
            await running.check(*answers)


@pytest.mark.parametrize("transport", ["pyreqwest", "httpx"])
async def test_f05_a_close_before_the_reply_is_never_sent_again_to_the_same_target(
    tmp_path: Path, transport: str
) -> None:
    """It may have been billed: alone it ends there, in a chain the next target is asked, and either is counted."""
    async with faulty(doing(closes)) as bad, faulty(doing(draws)) as good:
        providers = {"bad": {"transport": transport}}
        async with trial(tmp_path, {"bad": bad, "good": good}, models=MODELS, providers=providers) as running:
            alone, chained = await running.ask("alone"), await running.ask("m")
            assert (alone.verdict, chained.status) == (UNKNOWN, 200)
            assert running.outcomes("bad") == ["ambiguous"] * 2
            assert +running.counted("possibly_billed_total") == {("bad/any",): 2}
            assert len(bad.billed) == 2
            await running.check(alone, chained)


async def test_f05_after_two_doubtful_ends_nobody_else_is_asked_and_in_strict_mode_after_one(tmp_path: Path) -> None:
    """What one request may have cost is bounded, however long its chain is."""
    strict = {"chain": ["a/any", "b/any"], "max_billable_attempts": 1}
    models = {"m": {"chain": ["a/any", "b/any", "c/any"]}, "strict": strict}
    async with (
        faulty(doing(closes)) as a,
        faulty(doing(closes)) as b,
        faulty(doing(draws)) as c,
        trial(tmp_path, {"a": a, "b": b, "c": c}, models=models) as running,
    ):
        usual, once = await running.ask("m"), await running.ask("strict")
        assert usual.verdict == once.verdict == UNKNOWN
        assert [len(each.requests) for each in (a, b, c)] == [2, 1, 0]
        await running.check(usual, once)


HEAD = ANSWER.index(b"\r\n\r\n") + 4
CUTS = {
    "at once": 0,
    "within the status": 7,
    "after the status line": 17,
    "within a header": 30,
    "before the last line end": HEAD - 2,
    "after the head": HEAD,
    "within the body": HEAD + 100,
    "before the last byte": len(ANSWER) - 1,
}


@pytest.mark.parametrize("end", ["close", "reset"])
@pytest.mark.parametrize("cut", CUTS.values(), ids=CUTS)
async def test_f06_an_answer_that_breaks_off_anywhere_is_doubtful_and_the_next_target_draws(
    tmp_path: Path, cut: int, end: str
) -> None:
    """At whichever byte, by FIN or RST: never again there, once at the next, and the client sees none of it."""
    async with (
        faulty(doing(sends(ANSWER[:cut], end))) as bad,
        faulty(doing(draws)) as good,
        trial(tmp_path, {"bad": bad, "good": good}) as running,
    ):
        ended = await running.ask()
        assert ended.status == 200
        assert running.outcomes() == ["ambiguous", "succeeded"]
        await running.check(ended)


async def close_at_once(peer: Peer) -> None:
    """Closes before it reads."""
    peer.writer.close()


async def reset_at_once(peer: Peer) -> None:
    """Resets before it reads."""
    peer.reset()


@pytest.mark.parametrize("script", [close_at_once, reset_at_once])
async def test_f06_a_connection_lost_as_it_is_made_is_left_to_the_next_target(tmp_path: Path, script) -> None:
    """Whether it was sent is a race between the two ends; that the next target draws is not."""
    async with (
        faulty(script) as bad,
        faulty(doing(draws)) as good,
        trial(tmp_path, {"bad": bad, "good": good}) as running,
    ):
        ended = await running.ask()
        assert ended.status == 200
        assert running.outcomes("bad")[0] in {"not_sent", "ambiguous"}
        assert len(running.attempts()) == 2
        await running.check(ended, unread=True)


TOXICS = {
    "limited": (Toxic(limit=400), "ambiguous"),
    "reset": (Toxic(reset_after=400), "ambiguous"),
    "a black hole": (Toxic(black_hole=True), "ambiguous"),
    "too slow": (Toxic(latency=0.5), "ambiguous"),
    "too narrow": (Toxic(bandwidth=300, slice=30), "ambiguous"),
    "in slices": (Toxic(slice=7), "succeeded"),
    "slow to close": (Toxic(slow_close=0.5), "succeeded"),
}


@pytest.mark.parametrize(("toxic", "outcome"), TOXICS.values(), ids=TOXICS)
async def test_f06_a_sick_network_on_the_way_back_is_judged_like_a_sick_backend(
    tmp_path: Path, toxic: Toxic, outcome: str
) -> None:
    """What arrives whole and in time is a picture, however cut up; the rest may have been billed."""
    async with (
        faulty(doing(draws)) as far,
        faulty(doing(draws)) as good,
        proxied(far.port, toxic) as proxy,
        trial(tmp_path, {"far": proxy.url, "good": good}) as running,
    ):
        ended = await running.ask()
        assert ended.status == 200
        assert running.outcomes("far") == [outcome]
        assert len(good.requests) == (outcome != "succeeded")
        await running.check(ended)


async def test_f07_a_kept_connection_that_ends_as_the_next_request_comes_is_doubtful(tmp_path: Path) -> None:
    """The request is not sent again there; the next target draws."""

    async def stale(peer: Peer) -> None:
        await peer.request()
        await draws(peer)
        await peer.reader.read(1)
        peer.reset()

    async with (
        faulty(stale) as bad,
        faulty(doing(draws)) as good,
        trial(tmp_path, {"bad": bad, "good": good}) as running,
    ):
        first, second = await running.ask(), await running.ask()
        assert (first.status, second.status) == (200, 200)
        assert running.outcomes() == ["succeeded", "ambiguous", "succeeded"]
        assert bad.connections == 1
        await running.check(first, second, unread=True)


async def draws_and_closes(peer: Peer) -> bool:
    """A picture, and the end of the connection, unannounced."""
    await draws(peer)
    return True


async def test_f07_a_connection_closed_while_it_was_idle_is_not_used(tmp_path: Path) -> None:
    """Where the backend's end was seen before the next request, that goes out on a new connection."""
    async with (
        faulty(doing(draws_and_closes)) as backend,
        trial(tmp_path, {"one": backend}, defaults=PATIENT) as running,
    ):
        answers = []
        for _ in range(5):
            answers.append(await running.ask())
            await running.client.get("/livez")
        assert [ended.status for ended in answers] == [200] * 5
        await running.check(*answers)

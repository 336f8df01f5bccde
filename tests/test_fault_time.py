"""F08, F09, F15: backends that are slow, drip, or ask to be left alone, and when the router goes on."""

import time
from email.utils import formatdate
from pathlib import Path

import pytest
from fault_steps import ANSWER, doing, draws, drips, fails, hangs
from faults import Peer, faulty
from stopwatch import Stopwatch
from trial import trial

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("short_grace")]
pytest_plugins = ["short_grace"]

MODELS = {"alone": {"chain": ["bad/any"]}, "m": {"chain": ["bad/any", "good/any"]}}
LATE = 0.1  # seconds an attempt may end after its limit


@pytest.mark.parametrize("transport", ["pyreqwest", "httpx"])
@pytest.mark.parametrize("step", [hangs, drips(ANSWER, 0.03)], ids=["f08_slow_head", "f09_dripping_body"])
async def test_f08_f09_an_attempt_ends_on_time_whatever_still_comes(tmp_path: Path, step, transport: str) -> None:
    """By the time of the attempt, not of a single read; it may have been billed, and the next target draws."""
    async with faulty(doing(step)) as bad, faulty(doing(draws)) as good:
        providers = {"bad": {"transport": transport}}
        async with trial(tmp_path, {"bad": bad, "good": good}, models=MODELS, providers=providers) as running:
            stopwatch = Stopwatch()
            chained, alone = await running.ask("m"), await running.ask("alone")
            assert chained.status == 200
            assert alone.verdict == (408, "request_timeout", "false")
            for attempt in running.attempts("bad"):
                assert (attempt["outcome"], attempt["error"]) == ("ambiguous", "timeout")
                assert 0.3 <= attempt["seconds"] <= 0.3 + LATE + stopwatch.lost
            await running.check(chained, alone)


async def test_f08_no_attempt_begins_that_could_not_end(tmp_path: Path) -> None:
    """Where next to nothing of the wait is left, the next target is not asked: it would be paid for nothing."""
    defaults = {"timeout": "310ms"}
    async with (
        faulty(doing(hangs)) as bad,
        faulty(doing(draws)) as good,
        trial(tmp_path, {"bad": bad, "good": good}, defaults=defaults) as running,
    ):
        ended = await running.ask()
        assert ended.verdict == (408, "request_timeout", "false")
        assert good.requests == []
        await running.check(ended, patience=0.31)


async def test_f08_the_deadline_holds_over_all_attempts(tmp_path: Path) -> None:
    """A chain of silent targets ends by the request's own time, in the middle of an attempt."""
    defaults = {"timeout": "450ms"}
    async with (
        faulty(doing(hangs)) as first,
        faulty(doing(hangs)) as second,
        trial(tmp_path, {"first": first, "second": second}, defaults=defaults) as running,
    ):
        ended = await running.ask()
        assert ended.verdict == (408, "request_timeout", "false")
        assert running.outcomes() == ["ambiguous"] * 2
        await running.check(ended, patience=0.45)


def date_in(seconds: int) -> str:
    """A `Retry-After` by date, and the clock it goes by, which is an hour off."""
    now = time.time() + 3600
    return f"date: {formatdate(now, usegmt=True)}\r\nretry-after: {formatdate(now + seconds, usegmt=True)}\r\n"


WAITS = {
    # what the 429 says, and the seconds until a target that is alone is asked again; None: not within this request
    "seconds": ("retry-after: 0\r\n", 0.0),
    "a fraction": ("retry-after: 0.3\r\n", 0.3),
    "milliseconds": ("retry-after-ms: 250\r\nretry-after: 9\r\n", 0.25),
    "azure's milliseconds": ("x-ms-retry-after-ms: 150\r\n", 0.15),
    "a date by another clock": (date_in(0), 0.0),
    "a date that is too far off": (date_in(30), None),
    "a past date": (date_in(-60), 0.0),
    "a negative number": ("retry-after: -5\r\n", 0.0),
    "a billion": ("retry-after: 1000000000\r\n", 0.0),
    "garbage": ("retry-after: soon\r\n", 0.0),
    "nothing": ("", 0.0),
    "half of what is left": ("retry-after: 1.1\r\n", None),
    "five minutes": ("retry-after: 300\r\n", None),
}


@pytest.mark.parametrize(("said", "wait"), WAITS.values(), ids=WAITS)
async def test_f15_a_limit_is_waited_for_as_long_as_it_says_or_left_to_the_next_target(
    tmp_path: Path, said: str, wait: float | None
) -> None:
    """Never early, and never beyond half of what is left; what makes no sense is the router's own back-off."""
    moments: list[float] = []
    limit = fails(429, "rate_limit_exceeded", headers=said)

    async def limited_once(peer: Peer) -> None:
        moments.append(time.monotonic())
        await (limit if len(moments) == 1 else draws)(peer)

    async with faulty(doing(limited_once)) as bad, trial(tmp_path, {"bad": bad}) as running:
        ended = await running.ask()
        if wait is None:
            assert ended.verdict == (429, "rate_limit_exceeded", "true")
            assert len(bad.requests) == 1
            assert int(ended.response.headers["retry-after"]) >= 1
        else:
            assert ended.status == 200
            first, second = moments
            assert wait <= second - first <= wait + 0.3
        await running.check(ended)


@pytest.mark.parametrize(("said", "cools"), [("retry-after: 30\r\n", 30), ("", 5), ("retry-after: 4000\r\n", 300)])
async def test_f15_a_limited_target_is_left_out_for_as_long_and_the_chain_goes_on_at_once(
    tmp_path: Path, said: str, cools: float
) -> None:
    """The next target draws without a pause, and the limited one is not called before its time."""
    limit = fails(429, "rate_limit_exceeded", headers=said)
    async with (
        faulty(doing(limit)) as bad,
        faulty(doing(draws)) as good,
        trial(tmp_path, {"bad": bad, "good": good}) as running,
    ):
        answers = [await running.ask() for _ in range(4)]
        assert [ended.status for ended in answers] == [200] * 4
        assert (len(bad.requests), len(good.requests)) == (1, 4)
        assert answers[1].response.json()["router"]["skipped"][0]["target"] == "bad/any"
        health = running.service.guard.health
        left = health.standing("bad/any", "bad").until - health.clock()
        assert cools - 2 < left <= cools
        await running.check(*answers)

"""F20, F21, F23: everything fails at once, one target comes and goes, one is slow: what it costs the others."""

import asyncio
import statistics
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
from fault_steps import Step, doing, draws, fails
from faults import FaultServer, Peer, faulty
from stopwatch import Stopwatch
from toxic import proxied
from trial import Ended, Trial, trial

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("short_grace")]
pytest_plugins = ["short_grace"]

CIRCUIT = {"circuit": {"open_for": "200ms", "longest": "2s"}}
SLOW_MACHINE = {"attempt_timeout": "10s", "timeout": "20s"}  # no fault here is a matter of time
BEST = 1.1  # the shortest and the longest opening differ by the jitter
WORST = 0.9


class Weather:
    """What backends do at the moment; all share one."""

    def __init__(self, step: Step) -> None:
        self.step = step

    async def __call__(self, peer: Peer) -> bool | None:
        """One request."""
        return await self.step(peer)


@asynccontextmanager
async def backends(weather: Weather, count: int) -> AsyncIterator[dict[str, FaultServer]]:
    """So many, by the names of their providers."""
    async with AsyncExitStack() as stack:
        yield {f"b{number}": await stack.enter_async_context(faulty(doing(weather))) for number in range(count)}


async def flood(running: Trial, requests: int, side_by_side: int) -> list[Ended]:
    """So many requests as fast as they are answered."""
    left, answers = iter(range(requests)), []

    async def client() -> None:
        answers.extend([await running.ask() for _ in left])

    await asyncio.gather(*(client() for _ in range(side_by_side)))
    return answers


async def test_f20_a_total_outage_costs_little_is_told_at_once_and_ends_by_itself(tmp_path: Path) -> None:
    """Sends stay under 1.2 per request, errors come within 100 ms, and the first picture soon after all is well."""
    weather = Weather(fails(503, "overloaded"))
    async with backends(weather, 3) as three, trial(tmp_path, three, defaults=CIRCUIT | SLOW_MACHINE) as running:
        first = await flood(running, 40, 8)  # until every circuit is open
        storm = await flood(running, 600, 4)
        assert {ended.status for ended in storm} == {503}
        assert all(int(ended.response.headers["retry-after"]) >= 1 for ended in storm)
        assert statistics.quantiles([ended.seconds for ended in storm], n=100)[98] < 0.1
        sends = sum(len(each.requests) for each in three.values())
        assert sends <= 1.2 * 640
        weather.step = draws
        healed = Stopwatch()
        answers = [await running.ask()]
        while answers[-1].status != 200:
            answers.append(await running.ask())
        assert healed.seconds < 2 * BEST + 0.5  # the longest opening
        await running.check(*first, *storm, *answers)


async def test_f21_a_target_that_comes_and_goes_costs_no_request_and_is_tried_ever_more_seldom(tmp_path: Path) -> None:
    """All is drawn by whoever is well; while it fails, the flapping target sees its five failures and rare probes."""
    async with (
        faulty(doing(draws)) as far,
        faulty(doing(draws)) as good,
        proxied(far.port) as proxy,
        trial(tmp_path, {"far": proxy.url, "good": good}, defaults=CIRCUIT | SLOW_MACHINE) as running,
    ):
        started, answers = time.monotonic(), []
        for spell in range(6):
            if spell % 2:
                proxy.fell()
            else:
                proxy.rose()
            answers += await flood(running, 60, 4)
        spent = time.monotonic() - started
        assert {ended.status for ended in answers} == {200}
        failed = [outcome for outcome in running.outcomes("far") if outcome != "succeeded"]
        openings = 1 + spent / (0.2 * WORST)
        assert running.service.guard.health._targets["far/any"].circuit.openings <= openings
        assert 5 <= len(failed) <= 3 * (5 + 3) + openings  # three still ran when it opened; a probe each time
        await running.check(*answers)


@asynccontextmanager
async def held() -> AsyncIterator[tuple[Step, asyncio.Event]]:
    """A step that waits until the test lets it draw."""
    release = asyncio.Event()

    async def step(peer: Peer) -> None:
        peer.bill()
        await release.wait()
        await draws_unbilled(peer)

    try:
        yield step, release
    finally:
        release.set()


async def draws_unbilled(peer: Peer) -> None:
    """A picture whose bill was written before."""
    before = len(peer.server.billed)
    await draws(peer)
    del peer.server.billed[before]


async def test_f23_a_slow_target_fills_its_own_places_and_nobody_elses(tmp_path: Path) -> None:
    """The slow model's surplus is shed with advice to come again; another model is as fast as before."""
    models = {"slow": {"chain": ["slow/any"]}, "fast": {"chain": ["fast/any"]}}
    defaults = {"attempt_timeout": "10s", "timeout": "10s", "max_concurrency": 4, "queue_wait": "100ms"}
    async with (
        held() as (step, release),
        faulty(doing(step)) as slow,
        faulty(doing(draws)) as fast,
        trial(tmp_path, {"slow": slow, "fast": fast}, defaults=defaults, models=models) as running,
    ):
        before = [await running.ask("fast") for _ in range(30)]
        crowd = [asyncio.create_task(running.ask("slow")) for _ in range(20)]
        done, waiting = await asyncio.wait(crowd, return_when=asyncio.FIRST_COMPLETED)
        while len(waiting) > 4:
            more, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            done |= more
        during = [await running.ask("fast") for _ in range(30)]
        assert (len(slow.requests), len(waiting)) == (4, 4)
        release.set()
        shed, served = [task.result() for task in done], [await task for task in waiting]
        assert {ended.verdict for ended in shed} == {(503, "router_overloaded", "true")}
        assert {ended.response.headers["retry-after"] for ended in shed} == {"1"}
        assert {ended.status for ended in served + before + during} == {200}
        usual, later = (statistics.median(ended.seconds for ended in some) for some in (before, during))
        assert later < 1.5 * usual + 0.005
        await running.check(*shed, *served, *before, *during, patience=10)

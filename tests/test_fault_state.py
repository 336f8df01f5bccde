"""F35: two routers share one real Redis, which is killed, frozen, restarted and emptied under a stream of requests."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
from fault_steps import Step, doing, draws, fails
from faults import FaultServer, Peer, faulty
from redis_server import NEEDS_REDIS, RedisServer, redis_server  # noqa: F401 - a fixture
from stopwatch import Stopwatch
from trial import SLACK, Ended, Trial, chain_config, routers

from router.auth import ANYONE

pytestmark = [pytest.mark.anyio, NEEDS_REDIS, pytest.mark.usefixtures("short_grace")]
pytest_plugins = ["short_grace"]

CLIENTS = 2  # of each router, each asking all the time
EACH = 8  # requests of each client between two events
BACK = 5.0  # seconds in which the store is used again
SHARED = 1.0  # seconds in which one knows what the other learned
SLOW_MACHINE = {"attempt_timeout": "10s", "timeout": "20s"}  # no fault here is a matter of time

FAULTS: dict[str, tuple[Callable[[RedisServer], object], Callable[[RedisServer], object], bool]] = {
    "kill -9, restarted empty": (RedisServer.kill, RedisServer.start, True),
    "SIGSTOP": (RedisServer.freeze, RedisServer.thaw, True),
    "FLUSHALL": (lambda server: server.admin().flushall(), lambda _: None, False),
    "restarted at once": (lambda server: (server.kill(), server.start()), lambda _: None, False),
}
"""What happens, how it is mended, and whether the store is lost between."""


class Weather:
    """What the first backend does at the moment."""

    def __init__(self) -> None:
        self.step: Step = draws

    async def __call__(self, peer: Peer) -> bool | None:
        """One request."""
        return await self.step(peer)


@asynccontextmanager
async def pair(folder: Path, server: RedisServer) -> AsyncIterator[tuple[list[Trial], FaultServer, Weather]]:
    """Two routers with one empty Redis over a chain of two backends; the first of these, and what it does."""
    server.admin().flushall()
    weather = Weather()
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(faulty(doing(weather)))
        second = await stack.enter_async_context(faulty(doing(draws)))
        config = chain_config({"a": first, "b": second}, server={"state": server.url}, defaults=SLOW_MACHINE)
        yield await routers(stack, folder, [config, config]), first, weather


async def stream(two: list[Trial]) -> list[Ended]:
    """So many requests of every client, one after another, at both routers side by side."""

    async def client(router: Trial) -> list[Ended]:
        return [await router.ask() for _ in range(EACH)]

    answers = await asyncio.gather(*(client(router) for router in two for _ in range(CLIENTS)))
    return [ended for each in answers for ended in each]


@pytest.mark.parametrize("fault", FAULTS)
async def test_f35_no_request_fails_whatever_becomes_of_redis(
    redis_server: RedisServer,  # noqa: F811 - a fixture
    tmp_path: Path,
    fault: str,
) -> None:
    """Every request is drawn once, before, while and after; the gauge tells; and soon what one learns both know."""
    strike, mend, lost = FAULTS[fault]
    async with pair(tmp_path, redis_server) as (two, first, weather):
        answers = await stream(two)
        under_way = asyncio.create_task(stream(two))
        await asyncio.sleep(0)
        strike(redis_server)
        try:
            answers += await under_way
            answers += await stream(two)
            if lost:
                assert [up(router) for router in two] == [0, 0]
        finally:
            mend(redis_server)
        async with asyncio.timeout(BACK):
            while not all(map(up, two)):
                answers += await stream(two)
        answers += await stream(two)
        assert {ended.status for ended in answers} == {200}
        assert {line["log_level"] for line in two[0].lines} <= {"debug", "info", "warning"}
        assert len(first.requests) == len(first.billed) == len(answers)
        assert two[0].outcomes() == ["succeeded"] * len(answers)
        weather.step = fails(429, "slow_down", headers="retry-after: 60\r\n")
        await learned(two[0], two[1], first)


def up(router: Trial) -> int:
    """What the gauge says of its store."""
    return router.counted("state_up")[()]


@pytest.mark.parametrize("order", [1, -1])
async def test_f35_a_cooldown_that_one_router_sets_is_kept_by_the_other_within_a_second(
    redis_server: RedisServer,  # noqa: F811 - a fixture
    tmp_path: Path,
    order: int,
) -> None:
    """Whichever was told to come back later, the other sends there nothing either."""
    async with pair(tmp_path, redis_server) as (two, first, weather):
        weather.step = fails(429, "slow_down", headers="retry-after: 60\r\n")
        await learned(*two[::order], first)


async def learned(one: Trial, other: Trial, first: FaultServer) -> None:
    """`one` is told by the first target to come back later: within a second `other` leaves it alone."""
    before = len(first.requests)
    assert (await one.ask()).status == 200
    told = Stopwatch()
    target = other.service.runtime.require("m", ANYONE, "model").targets[0]
    while not other.service.guard.standing(target).blocked:
        await other.client.get("/livez")
        assert told.seconds < SHARED + SLACK
    assert {(await other.ask()).status for _ in range(5)} == {200}
    assert len(first.requests) == before + 1

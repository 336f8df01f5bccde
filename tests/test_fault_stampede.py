"""F22: three workers on one Redis wait for one sick target, and it sees one probe at a time."""

import asyncio
import random
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from driving import planned
from redis_server import NEEDS_REDIS, RedisServer, redis_server  # noqa: F401 - a fixture

import providers
from providers.base import ErrorKind, OutcomeClass, ProviderError
from router.engine import guard as guards, sharing
from router.engine.guard import Guard
from router.engine.route import Provider, Target
from router.engine.sharing import Sharing
from router.health.book import HEALTHY, Health, Rules
from router.health.circuit import CircuitRules
from router.state.redis import RedisStore
from router.wire.send import LocalSend

pytestmark = [pytest.mark.anyio, NEEDS_REDIS]

OPEN_FOR = 0.3
CLIENTS = 50  # at each worker
SHORTEST = 0.9  # of an opening, by its jitter
DOWN = ProviderError(ErrorKind.UNAVAILABLE, "down", outcome=OutcomeClass.REJECTED, status=503)


def target() -> Target:
    """The one that everybody waits for."""
    adapter = providers.load("sketch")
    sick = Provider(name="sick", kind="sketch", adapter=adapter, send=LocalSend(adapter))
    return planned(sick, "x").target


SICK = target()


@asynccontextmanager
async def worker(name: str, url: str) -> AsyncIterator[Guard]:
    """One worker's way to the target."""
    health = Health(time.monotonic, random.Random(name))
    health.follow({SICK.key: Rules(circuit=CircuitRules(open_for=OPEN_FOR))}, {})
    state = RedisStore(url)
    shared = Sharing(health, state, name)
    running = asyncio.create_task(shared.run())
    try:
        yield Guard(health, leases=shared)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await state.aclose()


class Calls:
    """When the target was called, and when each call ended; the first five and two probes fail."""

    def __init__(self) -> None:
        self.spans: list[tuple[float, float]] = []
        self.under_way = self.most = 0

    async def call(self, guard: Guard) -> None:
        """One client's request, where the target takes it."""
        place = await guard.enter(SICK)
        if place is None:
            await asyncio.sleep(0.02)
            return
        began = time.monotonic()
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        await asyncio.sleep(0.1)  # long enough for everyone else to come along
        self.under_way -= 1
        self.spans.append((began, time.monotonic()))
        if len(self.spans) < 3:
            guard.health.failed(place, DOWN)
        else:
            guard.health.succeeded(place)
        guard.leave(place)


@pytest.mark.parametrize("seed", range(2))
async def test_f22_one_probe_at_a_time_across_all_workers(
    redis_server: RedisServer,  # noqa: F811 - a fixture
    monkeypatch: pytest.MonkeyPatch,
    seed: int,
) -> None:
    """150 clients of three workers: an opening ends in one probe; one that fails opens for all, and for longer."""
    monkeypatch.setattr(sharing, "EVERY", 0.03)  # as short beside the openings as in earnest
    monkeypatch.setattr(guards, "_OTHERS_PROBE", 0.05)
    redis_server.admin().flushall()
    calls = Calls()
    async with AsyncExitStack() as stack:
        url = redis_server.url
        three = [await stack.enter_async_context(worker(f"{seed}.{number}", url)) for number in range(3)]
        place = await three[seed].enter(SICK)
        assert place is not None
        for _ in range(5):
            three[seed].health.failed(place, DOWN)
        opened = time.monotonic()
        for each in three:
            while each.standing(SICK) == HEALTHY:
                await each.leases.once()

        async def client(guard: Guard) -> None:
            while len(calls.spans) < 3:
                await calls.call(guard)

        async with asyncio.timeout(20):
            await asyncio.gather(*(client(guard) for guard in three for _ in range(CLIENTS)))
        (first, first_end), (second, second_end), (third, third_end), *later = calls.spans
        assert first - opened >= SHORTEST * OPEN_FOR
        assert second - first_end >= SHORTEST * 2 * OPEN_FOR
        assert third - second_end >= SHORTEST * 3 * OPEN_FOR
        assert all(began >= third_end for began, _ in later)
        assert calls.most <= 3  # after the probe each worker begins its own ramp, with one

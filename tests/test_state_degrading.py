"""A shared store that is lost, a real Redis among them: it costs one short wait, and nothing written is forgotten."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from statistics import mean
from typing import TypeVar

import pytest
from redis_server import NEEDS_REDIS, RedisServer, redis_server  # noqa: F401 - a fixture
from stopwatch import Stopwatch

from router.state.degrading import DegradingStore
from router.state.memory import MemoryStore
from router.state.opened import open_state
from router.state.redis import RedisStore

T = TypeVar("T")

HOUR = 3600.0
WAIT = 0.2
FIRST = 0.25  # seconds the first call may take that finds the store lost
LATER = 0.005
BACK = 5.0


@dataclass
class Changes:
    """What a store told of itself."""

    told: list[tuple[bool, str]] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def __call__(self, up: bool, reason: str) -> None:  # noqa: FBT001 - the shape of a listener
        """Hear it."""
        self.told.append((up, reason))
        self.changed.set()

    async def back(self) -> None:
        """Wait until the store is there again."""
        while not (self.told and self.told[-1][0]):
            self.changed.clear()
            async with asyncio.timeout(BACK):
                await self.changed.wait()

    @property
    def ups(self) -> list[bool]:
        """Up or not, in order."""
        return [up for up, _ in self.told]


def lock_out(server: RedisServer) -> None:
    """Change the password under the router's feet."""
    admin = server.admin()
    admin.config_set("requirepass", "another")
    admin.client_kill_filter(_type="normal", skipme=True)


def let_in(server: RedisServer) -> None:
    """Take the password back."""
    admin = server.admin()
    admin.connection_pool.connection_kwargs["password"] = "another"
    admin.config_set("requirepass", "")


FAULTS: dict[str, tuple[Callable[[RedisServer], object], Callable[[RedisServer], object]]] = {
    "kill -9, restarted empty": (RedisServer.kill, RedisServer.start),
    "SIGSTOP": (RedisServer.freeze, RedisServer.thaw),
    "wrong password": (lock_out, let_in),
    "no memory left": (
        lambda server: server.admin().config_set("maxmemory", 1),
        lambda server: server.admin().config_set("maxmemory", 0),
    ),
    "read-only replica": (
        lambda server: server.admin().replicaof("127.0.0.1", "1"),
        lambda server: server.admin().replicaof("NO", "ONE"),
    ),
}


@pytest.fixture
def changes() -> Changes:
    """What the store tells."""
    return Changes()


@pytest.fixture
async def store(redis_server: RedisServer, changes: Changes) -> AsyncIterator[DegradingStore]:  # noqa: F811 - a fixture
    """A store on the real Redis, in use for a while, and probing often."""
    redis_server.admin().flushall()
    store = DegradingStore(RedisStore(redis_server.url), changes, pause=0.05)
    await store.put("before", b"value", HOUR)
    assert await store.claim("mine", b"running", HOUR) is None
    assert await store.add("sum", 5, HOUR) == 5
    yield store
    await store.aclose()


async def timed(work: Awaitable[T]) -> tuple[T, float]:
    """What comes of it, and the seconds it took."""
    stopwatch = Stopwatch()
    return await work, stopwatch.seconds


async def some_calls(store: DegradingStore | MemoryStore, name: str) -> list[float]:
    """Each call once, with the answers a store must give; what each took, in seconds."""
    took = []
    for call, expected in [
        (lambda: store.put(f"{name}:put", b"1", HOUR), None),
        (lambda: store.get(f"{name}:put"), b"1"),
        (lambda: store.claim(f"{name}:claim", b"1", HOUR), None),
        (lambda: store.claim(f"{name}:claim", b"2", HOUR), b"1"),
        (lambda: store.replace(f"{name}:claim", b"1", b"3", HOUR), True),
        (lambda: store.add(f"{name}:add", 2, HOUR, 2), 2),
        (lambda: store.add(f"{name}:add", 1, HOUR, 2), None),
        (lambda: store.delete(f"{name}:put"), None),
        (lambda: store.entries(f"{name}:"), {f"{name}:claim": b"3"}),
    ]:
        answer, seconds = await timed(call())
        assert answer == expected
        took.append(seconds)
    return took


@NEEDS_REDIS
@pytest.mark.anyio
@pytest.mark.parametrize("fault", FAULTS)
async def test_a_lost_redis_costs_one_short_wait(
    redis_server: RedisServer,  # noqa: F811 - a fixture
    store: DegradingStore,
    changes: Changes,
    fault: str,
) -> None:
    """Every call is answered, the first within a quarter of a second, the rest at once; then all is as before."""
    strike, heal = FAULTS[fault]
    strike(redis_server)
    try:
        first, *later = await some_calls(store, "lost")
        assert first < FIRST
        assert not store.up
        for number in range(20):
            later += await some_calls(store, f"lost{number}")
        assert mean(later) < LATER
        assert max(later) < FIRST
        assert await store.replace("mine", b"running", b"done", HOUR)
        assert await store.add("sum", 3, HOUR, 8) == 8
        assert await store.add("sum", 1, HOUR, 8) is None
    finally:
        heal(redis_server)
    await changes.back()
    assert changes.ups == [False, True]
    assert store.up
    other = RedisStore(redis_server.url)
    assert await other.get("mine") == b"done"
    assert await other.get("lost:claim") == b"3"
    assert await other.get("lost:put") is None
    assert await other.add("sum", 0, HOUR) == (3 if "empty" in fault else 8)
    assert await other.add("lost19:add", 0, HOUR) == 2
    await other.aclose()
    await some_calls(store, "again")
    assert changes.ups == [False, True]


@NEEDS_REDIS
@pytest.mark.anyio
async def test_many_at_once_wait_together(
    redis_server: RedisServer,  # noqa: F811 - a fixture
    store: DegradingStore,
    changes: Changes,
) -> None:
    """More calls than connections, all at the moment Redis freezes, take no longer than one."""
    redis_server.freeze()
    try:
        told, seconds = await timed(
            asyncio.gather(*(store.claim(f"many:{each % 50}", b"", HOUR) for each in range(100)))
        )
        assert seconds < FIRST
        assert told.count(None) == 50
    finally:
        redis_server.thaw()
    await changes.back()
    assert changes.ups == [False, True]


@NEEDS_REDIS
@pytest.mark.anyio
@pytest.mark.parametrize("happens", ["FLUSHALL", "restarted between two calls"])
async def test_an_emptied_redis_fails_nothing(
    redis_server: RedisServer,  # noqa: F811 - a fixture
    store: DegradingStore,
    changes: Changes,
    happens: str,
) -> None:
    """What was in it is gone, and calls are answered as on a new one."""
    if happens == "FLUSHALL":
        redis_server.admin().flushall()
    else:
        redis_server.kill()
        redis_server.start()
    assert max(await some_calls(store, "after")) < FIRST
    if not store.up:
        await changes.back()
    assert await store.get("before") in {None, b"value"}
    await some_calls(store, "later")
    assert store.up


@NEEDS_REDIS
@pytest.mark.anyio
async def test_a_wrong_password_from_the_start_stops_nothing(
    redis_server: RedisServer,  # noqa: F811 - a fixture
    changes: Changes,
) -> None:
    """A router whose store never answered works alone, and says why without the password."""
    store = open_state(redis_server.url.replace("redis://", "redis://:s3cret@"), changes)
    assert max(await some_calls(store, "alone")) < FIRST
    assert changes.ups == [False]
    assert "AuthenticationError" in changes.told[0][1]
    assert "s3cret" not in changes.told[0][1]
    await store.aclose()


@pytest.mark.anyio
async def test_a_store_that_is_not_there_stops_nothing(changes: Changes) -> None:
    """A refused connection is found at once."""
    store = open_state("redis://127.0.0.1:1/0", changes)
    assert max(await some_calls(store, "alone")) < FIRST
    assert changes.ups == [False]
    await store.aclose()


@NEEDS_REDIS
@pytest.mark.anyio
async def test_a_busy_router_is_not_a_lost_redis(
    redis_server: RedisServer,  # noqa: F811 - a fixture
    store: DegradingStore,
    changes: Changes,
) -> None:
    """A loop that was held up for longer than the wait finds its answers there, and what is counted stays shared."""
    await store.add("busy", 1, HOUR)
    calls = [asyncio.ensure_future(store.add("busy", 1, HOUR)) for _ in range(20)]
    await asyncio.sleep(0)
    time.sleep(3 * WAIT)  # noqa: ASYNC251 - the fault
    assert sorted(await asyncio.gather(*calls), key=lambda total: total or 0) == list(range(2, 22))
    assert store.up
    assert changes.ups == []
    other = RedisStore(redis_server.url)
    assert await other.add("busy", 0, HOUR) == 21
    await other.aclose()

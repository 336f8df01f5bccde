"""The contract of the state stores: memory, SQLite and a real Redis alike."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from redis_server import NEEDS_REDIS, RedisServer, redis_server  # noqa: F401 - a fixture

from router.state.base import StateStore
from router.state.memory import MemoryStore
from router.state.redis import RedisStore
from router.state.sqlite import SqliteStore

pytestmark = pytest.mark.anyio

HOUR = 3600.0


class Clock:
    """The time, as the test says."""

    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        """Seconds since 1970."""
        return self.now

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds


Opened = tuple[StateStore, Callable[[float], None]]


@pytest.fixture(params=["memory", "sqlite", pytest.param("redis", marks=NEEDS_REDIS)])
async def opened(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Opened]:
    """An empty store, and how time passes in it."""
    clock = Clock()
    store: StateStore
    match request.param:
        case "memory":
            store, advance = MemoryStore(clock), clock.advance
        case "sqlite":
            store, advance = SqliteStore(tmp_path / "made" / "state.db", clock), clock.advance
        case _:
            server: RedisServer = request.getfixturevalue("redis_server")
            server.admin().flushall()
            store, advance = RedisStore(server.url), server.pass_time
    yield store, advance
    await store.aclose()


@pytest.fixture
def store(opened: Opened) -> StateStore:
    """An empty store."""
    return opened[0]


@pytest.fixture
def advance(opened: Opened) -> Callable[[float], None]:
    """Let time pass in the store."""
    return opened[1]


@pytest.mark.parametrize("value", [b"", b"\x00\xff\n", b"x" * 100_000], ids=["empty", "binary", "long"])
async def test_an_entry_comes_back_as_it_was_written(store: StateStore, value: bytes) -> None:
    """Any bytes, until they are overwritten or deleted."""
    assert await store.get("a:b") is None
    await store.put("a:b", value, HOUR)
    assert await store.get("a:b") == value
    await store.put("a:b", b"other", HOUR)
    assert await store.get("a:b") == b"other"
    await store.delete("a:b")
    await store.delete("a:b")
    assert await store.get("a:b") is None


async def test_a_claim_has_one_winner(store: StateStore) -> None:
    """Of many at once one gets it, and the others are told by whom."""
    told = await asyncio.gather(*(store.claim("probe", b"%d" % each, HOUR) for each in range(20)))
    winners = [number for number, there in enumerate(told) if there is None]
    assert len(winners) == 1
    assert {there for there in told if there is not None} == {b"%d" % winners[0]}


async def test_what_has_ended_is_not_there(store: StateStore, advance: Callable[[float], None]) -> None:
    """An entry past its time to live cannot be read, listed, replaced, or stand in a claim's way."""
    await store.put("k:short", b"1", 10)
    await store.put("k:long", b"2", 100)
    advance(9)
    assert await store.get("k:short") == b"1"
    advance(2)
    assert await store.get("k:short") is None
    assert dict(await store.entries("k:")) == {"k:long": b"2"}
    assert not await store.replace("k:short", b"1", b"3", HOUR)
    assert await store.claim("k:short", b"4", HOUR) is None
    advance(95)
    assert dict(await store.entries("k:")) == {"k:short": b"4"}


async def test_a_write_renews_the_time_to_live(store: StateStore, advance: Callable[[float], None]) -> None:
    """The last time to live counts, longer or shorter, and a lost claim changes nothing."""
    await store.put("longer", b"1", 10)
    await store.put("longer", b"1", 100)
    await store.put("shorter", b"1", 100)
    assert await store.replace("shorter", b"1", b"2", 10)
    assert await store.claim("shorter", b"3", 1000) == b"2"
    advance(50)
    assert await store.get("longer") == b"1"
    assert await store.get("shorter") is None


async def test_replace_asks_what_is_there(store: StateStore) -> None:
    """Only who knows the entry changes or deletes it; one of many who know it does."""
    assert not await store.replace("lease", b"", b"new", HOUR)
    await store.put("lease", b"old", HOUR)
    assert not await store.replace("lease", b"strange", b"new", HOUR)
    done = await asyncio.gather(*(store.replace("lease", b"old", b"%d" % each, HOUR) for each in range(10)))
    assert sum(done) == 1
    winner = b"%d" % done.index(True)
    assert await store.get("lease") == winner
    assert not await store.replace("lease", b"old", None, HOUR)
    assert await store.replace("lease", winner, None, HOUR)
    assert await store.get("lease") is None
    assert dict(await store.entries("")) == {}


async def test_a_counter_holds_its_limit(store: StateStore) -> None:
    """Many who add at once never exceed it; what would is not added in part; giving back makes room."""
    told = await asyncio.gather(*(store.add("spent", 3, HOUR, 10) for _ in range(10)))
    assert sorted(each for each in told if each is not None) == [3, 6, 9]
    assert await store.add("spent", 1, HOUR, 10) == 10
    assert await store.add("spent", 1, HOUR, 10) is None
    assert await store.add("spent", -4, HOUR) == 6
    assert await store.add("spent", 5_000_000_000_000, HOUR) == 5_000_000_000_006
    assert await store.add("none", 1, HOUR, 0) is None
    assert await store.add("none", 0, HOUR, 0) == 0


async def test_a_counter_ends_after_its_first_amount(store: StateStore, advance: Callable[[float], None]) -> None:
    """Later amounts do not prolong it, and after its end it begins at nothing."""
    assert await store.add("minute", 1, 60) == 1
    advance(50)
    assert await store.add("minute", 1, 60) == 2
    advance(11)
    assert await store.add("minute", 1, 60) == 1


async def test_entries_are_found_by_prefix(store: StateStore) -> None:
    """Signs that mean something to a store mean themselves, and counters are no entries."""
    keys = ["cool:a", "cool:b/ü:*", "cool;", "cool", "co*l:x", "co_l:x", "co%l:x", "co[o]l:x", "zz"]
    for key in keys:
        await store.put(key, key.encode(), HOUR)
    await store.add("cool:counter", 1, HOUR)
    for prefix in ["", "cool", "cool:", "cool:b/ü", "co*", "co_", "co%", "co[", "none"]:
        expected = {key: key.encode() for key in keys if key.startswith(prefix)}
        assert dict(await store.entries(prefix)) == expected, prefix


async def test_a_key_may_name_an_entry_and_a_counter(store: StateStore) -> None:
    """They do not know of each other."""
    await store.put("same", b"text", HOUR)
    assert await store.add("same", 2, HOUR) == 2
    assert await store.get("same") == b"text"
    await store.delete("same")
    assert await store.add("same", 2, HOUR) == 4
    assert await store.get("same") is None


def some_operation(dice: random.Random) -> tuple[str, tuple[Any, ...]]:
    """One call with few keys, values and times, so that calls meet."""
    key, ttl = dice.choice(["a:1", "a:2", "b"]), dice.choice([5, 50, 500])
    values = [b"x", b"y"]
    return dice.choice([
        ("get", (key,)),
        ("put", (key, dice.choice(values), ttl)),
        ("claim", (key, dice.choice(values), ttl)),
        ("replace", (key, dice.choice(values), dice.choice([*values, None]), ttl)),
        ("delete", (key,)),
        ("add", (key, dice.randint(-2, 5), ttl, dice.choice([None, 12]))),
        ("entries", (dice.choice(["", "a:", "b"]),)),
        ("advance", (dice.choice([1, 7, 60]),)),
    ])  # fmt: skip


@pytest.mark.parametrize("seed", range(3))
async def test_the_stores_answer_alike(opened: Opened, seed: int) -> None:
    """Whatever is asked in whatever order, a store says what a plain table says."""
    store, advance = opened
    dice, clock = random.Random(seed), Clock()
    model = MemoryStore(clock)
    for number in range(150):
        name, args = some_operation(dice)
        if name == "advance":
            clock.advance(*args)
            advance(*args)
        else:
            expected = await getattr(model, name)(*args)
            assert await getattr(store, name)(*args) == expected, (number, name, args)

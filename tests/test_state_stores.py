"""What each state store has beside the contract: bounds, files, servers, and the URL that names it."""

import asyncio
import json
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from redis_server import NEEDS_REDIS, RedisServer, redis_server  # noqa: F401 - a fixture
from test_state import Clock

from router.state.base import StateLost
from router.state.memory import MemoryStore
from router.state.opened import open_state
from router.state.redis import RedisStore
from router.state.sqlite import SqliteStore

HOUR = 3600.0


@pytest.mark.anyio
async def test_memory_forgets_what_has_ended() -> None:
    """Entries nobody asks for again leave nothing behind, and a key written again and again is one key."""
    clock = Clock()
    store = MemoryStore(clock)
    for number in range(1000):
        await store.put(f"{number}", b"", 1)
        await store.add(f"{number}", 1, 1)
    clock.advance(2)
    for _ in range(5000):
        await store.put("renewed", b"", HOUR)
    assert len(store._entries) == 1
    assert len(store._counters) == 0
    assert len(store._ends) < 40


@pytest.mark.anyio
async def test_memory_may_be_bounded() -> None:
    """With a bound, the entry written first goes for a new one, and a known one costs nobody's place."""
    store = MemoryStore(Clock(), most=3)
    for key in ["a", "b", "c", "a", "d"]:
        await store.put(key, b"", HOUR)
    assert sorted(await store.entries("")) == ["a", "c", "d"]


RACER = """
import asyncio, json, sys
from pathlib import Path
from router.state import sqlite

sqlite._WAIT = sqlite._BUSY = 30  # who wins is asked here, not how soon on a busy machine

async def main():
    store, name = sqlite.SqliteStore(Path(sys.argv[1])), sys.argv[2].encode()
    sys.stdin.readline()
    won = counted = moved = 0
    for each in range(150):
        won += await store.claim(f"claim:{each}", name, 60) is None
        counted += await store.add("counter", 1, 60, 200) is not None
        moved += await store.replace(f"claim:{each}", name, None if each % 2 else name + b"!", 60)
    await store.aclose()
    print(json.dumps([won, counted, moved]))

asyncio.run(main())
"""


def test_processes_share_a_sqlite_file(tmp_path: Path) -> None:
    """Four that make and use one file at once have one winner for each claim, and one counter with one limit."""
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", RACER, str(tmp_path / "state.db"), f"{number}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(4)
    ]
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("go\n")
        racer.stdin.flush()
    results = [json.loads(racer.communicate(timeout=60)[0]) for racer in racers]
    won, counted, moved = (sum(column) for column in zip(*results, strict=True))
    assert won == moved
    assert won >= 150  # where a winner deleted the entry, the next who comes wins again
    assert counted == 200
    with sqlite3.connect(tmp_path / "state.db") as file:
        kept = file.execute("SELECT key, value FROM entries_v1").fetchall()
    file.close()
    assert sorted(key for key, _ in kept) == sorted(f"claim:{each}" for each in range(0, 150, 2))
    assert all(value.endswith(b"!") for _, value in kept)


@pytest.mark.anyio
async def test_a_sqlite_file_is_private_and_swept(tmp_path: Path) -> None:
    """It is for its owner alone, its rows go when they have ended, and it outlives who wrote it."""
    clock, path = Clock(), tmp_path / "state.db"
    store = SqliteStore(path, clock)
    for number in range(50):
        await store.put(f"{number}", b"", 10)
        await store.add(f"{number}", 1, 10)
    await store.put("kept", b"value", HOUR)
    clock.advance(20)
    await store.get("kept")
    await store.aclose()
    file = sqlite3.connect(path)
    rows = file.execute("SELECT (SELECT count(*) FROM entries_v1), (SELECT count(*) FROM counters_v1)").fetchone()
    file.close()
    assert rows == (1, 0)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    again = SqliteStore(path, clock)
    assert await again.get("kept") == b"value"
    await again.aclose()


@pytest.mark.anyio
async def test_a_locked_or_broken_sqlite_file_is_lost_in_time(tmp_path: Path) -> None:
    """The call ends soon with the file's name, and the store is there when the file is."""
    store = SqliteStore(tmp_path / "state.db")
    await store.put("key", b"value", HOUR)
    other = sqlite3.connect(tmp_path / "state.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    loop = asyncio.get_running_loop()
    began = loop.time()
    with pytest.raises(StateLost, match=r"state\.db"):
        await store.claim("key", b"", HOUR)
    assert loop.time() - began < 0.4  # a fifth of a second, on a busy machine
    other.execute("ROLLBACK")
    other.close()
    assert await store.claim("key", b"", HOUR) == b"value"
    await store.aclose()
    (tmp_path / "broken.db").write_bytes(b"This is not a database, and long enough to be sure." * 20)
    broken = SqliteStore(tmp_path / "broken.db")
    with pytest.raises(StateLost, match="not a database"):
        await broken.get("key")
    await broken.aclose()


@NEEDS_REDIS
@pytest.mark.anyio
async def test_everything_in_redis_is_ours_and_ends(redis_server: RedisServer) -> None:  # noqa: F811 - a fixture
    """Every key begins with our name and a version and has a time to live: after the last, nothing is left."""
    admin = redis_server.admin()
    admin.flushall()
    store = RedisStore(redis_server.url)
    for number in range(40):
        await store.put(f"{number}", b"", 10)
    await store.add("counter", 1, 20)
    assert all(key.startswith(b"image-router:v1:") and admin.pttl(key) > 0 for key in admin.scan_iter())
    redis_server.pass_time(15)
    for number in range(3):
        await store.put(f"late:{number}", b"", 30)
    assert admin.zcard("image-router:v1:names") == admin.zcard("image-router:v1:ends") == 3
    redis_server.pass_time(32)
    assert admin.keys() == []
    await store.aclose()


@NEEDS_REDIS
@pytest.mark.parametrize("forget", ["flushall", "script_flush"])
@pytest.mark.anyio
async def test_a_redis_that_forgot_goes_on(redis_server: RedisServer, forget: str) -> None:  # noqa: F811 - a fixture
    """An emptied server, or one without our scripts, answers as a new one does."""
    stores = [RedisStore(redis_server.url), RedisStore(redis_server.socket_url)]
    for store in stores:
        await store.put("key", b"value", HOUR)
    getattr(redis_server.admin(), forget)()
    for store in stores:
        await store.delete("key")
    assert [await store.claim("key", b"1", HOUR) for store in stores] == [None, b"1"]
    for store in stores:
        await store.aclose()


@pytest.mark.anyio
async def test_a_store_is_named_by_a_url(tmp_path: Path) -> None:
    """Each form opens its store, which is up and asks nothing before the first call."""
    for url in [
        "memory",
        f"sqlite://{tmp_path}/state.db",
        f"sqlite:///{tmp_path}/state.db",
        "redis://127.0.0.1:1/0",
        "rediss://user:p%40ss@redis.invalid:6380/1?ssl_cert_reqs=none",
        "valkey://valkey.invalid",
        "valkeys://valkey.invalid",
        "unix:///nowhere/redis.sock?db=2",
    ]:
        store = open_state(url)
        assert store.up
        if url.startswith(("memory", "sqlite")):
            await store.put("key", b"value", HOUR)
            assert await store.get("key") == b"value"
        await store.aclose()
    assert (tmp_path / "state.db").exists()


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("", "write 'memory', 'sqlite:///path/to/file'"),
        ("mysql://host", "none of the stores"),
        ("redis", "none of the stores"),
        ("memory://", "none of the stores"),
        ("sqlite://state.db", "names no file"),
        ("sqlite:///", "names no file"),
        ("sqlite:////", "names no file"),
        ("sqlite:///tmp", "names a directory"),
        ("redis://:s3cret@host:port/0", "percent-encoded"),
        ("redis://:s3cret@host/0?no_such_option=1", "percent-encoded"),
        ("redis://:s3cret@host/0?socket_timeout=soon", "percent-encoded"),
    ],
)
def test_a_wrong_url_is_told(url: str, said: str) -> None:
    """The sentence says how it is written, and never a password."""
    with pytest.raises(ValueError, match=said) as told:
        open_state(url)
    assert "s3cret" not in str(told.value)
    assert told.value.__cause__ is None


def test_the_redis_client_is_imported_only_when_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who needs no Redis needs no client; who does is told what to install."""
    code = "import sys, router.state.opened as it; it.open_state('memory'); sys.exit('redis' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
    monkeypatch.setitem(sys.modules, "redis.asyncio", None)
    monkeypatch.delitem(sys.modules, "router.state.redis")
    with pytest.raises(ValueError, match=r"install 'image-router\[redis\]'"):
        open_state("redis://host")

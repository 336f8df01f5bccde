"""F48: two versions share one state: each has its keys to itself, and within a version what is new is read past."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import msgspec
import pytest
from fault_steps import closes, doing, draws, fails
from faults import faulty
from redis_server import NEEDS_REDIS, RedisServer, redis_server  # noqa: F401 - a fixture
from trial import PROMPT, Trial, chain_config, routers

from router.state.base import StateStore
from router.state.redis import RedisStore
from router.state.sqlite import SqliteStore

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("short_grace")]
pytest_plugins = ["short_grace"]

HOUR = 3600.0
NAMES = {"redis": ("image-router:v1:", "image-router:v2:"), "sqlite": ("s_v1", "s_v2")}
EVIL = b"\xff of another version"


def another(name: str) -> ModuleType:
    """The store's module as the next version would have it."""
    spec = find_spec(f"router.state.{name}")
    assert spec is not None
    assert spec.origin is not None
    ours, theirs = NAMES[name]
    source = Path(spec.origin).read_text()
    assert ours in source
    module = ModuleType(f"{name}_of_another_version")
    exec(compile(source.replace(ours, theirs), spec.origin, "exec"), module.__dict__)  # noqa: S102 - our own source
    return module


@pytest.fixture(params=["sqlite", pytest.param("redis", marks=NEEDS_REDIS)])
async def stores(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[tuple[StateStore, StateStore]]:
    """Two versions on one file or server."""
    ours: StateStore
    if request.param == "redis":
        url = request.getfixturevalue("redis_server").url
        ours, theirs = RedisStore(url), another("redis").RedisStore(url)
    else:
        ours, theirs = SqliteStore(tmp_path / "state"), another("sqlite").SqliteStore(tmp_path / "state")
    yield ours, theirs
    await ours.aclose()
    await theirs.aclose()


async def test_f48_versions_do_not_see_each_others_entries(stores: tuple[StateStore, StateStore]) -> None:
    """Under the same names each finds its own, whatever the other has there, and counts for itself."""
    ours, theirs = stores
    for key in ("health/a", "idempotency/b", "ledger/open/c"):
        await theirs.put(key, EVIL, HOUR)
    assert await theirs.add("sum", 7, HOUR) == 7
    assert await ours.get("health/a") is None
    assert await ours.entries("") == {}
    assert await ours.claim("idempotency/b", b"mine", HOUR) is None
    assert await ours.add("sum", 1, HOUR) == 1
    await ours.delete("health/a")
    assert await theirs.entries("health/") == {"health/a": EVIL}
    assert await theirs.get("idempotency/b") == EVIL
    assert await theirs.add("sum", 0, HOUR) == 7
    assert await ours.entries("") == {"idempotency/b": b"mine"}


async def works(router: Trial) -> tuple[httpx.Response, httpx.Response]:
    """Leave behind an answer under a key, one in the cache, a cooldown and a doubt; the two answers."""
    kept = await keyed(router)
    while kept.status_code == 503:  # the state is lost to a machine that is too busy to answer, and comes back
        kept = await keyed(router)
    cached = await wanted(router)
    assert (kept.status_code, cached.status_code) == (200, 200)
    assert (await router.ask("limited")).status == 200
    assert (await router.ask("broken")).status == 200
    await there(router)
    await router.service.sharing.once()
    return kept, cached


async def there(router: Trial) -> None:
    """Return once the state is there."""
    while not router.counted("state_up")[()]:
        await router.client.get("/livez")


async def keyed(router: Trial) -> httpx.Response:
    """A request under a key."""
    return await post(router, {"idempotency-key": "one"})


async def wanted(router: Trial) -> httpx.Response:
    """A request that the cache may answer."""
    return await post(router, {}, cache={"type": "exact_match"})


async def post(router: Trial, headers: dict[str, str], **fields: Any) -> httpx.Response:
    """A generation."""
    body = {"model": "m", "prompt": PROMPT, **fields}
    return await router.client.post("/v1/images/generations", json=body, headers=headers)


def grow(server: RedisServer) -> set[str]:
    """Give every entry a field that nobody knows yet, as the next release may; the kinds of entries there were."""
    kinds = set()
    with server.admin() as admin:
        for name in admin.scan_iter("image-router:v1:entry:*"):
            value = admin.get(name)
            if value.startswith(b"{"):
                read = msgspec.json.decode(value)
                admin.set(name, msgspec.json.encode({**read, "of_the_next_release": {"a": [1]}}), keepttl=True)
                kinds.add(name.decode().removeprefix("image-router:v1:entry:").partition("/")[0])
    return kinds


@NEEDS_REDIS
async def test_f48_what_a_newer_release_has_written_is_read_by_an_older_one(
    redis_server: RedisServer,  # noqa: F811 - a fixture
    tmp_path: Path,
) -> None:
    """Entries of every kind with fields nobody knows: keys replay, the cache answers, cooldowns and doubts hold."""
    redis_server.admin().flushall()
    async with AsyncExitStack() as stack:
        steps = {"limited": fails(429, "slow_down", headers="retry-after: 60\r\n"), "broken": closes, "good": draws}
        backends = {name: await stack.enter_async_context(faulty(doing(step))) for name, step in steps.items()}
        models = {
            "m": {"chain": ["good/any"]},
            **{name: {"chain": [f"{name}/any", "good/any"]} for name in ("limited", "broken")},
        }
        server = {"state": redis_server.url, "store": {"url": str(tmp_path / "store")}, "public_url": "http://router"}
        config = chain_config(backends, models=models, server=server)
        old, new = await routers(stack, tmp_path, [config, config])
        kept, cached = await works(old)
        assert grow(redis_server) >= {"idempotency", "cache", "health", "ledger"}
        sent = {name: len(backend.requests) for name, backend in backends.items()}
        again = await keyed(new)
        assert (again.content, again.headers["idempotent-replayed"]) == (kept.content, "true")
        hit = await wanted(new)
        assert (hit.json()["data"], hit.headers["x-router-cache"]) == (cached.json()["data"], "HIT")
        await there(new)
        await new.service.sharing.once()
        assert (await new.ask("limited")).status == 200
        assert {name: len(backend.requests) for name, backend in backends.items()} == {**sent, "good": sent["good"] + 1}
        assert len(await new.service.ledger.doubtful()) == 1
        assert {line["log_level"] for line in new.lines} <= {"debug", "info"}, new.lines

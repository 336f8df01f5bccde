"""Limits by the minute: how the window slides, what a refusal says, and what a key reaches by no detour."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from backends.plain import PlainBackend
from redis_server import NEEDS_REDIS, RedisServer, redis_server  # noqa: F401 - a fixture
from serving import serving
from test_state import Clock
from virtual_time import run

from router.allowance.windows import Full, Windows
from router.state import redis
from router.state.memory import MemoryStore

KEYS = {"few": "key-few", "small": "key-small", "many": "key-many", "draft-only": "key-draft", "wild": "key-wild"}

MINUTE = 1_700_000_040.0  # the first second of one


async def taken(windows: Windows, limit: int, amount: int = 1) -> bool:
    """Whether there was room."""
    try:
        await windows.take("kite", limit, amount)
    except Full:
        return False
    return True


@pytest.mark.parametrize(("limit", "into"), [(1, 0.0), (5, 0.0), (5, 30.0), (5, 59.0), (100, 17.3)])
def test_the_wait_that_is_told_is_exact(limit: int, into: float) -> None:
    """Who waits as told is let in, and who comes half a second sooner is not."""

    async def ask() -> None:
        time = Clock()
        windows = Windows(MemoryStore(time), time)
        time.now = MINUTE + into
        for _ in range(limit):
            assert await taken(windows, limit)
        with pytest.raises(Full) as full:
            await windows.take("kite", limit, 1)
        assert full.value.wait is not None
        arrived = time.now
        time.now = arrived + full.value.wait - 0.5
        assert not await taken(windows, limit)
        time.now = arrived + full.value.wait
        assert await taken(windows, limit)

    run(ask())


@pytest.mark.parametrize("step", [0.7, 3.1, 11.0])
def test_no_minute_holds_much_more_than_the_limit(step: float) -> None:
    """However steadily one asks, what is let in stays at the limit: over any minute nearly, over ten exactly."""

    async def ask() -> list[float]:
        time = Clock()
        windows = Windows(MemoryStore(time), time)
        served = []
        time.now = MINUTE
        while time.now < MINUTE + 600:
            if await taken(windows, 4):
                served.append(time.now)
            time.now += step
        return served

    served = run(ask())
    assert len(served) <= 4 * 11
    assert len(served) >= 4 * 9
    for start in served:
        assert sum(start <= each < start + 60 for each in served) <= 4 + 2


def test_what_is_more_than_a_minute_holds_never_fits() -> None:
    """A request that is alone over its limit is not told to wait."""

    async def ask() -> None:
        windows = Windows(MemoryStore(), Clock())
        with pytest.raises(Full) as full:
            await windows.take("kite", 5, 6)
        assert full.value.wait is None

    run(ask())


def test_a_refusal_takes_nothing() -> None:
    """What was refused does not make the wait longer."""

    async def ask() -> None:
        time = Clock()
        windows = Windows(MemoryStore(time), time)
        assert await taken(windows, 5, 4)
        for _ in range(20):
            assert not await taken(windows, 5, 2)
        assert await taken(windows, 5)

    run(ask())


def config(backend: PlainBackend, state: str = "memory") -> dict[str, Any]:
    """One backend behind models that not every key may use."""
    limits = {"few": {"requests_per_minute": 3}, "small": {"images_per_minute": 4, "megapixels_per_minute": 2.5}}
    models = {"draft-only": ["draft"], "wild": ["public/*"]}
    return {
        "server": {
            "state": state,
            "default_model": "dear",
            "keys": [
                {"name": name, "key": key, "limits": limits.get(name, {}), "models": models.get(name, ["*"])}
                for name, key in KEYS.items()
            ],
        },
        "providers": {"p": {"kind": "kinds.bytes_only", "base_url": backend.origin}},
        "models": {
            "dear": {"chain": ["p/one"], "aliases": ["costly", "public-looking/dear"], "unconstrained": True},
            "draft": {"chain": ["p/two"], "aliases": ["quick"], "unconstrained": True},
            "public/*": {"chain": ["p/*"], "unconstrained": True},
            "private/*": {"chain": ["p/*"], "unconstrained": True},
        },
    }


@pytest.fixture
def backend() -> Iterator[PlainBackend]:
    """A backend that draws whatever it is asked."""
    with PlainBackend() as server:
        yield server


@pytest.fixture
def router(backend: PlainBackend, tmp_path: Path) -> Iterator[httpx.Client]:
    """A client of a fresh router before it."""
    with serving(config(backend), tmp_path) as url, httpx.Client(base_url=url, timeout=30) as client:
        yield client


def ask(router: httpx.Client, who: str, **fields: Any) -> httpx.Response:
    """One generation."""
    headers = {"authorization": f"Bearer {KEYS[who]}", **fields.pop("headers", {})}
    return router.post("/v1/images/generations", json={"prompt": "p", "model": "draft", **fields}, headers=headers)


def test_requests_over_the_limit_are_told_when_to_come_back(router: httpx.Client, backend: PlainBackend) -> None:
    """The fourth of three requests is 429 with a wait, may be repeated, and reaches no backend."""
    answers = [ask(router, "few") for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    error = answers[3].json()["error"]
    assert (error["type"], error["code"]) == ("rate_limit_error", "rate_limit_exceeded")
    assert 1 <= int(answers[3].headers["retry-after"]) <= 120
    assert answers[3].headers["x-should-retry"] == "true"
    assert "3 requests a minute" in error["message"]
    assert len(backend.ledger) == 3
    assert ask(router, "many").status_code == 200
    assert 'image_router_rate_limited_total{group="few"} 1.0' in router.get("/metrics").text


def test_pictures_and_pixels_have_limits_of_their_own(router: httpx.Client, backend: PlainBackend) -> None:
    """What a request asks for counts, not that it asks; what is refused by one limit is given back by the other."""
    assert ask(router, "small", n=2, size="1024x1024").status_code == 200
    over = ask(router, "small", n=2, size="1024x1024")
    assert (over.status_code, over.json()["error"]["code"]) == (429, "rate_limit_exceeded")
    assert "2.5 megapixels" in over.json()["error"]["message"]
    assert ask(router, "small", n=2, size="256x256").status_code == 200
    assert "4 pictures" in ask(router, "small", size="256x256").json()["error"]["message"]
    assert len(backend.ledger) == 4


def test_what_can_never_fit_is_not_worth_repeating(router: httpx.Client) -> None:
    """A request that is alone over its limit is told to ask for less, and gets no time to wait."""
    answer = ask(router, "small", n=5, size="256x256")
    assert (answer.status_code, answer.headers["x-should-retry"]) == (429, "false")
    assert "retry-after" not in answer.headers
    assert "ask for less" in answer.json()["error"]["message"]


def test_a_request_for_which_nothing_was_tried_counts_no_picture(router: httpx.Client, backend: PlainBackend) -> None:
    """A replay under the same key is no new picture, but is a request."""
    keyed = {"idempotency-key": "k-1"}
    answers = [ask(router, "small", n=4, size="256x256", headers=keyed) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert len(backend.ledger) == 4
    answers = [ask(router, "few", headers={"idempotency-key": "k-2"}) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]


@NEEDS_REDIS
def test_two_routers_share_one_limit(
    backend: PlainBackend,
    redis_server: RedisServer,  # noqa: F811 - the fixture
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of forty parallel requests at two routers with one Redis, as many are served as one router would serve."""
    monkeypatch.setattr(redis, "_WAIT", 10)  # what is shared is asked here, not how soon on a busy machine
    made = config(backend, redis_server.url)
    made["server"]["keys"][0]["limits"] = {"requests_per_minute": 10}
    with (
        serving(made, tmp_path_factory.mktemp("a")) as one,
        serving(made, tmp_path_factory.mktemp("b")) as two,
        httpx.Client(timeout=30) as client,
        ThreadPoolExecutor(8) as pool,
    ):
        headers = {"authorization": f"Bearer {KEYS['few']}"}

        def post(number: int) -> int:
            url = f"{(one, two)[number % 2]}/v1/images/generations"
            return client.post(url, json={"prompt": "p", "model": "draft"}, headers=headers).status_code

        statuses = list(pool.map(post, range(40)))
        assert statuses.count(200) <= 10 + 1  # a minute may turn meanwhile
        assert statuses.count(200) >= 10
        assert statuses.count(200) + statuses.count(429) == 40
        redis_server.kill()
        answers = [ask_at(client, url, KEYS["many"]) for url in (one, two)]
        assert [answer.status_code for answer in answers] == [200, 200]
        assert ask_at(client, one, KEYS["few"]).status_code == 429


def ask_at(client: httpx.Client, url: str, key: str) -> httpx.Response:
    """One generation at one of several routers."""
    headers = {"authorization": f"Bearer {key}"}
    return client.post(f"{url}/v1/images/generations", json={"prompt": "p", "model": "draft"}, headers=headers)


DETOURS: list[dict[str, Any]] = [
    {"model": "dear"},
    {"model": "costly"},
    {"model": "public-looking/dear"},
    {"model": None},
    {"model": "private/one"},
    {"fallbacks": [{"model": "dear"}]},
    {"fallbacks": [{"model": "draft"}, {"model": "costly"}]},
    {"orq": {"fallbacks": [{"model": "dear"}]}},
    {"load_balancer": {"type": "weight_based", "models": [{"model": "draft"}, {"model": "dear", "weight": 0.001}]}},
    {"load_balancer": {"type": "round_robin", "models": [{"model": "draft"}, {"model": "private/one"}]}},
]


@pytest.mark.parametrize("fields", DETOURS, ids=lambda fields: str(fields)[:50])
def test_no_detour_leads_to_a_model_that_a_key_may_not_use(
    router: httpx.Client, backend: PlainBackend, fields: dict[str, Any]
) -> None:
    """Fallbacks, balancers, aliases, wildcards and the default model are all held to the key's own list."""
    body = {"prompt": "p", "model": "draft", **fields}
    body = {name: value for name, value in body.items() if value is not None}
    headers = {"authorization": f"Bearer {KEYS['draft-only']}"}
    answer = router.post("/v1/images/generations", json=body, headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "model_not_allowed")
    assert len(backend.ledger) == 0


@pytest.mark.parametrize("model", ["draft", "quick", "dear", "private/one", "public/../private/one", "public/"])
def test_a_pattern_opens_its_own_names_only(router: httpx.Client, backend: PlainBackend, model: str) -> None:
    """A key for one wildcard reaches what that wildcard names, and no other route by a clever spelling."""
    answer = ask(router, "wild", model=model)
    assert answer.status_code == (200 if model == "public/../private/one" else 404 if model == "public/" else 403)
    assert len(backend.ledger) == (answer.status_code == 200)
    assert ask(router, "wild", model="public/one").status_code == 200

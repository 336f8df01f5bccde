"""Budgets: what a request may cost is set aside, what it did cost is counted after it, and nothing is lost."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from backends.plain import PlainBackend
from backends.server import Hold, Reset, Status
from redis_server import NEEDS_REDIS, RedisServer, redis_server  # noqa: F401 - a fixture
from serving import FORGIVING, command, serving
from virtual_time import run

from providers.base import Operation
from providers.dialect import Shape
from router import shipped
from router.allowance.purse import Purse, Spent, micros, period_of
from router.allowance.quote import Quotes
from router.auth import ANYONE
from router.catalog import load_catalog
from router.config.allowance import Budget, Per
from router.config.load import load
from router.engine.request import Controls, ImageRequest, Retry
from router.runtime import Runtime
from router.state import redis
from router.state.memory import MemoryStore

DOLLAR = 1_000_000
KINDS = {"PYTHONPATH": str(Path(__file__).parent)}


def at(text: str) -> float:
    """A moment of UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("per", "now", "name", "end"),
    [
        (Per.DAY, "2026-11-21T23:59:59", "day-2026-11-21", "2026-11-22"),
        (Per.WEEK, "2026-11-22T12:00", "week-2026-11-16", "2026-11-23"),
        (Per.WEEK, "2026-11-23T00:00", "week-2026-11-23", "2026-11-30"),
        (Per.MONTH, "2026-12-31T23:59", "month-2026-12-01", "2027-01-01"),
        (Per.MONTH, "2028-02-29T01:00", "month-2028-02-01", "2028-03-01"),
    ],
)
def test_periods_go_by_the_calendar_of_utc(per: Per, now: str, name: str, end: str) -> None:
    """A day ends at midnight, a week on Sunday night, a month with its last day."""
    period = period_of(per, at(now))
    assert (period.name, period.end) == (name, at(end))


def test_a_total_never_ends() -> None:
    """What is given once is not given again."""
    assert period_of(Per.TOTAL, at("2026-11-21")) == period_of(Per.TOTAL, at("2036-11-21"))


@pytest.mark.parametrize(("usd", "expected"), [(0.29, 290_000), (0.07, 70_000), (50, 50 * DOLLAR), (1.2e-6, 2), (0, 0)])
def test_money_is_counted_in_whole_millionths(usd: float, expected: int) -> None:
    """No cent is lost or made by how floats are held; what is less than a millionth counts as one."""
    assert micros(usd) == expected


def test_what_is_set_aside_is_spent_until_it_is_settled() -> None:
    """A second reserve sees the first; a settled one leaves what it did not use, and the next period is whole."""

    async def spend() -> None:
        now = [at("2026-11-21T10:00")]
        purse = Purse(MemoryStore(lambda: now[0]), lambda: now[0])
        budget = Budget(usd=1, per=Per.DAY)
        first, left = await purse.reserve("kite", budget, 700_000)
        assert left == 300_000
        with pytest.raises(Spent) as spent:
            await purse.reserve("kite", budget, 300_001)
        assert (spent.value.renewed, spent.value.wait) == (at("2026-11-22"), 14 * 3600)
        await purse.reserve("other", budget, DOLLAR)
        assert await purse.settle(first, 100_000) == 100_000
        late, _ = await purse.reserve("kite", budget, 900_000)
        now[0] = at("2026-11-22T00:00:01")
        await purse.reserve("kite", budget, DOLLAR)
        assert await purse.settle(late, 0) == 100_000

    run(spend())


def test_an_emptied_store_gives_no_credit() -> None:
    """A reserve that the store forgot is not paid out when it is settled."""

    async def spend() -> None:
        now = [at("2026-11-21T10:00")]
        reserve, _ = await Purse(MemoryStore(), lambda: now[0]).reserve("kite", Budget(usd=1), DOLLAR)
        emptied = Purse(MemoryStore(), lambda: now[0])
        assert await emptied.settle(reserve, 0) == 0
        with pytest.raises(Spent):
            await emptied.reserve("kite", Budget(usd=1), DOLLAR + 1)

    run(spend())


BUDGETS = {
    "one": {"usd": 1, "per": "total"},
    "two": {"usd": 0.08, "per": "total"},
    "daily": {"usd": 0.04, "per": "day"},
    "guess": {"usd": 1, "per": "total", "unknown_price": 0.4},
}


def config(first: PlainBackend, second: PlainBackend, state: str = "memory") -> dict[str, Any]:
    """Two backends whose prices are known, and one model whose price is not."""
    return {
        "server": {
            "state": state,
            "keys": [{"name": name, "key": f"key-{name}", "budget": budget} for name, budget in BUDGETS.items()],
        },
        "defaults": {"retry": {"backoff": "1ms", "backoff_max": "1ms"}, **FORGIVING},
        "providers": {
            "first": {"kind": "kinds.bytes_only", "base_url": first.origin},
            "second": {"kind": "kinds.bytes_only", "base_url": second.origin},
            "sketch": {"kind": "sketch"},
        },
        "models": {
            "cheap": {"chain": [{"target": "first/a", "price": {"image": 0.04}}]},
            "chain": {
                "chain": [
                    {"target": "first/a", "price": {"image": 0.03}},
                    {"target": "second/b", "price": {"image": 0.05}},
                ],
            },
            "unpriced": {"chain": ["first/c"]},
            "free": {"chain": ["sketch/sketch-fast"]},
        },
    }


@pytest.fixture
def backends() -> Iterator[tuple[PlainBackend, PlainBackend]]:
    """Two backends of one picture per call."""
    with PlainBackend() as first, PlainBackend() as second:
        yield first, second


@pytest.fixture
def router(backends: tuple[PlainBackend, PlainBackend], tmp_path: Path) -> Iterator[httpx.Client]:
    """A client of a fresh router over both."""
    with serving(config(*backends), tmp_path) as url, httpx.Client(base_url=url, timeout=30) as client:
        yield client


def ask(router: httpx.Client, who: str, model: str = "cheap", **fields: Any) -> httpx.Response:
    """One generation."""
    headers = {"authorization": f"Bearer key-{who}", **fields.pop("headers", {})}
    patience = fields.pop("patience", 30)
    body = {"prompt": "p", "model": model, **fields}
    return router.post("/v1/images/generations", json=body, headers=headers, timeout=patience)


def left(router: httpx.Client, who: str) -> float:
    """What the metrics say is left of a budget."""
    lines = router.get("/metrics").text.splitlines()
    name = f'image_router_budget_remaining_dollars{{group="{who}"}} '
    return next(float(line.removeprefix(name)) for line in lines if line.startswith(name))


def test_a_spent_total_is_402(router: httpx.Client, backends: tuple[PlainBackend, PlainBackend]) -> None:
    """Once the money is gone no backend is called, and waiting does not help: it says who can."""
    assert [ask(router, "two").status_code for _ in range(3)] == [200, 200, 402]
    answer = ask(router, "two")
    error = answer.json()["error"]
    assert (error["type"], error["code"]) == ("insufficient_quota", "quota_exceeded")
    assert "0.08 US dollars" in error["message"]
    assert "ask who runs this router" in error["message"]
    assert answer.headers["x-should-retry"] == "false"
    assert "retry-after" not in answer.headers
    assert len(backends[0].ledger) == 2
    assert left(router, "two") == 0
    assert ask(router, "two", "free").status_code == 200


def test_a_spent_day_is_429_until_midnight(router: httpx.Client) -> None:
    """A budget that renews says when, to the second, and is not worth a client's own retries."""
    assert ask(router, "daily").status_code == 200
    before = datetime.now(UTC).timestamp()
    answer = ask(router, "daily")
    error = answer.json()["error"]
    assert (answer.status_code, error["type"], error["code"]) == (429, "rate_limit_error", "rate_limit_exceeded")
    midnight = (before + int(answer.headers["retry-after"])) % 86_400
    assert min(midnight, 86_400 - midnight) <= 30
    assert answer.headers["x-should-retry"] == "false"
    assert "a day" in error["message"]


def test_parallel_requests_never_overspend(router: httpx.Client, backends: tuple[PlainBackend, PlainBackend]) -> None:
    """Of fifty at once exactly as many are served as the budget pays for."""
    with ThreadPoolExecutor(50) as pool:
        statuses = list(pool.map(lambda _: ask(router, "one").status_code, range(50)))
    assert (statuses.count(200), statuses.count(402)) == (25, 25)
    assert len(backends[0].ledger) == 25
    assert left(router, "one") == 0


def test_a_chain_sets_aside_what_it_may_be_billed_twice(
    router: httpx.Client, backends: tuple[PlainBackend, PlainBackend]
) -> None:
    """Where two targets may bill one request both prices are held, and the unused one is given back."""
    first, second = backends
    holds = [Hold() for _ in range(2)]
    first.script(*holds)
    with ThreadPoolExecutor(2) as pool:
        waiting = [pool.submit(ask, router, "one", "chain", n=6) for _ in range(1)]
        first.ledger.wait(2)
        assert ask(router, "one", "chain", n=7).status_code == 402
        for hold in holds:
            hold.release()
        assert [each.result().status_code for each in waiting] == [200]
    assert left(router, "one") == pytest.approx(1 - 6 * 0.03)
    assert ask(router, "one", "chain", n=7).status_code == 200
    assert len(second.ledger) == 0


def test_what_may_have_been_billed_is_paid_for(
    router: httpx.Client, backends: tuple[PlainBackend, PlainBackend]
) -> None:
    """An answer that never came counts in full beside the picture that the next target made."""
    first, second = backends
    first.script(Reset())
    assert ask(router, "one", "chain").status_code == 200
    assert left(router, "one") == pytest.approx(1 - 0.03 - 0.05)
    assert len(first.ledger.billed) + len(second.ledger.billed) == 2


def test_a_failed_request_costs_nothing(router: httpx.Client, backends: tuple[PlainBackend, PlainBackend]) -> None:
    """What a backend refused to do is given back, so that the budget still buys all it did."""
    for _ in range(5):
        backends[0].script(Status(400))
        assert ask(router, "two").status_code == 400
    assert left(router, "two") == pytest.approx(0.08)
    assert [ask(router, "two").status_code for _ in range(3)] == [200, 200, 402]


QUOTES: list[tuple[str, dict[str, Any], int]] = [
    ("tiers", {"quality": "low", "shape": Shape(1024, 1024)}, 9_000),
    ("tiers", {"shape": Shape(1024, 1024)}, 133_000),
    ("tiers", {}, 200_000),
    ("tiers", {"quality": "low", "shape": Shape(1024, 1024), "n": 10}, 90_000),
    ("tokens", {"shape": Shape(1024, 1024)}, 125_850),
    ("tokens", {"shape": Shape(1001, 999)}, 188_760),
    ("own", {}, 10_000),
    ("own-retried", {}, 20_000),
    ("own-twice", {}, 20_000),
    ("mine", {}, 250_000),
]


@pytest.mark.parametrize(("model", "asked", "worst"), QUOTES)
def test_a_quote_is_the_worst_that_could_come(model: str, asked: dict[str, Any], worst: int, tmp_path: Path) -> None:
    """A tier that fits is the price, the dearest of several; tokens are estimated, and the unknown is guessed."""
    file = tmp_path / "router.yaml"
    file.write_text(
        yaml.safe_dump(
            {
                "providers": {
                    "openai": {"kind": "openai", "api_key": "sk"},
                    "twin": {"kind": "openai", "api_keys": ["sk-1", "sk-2"]},
                },
                "models": {
                    "tiers": {"chain": ["openai/gpt-image-1.5"]},
                    "tokens": {"chain": ["openai/gpt-image-2"]},
                    "own": {"chain": [{"target": "openai/mine", "price": {"image": 0.01}}]},
                    "own-retried": {"chain": [{"target": "openai/mine", "price": {"image": 0.01}}]},
                    "own-twice": {"chain": [{"target": "twin/mine", "price": {"image": 0.01}}]},
                    "mine": {"chain": ["openai/mine"]},
                },
            }
        )
    )
    runtime = Runtime(load(file, {}), load_catalog(shipped.path("catalog")))
    route = runtime.require(model, ANYONE, "model")
    retry = Retry(5, frozenset({408})) if model == "own-retried" else None
    request = ImageRequest(
        id="r",
        operation=Operation.GENERATE,
        model=model,
        n=asked.pop("n", 1),
        asked=asked,
        controls=Controls(retry=retry),
    )
    assert Quotes(request, [route], Budget(usd=1)).worst == worst
    assert Quotes(replace(request, prompt="x" * 1000), [route], Budget(usd=1)).worst == worst + (
        5_000 if model in {"tiers", "tokens"} else 0
    )


def test_an_unknown_price_is_not_free(router: httpx.Client) -> None:
    """Where nobody knows a price, every picture counts for the configured guess."""
    assert [ask(router, "guess", "unpriced").status_code for _ in range(3)] == [200, 200, 402]
    assert left(router, "guess") == pytest.approx(0.2)


def test_a_replay_and_a_kept_answer_cost_nothing(
    router: httpx.Client, backends: tuple[PlainBackend, PlainBackend]
) -> None:
    """A picture is paid for once, and is handed over again even when nothing is left."""
    cached = {"cache": {"type": "exact_match", "ttl": 60}}
    assert [ask(router, "two", **cached).status_code for _ in range(3)] == [200, 200, 200]
    assert left(router, "two") == pytest.approx(0.04)
    keyed = {"headers": {"idempotency-key": "k"}}
    assert [ask(router, "two", **keyed).status_code for _ in range(3)] == [200, 200, 200]
    assert (left(router, "two"), len(backends[0].ledger)) == (0, 2)


def test_a_refusal_frees_its_key(router: httpx.Client) -> None:
    """An Idempotency-Key whose request the budget refused serves again once there is money."""
    keyed = {"headers": {"idempotency-key": "k"}}
    assert ask(router, "two", n=3, **keyed).status_code == 402
    assert ask(router, "two", n=2, **keyed).status_code == 200


def test_a_client_that_leaves_pays_for_what_was_sent(
    router: httpx.Client, backends: tuple[PlainBackend, PlainBackend]
) -> None:
    """The picture that nobody waited for is paid for once, and only the rest can be spent."""
    hold = Hold()
    backends[0].script(hold)
    with pytest.raises(httpx.ReadTimeout):
        ask(router, "two", "chain", patience=0.2)
    hold.release()
    for _ in range(1000):
        if left(router, "two") == pytest.approx(0.05):
            break
    assert len(backends[0].ledger) == 1
    assert [ask(router, "two").status_code for _ in range(2)] == [200, 402]


@NEEDS_REDIS
def test_two_routers_share_one_purse(
    backends: tuple[PlainBackend, PlainBackend],
    redis_server: RedisServer,  # noqa: F811 - the fixture
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Fifty parallel requests at two routers spend one budget, and losing Redis neither stops nor refills it."""
    monkeypatch.setattr(redis, "_WAIT", 10)  # what is shared is asked here, not how soon on a busy machine
    made = config(*backends, redis_server.url)
    with (
        serving(made, tmp_path_factory.mktemp("a")) as one,
        serving(made, tmp_path_factory.mktemp("b")) as two,
        httpx.Client(base_url=one, timeout=30) as a,
        httpx.Client(base_url=two, timeout=30) as b,
        ThreadPoolExecutor(50) as pool,
    ):
        statuses = list(pool.map(lambda number: ask((a, b)[number % 2], "one").status_code, range(50)))
        assert (statuses.count(200), statuses.count(402)) == (25, 25)
        assert len(backends[0].ledger) == 25
        assert (ask(a, "two").status_code, ask(b, "two").status_code) == (200, 200)
        redis_server.kill()
        assert ask(b, "two").status_code == 402
        assert ask(a, "two", "free").status_code == 200


def test_a_killed_router_leaves_no_more_than_it_had_set_aside(
    backends: tuple[PlainBackend, PlainBackend], tmp_path: Path
) -> None:
    """After kill -9 the next process knows what was spent; what was under way counts as spent, and nothing else."""
    file = tmp_path / "router.yaml"
    file.write_text(yaml.safe_dump(config(*backends, f"sqlite://{tmp_path}/state.db")))
    hold = Hold()
    with (
        command("--config", str(file), environ=KINDS) as (url, process),
        httpx.Client(base_url=url, timeout=30) as client,
    ):
        assert [ask(client, "one").status_code for _ in range(3)] == [200, 200, 200]
        backends[0].script(hold)
        with ThreadPoolExecutor(1) as pool:
            lost = pool.submit(ask, client, "one")
            backends[0].ledger.wait(4)
            process.kill()
            assert isinstance(lost.exception(), httpx.TransportError)
    hold.release()
    with command("--config", str(file), environ=KINDS) as (url, _), httpx.Client(base_url=url, timeout=30) as client:
        assert ask(client, "one").status_code == 200
        assert left(client, "one") == pytest.approx(1 - 5 * 0.04)

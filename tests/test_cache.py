"""The cache over real sockets: an earlier answer costs nothing, and many that ask the same at once are one call."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from backends import Hang, Hold, OpenAIBackend, Status
from redis_server import NEEDS_REDIS, RedisServer, redis_server
from replaying import PLAIN, Crowd, ask, config, metric, routers

__all__ = ["redis_server"]
CACHE = {"type": "exact_match"}


@pytest.fixture(scope="module")
def backend() -> Iterator[OpenAIBackend]:
    """One backend for all tests of this file."""
    with OpenAIBackend() as server:
        yield server


@pytest.fixture(autouse=True)
def _clean(backend: OpenAIBackend) -> None:
    backend.ledger.clear()


@pytest.fixture(scope="module")
def pair(
    backend: OpenAIBackend, redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[list[str]]:
    """Two routers with one Redis and one store; a model that gives up soon, and one that gives links."""
    folder = tmp_path_factory.mktemp("pair")
    settings = config(backend.url, redis_server.url, folder / "store")
    settings["models"] |= {
        "hasty": {"chain": ["openai/gpt-image-2"], "attempt_timeout": "300ms"},
        "links": {"chain": [{"target": "openai/gpt-image-2", "price": {"image": 0.04}}], "unconstrained": True},
        "spare": {"chain": ["openai/gpt-image-2"]},
    }
    with routers(2, settings, folder) as urls:
        yield urls


def cached(router: str, prompt: str, ttl: float = 600, **more: Any) -> httpx.Response:
    """An answer that may come from the cache."""
    return ask(router, prompt=prompt, cache={**CACHE, "ttl": ttl}, **more)


def told(answer: httpx.Response) -> tuple[int, str]:
    """The status, and what the cache did."""
    return answer.status_code, answer.headers["x-router-cache"]


@NEEDS_REDIS
def test_a_hit_costs_nothing_and_is_the_same(pair: list[str], backend: OpenAIBackend) -> None:
    """The other router gives the same pictures with the time they were made at, a cost of 0, and asks nobody."""
    first, again = cached(pair[0], "hit"), cached(pair[1], "hit")
    assert (told(first), told(again)) == ((200, "MISS"), (200, "HIT"))
    made, given = first.json(), again.json()
    assert (given["data"], given["created"]) == (made["data"], made["created"])
    assert made["usage"]["cost"] > 0
    assert (given["usage"].pop("cost"), again.headers["x-router-cost-usd"]) == (0, "0")
    assert {**given["usage"], "cost": made["usage"]["cost"]} == made["usage"]
    assert given["router"]["attempts"] == []
    assert given["router"]["request_id"] == again.headers["x-request-id"]
    assert (again.headers["x-router-attempts"], again.headers["x-router-model"]) == ("0", "openai/gpt-image-2")
    assert int(again.headers["content-length"]) == len(again.content)
    assert len(backend.ledger) == 1
    assert metric(pair[1], 'cache_total{result="hit"}') >= 1


@NEEDS_REDIS
@pytest.mark.parametrize(
    "other",
    [{"prompt": "Key"}, {"size": "1536x1024"}, {"quality": "low"}, {"n": 2}, {"model": "spare"}, {"caller": "bob"}],
)
def test_what_changes_the_picture_or_the_caller_is_another_entry(
    pair: list[str], backend: OpenAIBackend, other: dict[str, Any]
) -> None:
    """Another prompt, parameter, model or caller never gets this one's answer."""
    cached(pair[0], "key")
    backend.ledger.clear()
    assert told(cached(pair[0], **{"prompt": "key", **other})) == (200, "MISS")
    assert len(backend.ledger) == 1


@NEEDS_REDIS
def test_how_a_request_is_routed_or_traced_does_not_matter(pair: list[str], backend: OpenAIBackend) -> None:
    """Retries, fallbacks, time-outs, names, a default written out: the picture is the same."""
    cached(pair[0], "routed")
    more = {"retry": {"count": 2}, "fallbacks": ["spare"], "timeout": {"call_timeout": 9000}, "name": "x", "n": 1}
    assert told(cached(pair[0], "routed", ttl=60, **more)) == (200, "HIT")
    members = [{"model": "spare"}, {"model": "gpt-image-2"}]
    for models, state in ((members, "MISS"), (members[::-1], "HIT")):
        balancer = {"type": "round_robin", "models": models}
        assert told(cached(pair[0], "routed", load_balancer=balancer)) == (200, state)
    assert len(backend.ledger) == 2


@NEEDS_REDIS
def test_failures_are_not_kept_and_streams_pass_by(pair: list[str], backend: OpenAIBackend) -> None:
    """Only a whole answer is kept; who streams is served anew each time."""
    backend.script(Status(400, "moderation_blocked", "image_generation_user_error"))
    assert told(cached(pair[0], "bad")) == (400, "MISS")
    assert told(cached(pair[0], "bad")) == (200, "MISS")
    bypassed = metric(pair[0], 'cache_total{result="bypass"}')
    for _ in range(2):
        assert "image_generation.completed" in cached(pair[0], "bad", stream=True).text
    assert metric(pair[0], 'cache_total{result="bypass"}') == bypassed + 2
    assert len(backend.ledger) == 4


@NEEDS_REDIS
def test_many_at_once_are_one_call(pair: list[str], backend: OpenAIBackend) -> None:
    """Twenty that ask two routers for the same get one picture, made once."""
    hold = Hold()
    backend.script(hold)
    crowd = Crowd(20, lambda number: cached(pair[number % 2], "many"))
    backend.ledger.wait(1)
    hold.release()
    answers = crowd.answers()
    assert sorted(map(told, answers)) == [(200, "HIT")] * 19 + [(200, "MISS")]
    assert len({str(answer.json()["data"]) for answer in answers}) == 1
    assert len(backend.ledger) == 1


@NEEDS_REDIS
def test_who_waited_for_one_that_failed_goes_on_alone(pair: list[str], backend: OpenAIBackend) -> None:
    """A leader that fails costs the others its time only: each then asks for itself."""
    backend.script(Hang())
    crowd = Crowd(4, lambda number: cached(pair[number % 2], "failed", model="hasty"))
    statuses = sorted(answer.status_code for answer in crowd.answers())
    assert statuses == [200, 200, 200, 408]
    assert {answer.status_code for answer in [cached(pair[0], "failed", model="hasty")]} == {200}


def test_a_cache_in_memory_needs_no_other_server(
    backend: OpenAIBackend, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A router alone caches too, also for a request with a key, which then is replayed as the hit it was."""
    folder = tmp_path_factory.mktemp("alone")
    with routers(1, config(backend.url, "memory", folder / "store"), folder) as (router,):
        assert told(cached(router, PLAIN["prompt"])) == (200, "MISS")
        keyed = ask(router, "key", cache=CACHE)
        assert told(keyed) == (200, "HIT")
        assert ask(router, "key", cache=CACHE).content == keyed.content
    assert len(backend.ledger) == 1


# Last: time that passes for the whole server ends its workers' leases too, until these renew them.
@NEEDS_REDIS
def test_an_answer_is_no_older_than_its_ttl(pair: list[str], backend: OpenAIBackend, redis_server: RedisServer) -> None:
    """After the seconds of who had it made it is made again."""
    cached(pair[0], "old", ttl=100)
    redis_server.pass_time(99)
    assert told(cached(pair[0], "old")) == (200, "HIT")
    redis_server.pass_time(2)
    assert told(cached(pair[0], "old")) == (200, "MISS")
    assert len(backend.ledger) == 2


@NEEDS_REDIS
def test_links_in_a_kept_answer_still_work(pair: list[str], backend: OpenAIBackend, redis_server: RedisServer) -> None:
    """An answer with links is kept for half of their life, whatever the caller asks for."""
    assert told(cached(pair[0], "link", ttl=90_000, model="links", response_format="url")) == (200, "MISS")
    redis_server.pass_time(1799)
    again = cached(pair[0], "link", model="links", response_format="url")
    assert told(again) == (200, "HIT")
    assert httpx.get(again.json()["data"][0]["url"]).content.startswith(b"\x89PNG")
    redis_server.pass_time(2)
    assert told(cached(pair[0], "link", model="links", response_format="url")) == (200, "MISS")
    assert len(backend.ledger) == 2

"""Ten things that happen to a router, each as Prometheus should see it."""

import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import yaml
from backends import Hang, Hold, OpenAIBackend, Status
from backends.bfl import BFLBackend
from canary import CLIENT_KEY, PROMPT, PROVIDER_KEY
from collector import collecting
from processes import PATH, Running, running, until
from prometheus import Prometheus, scraping
from redis_server import RedisServer

CLIENT = httpx.Client(headers={"connection": "close"})  # one, as each costs a while to make; connections are new
PRICE = {"image": 0.04}
MODELS = {
    "poster": {
        "chain": [{"target": "main/gpt-image-2", "price": PRICE}, {"target": "spare/gpt-image-2", "price": PRICE}]
    },
    "job": {"chain": ["flux/flux-2-pro"]},
    "fragile": {"chain": ["ill/gpt-image-2", "spare/gpt-image-2"], "retry": {"count": 0}},
    "locked": {"chain": ["locked/gpt-image-2", "spare/gpt-image-2"]},
    "unpaid": {"chain": ["unpaid/gpt-image-2", "spare/gpt-image-2"]},
    "hasty": {"chain": [{"target": "slow/gpt-image-2", "price": PRICE}], "attempt_timeout": "300ms"},
    "crowded": {"chain": ["busy/gpt-image-2"]},
    "ending": {"chain": ["main/gpt-image-1-mini"]},
}
KEYS = [
    {"name": "studio", "key": f"{CLIENT_KEY}-studio"},
    {"name": "thrifty", "key": f"{CLIENT_KEY}-thrifty", "budget": {"usd": 0.1, "per": "total"}},
    {"name": "patient", "key": f"{CLIENT_KEY}-patient", "limits": {"requests_per_minute": 1}},
]


@dataclass(frozen=True, slots=True)
class Stage:
    """All that a scene may touch."""

    router: Running
    prometheus: Prometheus
    main: OpenAIBackend
    ill: OpenAIBackend
    slow: OpenAIBackend
    busy: OpenAIBackend
    redis: RedisServer
    store: Path
    spans: list[bytes]
    answers: list[httpx.Response] = field(default_factory=list)

    def ask(self, model: str = "poster", key: str = "studio", timeout: float = 20, **more: Any) -> int:
        """The status of one answer; the connection is new, so that any worker may get it."""
        return self.post({"model": model, "prompt": PROMPT, **more}, key, timeout).status_code

    def post(self, body: Any, key: str = "studio", timeout: float = 20, **headers: str) -> httpx.Response:
        """One answer."""
        head = {"authorization": f"Bearer {CLIENT_KEY}-{key}", **headers}
        self.answers.append(CLIENT.post(self.router.url + PATH, json=body, headers=head, timeout=timeout))
        return self.answers[-1]

    def edit(self, **changes: Any) -> str:
        """Put another configuration on disk; what was there before."""
        before = self.router.file.read_text()
        self.router.file.write_text(yaml.safe_dump({**yaml.safe_load(before), **changes}))
        return before

    def sees(self, expression: str) -> None:
        """Return once Prometheus has a value above 0 for it."""
        until(lambda: self.prometheus.now(f"({expression}) > 0"))


def healthy(stage: Stage) -> None:
    """Pictures of several sizes and qualities, from one backend that answers at once and one that is polled."""
    assert stage.ask(style="vivid") == 200
    for size, quality in (("1024x1024", "low"), ("1536x1024", "high"), ("auto", "auto")):
        for _ in range(2):
            assert stage.ask(size=size, quality=quality, n=2) == 200
    assert stage.ask("job") == 200
    assert stage.ask(style="vivid") == 200
    assert stage.ask(response_format="url") == 200
    body = {"model": "poster", "prompt": PROMPT}
    for _ in range(2):
        assert stage.post(body, **{"idempotency-key": "one"}).status_code == 200


def retries(stage: Stage) -> None:
    """The only target fails once, and then serves."""
    stage.main.script(Status(503))
    assert stage.ask("ending") == 200


def fallback(stage: Stage) -> None:
    """A key that is refused, an account that is not paid, and a backend that fails: the next target serves."""
    assert stage.ask("locked") == 200
    stage.busy.script(Status(429, "insufficient_quota"))
    assert stage.ask("unpaid") == 200
    stage.main.script(Status(500))
    assert stage.ask() == 200


def refusals(stage: Stage) -> None:
    """Requests that are wrong, of nobody's model, against a policy, over a limit, too many, or given up."""
    stage.main.script(Status(400, "moderation_blocked"))
    assert stage.ask() == 400
    assert stage.ask("nobody-has-it") == 404
    assert sorted(stage.ask(key="patient") for _ in range(2)) == [200, 429]
    _crowd(stage)


def circuit_open(stage: Stage) -> None:
    """A backend that always fails is called no more, and one that does not answer costs money for nothing."""
    stage.ill.script(*[Status(500)] * 8)
    for _ in range(4):
        assert stage.ask("fragile") == 200
    stage.slow.script(Hang(), Hang())
    assert stage.ask("hasty") == 408


def cache(stage: Stage) -> None:
    """What was drawn before is given again."""
    asked = {"model": "poster", "prompt": PROMPT, "cache": {"type": "exact_match", "ttl": 600}}
    assert [stage.post(asked).headers["x-router-cache"] for _ in range(2)] == ["MISS", "HIT"]


def budget(stage: Stage) -> None:
    """Who has spent what there is gets no more."""
    assert [stage.ask(key="thrifty") for _ in range(2)] == [200, 402]


def reload_failure(stage: Stage) -> None:
    """A file with a mistake is put on disk, seen, and put right."""
    before = stage.edit(models={"poster": {"chian": []}})
    stage.sees("image_router_config_last_reload_successful == bool 0")
    stage.router.file.write_text(before)
    stage.sees("min(image_router_config_last_reload_successful)")


def retirement(stage: Stage) -> None:
    """A model that ends soon still serves; how long is counted."""
    assert stage.ask("ending") == 200


def store_down(stage: Stage) -> None:
    """The shared state is lost, and the folder of pictures is no folder any more: both are told, requests go on."""
    stage.redis.kill()
    assert stage.ask() == 200
    stage.store.rename(stage.store.with_name("gone"))
    stage.store.write_text("no folder")
    stage.ask(response_format="url")
    stage.sees("image_router_picture_store_errors_total")


def _crowd(stage: Stage) -> None:
    """More requests than the router takes; one client leaves while its picture is drawn."""
    holds = [Hold() for _ in range(8)]
    stage.busy.script(*holds)
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda _: _given_up(stage), range(12)))
    stage.sees("image_router_in_flight_requests")
    for hold in holds:
        hold.release()
    assert {503, None} <= set(answers)
    stage.sees("image_router_client_disconnects_total")


def _given_up(stage: Stage) -> int | None:
    with contextlib.suppress(httpx.TimeoutException):
        return stage.ask("crowded", timeout=1)
    return None


SCENES: dict[str, tuple[Callable[[Stage], None], str]] = {
    "healthy": (healthy, 'image_router_images_total{size="<=1MP"}'),
    "retries": (retries, "image_router_retries_total"),
    "fallback": (fallback, 'image_router_cooldowns_total{reason="authentication"}'),
    "refusals": (refusals, 'image_router_refusals_total{reason="moderation_blocked"}'),
    "circuit open": (circuit_open, "image_router_target_state == 3"),
    "cache": (cache, 'image_router_cache_total{result="hit"}'),
    "budget": (budget, 'image_router_refusals_total{reason="quota_exceeded"}'),
    "reload failure": (reload_failure, "image_router_config_last_reload_success_timestamp_seconds"),
    "retirement": (retirement, "image_router_target_retires_timestamp_seconds"),
    "store down": (store_down, "image_router_state_up == bool 0"),
}
"""Each with what Prometheus then sees."""


@contextlib.contextmanager
def stage(folder: Path, workers: int = 2) -> Iterator[Stage]:
    """A router of two workers, its backends, the state they share, and Prometheus."""
    (folder / "redis").mkdir()
    with contextlib.ExitStack() as stack:
        main, spare, ill, slow, busy, locked = (stack.enter_context(OpenAIBackend()) for _ in range(6))
        flux = stack.enter_context(BFLBackend())
        redis = RedisServer(folder / "redis")
        stack.callback(redis.kill)
        providers = {
            name: {"kind": "openai", "base_url": backend.url, "api_key": PROVIDER_KEY}
            for name, backend in {
                "main": main,
                "spare": spare,
                "ill": ill,
                "slow": slow,
                "busy": busy,
                "unpaid": busy,
            }.items()
        }
        providers |= {
            "locked": {"kind": "openai", "base_url": locked.url, "api_key": "bad-key"},
            "flux": {"kind": "bfl", "base_url": flux.url, "api_key": PROVIDER_KEY},
        }
        store = folder / "pictures"
        config = {
            "server": {
                "state": redis.url,
                "store": {"url": str(store)},
                "keys": KEYS,
                "max_in_flight": 2,
                "max_queue": 1,
                "queue_wait": "200ms",
            },
            "defaults": {"circuit": {"failures": 2, "open_for": "1m"}, "retry": {"count": 1, "backoff": "10ms"}},
            "providers": providers,
            "models": MODELS,
        }
        address, spans = stack.enter_context(collecting())
        environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": address}
        router = stack.enter_context(running(config, folder, "--workers", str(workers), environ=environ))
        until(lambda: router.ready()["status"] == "ready")
        prometheus = stack.enter_context(scraping(router.url, folder))
        yield Stage(router, prometheus, main, ill, slow, busy, redis, store, spans)


@contextlib.contextmanager
def played(folder: Path) -> Iterator[Stage]:
    """The stage after all ten scenes, each of them seen by Prometheus."""
    with stage(folder) as made:
        for play, expression in SCENES.values():
            play(made)
            made.sees(expression)
        yield made

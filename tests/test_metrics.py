"""The metrics: those that docs/metrics.md has, with labels from the config alone, each moved by what it counts."""

import asyncio
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
from backends import Hang, OpenAIBackend
from backends.bfl import BFLBackend
from faults import Peer, faulty
from metric_table import documented, told, words
from pictures import base64_png
from prometheus_client.parser import text_string_to_metric_families
from serving import FORGIVING, ROOT, serving
from trial import Trial, trial

from providers.base import ErrorKind, Operation, OutcomeClass, Usage
from router.admission.gate import Reason
from router.config.model import Store
from router.images.store import NotStored, PictureStore, StoreFailed
from router.observe import zeros
from router.observe.labels import OTHER, QUALITIES, REFUSALS, SIZES, size, tokens
from router.observe.metrics import Metrics
from router.observe.requests import PHASES
from router.observe.state import Served
from router.state.base import StateLost
from router.state.degrading import DegradingStore
from router.state.memory import MemoryStore

pytestmark = pytest.mark.anyio

PATIENT = {"attempt_timeout": "10s", "timeout": "20s"}
GOOD = b'{"created": 1, "data": [{"b64_json": "' + base64_png(64, 64).encode() + b'"}]}'
PRICED = {
    "models": {
        "m": {"chain": [{"target": "a/x", "price": {"image": 0.25}}, {"target": "b/y", "price": {"image": 0.5}}]}
    }
}


async def good(peer: Peer) -> None:
    """A picture."""
    await peer.request()
    await peer.answer(GOOD)


def failing(status: int, code: str = "x") -> Any:
    """A failure."""

    async def bad(peer: Peer) -> None:
        await peer.request()
        await peer.answer(f'{{"error": {{"message": "no", "code": "{code}"}}}}'.encode(), status)

    return bad


async def reset(peer: Peer) -> None:
    """Taken, and never answered."""
    await peer.request()
    peer.reset()


def values(text: str) -> Mapping[str, float]:
    """Every sample by its name and labels."""
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in text.splitlines() if line[0] != "#"}


async def scraped(router: Trial) -> Mapping[str, float]:
    """What Prometheus sees."""
    return values((await router.client.get("/metrics")).text)


async def test_the_document_has_every_metric_and_its_labels() -> None:
    """A metric that is not in docs/metrics.md does not exist, nor one there that is not here; so with labels."""
    (shown,) = Metrics().registry._collector_to_names
    found = {
        metric._name + ("_total" if metric._type == "counter" else ""): frozenset(metric._labelnames)
        for metric in shown._source._collector_to_names
    }
    assert found == documented()


def test_the_document_has_every_word() -> None:
    """The values that a label may have are those that docs/metrics.md lists, and no word more."""
    assert words("`operation`") == frozenset(Operation)
    assert words("`outcome`") == frozenset(OutcomeClass)
    assert words("`reason` of attempts") == frozenset(ErrorKind)
    assert words("`size`") == frozenset(SIZES)
    assert words("`quality`") == QUALITIES | {OTHER}
    for metric, results in (
        ("client_disconnects_total", PHASES),
        ("shed_total", Reason),
        ("cache_total", zeros.CACHED),
        ("idempotency_total", zeros.KEYED),
    ):
        assert all(f"`{result}`" in told(metric) for result in results)


async def test_every_refusal_has_its_reason() -> None:
    """Each code with which the router itself refuses a request is a reason that `refusals_total` knows."""
    source = "".join(path.read_text() for path in (ROOT / "router").rglob("*.py"))
    codes = set(re.findall(r"Refused\(\s*4\d\d,\s*\"([a-z_]+)\"", source))
    of_other_paths = {"not_found", "method_not_allowed", "link_expired", "headers_too_large"}
    assert codes - of_other_paths - REFUSALS == set()


async def test_a_request_counts_by_what_was_asked_and_delivered(tmp_path: Path) -> None:
    """Requests, times, pictures asked and delivered, bytes and money have the labels that they should."""
    async with (
        faulty(good) as a,
        trial(tmp_path, {"a": a, "b": "http://127.0.0.1:1"}, defaults=PATIENT, **PRICED) as router,
    ):
        assert (await router.ask(quality="high", size="1024x1024")).status == 200
        found = await scraped(router)
    assert found['image_router_requests_total{model="m",operation="generate",status="200"}'] == 1
    assert found['image_router_request_duration_seconds_count{model="m",operation="generate"}'] == 1
    assert found['image_router_overhead_seconds_count{operation="generate"}'] == 1
    asked = 'model="m",operation="generate",quality="high",size="<=1MP"'
    assert found[f"image_router_images_asked_total{{{asked}}}"] == 1
    assert found['image_router_picture_cost_usd_total{model="m",quality="high",size="<=1MP"}'] == 0.25
    labels = 'model="m",operation="generate",quality="high",size="<=1MP",target="a/x"'
    assert found[f"image_router_images_total{{{labels}}}"] == 1
    assert found['image_router_image_bytes_total{model="m"}'] >= 64
    assert found['image_router_cost_usd_total{group="anyone",model="m",target="a/x"}'] == 0.25
    assert found['image_router_attempts_total{outcome="succeeded",target="a/x"}'] == 1
    assert found['image_router_target_last_success_timestamp_seconds{target="a/x"}'] > 1.7e9
    assert 'image_router_target_last_success_timestamp_seconds{target="b/y"}' not in found
    assert found['image_router_target_state{target="b/y"}'] == 0


async def test_overhead_leaves_out_what_backends_take(tmp_path: Path) -> None:
    """A backend that takes long makes a request long, and not its overhead, whatever else it waited for."""

    async def slow(peer: Peer) -> None:
        await peer.request()
        await asyncio.sleep(0.25)
        await peer.answer(GOOD)

    async with faulty(slow) as a, trial(tmp_path, {"a": a}, defaults=PATIENT) as router:
        assert (await router.ask()).status == 200
        found = await scraped(router)
    took = found['image_router_request_duration_seconds_sum{model="m",operation="generate"}']
    own = found['image_router_overhead_seconds_sum{operation="generate"}']
    assert 0 < own <= took - 0.24, (own, took)


async def test_retries_fallbacks_and_waste_name_their_reason(tmp_path: Path) -> None:
    """A retry says how the try before failed, a fallback how the target did; what may be billed has a price."""
    config = {**PRICED, "defaults": {**PATIENT, **FORGIVING}}
    async with (
        faulty(reset) as a,
        faulty(failing(503), good) as b,
        trial(tmp_path, {"a": a, "b": b}, **config) as router,
    ):
        assert (await router.ask()).status == 200
        found = await scraped(router)
    assert found['image_router_fallbacks_total{model="m",reason="unavailable",target="a/x"}'] == 1
    assert found['image_router_retries_total{reason="unavailable",target="b/y"}'] == 1
    assert found['image_router_possibly_billed_total{target="a/x"}'] == 1
    assert found['image_router_cost_wasted_usd_total{target="a/x"}'] == 0.25
    assert found['image_router_cost_wasted_usd_total{target="b/y"}'] == 0
    assert found['image_router_cost_usd_total{group="anyone",model="m",target="b/y"}'] == 0.5


async def test_a_target_left_out_shows(tmp_path: Path) -> None:
    """A refused key cools the account: counted with its reason, and seen in the target's state."""
    async with (
        faulty(failing(401)) as a,
        faulty(good) as b,
        trial(tmp_path, {"a": a, "b": b}, defaults=PATIENT) as router,
    ):
        assert (await router.ask()).status == 200
        found = await scraped(router)
    assert found['image_router_cooldowns_total{reason="authentication",target="a/any"}'] == 1
    assert found['image_router_target_state{target="a/any"}'] == 2
    assert found['image_router_retry_budget_balance{account="a"}'] == 100


async def test_refusals_have_the_contracts_codes(tmp_path: Path) -> None:
    """Refused requests count by the code that they are told; a backend's own code is `_other`."""
    async with (
        faulty(failing(400, "moderation_blocked"), failing(400, "own_words")) as a,
        trial(tmp_path, {"a": a}, defaults=PATIENT) as router,
    ):
        for fields in ({}, {}, {"n": 0}, {"model": "made-up-name"}):
            await router.ask(**fields)
        found = await scraped(router)
    assert found['image_router_refusals_total{model="m",reason="moderation_blocked"}'] == 1
    assert found['image_router_refusals_total{model="m",reason="_other"}'] == 1
    assert found['image_router_refusals_total{model="_other",reason="invalid_value"}'] == 1
    assert found['image_router_refusals_total{model="_other",reason="model_not_found"}'] == 1
    assert "made-up-name" not in str(found)


def test_polls_are_counted(tmp_path: Path) -> None:
    """A backend that is asked how the work gets on is counted as often as it is."""
    with BFLBackend() as backend:
        config = {
            "providers": {"b": {"kind": "bfl", "base_url": backend.url, "api_key": "k"}},
            "models": {"m": {"chain": ["b/flux-2-pro"]}},
        }
        with serving(config, tmp_path) as url:
            body = {"model": "m", "prompt": "p"}
            assert httpx.post(f"{url}/v1/images/generations", json=body, timeout=30).status_code == 200
            assert values(httpx.get(f"{url}/metrics").text)['image_router_polls_total{target="b/flux-2-pro"}'] >= 1


def test_a_client_that_leaves_is_counted_where_it_was(tmp_path: Path) -> None:
    """A client that goes while its picture is drawn is a disconnect during the work, and answered 499."""
    with OpenAIBackend() as backend:
        backend.script(Hang())
        config = {
            "defaults": {"attempt_timeout": "2s"},
            "providers": {"o": {"kind": "openai", "base_url": backend.url, "api_key": "k"}},
            "models": {"m": {"chain": ["o/gpt-image-2"]}},
        }
        with serving(config, tmp_path) as url:
            with pytest.raises(httpx.ReadTimeout):
                httpx.post(f"{url}/v1/images/generations", json={"model": "m", "prompt": "p"}, timeout=0.2)
            found: Mapping[str, float] = {}
            while not found.get('image_router_client_disconnects_total{phase="work"}'):
                found = values(httpx.get(f"{url}/metrics").text)
            assert found['image_router_requests_total{model="m",operation="generate",status="499"}'] == 1


async def test_a_token_guards_the_metrics(tmp_path: Path) -> None:
    """With a token only who bears it is told."""
    async with trial(
        tmp_path, {"a": "http://127.0.0.1:1"}, defaults=PATIENT, server={"metrics": {"token": "t0ken"}}
    ) as router:
        for header, status in (
            ({}, 401),
            ({"authorization": "Bearer wrong"}, 401),
            ({"authorization": "Bearer t0ken"}, 200),
        ):
            assert (await router.client.get("/metrics", headers=header)).status_code == status


async def test_gauges_of_what_is_gone_are_gone(tmp_path: Path) -> None:
    """After a reload only the targets of the new config have a state."""
    async with trial(tmp_path, {"a": "http://127.0.0.1:1", "b": "http://127.0.0.1:1"}, defaults=PATIENT) as router:
        metrics = router.service.metrics
        assert 'target_state{target="b/any"}' in metrics.exposition().decode()
        kept = [target for target in router.service.runtime.targets if target.name == "a/any"]
        metrics.follow(type(metrics._state._served)(targets=kept))
        text = metrics.exposition().decode()
    assert 'target_state{target="a/any"}' in text
    assert 'target_state{target="b/any"}' not in text


async def test_the_text_is_sound(tmp_path: Path) -> None:
    """Prometheus's own reader understands every line, and every metric has a help text."""
    async with faulty(good) as a, trial(tmp_path, {"a": a}, defaults=PATIENT) as router:
        await router.ask()
        families = list(text_string_to_metric_families((await router.client.get("/metrics")).text))
    assert len(families) > 30
    assert all(family.documentation and family.type != "unknown" for family in families)
    assert not [family.name for family in families if family.name.endswith("_created")]


@pytest.mark.parametrize(
    ("pixels", "tier"),
    [
        ((0, 0), "auto"),
        ((1024, 1024), "<=1MP"),
        ((1536, 1024), "<=2MP"),
        ((2048, 2048), "<=4MP"),
        ((4096, 2160), ">4MP"),
    ],
)
async def test_sizes_are_tiers(pixels: tuple[int, int], tier: str) -> None:
    """A picture is of the tier that its pixels are of."""
    assert size(*pixels) == tier


async def test_tokens_have_their_modality() -> None:
    """Tokens count as text or image where the backend says which, else as unknown; none is counted twice."""
    told = Usage(input_tokens=10, input_text_tokens=7, input_image_tokens=3, output_tokens=50)
    assert tokens(told) == {("input", "text"): 7, ("input", "image"): 3, ("output", "unknown"): 50}


class Lost(MemoryStore):
    """A store that answers nothing."""

    async def get(self, key: str) -> bytes | None:
        """Never."""
        raise StateLost("gone")


async def test_a_lost_state_shows() -> None:
    """Each question to the shared state is timed, and its loss is seen at once."""
    metrics = Metrics()
    state = DegradingStore(Lost(), metrics.state_changed, on_answer=metrics.state_answered)
    before = values(metrics.exposition().decode())
    assert await state.get("x") is None
    after = values(metrics.exposition().decode())
    await state.aclose()
    assert (before["image_router_state_up"], after["image_router_state_up"]) == (1, 0)
    assert after["image_router_state_seconds_count"] == 1


async def test_a_failing_picture_store_shows(tmp_path: Path) -> None:
    """What the picture store cannot do is counted; a picture that is not there is no failure of its."""
    metrics = Metrics()
    store = PictureStore.open(Store(url=str(tmp_path / "pictures")))
    store.failed = metrics.store_failed
    name = await store.put(b"x", "image/png", "anyone")
    (tmp_path / "pictures" / str(name)).unlink()
    with pytest.raises(NotStored):
        await store.size(name)
    assert values(metrics.exposition().decode())["image_router_picture_store_errors_total"] == 0
    shutil.rmtree(tmp_path / "pictures")
    (tmp_path / "pictures").write_text("no folder")
    with pytest.raises(StoreFailed):
        await store.put(b"x", "image/png", "anyone")
    assert values(metrics.exposition().decode())["image_router_picture_store_errors_total"] == 1


async def test_the_rest_counts_what_it_is_told() -> None:
    """Shed requests, cache, keys, limits, budgets, lag, lost lines and reloads each have their number."""
    metrics = Metrics()
    metrics.shed("queue_full")
    metrics.cached("hit")
    metrics.idempotency("replayed")
    metrics.rate_limited("studio")
    metrics.budget_remaining("studio", 1.5)
    metrics.beat(0.5, 3)
    metrics.config_loaded(good=False)
    metrics.follow(Served(version="00000000000f" + "0" * 52))
    found = values(metrics.exposition().decode())
    expected = {
        'shed_total{reason="queue_full"}': 1,
        'cache_total{result="hit"}': 1,
        'idempotency_total{result="replayed"}': 1,
        'rate_limited_total{group="studio"}': 1,
        'budget_remaining_dollars{group="studio"}': 1.5,
        "loop_lag_seconds": 0.5,
        "log_lines_dropped_total": 3,
        "config_last_reload_successful": 0,
        "config_disk_differs": 1,
        "config_hash": 15,
    }
    assert {name: found[f"image_router_{name}"] for name in expected} == expected


async def test_a_prompt_in_place_of_a_name_is_not_told(tmp_path: Path) -> None:
    """A field that no model knows is named in the log, unless its name is no name."""
    models = {"m": {"chain": ["a/gpt-image-2"]}}
    async with trial(tmp_path, {"a": "http://127.0.0.1:1"}, defaults=PATIENT, models=models) as router:
        await router.ask(colour="red", **{"a canary on the shore": True})
        (line,) = router.requests
    assert sorted(line["adjusted"]) == ["_other", "colour"]

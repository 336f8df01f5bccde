"""Counters are there at 0 before anything happens, so that Prometheus sees the first event as growth."""

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import yaml
from promql import queries, rules
from serving import ROOT
from test_dashboards import PANELS

from router import shipped
from router.auth import Caller
from router.catalog import load_catalog
from router.config.load import load
from router.observe import zeros
from router.service import Service

LATE = {
    "image_router_tokens_total": "which of its kinds a backend counts shows with the first answer",
    "image_router_warnings_total": "what is not sent as asked depends on what is asked",
}
"""Counters that begin with their first event, and so do not show it as growth."""


def test_what_grows_is_there_before_it_does(tmp_path: Path) -> None:
    """Each counter whose growth a panel or an alert regards is at 0 from the start, for each model, target and key."""
    texts = [query for panel in PANELS.values() for query in queries(panel)] + [rule["expr"] for rule in rules()]
    grown = {name for text in texts for name in re.findall(r"(?:rate|increase)\((image_router_\w+_total)", text)}
    assert len(grown) > 20
    loaded = load(file(tmp_path), {})
    text = Service.of(loaded, load_catalog(shipped.path("catalog"))).metrics.exposition().decode()
    found = {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in text.splitlines() if line[0] != "#"}
    begun = {name.partition("{")[0] for name, value in found.items() if value == 0}
    assert grown - begun == set(LATE)
    for name in (
        'requests_total{model="m",operation="generate",status="502"}',
        'requests_total{model="_other",operation="edit",status="404"}',
        'images_total{model="m",operation="generate",quality="high",size="<=1MP",target="b/gpt-image-2"}',
        'fallbacks_total{model="m",reason="quota",target="a/gpt-image-2"}',
        'retries_total{reason="rate_limited",target="b/gpt-image-2"}',
        'cooldowns_total{reason="authentication",target="b/gpt-image-2"}',
        'cost_usd_total{group="studio",model="m",target="a/gpt-image-2"}',
        'rate_limited_total{group="studio"}',
        'idempotency_total{result="in_progress"}',
    ):
        assert found[f"image_router_{name}"] == 0
    for name in (
        'fallbacks_total{model="m",reason="quota",target="b/gpt-image-2"}',
        'cost_usd_total{group="elsewhere",model="m",target="a/gpt-image-2"}',
        'rate_limited_total{group="elsewhere"}',
    ):
        assert f"image_router_{name}" not in found


def file(folder: Path) -> Path:
    """A configuration of one chain and two keys, of which one may not use it."""
    account = {"kind": "openai", "api_key": "k", "base_url": "http://127.0.0.1:1"}
    studio = {"name": "studio", "key": "key-1", "models": ["m"], "limits": {"requests_per_minute": 1}}
    config = {
        "server": {"keys": [studio, {"name": "elsewhere", "key": "key-2", "models": ["other"]}]},
        "providers": {"a": account, "b": account},
        "models": {"m": {"chain": ["a/gpt-image-2", "b/gpt-image-2"]}},
    }
    (folder / "router.yaml").write_text(yaml.safe_dump(config))
    return folder / "router.yaml"


def test_very_many_keys_have_no_costs_before_they_spend() -> None:
    """Keys by targets are begun as far as they are few: idle keys by the thousand cost no series."""
    target = SimpleNamespace(name="a/x")
    routes: Any = [SimpleNamespace(name="m", targets=(target,))]
    few, many = ([Caller(f"team{number}") for number in range(count)] for count in (1000, 1001))
    assert len(zeros.costs(routes, few)) == 1000
    assert zeros.costs(routes, many) == []


def test_every_result_of_a_key_is_there_from_the_start() -> None:
    """What the code that keeps keys counts is what `idempotency_total` begins with."""
    source = (ROOT / "router/replay/idempotency.py").read_text()
    counted = re.findall(r'_(?:count|refused)\("(\w+)"', source) + re.findall(r'"(\w+)" if .* else "(?:\w+)"', source)
    assert set(counted) | {"new"} == set(zeros.KEYED)

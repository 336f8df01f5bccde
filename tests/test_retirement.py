"""Retirement is told in time: in headers, in the list of models, and in days that Prometheus can watch."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import httpx
import pytest
from backends import OpenAIBackend, Status
from serving import FORGIVING, serving

from router.messages.retirement import retirement
from router.observe.metrics import Metrics
from router.observe.state import Served

HEADER = "x-router-model-retires"
TODAY = date(2026, 11, 21)

DATES = {
    "nobody goes": ((None, None), None),
    "long gone": ((date(2020, 1, 1),), "2020-01-01"),
    "today": ((TODAY,), "2026-11-21"),
    "within a year": ((date(2027, 11, 21),), "2027-11-21"),
    "later than that": ((date(2027, 11, 22),), None),
    "the first of two": ((date(2027, 5, 28), date(2026, 12, 1)), "2026-12-01"),
    "one that stays": ((None, date(2026, 12, 1)), "2026-12-01"),
}


@pytest.mark.parametrize(("dates", "told"), DATES.values(), ids=DATES)
def test_the_header_tells_of_the_coming_year(dates: tuple[date | None, ...], told: str | None) -> None:
    """The first date is told from a year before it, for ever; models that stay are not spoken of."""
    assert retirement(dates, TODAY) == ({HEADER: told} if told else {})


@pytest.fixture(scope="module")
def backend() -> Iterator[OpenAIBackend]:
    """OpenAI, as far as it is needed."""
    with OpenAIBackend() as running:
        yield running


def config(backend: OpenAIBackend, *, disclose: bool = True) -> dict[str, object]:
    """Names that are gone and names that stay, on targets that are gone and targets that stay."""
    return {
        "server": {"disclose": disclose},
        "defaults": FORGIVING,
        "providers": {
            "o": {"kind": "openai", "base_url": backend.url, "api_key": "k"},
            "s": {"kind": "sketch"},
            "g": {"kind": "google", "base_url": backend.url, "api_key": "k"},
        },
        "models": {
            "dall-e-3": {"chain": ["s/sketch"]},
            "art": {"chain": ["o/gpt-image-1-mini", "s/sketch"]},
            "own": {"chain": [{"target": "o/gpt-image-2.6-flare", "like": "gpt-image-1"}]},
            "failing": {"chain": ["o/gpt-image-1.5"]},
            "gpt-image-2": {"chain": ["o/gpt-image-2"]},
            "google/imagen-4.0-generate-001": {"chain": ["s/sketch"]},
            "dall-e-2": {"chain": ["s/sketch"], "unconstrained": True},
            "openai/*": {"chain": ["o/*"]},
        },
    }


@pytest.fixture(scope="module")
def url(backend: OpenAIBackend, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A router with that configuration."""
    with serving(config(backend), tmp_path_factory.mktemp("router")) as address:
        yield address


def ask(url: str, model: str, **fields: object) -> httpx.Response:
    """One picture."""
    body = {"model": model, "prompt": "a red kite", "size": "1024x1024", **fields}
    return httpx.post(f"{url}/v1/images/generations", json=body, timeout=30)


@pytest.mark.parametrize(
    ("model", "told"),
    [
        ("dall-e-3", "2026-05-12"),
        ("openai/dall-e-3", "2026-05-12"),
        ("google/imagen-4.0-generate-001", "2026-06-24"),
        ("art", "2026-12-01"),
        ("own", "2026-10-23"),
        ("openai/gpt-image-1-mini", "2026-12-01"),
        ("gpt-image-2", None),
        ("openai/gpt-image-2.5-flare", None),
        ("dall-e-2", None),
    ],
)
def test_answers_say_when_their_model_goes(url: str, model: str, told: str | None) -> None:
    """The date is that of the name asked for or of the target that drew; ops may declare a name to be another model."""
    answer = ask(url, model)
    assert answer.status_code == 200, answer.text
    assert answer.headers.get(HEADER) == told


def test_the_target_that_served_is_meant(url: str, backend: OpenAIBackend) -> None:
    """A retired target that failed is not spoken of where another drew."""
    backend.script(Status(503))
    answer = ask(url, "art")
    assert answer.headers["x-router-model"] == "s/sketch"
    assert HEADER not in answer.headers


def test_errors_say_it_too(url: str, backend: OpenAIBackend) -> None:
    """A caller whose request failed at a model that is gone is told so."""
    backend.script(Status(404, "model_not_found"))
    answer = ask(url, "failing")
    assert answer.status_code >= 400
    assert answer.headers[HEADER] == "2026-12-01"


def test_a_stream_begins_with_it(url: str) -> None:
    """Where an answer begins before anybody has drawn, the name asked for is told of."""
    answer = ask(url, "openai/gpt-image-1-mini", stream=True)
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.headers[HEADER] == "2026-12-01"
    assert HEADER not in ask(url, "gpt-image-2", stream=True).headers


def test_targets_stay_undisclosed(backend: OpenAIBackend, tmp_path: Path) -> None:
    """Without `disclose` a date does not give the target away; that of the name asked for is the caller's own."""
    with serving(config(backend, disclose=False), tmp_path) as address:
        assert HEADER not in ask(address, "art").headers
        assert ask(address, "dall-e-3").headers[HEADER] == "2026-05-12"


def test_the_list_of_models_has_the_dates(url: str) -> None:
    """A model that goes is listed with its date and its successor, also one whose values are not checked."""
    listed = {model["id"]: model["image"] for model in httpx.get(f"{url}/v1/models").json()["data"]}
    dall_e, imagen = listed["dall-e-3"], listed["google/imagen-4.0-generate-001"]
    assert (dall_e["retires"], dall_e["successor"]) == ("2026-05-12", "openai/gpt-image-2")
    assert (imagen["retires"], imagen["successor"]) == ("2026-06-24", "google/gemini-nano-banana-2.1")
    assert not {"retires", "successor"} & listed["gpt-image-2"].keys()


def test_prometheus_knows_when(url: str) -> None:
    """Every model that goes, by its name or a target's, and every such target, has its moment; others have none."""
    lines = httpx.get(f"{url}/metrics").text.splitlines()
    told = {line.partition(" ")[0].removeprefix("image_router_") for line in lines if "_retires_" in line}
    assert {name for name in told if name != "#"} == {
        'model_retires_timestamp_seconds{model="dall-e-3"}',
        'model_retires_timestamp_seconds{model="art"}',
        'model_retires_timestamp_seconds{model="own"}',
        'model_retires_timestamp_seconds{model="google/imagen-4.0-generate-001"}',
        'model_retires_timestamp_seconds{model="failing"}',
        'target_retires_timestamp_seconds{target="o/gpt-image-1-mini"}',
        'target_retires_timestamp_seconds{target="o/gpt-image-1.5"}',
        'target_retires_timestamp_seconds{target="o/gpt-image-2.6-flare"}',
    }


def test_the_moment_is_a_days_begin_in_utc() -> None:
    """A date is told as Unix time, so that the days left pass without a reload."""
    metrics = Metrics()
    metrics.follow(Served(retires=({"m": date(2026, 12, 1)}, {})))
    assert b'image_router_model_retires_timestamp_seconds{model="m"} 1.7960832e+09' in metrics.exposition()

"""What the console is told of the past: bounded, by the hour, and with the true order of attempts."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
import yaml

from providers.base import ErrorKind, Operation, OutcomeClass, ProviderError
from providers.dialect import ParameterWarning
from router import shipped
from router.catalog import load_catalog
from router.config.load import load
from router.engine.record import Attempt, Outcome
from router.engine.request import ImageRequest
from router.engine.route import Target
from router.observe.recent import KEPT, Ended, Recent
from router.observe.tally import SLOT, Tally
from router.runtime import Runtime

FAILURE = ProviderError(ErrorKind.UNAVAILABLE, "out of order", outcome=OutcomeClass.FAILED, status=503)


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Target:
    """Any."""
    file = tmp_path_factory.mktemp("config") / "router.yaml"
    file.write_text(yaml.safe_dump({"providers": {"s": {"kind": "sketch"}}, "models": {"m": {"chain": ["s/sketch"]}}}))
    runtime = Runtime(load(Path(file), {}), load_catalog(shipped.path("catalog")))
    return next(runtime.routes())[1].targets[0]


def attempt(target: Target, seconds: float, error: ProviderError | None = None, **more: Any) -> Attempt:
    """One that ended so."""
    outcome = error.outcome if error is not None else OutcomeClass.SUCCEEDED
    return Attempt(
        target=target, fallback_index=0, number=1, seconds=seconds, outcome=outcome, error=error, cost=0.01, **more
    )


def ended(number: int, outcome: Outcome | None, *, prompts: bool = False, began: float = 0.0) -> Ended:
    """A request that was answered."""
    request = ImageRequest(id=str(number), operation=Operation.GENERATE, model="m", prompt="an owl " * 200)
    return Ended(
        id=str(number),
        caller="studio",
        model="m",
        status=200,
        error=None,
        at=1.0,
        began=began,
        seconds=3.0,
        request=request,
        outcome=outcome,
        prompts=prompts,
    )


def test_times_are_those_of_pictures_and_forgotten_after_an_hour(target: Target) -> None:
    """Half of the times are at most p50 and most at most p95, to five per cent; a quick refusal is no time."""
    tally = Tally()
    for hundredths in range(1, 101):
        tally.add(attempt(target, hundredths / 10), 5.0)
    for _ in range(100):
        tally.add(attempt(target, 0.01, FAILURE), 5.0)
    told = tally.told(6.0)
    assert told["p50"] == pytest.approx(5.0, rel=0.05)
    assert told["p95"] == pytest.approx(9.5, rel=0.05)
    assert (told["attempts"], told["failures"], told["per_minute"]) == (200, 100, 200)
    assert told["cost"] == pytest.approx(2.0)
    assert told["bars"][-1] == [200, 100]
    assert tally.told(120.0)["per_minute"] == 0
    gone = tally.told(3600 + 2 * SLOT)
    assert (gone["attempts"], gone["p50"], gone["p95"], gone["cost"]) == (0, None, None, 0)


def test_a_record_has_each_attempt_where_it_began(target: Target) -> None:
    """The start of an attempt is counted from the request's own, whatever its pauses."""
    recent = Recent(lambda: 0.0)
    attempts = [attempt(target, 0.5, FAILURE, ended=101.0), attempt(target, 1.0, ended=103.0)]
    recent.ended(ended(1, Outcome(wanted=1, attempts=attempts), began=100.0))
    (entry,) = recent.since(0)
    assert [(each["start"], each["seconds"]) for each in entry.told["attempts"]] == [(0.5, 0.5), (2.0, 1.0)]
    assert entry.told["attempts"][0]["status"] == 503
    assert "prompt" not in entry.told
    assert recent.tallies({target.key})[target.key]["attempts"] == 2
    assert recent.tallies({"another"})["another"]["attempts"] == 0


@pytest.mark.anyio
async def test_the_book_is_bounded_and_wakes_who_watches() -> None:
    """The last requests are kept, with the beginning of their prompts where that is allowed."""
    recent = Recent()
    with recent.watching() as news:
        for number in range(KEPT + 5):
            recent.ended(ended(number, None, prompts=True))
        async with asyncio.timeout(1):
            await news.wait()
        assert recent.watchers == 1
    entries = list(recent.since(0))
    assert (len(entries), entries[-1].number, recent.watchers) == (KEPT, KEPT + 5, 0)
    assert len(entries[-1].told["prompt"]) == 500
    assert [entry.number for entry in recent.since(KEPT + 3)] == [KEPT + 4, KEPT + 5]


@pytest.mark.parametrize("prompts", [True, False])
def test_what_callers_write_is_told_only_with_their_prompts(prompts: bool) -> None:  # noqa: FBT001 - pytest's
    """A warning quotes a size always, a negative prompt or a field nobody knows only where prompts are kept."""
    recent = Recent()
    warnings = [
        ParameterWarning("size", "1000x1000", "1024x1024", "the nearest"),
        ParameterWarning("negative_prompt", "no owls", None, "the model has none"),
        ParameterWarning("mood", "owlish", None, "nobody knows it"),
    ]
    recent.ended(ended(1, Outcome(wanted=1, warnings=warnings), prompts=prompts))
    (entry,) = recent.since(0)
    assert [each["asked"] for each in entry.told["warnings"]] == (
        ["1000x1000", "no owls", "owlish"] if prompts else ["1000x1000", "a text", "a text"]
    )

"""However many callers there are and whatever they make up, the number of series stays under the documented bound."""

import asyncio
import random
import string
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from metric_table import bound
from stopwatch import Stopwatch
from trial import trial

from providers.base import ErrorKind, Operation, OutcomeClass, ProviderError, Usage
from providers.dialect import ParameterWarning
from router.engine.record import Attempt, Delivery, Outcome
from router.engine.request import ImageRequest
from router.engine.route import Route, Target
from router.images.pixels import Picture
from router.messages.errors import Refused
from router.observe.labels import QUALITIES, REFUSALS
from router.observe.requests import Answered
from router.runtime import Runtime

pytestmark = pytest.mark.anyio

REQUESTS = 100_000
MODELS, PROVIDERS, KEYS = 10, 3, 10
STATUSES = (200, 400, 401, 402, 403, 404, 408, 409, 413, 415, 422, 429, 499, 500, 502, 503, 504)


def config() -> dict[str, Any]:
    """Ten models of three targets each, one of them for any name, and ten keys."""
    names = [f"m{number}" for number in range(MODELS - 1)]
    chains = {name: {"chain": [f"{each}/{name}" for each in "abc"]} for name in names}
    keys = [{"name": f"team{number}", "key": f"key-{number}"} for number in range(KEYS)]
    return {"server": {"keys": keys}, "models": {**chains, "openai/*": {"chain": [f"{each}/*" for each in "abc"]}}}


_LETTERS = string.ascii_letters + '/"\\\n%é'
_CHANCE = random.Random(7)
WORDS = ["".join(_CHANCE.choices(_LETTERS, k=_CHANCE.randint(1, 20))) for _ in range(20_000)]
OUTCOMES, KINDS, OPERATIONS = tuple(OutcomeClass), tuple(ErrorKind), tuple(Operation)
CODES, LOOKS = tuple(REFUSALS), tuple(QUALITIES)


def word(rng: random.Random) -> str:
    """What a caller might make up."""
    return WORDS[int(rng.random() * len(WORDS))]


def made(rng: random.Random, target: Target, index: int) -> Attempt:
    """An attempt that ended in any way."""
    outcome = rng.choice(OUTCOMES)
    kind = rng.choice(KINDS)
    error = None if outcome is OutcomeClass.SUCCEEDED else ProviderError(kind, word(rng), outcome=outcome)
    usage = Usage(input_text_tokens=1, input_image_tokens=2, output_tokens=3)
    after = rng.choice((None, *KINDS))
    return Attempt(
        target=target, fallback_index=index, number=1, seconds=rng.random() * 400, outcome=outcome, error=error,
        usage=usage, cost=0.1, after=after, polls=rng.randint(0, 3), wasted=rng.choice([None, 0.1]),
    )  # fmt: skip


def answered(rng: random.Random, routes: list[Route], attempts: list[Attempt]) -> Answered:
    """A request that ended in any way."""
    warnings = [ParameterWarning(rng.choice(["size", "quality", word(rng)]), 1, 2, word(rng))]
    quality = rng.choice((*LOOKS, word(rng)))
    outcome = Outcome(wanted=4, attempts=attempts, warnings=warnings, facts={"quality": quality})
    for place, attempt in enumerate(attempts):
        side = rng.choice([0, 512, 1024, 1200, 2048, 4096])
        outcome.deliveries.append(Delivery(Picture(width=side, height=side), attempt, place))
    operation, status = rng.choice(OPERATIONS), rng.choice(STATUSES)
    error = None if status == 200 else rng.choice((rng.choice(CODES), word(rng)))
    group = rng.choice([None, *(f"team{number}" for number in range(KEYS))])
    request = ImageRequest(id=word(rng), operation=operation, model=word(rng), prompt=word(rng))
    return Answered(
        operation=operation, status=status, seconds=rng.random() * 400, own=rng.random(), error=error, group=group,
        routes=routes, request=request, outcome=outcome,
    )  # fmt: skip


def one(rng: random.Random, runtime: Runtime, count: Any) -> None:
    """One request for a model of any name, there or not; every fourth also names fallbacks."""
    caller = next(iter(runtime.keys._callers.values()))
    routes = []
    for _ in range(rng.choice([1, 1, 1, 3])):
        name = rng.choice([f"m{rng.randrange(MODELS)}", f"openai/{word(rng)}", word(rng)])
        try:
            routes.append(runtime.require(name, caller, "model"))
        except Refused:
            routes = []
            break
    attempts = [
        made(rng, rng.choice(routes[at].targets), at) for at in range(len(routes)) for _ in range(rng.randint(0, 2))
    ]
    for attempt in attempts:
        count.attempt_started(attempt.target)
        count.attempt_ended(attempt)
    count.request_ended(answered(rng, routes, attempts))


@pytest.mark.timeout(300)
async def test_a_hundred_thousand_requests_stay_under_the_bound(tmp_path: Path) -> None:
    """Made-up models, users and words bring no series; a scrape is quick, and requests go on meanwhile."""
    nobody = dict.fromkeys("abc", "http://127.0.0.1:1")
    async with trial(tmp_path, nobody, **config()) as router:
        rng, metrics, runtime = random.Random(8), router.service.metrics, router.service.runtime
        for number in range(REQUESTS):
            one(rng, runtime, metrics)
            if not number % 500:
                await asyncio.sleep(0)
        for _ in range(100):
            await router.client.post(f"/{quote(word(rng))}", headers={"authorization": "Bearer key-1"})
            await router.ask(word(rng).replace("\n", ""), user=word(rng))
        text = await scrape(router)
        series = [line for line in text.splitlines() if not line.startswith("#")]
        most = bound(models=MODELS, targets=3 * MODELS, members=3 * MODELS, accounts=PROVIDERS, keys=KEYS)
    assert 2_000 < len(series) <= most < 30_000
    assert {line.split('model="')[1].split('"')[0] for line in series if '{model="' in line or ',model="' in line} <= {
        *(f"m{number}" for number in range(MODELS)), "openai/*", "_other",
    }  # fmt: skip


async def scrape(router: Any) -> str:
    """The text, taken while others ask: it comes within a second, and holds nobody up."""
    pauses: list[float] = []

    async def ask() -> None:
        while True:
            stopwatch = Stopwatch()
            assert (await router.client.get("/livez")).status_code == 200
            pauses.append(stopwatch.seconds)

    asking = asyncio.create_task(ask())
    stopwatch = Stopwatch()
    text = (await router.client.get("/metrics")).text
    seconds = stopwatch.seconds
    asking.cancel()
    assert seconds < 1
    assert pauses
    assert max(pauses) < 0.5
    return str(text)

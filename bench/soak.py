"""Minutes of random faults on four targets: `python -m bench.soak`. Fails where a promise of money or time is broken.

Every request carries its number as its prompt, so that the backends' ledgers say what became of each.
"""

import argparse
import asyncio
import json
import os
import random
import re
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
import httpx
import psutil
import yaml

from bench.faulty import UNSURE, Faulty

NAMES = ("north", "south", "east", "west")
DEADLINE = 6.0
ATTEMPT = 2.0
SLACK = 0.25
MOST_BILLED = 2
FAIR = {"ok": 60.0, "slow": 10.0}
FAULTS = ("hang", "reset", "cut", "half", "garbage", "500", "502", "503", "429 in 1", "429", "policy")
WARM_UP = 0.3  # share of the time after which nothing may grow
GROWTH = 1.15
FEWEST = 20  # looks at the process below which nothing can be said of its growth


@dataclass
class Findings:
    """What the run came to; `slack` is how late an answer may be."""

    slack: float
    answers: Counter[int] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    samples: list[tuple[float, int, int]] = field(default_factory=list)  # seconds, bytes, files


async def main(arguments: argparse.Namespace) -> int:
    """Run, print what was found, and say whether every promise was kept."""
    rng = random.Random(arguments.seed)  # noqa: S311 - chance that can be repeated
    backends = [Faulty(name, random.Random(rng.random())) for name in NAMES]  # noqa: S311 - the same
    for backend in backends:
        await backend.start()
    with tempfile.TemporaryDirectory() as directory:
        config = Path(directory) / "router.yaml"
        config.write_text(yaml.safe_dump(configuration(backends)))
        router = await start(config, Path(directory))
        try:
            found, attempts = await soak(router, backends, rng, arguments)
        finally:
            router.process.terminate()
            await router.process.wait()
    judge(found, backends, attempts)
    report(found, backends, attempts)
    for backend in backends:
        await backend.stop()
    return 1 if found.broken else 0


def configuration(backends: list[Faulty]) -> dict[str, Any]:
    """One model over all four, and one that goes another way round."""
    return {
        "server": {"disclose": True},
        "defaults": {
            "timeout": f"{DEADLINE}s",
            "attempt_timeout": f"{ATTEMPT}s",
            "max_billable_attempts": MOST_BILLED,
            "circuit": {"open_for": "2s", "longest": "5s"},
        },
        "providers": {
            each.name: {"kind": "openai", "base_url": f"http://127.0.0.1:{each.port}/v1", "api_key": "sk-soak"}
            for each in backends
        },
        "models": {
            "there": {"unconstrained": True, "chain": [f"{each.name}/m" for each in backends]},
            "back": {
                "unconstrained": True,
                "order": "round_robin",
                "chain": [f"{each.name}/m" for each in reversed(backends)],
            },
        },
    }


@dataclass
class Router:
    """The router under load: its process and address."""

    process: asyncio.subprocess.Process
    url: str


async def start(config: Path, directory: Path) -> Router:
    """Start the command as a user would, on a free port."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "router", "serve", "--config", str(config), "--port", "0"),
        stdout=asyncio.subprocess.PIPE,
        stderr=(directory / "log").open("wb"),
        env={**os.environ, "HOME": str(directory)},
    )
    async with asyncio.timeout(60):
        line = (await process.stdout.readline()).decode() if process.stdout is not None else ""
    found = re.search(r"http://\S+", line)
    if found is None:
        raise SystemExit(f"the router did not start: {(directory / 'log').read_text()[-2000:]}")
    return Router(process, found.group())


async def soak(
    router: Router, backends: list[Faulty], rng: random.Random, arguments: argparse.Namespace
) -> tuple[Findings, Counter[str]]:
    """The load, the weather and the looks at the process, for so long."""
    found = Findings(SLACK * arguments.patience)
    began = time.monotonic()
    ends = began + arguments.seconds
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(base_url=router.url, timeout=60, limits=limits) as client:
        weather = asyncio.create_task(change_weather(backends, rng))
        under_way: set[asyncio.Task[None]] = set()
        number = 0
        process = psutil.Process(router.process.pid)
        while time.monotonic() < ends:
            task = asyncio.create_task(ask(client, number, found))
            under_way.add(task)
            task.add_done_callback(under_way.discard)
            if number % arguments.rate == 0:
                seconds = time.monotonic() - began
                found.samples.append((seconds, process.memory_info().rss, process.num_fds()))
            number += 1
            await asyncio.sleep(max(0.0, began + number / arguments.rate - time.monotonic()))
        weather.cancel()
        await asyncio.gather(*under_way)
        attempts = read_attempts((await client.get("/metrics")).text, found)
    return found, attempts


async def ask(client: httpx.AsyncClient, number: int, found: Findings) -> None:
    """One request, by its number."""
    began = time.monotonic()
    model = "there" if number % 2 else "back"
    reply = await client.post("/v1/images/generations", json={"model": model, "prompt": f"request {number}"})
    seconds = time.monotonic() - began
    found.answers[reply.status_code] += 1
    found.seconds.append(seconds)
    if seconds > DEADLINE + found.slack:
        found.broken.append(f"request {number} was answered after {seconds:.2f} s")
    if reply.status_code == 200 and not reply.json()["data"]:
        found.broken.append(f"request {number} got 200 without a picture")
    if reply.status_code == 500:
        found.broken.append(f"request {number} got 500: {reply.text[:200]}")


async def change_weather(backends: list[Faulty], rng: random.Random) -> None:
    """Some backends fail now and then, some fail altogether for a while, most are well."""
    while True:
        for backend in backends:
            kind = rng.random()
            if kind < 0.15:
                backend.weather = {rng.choice(FAULTS): 1.0}
            elif kind < 0.7:
                backend.weather = {**FAIR, **{fault: rng.uniform(0, 3) for fault in rng.sample(FAULTS, 5)}}
            else:
                backend.weather = dict(FAIR)
        await asyncio.sleep(rng.uniform(2, 6))


def read_attempts(text: str, found: Findings) -> Counter[str]:
    """Attempts that reached each target, as the router counted them; nothing may be under way any more."""
    attempts: Counter[str] = Counter()
    for labels, value in re.findall(r"^image_router_attempts_total\{(.*?)\} (\S+)$", text, re.MULTILINE):
        said = dict(re.findall(r'(\w+)="(.*?)"', labels))
        if said["outcome"] != "not_sent":
            attempts[said["target"].partition("/")[0]] += int(float(value))
    for name, value in re.findall(r"^(image_router_in_flight\S*) (\S+)$", text, re.MULTILINE):
        if float(value):
            found.broken.append(f"{name} is {value} after the last answer")
    return attempts


def judge(found: Findings, backends: list[Faulty], attempts: Counter[str]) -> None:
    """Hold the backends' ledgers against the promises."""
    by_request: dict[str, list[tuple[float, str, str]]] = defaultdict(list)
    for backend in backends:
        for call in backend.ledger:
            by_request[call.prompt].append((call.when, backend.name, call.fate))
        if len(backend.ledger) != attempts[backend.name]:
            found.broken.append(f"{backend.name} was called {len(backend.ledger)} times, not {attempts[backend.name]}")
    for prompt, calls in by_request.items():
        found.broken += [f"{prompt} {what}: {sorted(calls)}" for what in wrong_with(sorted(calls))]
    judge_growth(found)


def wrong_with(calls: list[tuple[float, str, str]]) -> Iterator[str]:
    """What must not become of one request; `calls` are its calls in order: when, where, and the fate."""
    if sum(fate in UNSURE for _, _, fate in calls) > MOST_BILLED:
        yield f"may have been billed more than {MOST_BILLED} times"
    for at, (_, name, _) in enumerate(calls):
        if any(name == before and fate in UNSURE for _, before, fate in calls[:at]):
            yield f"was sent to {name} again after an unsure end"


def judge_growth(found: Findings) -> None:
    """Hold the second half of the looks at the process against the first, once it is warm."""
    warm = [sample for sample in found.samples if sample[0] >= WARM_UP * found.samples[-1][0]]
    if len(warm) < FEWEST:
        return
    half = len(warm) // 2
    for what, at in (("memory", 1), ("open files", 2)):
        before = sorted(sample[at] for sample in warm[:half])[half // 2]
        after = sorted(sample[at] for sample in warm[half:])[half // 2]
        if after > GROWTH * before:
            found.broken.append(f"{what} grew from {before} to {after}")


def report(found: Findings, backends: list[Faulty], attempts: Counter[str]) -> None:
    """Print the figures."""
    seconds = sorted(found.seconds)
    calls = sum(len(backend.ledger) for backend in backends)
    fates = Counter(call.fate for backend in backends for call in backend.ledger)
    warm = found.samples[int(WARM_UP * len(found.samples)) :]
    figures = {
        "requests": len(seconds),
        "statuses": dict(sorted(found.answers.items())),
        "calls": calls,
        "calls per request": round(calls / len(seconds), 3),
        "counted by the router": sum(attempts.values()),
        "fates": dict(fates.most_common()),
        "p50, p99 and longest answer in s": [round(seconds[int(at * (len(seconds) - 1))], 3) for at in (0.5, 0.99, 1)],
        "memory in MB, warm and last": [round(warm[0][1] / 1e6, 1), round(warm[-1][1] / 1e6, 1)],
        "open files, warm and last": [warm[0][2], warm[-1][2]],
        "broken promises": len(found.broken),
    }
    click.echo(json.dumps(figures, indent=2))
    for line in found.broken[:20]:
        click.echo(f"BROKEN: {line}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--rate", type=int, default=40, help="requests per second")
    parser.add_argument("--patience", type=float, default=1, help="times as late, on a machine with other work")
    parser.add_argument("--seed", type=int, default=1)
    raise SystemExit(asyncio.run(main(parser.parse_args())))

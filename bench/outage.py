"""Every target is down for a while, at 200 requests a second: `python -m bench.outage`.

Fails where more is sent than promised, where an error takes long once the circuits are open, or where the router does
not come back in time after the targets do.
"""

import argparse
import asyncio
import json
import random
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import click
import httpx
import yaml

from bench.faulty import Faulty
from bench.soak import NAMES, configuration, start

MOST_SENDS = 1.2  # per request, over the outage
QUICK = 0.1  # seconds in which an error comes once circuits are open
OPENING = 2.0  # seconds in which circuits may open
BACK = 35.0  # seconds in which the router is back after its targets


@dataclass(frozen=True)
class Answered:
    """One answer: when its request was sent, how long it took, and its status."""

    sent: float
    seconds: float
    status: int


async def main(arguments: argparse.Namespace) -> int:
    """Run through outage and healing, print the figures, and say whether every promise was kept."""
    backends = [Faulty(name, random.Random(at)) for at, name in enumerate(NAMES)]  # noqa: S311 - can be repeated
    for backend in backends:
        await backend.start()
        backend.weather = {arguments.fault: 1.0}
    with tempfile.TemporaryDirectory() as directory:
        config = Path(directory) / "router.yaml"
        settings = configuration(backends)
        del settings["defaults"]["circuit"]  # the router's own numbers are what is promised
        config.write_text(yaml.safe_dump(settings))
        router = await start(config, Path(directory))
        try:
            async with httpx.AsyncClient(base_url=router.url, timeout=60, limits=httpx.Limits()) as client:
                down = await load(client, arguments.rate, arguments.seconds)
                sends = sum(len(backend.ledger) for backend in backends)
                for backend in backends:
                    backend.weather = {"ok": 1.0}
                healed = time.monotonic()
                up = await load(client, arguments.rate, BACK + 5)
        finally:
            router.process.terminate()
            await router.process.wait()
    for backend in backends:
        await backend.stop()
    return report(down, up, sends, healed, QUICK * arguments.patience)


async def load(client: httpx.AsyncClient, rate: int, seconds: float) -> list[Answered]:
    """Requests at a steady rate, whatever becomes of them."""

    async def one() -> Answered:
        sent = time.monotonic()
        reply = await client.post("/v1/images/generations", json={"model": "there", "prompt": "a kite"})
        return Answered(sent, time.monotonic() - sent, reply.status_code)

    began = time.monotonic()
    under_way = []
    while time.monotonic() < began + seconds:
        under_way.append(asyncio.create_task(one()))
        await asyncio.sleep(max(0.0, began + len(under_way) / rate - time.monotonic()))
    return await asyncio.gather(*under_way)


def report(down: list[Answered], up: list[Answered], sends: int, healed: float, quick: float) -> int:
    """Print the figures and what of the promises is broken."""
    began = down[0].sent
    late = sorted(each.seconds for each in down if each.sent > began + OPENING)
    p99 = late[int(0.99 * (len(late) - 1))]
    failed_last = max((each.sent for each in up if each.status != 200), default=healed)
    recovery = failed_last - healed
    per_request = sends / len(down)
    figures = {
        "requests while all was down": len(down),
        "sends per request": round(per_request, 3),
        "p50 and p99 of errors in ms, circuits open": [round(late[len(late) // 2] * 1000, 1), round(p99 * 1000, 1)],
        "seconds until every request was served again": round(recovery, 1),
        "statuses after healing": Counter(each.status for each in up),
    }
    click.echo(json.dumps(figures, indent=2))
    broken = {
        "too many sends": per_request > MOST_SENDS,
        "slow errors": p99 > quick,
        "slow recovery": recovery > BACK,
    }
    for what in (name for name, found in broken.items() if found):
        click.echo(f"BROKEN: {what}")
    return 1 if any(broken.values()) else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60, help="how long all is down")
    parser.add_argument("--rate", type=int, default=200, help="requests per second")
    parser.add_argument("--patience", type=float, default=1, help="times as slow, on a machine with other work")
    parser.add_argument("--fault", default="503", help="what every target does: 503, 500, reset, 429")
    raise SystemExit(asyncio.run(main(parser.parse_args())))

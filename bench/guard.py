"""What one request costs, counted instead of timed: `python -m bench.guard`. Fails where it costs a tenth more.

The steps of Python's interpreter, the calls it makes and the bytes of new blocks of memory are the same at each run, on
a busy machine too. A picture copied once more shows in the bytes. `--write` makes today's figures the ones to hold.
"""

import argparse
import asyncio
import gc
import json
import sys
import tempfile
import tracemalloc
from collections.abc import Mapping
from pathlib import Path
from types import FrameType
from typing import Any, Self

import click

from bench.inside import Inside, quiet

FILE = Path(__file__).with_name("guard.json")
KINDS = ("tiny", "l")
WORSE = 1.1
_NOISE = {"steps": 100, "calls": 20, "bytes": 32 * 1024}  # what may be more whatever the share
_BLOCK = 4096  # smaller blocks are words, not pictures
_WARM_UP, _RUNS = 3, 3

Figures = dict[str, int]


class Counter:
    """Counts what this thread does while it is entered."""

    def __init__(self) -> None:
        self.figures: Figures = {"steps": 0, "calls": 0, "bytes": 0}
        self._held = 0

    def __enter__(self) -> Self:
        gc.collect()
        gc.disable()
        tracemalloc.start(1)
        self._held = tracemalloc.get_traced_memory()[0]
        sys.setprofile(self._called)
        sys.settrace(self._traced)
        return self

    def __exit__(self, *_: object) -> None:
        sys.settrace(None)
        sys.setprofile(None)
        self._look()
        tracemalloc.stop()
        gc.enable()

    def _called(self, _frame: FrameType, event: str, _argument: Any) -> None:
        if event in {"call", "c_call"}:
            self.figures["calls"] += 1

    def _traced(self, frame: FrameType, event: str, _argument: Any) -> Any:
        if event == "call":
            frame.f_trace_lines, frame.f_trace_opcodes = False, True
        elif event == "opcode":
            self.figures["steps"] += 1
            self._look()
        return self._traced

    def _look(self) -> None:
        """Add the memory taken since the last look, also what was given back since."""
        held, most = tracemalloc.get_traced_memory()
        if most - self._held >= _BLOCK:
            self.figures["bytes"] += most - self._held
        tracemalloc.reset_peak()
        self._held = held


def figures() -> dict[str, Figures]:
    """What one request of each kind costs at the least: other threads and timers can only add to it."""
    quiet()
    with tempfile.TemporaryDirectory() as directory:
        return {kind: asyncio.run(_counted(Path(directory), kind)) for kind in KINDS}


async def _counted(directory: Path, kind: str) -> Figures:
    inside = Inside(directory, kind)
    for _ in range(_WARM_UP):
        await inside.once()
    runs = []
    for _ in range(_RUNS):
        with Counter() as counter:
            await inside.once()
        runs.append(counter.figures)
    await inside.aclose()
    return {name: min(run[name] for run in runs) for name in runs[0]}


def worse(now: Mapping[str, Figures], held: Mapping[str, Figures]) -> list[str]:
    """What costs more than it may, in words."""
    return [
        f"{kind}: {value} {name}, where {held[kind][name]} were enough"
        for kind, counted in now.items()
        for name, value in counted.items()
        if value > max(WORSE * held[kind][name], held[kind][name] + _NOISE[name])
    ]


def main(arguments: list[str] | None = None) -> int:
    """Count, compare, and say what is worse."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="hold today's figures from now on")
    write = parser.parse_args(arguments).write
    python = f"{sys.version_info.major}.{sys.version_info.minor}"  # each counts steps of its own
    known = json.loads(FILE.read_text()) if FILE.exists() else {}
    now = figures()
    click.echo(json.dumps(now, indent=2))
    if write:
        FILE.write_text(json.dumps({**known, python: now}, indent=2) + "\n")
        return 0
    if python not in known:
        click.echo(f"there are no figures for Python {python} to compare with: --write makes these the ones")
        return 0
    found = worse(now, known[python])
    for line in found:
        click.echo(f"WORSE: {line}")
    return 1 if found else 0


if __name__ == "__main__":
    raise SystemExit(main())

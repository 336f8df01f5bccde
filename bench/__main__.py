"""Measures the router beside nginx and other routers, against its goals: `make bench`, or `python -m bench --quick`."""

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import click

from bench import nginx, report
from bench.processes import CORES, PINNED, NotStarted, Process, free_port
from bench.rounds import QUICK, Bench, Scale
from bench.targets import LITELLM, OURS, Backends, Target, direct, others, ours

ROWS = ("throughput", "latency", "table", "uploads", "memory", "growth")
_MANY_MODELS, _MANY_PROVIDERS = 1000, 20
_HERE = Path(__file__).parent


def main() -> int:
    """Measure what was asked for, and write and print what was found."""
    asked = _arguments()
    if sys.platform != "linux":
        click.echo("the benchmark needs Linux, whose /proc tells how much memory a process has held at most", err=True)
        return 2
    scale = QUICK if asked.quick else Scale()
    scale = replace(scale, **({"rounds": asked.rounds} if asked.rounds else {}))
    if PINNED:
        os.sched_setaffinity(0, CORES[1:])
    with _directory() as directory, _backends(directory) as backends:
        targets = _started([ours(directory, backends), *others(directory, asked.peers, backends)], directory)
        bench = Bench(directory, scale, lambda words: click.echo(words, err=True))
        try:
            for row in asked.rows:
                _MEASURES[row](bench, targets, backends)
        finally:
            for target in targets:
                target.stop()
    name = asked.name or datetime.now(UTC).strftime("%Y-%m-%d-%H%M")
    click.echo(report.write(bench.results, scale, asked.out, name))
    click.echo(f"written to {asked.out / name}.md, .svg and .json")
    return 0


def _throughput(bench: Bench, targets: Sequence[Target], _: Backends) -> None:
    bench.throughput(targets)


def _latency(bench: Bench, targets: Sequence[Target], backends: Backends) -> None:
    bench.latency([direct(backends), *targets])


def _table(bench: Bench, targets: Sequence[Target], backends: Backends) -> None:
    """Tables of 3 and of 1,000 models, in processes alike and in turn."""
    small = next(target for target in targets if target.name == OURS)
    large = ours(bench.directory, backends, _MANY_MODELS, _MANY_PROVIDERS)
    for target in (small, large):
        target.start(bench.directory)
    try:
        bench.table((small, large))
    finally:
        large.stop()


def _uploads(bench: Bench, targets: Sequence[Target], backends: Backends) -> None:
    bench.uploads([direct(backends), *targets])


def _memory(bench: Bench, targets: Sequence[Target], _: Backends) -> None:
    bench.memory(targets)


def _growth(bench: Bench, targets: Sequence[Target], _: Backends) -> None:
    bench.growth(next(target for target in targets if target.name == OURS))


_MEASURES: Mapping[str, Callable[[Bench, Sequence[Target], Backends], None]] = {
    "throughput": _throughput,
    "latency": _latency,
    "table": _table,
    "uploads": _uploads,
    "memory": _memory,
    "growth": _growth,
}


def _started(targets: Sequence[Target], directory: Path) -> list[Target]:
    """Those that can be started; the router itself must be."""
    found = []
    for target in targets:
        click.echo(f"starting {target.name}", err=True)
        try:
            target.start(directory)
        except NotStarted as why:
            target.stop()
            if target.name == OURS:
                raise
            click.echo(str(why), err=True)
        else:
            found.append(target)
    if not any(target.name == LITELLM for target in found):
        click.echo("LiteLLM is not there, so most goals have nothing to be held against: make bench-setup", err=True)
    return found


@contextmanager
def _directory() -> Iterator[Path]:
    """Where everything of this run lies; nginx's workers may be another user."""
    with tempfile.TemporaryDirectory(prefix="image-router-bench-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@contextmanager
def _backends(directory: Path) -> Iterator[Backends]:
    """The backends: one gives answers, nginx where it is installed, and one reads uploads."""
    uploads, answers = free_port(), free_port()
    mock = [sys.executable, "-m", "bench.backend"]
    started = [Process.start("backend-uploads", [*mock, str(uploads)], directory)]
    static = nginx.backend(directory, answers) if nginx.program() is not None else [*mock, str(answers)]
    started.append(Process.start("backend-answers", static, directory))
    try:
        for process, port in zip(started, (uploads, answers), strict=True):
            process.listening(port)
        yield Backends(answers, uploads)
    finally:
        for process in started:
            process.stop()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one short round, to see that everything works")
    parser.add_argument("--rounds", type=int, help="rounds of each measurement")
    parser.add_argument("--rows", type=lambda text: text.split(","), default=ROWS, help=f"some of {','.join(ROWS)}")
    parser.add_argument("--peers", type=Path, default=_HERE.parent / ".peers", help="where others are installed")
    parser.add_argument("--out", type=Path, default=_HERE / "results", help="where the results go")
    parser.add_argument("--name", help="the results' name; by default the time")
    asked = parser.parse_args()
    if unknown := set(asked.rows) - set(ROWS):
        parser.error(f"there is no row {', '.join(sorted(unknown))}")
    return asked


if __name__ == "__main__":
    raise SystemExit(main())

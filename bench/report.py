"""What was found, for people: a table of goals, a table of figures, and a plot, as files and on the screen."""

import json
import platform
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from xml.sax.saxutils import escape

from bench.goals import GOALS, Goal
from bench.load import generator
from bench.processes import CORES, PINNED
from bench.rounds import Results, Scale

_UNITS = {"rate": 1.0, "cpu": 1e3, "p50": 1e3, "memory": 1.0}
_COLOURS = ("#2f6fde", "#3a9a5b", "#d9822b", "#8a4fbf", "#888888")
_PLOTTED = (("tiny", "tiny answers"), ("m", "1.5 MB answers"), ("l", "6 MB answers"))


def write(results: Results, scale: Scale, directory: Path, name: str) -> str:
    """Write the three files; the text of the tables."""
    directory.mkdir(parents=True, exist_ok=True)
    text = "\n".join([*_where(scale), "", *_goals(results), "", *_figures(results), "", *_faults(results)])
    (directory / f"{name}.md").write_text(f"{text.rstrip()}\n")
    (directory / f"{name}.svg").write_text(_plot(results))
    raw = {f"{target}: {metric}": values for (target, metric), values in sorted(results.figures.items())}
    (directory / f"{name}.json").write_text(json.dumps(raw, indent=1) + "\n")
    return text


def _where(scale: Scale) -> Iterator[str]:
    cores = "what is measured has one core, load and backend the others" if PINNED else "nothing is pinned to a core"
    yield f"Python {platform.python_version()}, {len(CORES)} cores: {cores}. Load from {generator()}."
    if scale.rounds == 1:
        yield "One round shows that everything works, not how fast it is."
    yield f"image-router {version('image-router')}; medians of {scale.rounds} rounds, each {scale.seconds} s of load."


def _goals(results: Results) -> Iterator[str]:
    yield from _table(
        ["", "measured as", "goal", "measured", "met"],
        [[goal.row, goal.words, goal.bounds(), _number(goal.figure(results)), _met(goal, results)] for goal in GOALS],
    )


def _met(goal: Goal, results: Results) -> str:
    return {True: "yes", False: "NO", None: "not measured"}[goal.met(results)]


def _figures(results: Results) -> Iterator[str]:
    """Every metric, side by side."""
    targets = list(dict.fromkeys(target for target, _ in results.figures))
    metrics = list(dict.fromkeys(metric for _, metric in results.figures))
    yield from _table(
        ["", *targets],
        [[_told(metric), *(_value(results, target, metric) for target in targets)] for metric in metrics],
    )


def _told(metric: str) -> str:
    """A metric with its unit."""
    kind, _, what = metric.rpartition(" ")
    sizes = {
        "tiny": "tiny",
        "m": "1.5 MB",
        "l": "6 MB",
        "edit": "edit",
        "again": "edit, refused once",
        "table": "table",
    }
    subject = sizes.get(kind, kind)
    if what == "rate":
        return f"{subject}: {'MB' if kind in {'edit', 'again'} else 'requests'} a second"
    words = {"cpu": "processor, ms a request", "p50": "p50, ms", "memory": "memory, times the payload"}
    if metric == "idle memory":
        return "idle memory, MB"
    return f"{subject}: {words[what]}" if what in words else metric


def _value(results: Results, target: str, metric: str) -> str:
    value = results.get(target, metric)
    if value is None:
        return "-"
    kind, _, what = metric.rpartition(" ")
    if metric == "idle memory" or (what == "rate" and kind in {"edit", "again"}):
        return _number(value / 1e6)
    return _number(value * _UNITS.get(what, 1.0))


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _faults(results: Results) -> Iterator[str]:
    if results.faults:
        yield "Faults:"
        yield ""
        yield from (f"- {fault}" for fault in dict.fromkeys(results.faults))


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """A table in Markdown that reads well as text too."""
    widths = [max(len(row[at]) for row in (head, *rows)) for at in range(len(head))]
    for row in (head, ["-" * width for width in widths], *rows):
        yield "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"


def _plot(results: Results) -> str:
    """Requests a second of every target, a bar each, as a share of the fastest of its size."""
    lines, y = [], 30
    targets = [target for target, metric in results.figures if metric == "tiny rate"]
    for kind, words in _PLOTTED:
        rates = {target: results.get(target, f"{kind} rate") or 0.0 for target in targets}
        lines.append(f'<text x="10" y="{y}" font-weight="bold">{words}: requests a second</text>')
        most = max(rates.values(), default=0.0) or 1.0
        for at, (target, rate) in enumerate(rates.items()):
            y += 22
            width = max(1.0, 480 * rate / most)
            lines.append(f'<text x="130" y="{y}" text-anchor="end">{escape(target)}</text>')
            colour = _COLOURS[at % len(_COLOURS)]
            lines.append(f'<rect x="140" y="{y - 12}" width="{width:.1f}" height="15" fill="{colour}"/>')
            lines.append(f'<text x="{146 + width:.1f}" y="{y}">{_number(rate)}</text>')
        y += 40
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="720" height="{y}" font-family="sans-serif" font-size="13">'
    return "\n".join([head, '<rect width="100%" height="100%" fill="white"/>', *lines, "</svg>", ""])

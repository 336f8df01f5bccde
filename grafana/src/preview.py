"""Draws a dashboard as HTML from the answers to its queries: a preview where no Grafana runs, and says so."""

import html
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

COLUMN, ROW = 66, 36
COLORS = ("#5794f2", "#73bf69", "#ff9830", "#b877d9", "#f2495c", "#36a2a2", "#fade2a", "#8ab8ff", "#c4162a", "#96d98d")
NAMED = {"green": "#3c9d4e", "blue": "#3f7fd4", "orange": "#e07b00", "red": "#d0303f", "text": "#24292e"}
STYLE = f"""
body {{ margin: 0; background: #f4f5f5; font: 13px "DejaVu Sans", sans-serif; color: #24292e;
  width: {24 * COLUMN + 16}px; }}
h1 {{ font-size: 17px; margin: 12px 12px 2px; }}
p {{ margin: 2px 12px 8px; color: #6a737d; }}
.grid {{ position: relative; margin: 0 8px; }}
.panel {{ position: absolute; box-sizing: border-box; padding: 4px; }}
.box {{ background: #fff; border: 1px solid #d8dadd; border-radius: 3px; height: 100%; overflow: hidden;
  box-sizing: border-box; padding: 6px 10px; display: flex; flex-direction: column; }}
.title {{ font-weight: bold; font-size: 12.5px; }}
.number {{ font-size: 32px; margin: auto; }}
.legend {{ flex: none; font-size: 10.5px; line-height: 14px; max-height: 28px; overflow: hidden; }}
.legend span {{ margin-right: 10px; white-space: nowrap; }}
svg {{ flex: 1; width: 100%; min-height: 0; }}
svg rect {{ shape-rendering: crispEdges; }}
svg text {{ font-size: 10px; fill: #6a737d; }}
table {{ border-collapse: collapse; font-size: 11.5px; margin-top: 4px; }}
td, th {{ text-align: left; padding: 3px 10px 3px 0; border-bottom: 1px solid #e8e9ea; white-space: nowrap; }}
"""


@dataclass(frozen=True, slots=True)
class Answer:
    """One series: its labels, and its values by time."""

    labels: Mapping[str, str]
    values: Sequence[tuple[float, float]]


Ask = Callable[[str], Sequence[Answer]]
"""All answers to an expression over the time looked at."""


def page(dashboard: Mapping[str, Any], ask: Ask, span: tuple[float, float]) -> tuple[str, int]:
    """A dashboard's HTML, and its height. `span` is the time looked at."""
    panels, bottom = [], 0
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        bottom = max(bottom, (place["y"] + place["h"]) * ROW)
        at = {
            "left": place["x"] * COLUMN,
            "top": place["y"] * ROW,
            "width": place["w"] * COLUMN,
            "height": place["h"] * ROW,
        }
        where = ";".join(f"{name}:{value}px" for name, value in at.items())
        body = DRAW[panel["type"]](panel, [ask(target["expr"]) for target in panel["targets"]], span)
        title = f'<div class="title">{html.escape(panel["title"])}</div>'
        panels.append(f'<div class="panel" style="{where}"><div class="box">{title}{body}</div></div>')
    head = f"<h1>{html.escape(dashboard['title'])}</h1><p>Preview drawn from the data of this project's own tests, "
    head += "ten scenes in under a minute; not a picture of Grafana, which draws the same panels in its own way.</p>"
    grid = f'<div class="grid" style="height:{bottom}px">{"".join(panels)}</div>'
    return f"<!doctype html><meta charset=utf-8><style>{STYLE}</style>{head}{grid}", bottom + 80


def _number(panel: Mapping[str, Any], found: Sequence[Sequence[Answer]], _: tuple[float, float]) -> str:
    if not found[0]:
        return '<div class="number">No data</div>'
    value = found[0][0].values[-1][1]
    steps = panel["fieldConfig"]["defaults"].get("thresholds", {}).get("steps", [])
    color = next((step["color"] for step in reversed(steps) if (step["value"] or 0) <= value), "text")
    shown = html.escape(said(value, panel["fieldConfig"]["defaults"]["unit"]))
    return f'<div class="number" style="color:{NAMED[color]}">{shown}</div>'


def _lines(panel: Mapping[str, Any], found: Sequence[Sequence[Answer]], span: tuple[float, float]) -> str:
    width, height, left = panel["gridPos"]["w"] * COLUMN - 40, panel["gridPos"]["h"] * ROW - 90, 58
    named = sorted(_named(panel, found), key=lambda each: -max(value for _, value in each[1].values))
    most = max((value for _, answer in named for _, value in answer.values), default=0) or 1
    unit = panel["fieldConfig"]["defaults"]["unit"]

    def point(at: float, value: float) -> str:
        x = left + (at - span[0]) / (span[1] - span[0]) * (width - left)
        return f"{x:.1f},{8 + (1 - value / most) * (height - 24):.1f}"

    drawn = []
    for part in (0, 0.5, 1):
        y = 8 + (1 - part) * (height - 24)
        drawn.append(f'<line x1="{left}" x2="{width}" y1="{y}" y2="{y}" stroke="#e8e9ea"/>')
        drawn.append(
            f'<text x="{left - 4}" y="{y + 3}" text-anchor="end">{html.escape(said(part * most, unit))}</text>'
        )
    for at, anchor in ((left, "start"), (width, "end")):
        passed = said((at > left) * (span[1] - span[0]), "dtdurations")
        drawn.append(f'<text x="{at}" y="{height - 3}" text-anchor="{anchor}">{passed}</text>')
    for place, (_, answer) in enumerate(named):
        points = " ".join(point(at, value) for at, value in answer.values)
        color = COLORS[place % len(COLORS)]
        drawn.append(f'<polyline points="{points}" fill="none" stroke="{color}" stroke-width="1.6"/>')
    legend = " ".join(
        f'<span style="color:{COLORS[place % len(COLORS)]}">&#9632; {html.escape(name)}</span>'
        for place, (name, _) in enumerate(named)
    )
    return f'<svg viewBox="0 0 {width} {height}">{"".join(drawn)}</svg><div class="legend">{legend}</div>'


def _states(panel: Mapping[str, Any], found: Sequence[Sequence[Answer]], span: tuple[float, float]) -> str:
    width, left, height = panel["gridPos"]["w"] * COLUMN - 40, 150, panel["gridPos"]["h"] * ROW - 70
    bar = min(20, (height - 6) / max(1, sum(map(len, found))) - 6)
    names = _mapping(panel["fieldConfig"]["defaults"].get("mappings", []))
    drawn, values = [], sorted({value for _, answer in _named(panel, found) for _, value in answer.values})
    for row, (name, answer) in enumerate(_named(panel, found)):
        y = 6 + row * (bar + 6)
        drawn.append(f'<text x="{left - 6}" y="{y + bar / 2 + 4}" text-anchor="end">{html.escape(name)}</text>')
        ends = [at for at, _ in answer.values[1:]] + [span[1]]
        for (at, value), end in zip(answer.values, ends, strict=True):
            color = NAMED[names[int(value)]["color"]] if int(value) in names else COLORS[values.index(value) % 10]
            x, to = (left + (moment - span[0]) / (span[1] - span[0]) * (width - left) for moment in (at, end))
            drawn.append(f'<rect x="{x:.1f}" y="{y}" width="{to - x + 0.3:.1f}" height="{bar}" fill="{color}"/>')
    legend = " ".join(
        f'<span style="color:{NAMED[each["color"]]}">&#9632; {html.escape(each["text"])}</span>'
        for each in names.values()
    )
    return f'<svg viewBox="0 0 {width} {height}">{"".join(drawn)}</svg><div class="legend">{legend}</div>'


def _table(panel: Mapping[str, Any], found: Sequence[Sequence[Answer]], _: tuple[float, float]) -> str:
    columns = [target["legendFormat"] for target in panel["targets"]]
    overrides = {
        each["matcher"]["options"]: {one["id"]: one["value"] for one in each["properties"]}
        for each in panel["fieldConfig"].get("overrides", [])
    }
    rows: dict[tuple[tuple[str, str], ...], dict[str, str]] = {}
    for column, answers in zip(columns, found, strict=True):
        special = overrides.get(column, {})
        names = _mapping(special.get("mappings", []))
        unit = special.get("unit", panel["fieldConfig"]["defaults"]["unit"])
        for answer in answers:
            value = answer.values[-1][1]
            shown = names[int(value)]["text"] if int(value) in names else said(value, unit)
            rows.setdefault(tuple(sorted(answer.labels.items())), {})[column] = shown
    labels = sorted({name for row in rows for name, _ in row})
    head = "".join(f"<th>{html.escape(name)}</th>" for name in (*labels, *columns))
    body = "".join(
        "<tr>"
        + "".join(f"<td>{html.escape(dict(row).get(name, ''))}</td>" for name in labels)
        + "".join(f"<td>{html.escape(cells.get(column, ''))}</td>" for column in columns)
        + "</tr>"
        for row, cells in sorted(rows.items())
    )
    return f"<table><tr>{head}</tr>{body}</table>"


DRAW = {"stat": _number, "timeseries": _lines, "state-timeline": _states, "table": _table}


def said(value: float, unit: str) -> str:
    """A value as a reader would say it."""
    match unit:
        case "percentunit":
            return f"{value:.1%}"
        case "currencyUSD":
            return f"${value:,.2f}"
        case "s":
            return f"{value * 1000:.0f} ms" if value < 1 else f"{value:.1f} s"
        case "dtdurations":
            return f"{value:.0f} s"
        case "d":
            return f"{value:.0f} days"
        case "bool_yes_no":
            return "Yes" if value else "No"
        case "dateTimeFromNow":
            return f"{max(0, time.time() - value / 1000):.0f} s ago"
        case "bytes" | "Bps":
            return f"{value / 1024:.1f} KiB" + ("/s" if unit == "Bps" else "")
        case "reqps":
            return f"{value:.2g} /s"
    return f"{value:,.0f}" if value >= 10 or value == int(value) else f"{value:.2g}"


def _named(panel: Mapping[str, Any], found: Sequence[Sequence[Answer]]) -> list[tuple[str, Answer]]:
    """Each series with what its query's legend calls it."""
    return [
        (
            re.sub(r"{{(\w+)}}", lambda label, known=answer.labels: known.get(label[1], ""), target["legendFormat"]),
            answer,
        )
        for target, answers in zip(panel["targets"], found, strict=True)
        for answer in answers
    ]


def _mapping(mappings: Sequence[Mapping[str, Any]]) -> dict[int, Mapping[str, str]]:
    return {int(value): named for each in mappings for value, named in each["options"].items()}

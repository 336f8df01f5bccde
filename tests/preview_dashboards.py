"""Draws grafana/previews from the ten scenes, in a headless Chromium: `python tests/preview_dashboards.py`."""

import json
import subprocess
import tempfile
import time
from pathlib import Path

from promql import CHOICES, filled
from scenes import Stage, played
from serving import ROOT

from grafana.src.preview import COLUMN, Answer, page

PREVIEWS = ROOT / "grafana" / "previews"
SHOWN = (
    "chromium",
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--hide-scrollbars",
    "--force-device-scale-factor=1",
)


def draw(stage: Stage, folder: Path) -> None:
    """One picture for each dashboard."""
    span = (stage.prometheus.ever("up")[0].values[0][0], time.time() + 1)
    choices = {**CHOICES, "$__range": f"{span[1] - span[0] + 2:.0f}s"}

    def ask(expression: str) -> list[Answer]:
        return [
            Answer(each.labels, each.values) for each in stage.prometheus.ever(filled(expression, choices), span[1])
        ]

    for path in sorted((ROOT / "grafana" / "dashboards").glob("*.json")):
        text, height = page(json.loads(path.read_text()), ask, span)
        file = folder / f"{path.stem}.html"
        file.write_text(text)
        picture = PREVIEWS / f"{path.stem}.png"
        size = f"--window-size={24 * COLUMN + 16},{height}"
        command = [*SHOWN, size, f"--user-data-dir={folder}/chromium", f"--screenshot={picture}", file.as_uri()]
        subprocess.run(command, check=True, timeout=60, capture_output=True)


if __name__ == "__main__":
    PREVIEWS.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as name, played(Path(name)) as played_stage:
        draw(played_stage, Path(name))

"""Writes grafana/dashboards: `python -m grafana.src.build`."""

import json
from pathlib import Path

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

from grafana.src.config import CONFIG
from grafana.src.costs import COSTS
from grafana.src.overview import OVERVIEW
from grafana.src.reliability import RELIABILITY
from grafana.src.render import render
from grafana.src.targets import TARGETS

HERE = Path(__file__).resolve().parent.parent
FOLDER = HERE / "dashboards"
ALL = (OVERVIEW, TARGETS, COSTS, RELIABILITY, CONFIG)


def texts() -> dict[str, str]:
    """The text of every file, by its name."""
    return {f"{dashboard.name}.json": _text(render(dashboard)) for dashboard in ALL}


def reread(text: str) -> str:
    """A file's text once the SDK's classes have read and written it: what they do not know is gone."""
    register_default_plugins()
    return _text(Dashboard.from_json(json.loads(text)))


def _text(dashboard: Dashboard) -> str:
    return JSONEncoder(indent=2, ensure_ascii=False).encode(dashboard) + "\n"


if __name__ == "__main__":
    for name, text in texts().items():
        (FOLDER / name).write_text(text)

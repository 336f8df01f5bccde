"""A real Prometheus for tests: it scrapes one router each second, runs the rules of this project, and is asked."""

import contextlib
import math
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import yaml
from conftest import needs
from processes import until
from promql import RULES

NEEDS_PROMETHEUS = needs("prometheus", "apt-get install prometheus")
JOB = "image-router"


@dataclass(frozen=True, slots=True)
class Line:
    """One series of an answer: its labels, and its values by time, NaN left out."""

    labels: dict[str, str]
    values: list[tuple[float, float]]


class Prometheus:
    """A running server."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.began = time.time()
        self._client = httpx.Client(base_url=f"{url}/api/v1", timeout=20)

    def close(self) -> None:
        """Ask no more."""
        self._client.close()

    def now(self, expression: str) -> list[Line]:
        """The answer of this moment."""
        found = self._ask("query", query=expression)["result"]
        return _lines((each["metric"], [each["value"]]) for each in found)

    def ever(self, expression: str, end: float | None = None) -> list[Line]:
        """Every answer since it was started, until `end`, or a moment after now: a step before it may miss the last."""
        span = {"start": self.began, "end": end or time.time() + 1, "step": 1}
        found = self._ask("query_range", query=expression, **span)["result"]
        return _lines((each["metric"], each["values"]) for each in found)

    def label_values(self, series: str, label: str) -> Sequence[str]:
        """What a variable offers."""
        return self._ask(f"label/{label}/values", **{"match[]": series})

    def metric_names(self) -> set[str]:
        """Every metric that was ever scraped from the router, histograms by their parts."""
        return set(self._ask("label/__name__/values", **{"match[]": f'{{job="{JOB}"}}'}))

    def _ask(self, path: str, **query: Any) -> Any:
        answer = (
            self._client.post(path, data=query) if path.startswith("query") else self._client.get(path, params=query)
        )
        assert answer.status_code == 200, f"{query}: {answer.text}"
        return answer.json()["data"]


def _lines(found: Any) -> list[Line]:
    lines = [
        Line(labels, [(at, float(value)) for at, value in values if not math.isnan(float(value))])
        for labels, values in found
    ]
    return [line for line in lines if line.values]


@contextlib.contextmanager
def scraping(router: str, folder: Path) -> Iterator[Prometheus]:
    """A Prometheus that has the router's address and keeps what it knows in `folder`."""
    config = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "2s"},
        "rule_files": [str(RULES / "*.yml")],
        "scrape_configs": [{"job_name": JOB, "static_configs": [{"targets": [router.removeprefix("http://")]}]}],
    }
    (folder / "prometheus.yaml").write_text(yaml.safe_dump(config))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    files = [f"--config.file={folder}/prometheus.yaml", f"--storage.tsdb.path={folder}/data"]
    with (folder / "prometheus.log").open("w") as log:
        process = subprocess.Popen(["prometheus", *files, f"--web.listen-address={address}"], stdout=log, stderr=log)
        try:
            until(lambda: httpx.get(f"http://{address}/-/ready").status_code == 200)
            with contextlib.closing(Prometheus(f"http://{address}")) as server:
                until(lambda: server.now(f'up{{job="{JOB}"}} == 1'))
                yield server
        finally:
            process.terminate()
            process.wait(20)

"""The text that Prometheus is given: of this process, or of all workers; never made twice at a time."""

import threading
import time
from collections.abc import Iterable, Sequence
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Metric, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from router.observe.families import Sheet
from router.observe.together import Together

CONTENT_TYPE = CONTENT_TYPE_LATEST
"""The media type of the text."""

_DEAR = 0.05  # seconds of the processor
_GOOD_FOR = 1.0  # seconds


class Exposition:
    """Makes the text. One that was dear to make is given again for a second, by whichever worker is asked.

    Args:
        own: what this process counts.
        sheets: the gauges whose series come and go.
        together: the files of all workers, where there are several.
    """

    def __init__(self, own: CollectorRegistry, sheets: Sequence[Sheet], together: Together | None) -> None:
        self.registry = CollectorRegistry()
        self.registry.register(_Current(own if together is None else _All(together), sheets))
        self._together = together
        self._one_at_a_time = threading.Lock()
        self._kept: tuple[bytes, float] | None = None

    def text(self) -> bytes:
        """The text. It takes a while, so it is called from a thread."""
        with self._one_at_a_time:
            if self._together is None:
                return self._own()
            with self._together.alone():
                return self._of_all(self._together)

    def _own(self) -> bytes:
        if self._kept is not None and time.monotonic() - self._kept[1] <= _GOOD_FOR:
            return self._kept[0]
        text, dear = self._made()
        self._kept = (text, time.monotonic()) if dear else None
        return text

    def _of_all(self, together: Together) -> bytes:
        kept = together.kept_text(_GOOD_FOR)
        if kept is not None:
            return kept
        together.bury()
        text, dear = self._made()
        if dear:
            together.keep_text(text)
        return text

    def _made(self) -> tuple[bytes, bool]:
        started = time.thread_time()
        return generate_latest(self.registry), time.thread_time() - started > _DEAR


class _All(Collector):
    """What all workers have counted."""

    def __init__(self, together: Together) -> None:
        make: Any = MultiProcessCollector
        self._files = make(None, str(together.directory))

    def collect(self) -> Iterable[Metric]:
        """Read every file."""
        found: Iterable[Metric] = self._files.collect()
        return found


class _Current(Collector):
    """What is of now: a library's gauge, once it is there, stays for ever."""

    def __init__(self, source: Collector | CollectorRegistry, sheets: Sequence[Sheet]) -> None:
        self._source = source
        self._sheets = {sheet.name: sheet for sheet in sheets}

    def collect(self) -> Iterable[Metric]:
        """Every metric, in the order of their names."""
        for metric in sorted(self._source.collect(), key=lambda each: each.name):
            if (sheet := self._sheets.get(metric.name)) is not None:
                metric.samples = [sample for sample in metric.samples if sheet.shows(sample.labels)]
            yield metric

"""The makings of metrics: counters, histograms and gauges whose every series is looked up once, and then kept."""

from collections.abc import Callable, Iterable, Mapping
from typing import Literal, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.metrics import MetricWrapperBase

_without_moments: Callable[[], None] = disable_created_metrics  # second series, of when each counter began
_without_moments()

PREFIX = "image_router_"
SECONDS = (0.5, 1, 2, 3, 5, 8, 13, 20, 30, 45, 60, 90, 120, 180, 300)
"""The buckets of what backends take."""

SHORT = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1)
"""The buckets of what the router itself takes."""

Labels = tuple[str, ...]
Mode = Literal["livesum", "livemax", "livemin", "max", "mostrecent"]
"""What several workers' gauges are together; only of those that live, where it says so."""

M = TypeVar("M", bound=MetricWrapperBase)


class Series(dict[Labels, M]):
    """The series of one metric, by the values of its labels."""

    def __init__(self, metric: M) -> None:
        super().__init__()
        self._metric = metric

    def __missing__(self, labels: Labels) -> M:
        """A new one; the library's own look-up is the dear one."""
        made = self[labels] = self._metric.labels(*labels)
        return made

    def begin(self, labels: Iterable[Labels]) -> None:
        """Have these from the start, as a series that begins with its first event hides that event."""
        for each in labels:
            self[each]


class Sheet:
    """A gauge that is filled in whole: what is not of now any more is not shown."""

    def __init__(self, name: str, labels: Labels, gauge: Gauge) -> None:
        self.name = name
        self._names = labels
        self._series = Series(gauge)
        self._current: frozenset[Labels] = frozenset()

    def fill(self, values: Mapping[Labels, float], current: Iterable[Labels] | None = None) -> None:
        """All that holds now; `current` is what there is, where other workers may have values that this has not."""
        for labels, value in values.items():
            self._series[labels].set(value)
        self._current = frozenset(values if current is None else current)

    def shows(self, labels: Mapping[str, str]) -> bool:
        """Whether a series is of now."""
        return tuple(labels[name] for name in self._names) in self._current


class Families:
    """Where metrics are made, all with one prefix, in one registry."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.sheets: list[Sheet] = []

    def counter(self, name: str, text: str) -> Counter:
        """A counter without labels."""
        return Counter(PREFIX + name, text, registry=self.registry)

    def counters(self, name: str, text: str, *labels: str) -> Series[Counter]:
        """Counters by labels."""
        return Series(Counter(PREFIX + name, text, labels, registry=self.registry))

    def gauge(self, name: str, text: str, mode: Mode) -> Gauge:
        """A gauge without labels."""
        return Gauge(PREFIX + name, text, registry=self.registry, multiprocess_mode=mode)

    def gauges(self, name: str, text: str, mode: Mode, *labels: str) -> Series[Gauge]:
        """Gauges by labels."""
        return Series(Gauge(PREFIX + name, text, labels, registry=self.registry, multiprocess_mode=mode))

    def sheet(self, name: str, text: str, mode: Mode, *labels: str) -> Sheet:
        """Gauges by labels that come and go."""
        gauge = Gauge(PREFIX + name, text, labels, registry=self.registry, multiprocess_mode=mode)
        made = Sheet(PREFIX + name, labels, gauge)
        self.sheets.append(made)
        return made

    def histogram(self, name: str, text: str) -> Histogram:
        """Of times of the router's own, without labels."""
        return Histogram(PREFIX + name, text, registry=self.registry, buckets=SHORT)

    def histograms(self, name: str, text: str, *labels: str, buckets: tuple[float, ...] = SECONDS) -> Series[Histogram]:
        """Of times, by labels."""
        return Series(Histogram(PREFIX + name, text, labels, registry=self.registry, buckets=buckets))

"""The pulse of the event loop: how late it is, for whoever asks whether this worker is well."""

import asyncio
import time
from collections import deque

from router.observe import logs
from router.observe.metrics import Metrics

BEAT = 0.25  # seconds between two beats
STUCK = 1.0  # a lag that no worker may have which is to get more work
_REMEMBERED = 20  # beats


class Heart:
    """Measures how much later than asked the event loop runs what is due."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._lags = deque([0.0], maxlen=_REMEMBERED)
        self._dropped = logs.dropped()
        self._due: float | None = None

    @property
    def lag(self) -> float:
        """Seconds: the longest of the last beats, or of the one that is due."""
        overdue = 0.0 if self._due is None else time.monotonic() - self._due
        return max(*self._lags, overdue)

    @property
    def stuck(self) -> bool:
        """Whether the loop was held up too long to be given more work."""
        return self.lag > STUCK

    async def run(self) -> None:
        """Beat without end."""
        while True:
            self._due = time.monotonic() + BEAT  # the loop's own clock stands still while it is held up
            await asyncio.sleep(BEAT)
            self._lags.append(max(0.0, time.monotonic() - self._due))
            dropped = logs.dropped()
            self._metrics.beat(max(self._lags), dropped - self._dropped)
            self._dropped = dropped

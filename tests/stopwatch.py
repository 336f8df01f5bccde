"""Time that counts: seconds are promised to who has a processor, not to who waits for one among other tests."""

import time
from pathlib import Path

_PRESSURE = Path("/proc/pressure/cpu")


def _waited() -> float:
    """Seconds, since the machine started, in which some process was ready to run and none of its processors was free.

    0 where the kernel does not tell.
    """
    try:
        some = _PRESSURE.read_text().splitlines()[0]
    except OSError:
        return 0.0
    return int(some.rpartition("total=")[2]) / 1e6


class Stopwatch:
    """Seconds since it was made, less those in which processes waited for a processor."""

    def __init__(self) -> None:
        self._began, self._waited = time.monotonic(), _waited()

    @property
    def seconds(self) -> float:
        """What has passed until now."""
        return time.monotonic() - self._began - self.lost

    @property
    def lost(self) -> float:
        """What does not count of what has passed."""
        return _waited() - self._waited

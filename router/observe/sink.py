"""Where log lines go: through a queue and a thread, so that a full pipe or a closed one holds up no request."""

import os
import threading
from collections import deque
from contextlib import suppress

_MOST = 10_000  # lines that may wait


class Sink:
    """Takes lines at once and writes them when it can; those that nobody takes are counted and lost."""

    def __init__(self, number: int, most: int = _MOST) -> None:
        """`number` is the file descriptor to write to."""
        self.dropped = 0
        self._number = number
        self._most = most
        self._lines: deque[bytes] = deque()
        self._news = threading.Condition()
        self._writing = False
        threading.Thread(target=self._write, name="log", daemon=True).start()

    def put(self, line: bytes) -> None:
        """Have a line written."""
        with self._news:
            if len(self._lines) >= self._most:
                self.dropped += 1
                return
            self._lines.append(line)
            self._news.notify_all()

    def flush(self, patience: float) -> None:
        """Wait until what was put is written, but not for long."""
        with self._news:
            self._news.wait_for(lambda: not (self._lines or self._writing), patience)

    def _write(self) -> None:
        while True:
            with self._news:
                self._writing = False
                self._news.notify_all()
                self._news.wait_for(lambda: self._lines)
                line = self._lines.popleft()
                self._writing = True
            if not self._written(line):
                with self._news:
                    self.dropped += 1

    def _written(self, line: bytes) -> bool:
        with suppress(OSError):
            while line:
                line = line[os.write(self._number, line) :]
            return True
        return False

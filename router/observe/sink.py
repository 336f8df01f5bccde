"""Where log lines go: through a queue and a thread, so that a full pipe or a closed one holds up no request."""

import os
import threading
from collections import deque
from contextlib import suppress
from select import PIPE_BUF, select

_MOST = 10_000  # lines that may wait
_PAUSE = 0.01  # seconds after lines in which more may gather: a thread that wakes holds up the one that serves


class Sink:
    """Takes lines at once and writes them when it can; those that nobody takes are counted and lost."""

    def __init__(self, number: int, most: int = _MOST) -> None:
        """`number` is the file descriptor to write to."""
        self.dropped = 0
        self._number = number
        self._most = most
        self._lines: deque[bytes] = deque()
        self._news = threading.Condition()
        self._resting = True
        threading.Thread(target=self._write, name="log", daemon=True).start()

    def put(self, line: bytes) -> None:
        """Have a line written."""
        if len(self._lines) >= self._most:
            self._drop(1)
            return
        self._lines.append(line)
        if self._resting:  # else the writer looks again before it rests
            with self._news:
                self._news.notify_all()

    def flush(self, patience: float) -> None:
        """Wait until what was put is written, but not for long."""
        with self._news:
            self._news.wait_for(lambda: self._resting and not self._lines, patience)

    def _write(self) -> None:
        while True:
            self._rest()
            while self._lines:
                self._write_some()
            select([], [], [], _PAUSE)  # as long however the clock is set meanwhile

    def _write_some(self) -> None:
        """Write no more than a pipe takes whole: workers that share one do not cut into each other's lines."""
        piece, lines = self._lines.popleft(), 1
        while self._lines and len(piece) + len(self._lines[0]) <= PIPE_BUF:
            piece += self._lines.popleft()
            lines += 1
        if not self._written(piece):
            self._drop(lines)

    def _rest(self) -> None:
        """Return once there are lines."""
        with self._news:
            self._resting = True
            self._news.notify_all()
            self._news.wait_for(lambda: self._lines)
            self._resting = False

    def _drop(self, lines: int) -> None:
        with self._news:
            self.dropped += lines

    def _written(self, piece: bytes) -> bool:
        with suppress(OSError):
            while piece:
                piece = piece[os.write(self._number, piece) :]
            return True
        return False

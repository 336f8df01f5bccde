"""The parent of several workers: starts them, starts them again when they die, and passes on what it is told.

It builds nothing of the router itself, so that nothing in a configuration can end it.
"""

import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from router.observe import logs
from router.serving.server import RETIRE

_WORKER = (sys.executable, "-m", "router", "worker")
_TICK = 0.2
_SILENT = 30.0  # seconds without a pulse after which a worker counts as stuck
_BOOT = 60.0  # seconds in which a new one shows its first
_STABLE = 10.0  # seconds after which a worker's death is no sequel of the last one
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 5.0
_STOPS = (signal.SIGTERM, signal.SIGINT)


@dataclass(slots=True, eq=False)
class _Worker:
    """One process. It writes to its end of a pipe while it is well."""

    number: int
    process: subprocess.Popen[bytes]
    pulse: int
    started: float
    heard: float
    ready: bool = False
    leaves_at: float | None = None


@dataclass(slots=True)
class _Post:
    """A worker's place: who has it, and when it is filled again."""

    worker: _Worker | None = None
    due: float = 0.0
    deaths: int = 0


@dataclass(slots=True, kw_only=True)
class Parent:
    """The workers of one machine.

    Args:
        arguments: of the command that is a worker; its number, sockets and pipe are added.
        environ: what their environment has besides.
        sockets: what the workers listen on.
        asked: what they listen on for Prometheus, where it has an address of its own.
        count: how many workers there are.
        patience: seconds in which a worker that is told to stop does.
        listening: called once, when the first worker serves.
    """

    arguments: Sequence[str]
    sockets: Sequence[socket.socket]
    asked: Sequence[socket.socket] = ()
    environ: Mapping[str, str] = field(default_factory=dict)
    count: int
    patience: float
    listening: Callable[[], None]
    _posts: dict[int, _Post] = field(default_factory=dict)
    _leaving: list[_Worker] = field(default_factory=list)
    _renewals: deque[int] = field(default_factory=deque)
    _fresh: _Worker | None = None
    _told: deque[int] = field(default_factory=deque)
    _selector: selectors.BaseSelector = field(default_factory=selectors.DefaultSelector)
    _stop_at: float | None = None
    _served: bool = False

    def run(self) -> None:
        """Keep the workers running until told to stop."""
        self._hear()
        self._posts = {number: _Post() for number in range(1, self.count + 1)}
        while self._stop_at is None or self._all():
            while self._told:
                self._obey(self._told.popleft())
            self._listen()
            now = time.monotonic()
            for worker in self._all():
                self._look_after(worker, now)
            if self._stop_at is None:
                self._fill(now)

    def _hear(self) -> None:
        """Take signals as news for the loop."""
        reading, writing = os.pipe()
        os.set_blocking(writing, False)
        os.set_blocking(reading, False)
        signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
        self._selector.register(reading, selectors.EVENT_READ)
        for number in (*_STOPS, signal.SIGHUP):
            signal.signal(number, lambda number, _frame: self._told.append(number))

    def _obey(self, told: int) -> None:
        now = time.monotonic()
        if told == signal.SIGHUP:
            if self._stop_at is None:
                self._renewals.extend(number for number in self._posts if number not in self._renewals)
        elif self._stop_at is None:
            self._stop_at = now + self.patience
            for worker in self._all():
                worker.process.send_signal(signal.SIGTERM)
        elif told == signal.SIGINT:
            self._stop_at = now

    def _listen(self) -> None:
        for key, _ in self._selector.select(_TICK):
            try:
                heard = os.read(key.fd, 4096)
            except BlockingIOError:
                continue
            worker: _Worker | None = key.data
            if worker is None:
                continue
            if not heard:  # it is ending, or has ended
                self._selector.unregister(key.fd)
                continue
            worker.heard = time.monotonic()
            if not worker.ready:
                self._now_ready(worker)

    def _now_ready(self, worker: _Worker) -> None:
        worker.ready = True
        if not self._served:
            self._served = True
            self.listening()
        if worker is self._fresh:
            self._fresh = None
            post = self._posts[worker.number]
            if post.worker is not None:
                post.worker.process.send_signal(RETIRE)
                post.worker.leaves_at = time.monotonic() + self.patience
                self._leaving.append(post.worker)
            post.worker = worker

    def _look_after(self, worker: _Worker, now: float) -> None:
        code = worker.process.poll()
        if code is not None:
            self._bury(worker, code, now)
        elif (end := worker.leaves_at if self._stop_at is None else self._stop_at) is not None:
            if now > end:
                worker.process.kill()
        elif now - worker.heard > (_SILENT if worker.ready else _BOOT):
            logs.worker_stuck(worker.number)
            worker.process.kill()

    def _bury(self, worker: _Worker, code: int, now: float) -> None:
        if worker.pulse in self._selector.get_map():
            self._selector.unregister(worker.pulse)
        os.close(worker.pulse)
        if worker in self._leaving:
            self._leaving.remove(worker)
            return
        if worker is self._fresh:  # what replaces the others cannot start: they stay
            self._fresh = None
            self._renewals.clear()
            logs.worker_ended(worker.number, code, None)
            return
        post = self._posts[worker.number]
        post.worker = None
        post.deaths = 0 if worker.ready and now - worker.started > _STABLE else post.deaths + 1
        pause = 0.0 if post.deaths <= 1 else min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** (post.deaths - 2))
        post.due = now + pause
        if self._stop_at is None:
            logs.worker_ended(worker.number, code, pause)

    def _fill(self, now: float) -> None:
        for number, post in self._posts.items():
            if post.worker is None and now >= post.due and (self._fresh is None or self._fresh.number != number):
                post.worker = self._started(number)
        if self._fresh is None and self._renewals:
            self._fresh = self._started(self._renewals.popleft())

    def _started(self, number: int) -> _Worker:
        reading, writing = os.pipe()
        numbers = [sock.fileno() for sock in (*self.sockets, *self.asked)]
        given = [f"--socket={sock.fileno()}" for sock in self.sockets]
        given += [f"--metrics-socket={sock.fileno()}" for sock in self.asked]
        try:
            process = subprocess.Popen(  # noqa: S603 - this very program
                [*_WORKER, f"--number={number}", f"--pulse={writing}", *given, *self.arguments],
                pass_fds=[*numbers, writing],
                env={**os.environ, **self.environ},
            )
        finally:
            os.close(writing)
        now = time.monotonic()
        worker = _Worker(number, process, reading, now, now)
        self._selector.register(reading, selectors.EVENT_READ, worker)
        return worker

    def _all(self) -> list[_Worker]:
        at_work = [post.worker for post in self._posts.values() if post.worker is not None]
        return [*at_work, *self._leaving, *([] if self._fresh is None else [self._fresh])]

"""One server around the application: uvicorn on httptools and uvloop, which says when it listens and how it ends."""

import asyncio
import contextlib
import gc
import importlib.util
import os
import resource
import signal
import socket
import threading
from collections.abc import Callable
from types import FrameType

import uvicorn
from starlette.types import ASGIApp

from router.config.reload import Reload
from router.service import Service
from router.serving.allocator import tune
from router.serving.protocol import Config, Limits, Protocol

RETIRE = signal.SIGUSR1
"""Tells a worker that its successor serves."""

_COLLECTED_AFTER = 50_000  # objects more than there were

WRITE_OUT = 5.0  # seconds after the last late answer in which what is written may still go out


class Stop(Exception):  # noqa: N818 - a request, not a fault
    """Raised by who is called at each tick: drain, and end."""


class Server(uvicorn.Server):
    """A server that keeps listening while it drains, so that whoever comes is told where to go.

    `listening` is called once, `ticking` ten times a second.
    """

    def __init__(
        self, config: Config, service: Service, listening: Callable[[], None], ticking: Callable[[], None]
    ) -> None:
        super().__init__(config)
        self._service = service
        self._listening = listening
        self._ticking = ticking
        self._loop: asyncio.AbstractEventLoop | None = None
        self._interrupted = False
        self._reloading: asyncio.Task[Reload] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, then say so."""
        self._loop = asyncio.get_running_loop()
        if threading.current_thread() is threading.main_thread():
            self._loop.add_signal_handler(RETIRE, self.retire)
            if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # as where a parent sees to it
                self._loop.add_signal_handler(signal.SIGHUP, self.reload)
        await super().startup(sockets)
        if not self.should_exit:
            with contextlib.suppress(Stop):  # the first tick says so again
                self._listening()

    async def on_tick(self, counter: int) -> bool:
        """Stop once nothing is left to wait for."""
        try:
            self._ticking()
        except Stop:
            self.drain()
        if self._service.drain.over:
            self.should_exit = True
        return await super().on_tick(counter)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - the signal's
        """Drain; a second Ctrl-C waits for nothing. The signal is answered by that, and the exit code is 0."""
        self.drain()
        if sig == signal.SIGINT and self._interrupted:
            self.should_exit = self.force_exit = True
        self._interrupted |= sig == signal.SIGINT

    def drain(self) -> None:
        """Take no more work, and stop once what is under way is answered."""
        if self._loop is None:
            self.should_exit = True
        else:
            self._service.drain.begin(self._loop, self._service.runtime.server.drain)

    def reload(self) -> None:
        """Look at the configuration's files now."""
        if self._loop is not None and self._service.reloader is not None:
            self._reloading = self._loop.create_task(self._service.reloader.once())

    def retire(self) -> None:
        """Listen no more, as a successor does, and stop once what is under way is answered."""
        if self._loop is not None:
            patience = self._service.runtime.server.drain
            self._service.drain.begin(self._loop, patience, refusing=False)
            self.config.timeout_graceful_shutdown = round(patience + WRITE_OUT)
            self.should_exit = True


def run(
    app: ASGIApp,
    service: Service,
    sockets: list[socket.socket],
    listening: Callable[[], None],
    ticking: Callable[[], None],
) -> None:
    """Serve until told to stop."""
    tune(os.environ)
    fast = importlib.util.find_spec("uvloop") is not None
    config = Config(
        app,
        http=Protocol,
        ws="none",
        loop="uvloop" if fast else "asyncio",
        lifespan="on",
        log_config=None,
        timeout_graceful_shutdown=round(WRITE_OUT),
    )
    config.limits = Limits.of(service.runtime.server, _files())
    _spare_the_collector()
    Server(config, service, listening, ticking).run(sockets)


def _spare_the_collector() -> None:
    """Look for cycles rarely, and never among what stays: requests leave none, and the looks cost each of them."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_COLLECTED_AFTER, 10, 10)


def _files() -> int:
    """How many files this process may have open: as many as it may allow itself."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard == resource.RLIM_INFINITY:
        hard = max(soft, 1 << 20)
    if soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    return hard

"""From a configuration to a router that serves: in this process, or in several that share its sockets."""

import os
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from router.app import Application, build
from router.config.load import Loaded
from router.observe import logs
from router.observe.listener import Listener
from router.observe.together import DIRECTORY
from router.service import Service
from router.serving.parent import Parent
from router.serving.server import WRITE_OUT, Stop, run
from router.serving.sockets import bound, inherited, place
from router.serving.start import CannotServe, Found, Source, found, report

_PULSE = 1.0  # seconds between two signs of life for the parent
_SLACK = 5.0  # seconds a worker has to end once nothing is under way


@dataclass(frozen=True, slots=True, kw_only=True)
class Listening:
    """What the command line says of listening, where it does."""

    host: str | None = None
    port: int | None = None
    workers: int | None = None


def serve(source: Source, listening: Listening, warn: Callable[[Loaded], None]) -> None:
    """Serve until told to stop.

    Raises:
        ConfigError: the file has mistakes, and there is nothing to serve in its stead.
        CannotServe: it has none, and still cannot be served here.
    """
    what = found(source)
    warn(what.loaded)
    server = what.loaded.settings.server
    host = listening.host or server.host
    what.guard(host)
    logs.configure(sys.stderr).follow(server.log)
    sockets = _bound(host, server.port if listening.port is None else listening.port)
    asked = _bound(server.metrics.host or host, server.metrics.port) if server.metrics.port is not None else []
    if (workers := listening.workers or server.workers) > 1:
        _serve_with(workers, what, source, sockets, asked)
        return
    service = what.service(source, [host])
    report(what, source)
    run(_application(service, asked), service, sockets, lambda: _say(sockets, what), _nothing)


def work(source: Source, number: int, pulse: int, numbers: Sequence[int], asked: Sequence[int]) -> None:
    """Be one of several.

    Raises:
        ConfigError, CannotServe: as for `serve`.
    """
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # a terminal tells all; what follows from it is the parent's affair
    output = logs.configure(sys.stderr, number)
    sockets = inherited(numbers)
    what = found(source)
    output.follow(what.loaded.settings.server.log)
    hosts = [sock.getsockname()[0] for sock in sockets]
    for host in hosts:
        what.guard(host)
    service = what.service(source, hosts)
    report(what, source)
    os.set_blocking(pulse, False)
    beat = _Beat(pulse)
    run(_application(service, inherited(asked)), service, sockets, beat.show, beat.tick)


def _application(service: Service, asked: list[socket.socket]) -> Application:
    """The application; `asked` are the sockets for Prometheus, where it has its own."""
    if not asked:
        return build(service)
    token = service.runtime.server.metrics.token
    listener = Listener(asked, service.metrics.exposition, token.reveal() if token is not None else None)
    return build(service, listener.running, metrics=False)


class _Beat:
    """Signs of life for the parent; without a parent there is no reason to live."""

    def __init__(self, pulse: int) -> None:
        self._pulse = pulse
        self._last = 0.0

    def show(self) -> None:
        """Show one.

        Raises:
            Stop: nobody is there to see it.
        """
        self._last = time.monotonic()
        with suppress(BlockingIOError):
            try:
                os.write(self._pulse, b".")
            except BrokenPipeError:
                raise Stop from None

    def tick(self) -> None:
        """Show one where it is due."""
        if time.monotonic() - self._last >= _PULSE:
            self.show()


def _serve_with(
    workers: int, what: Found, source: Source, sockets: Sequence[socket.socket], asked: Sequence[socket.socket]
) -> None:
    kept = report(what, source)
    with _own_directory() as directory:
        if directory is None:
            logs.alone()
        else:
            source = replace(source, state=f"sqlite://{directory / 'state'}")
            if not kept:
                source = replace(source, state_dir=directory)
        Parent(
            arguments=list(_arguments(source)),
            environ={} if directory is None else {DIRECTORY: str(directory / "metrics")},
            sockets=sockets,
            asked=asked,
            count=workers,
            patience=what.loaded.settings.server.drain + WRITE_OUT + _SLACK,
            listening=lambda: _say(sockets, what),
        ).run()


def _arguments(source: Source) -> Iterable[str]:
    given = {"--config": source.file, "--state-dir": source.state_dir, "--state": source.state}
    yield from (f"{option}={value}" for option, value in given.items() if value is not None)
    if source.strict:
        yield "--strict"


@contextmanager
def _own_directory() -> Iterator[Path | None]:
    """A directory for what the workers share, gone when they are; None where nothing can be written."""
    try:
        made = tempfile.TemporaryDirectory(prefix="image-router-", ignore_cleanup_errors=True)
    except OSError:
        yield None
        return
    with made as name:
        yield Path(name)


def _bound(host: str, port: int) -> list[socket.socket]:
    try:
        return bound(host, port)
    except OSError as why:
        raise CannotServe(f"cannot listen on {host}, port {port}: {why.strerror or why}") from None


def _say(sockets: Sequence[socket.socket], what: Found) -> None:
    names = [name for name in what.loaded.settings.models if not name.endswith("/*")]
    line = f"image-router listens on {place(sockets)} and serves: {', '.join(names) or 'none'}\n"
    with suppress(OSError):  # nobody has to read it
        os.write(1, line.encode())


def _nothing() -> None:
    """Nobody waits for signs of life."""

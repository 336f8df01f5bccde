"""The application for a server of somebody else's: `router.serving.asgi:create()`.

`IMAGE_ROUTER_CONFIG` names the configuration, without it the one shipped is served; `IMAGE_ROUTER_STATE_DIR` is where
the last good one is kept, and `IMAGE_ROUTER_STRICT=1` is `--strict`. The server's part, limits on connections among
it, is then the server's own affair; the drain is still the router's.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from router.app import Application, build
from router.observe import logs
from router.service import Service
from router.serving.start import Source, found, report

_ANYWHERE = "0.0.0.0"  # noqa: S104 - where it really listens is not known here, so it is taken for the widest


def create() -> Application:
    """The application, from what the environment says.

    Raises:
        ConfigError: the file has mistakes, and there is nothing to serve in its stead.
        CannotServe: it has none, and still cannot be served here.
    """
    file, state_dir = os.environ.get("IMAGE_ROUTER_CONFIG"), os.environ.get("IMAGE_ROUTER_STATE_DIR")
    source = Source(
        file=Path(file) if file else None,
        strict=os.environ.get("IMAGE_ROUTER_STRICT") == "1",
        state_dir=Path(state_dir) if state_dir else None,
    )
    what = found(source)
    what.guard(_ANYWHERE)
    logs.configure(sys.stderr).follow(what.loaded.settings.server.log)
    service = what.service(source, [_ANYWHERE])
    report(what, source)
    return build(service, lambda: _hearing(service))


@contextmanager
def _hearing(service: Service) -> Iterator[None]:
    """Drain on SIGTERM, beside whatever the server does on it."""
    loop, before = asyncio.get_running_loop(), signal.getsignal(signal.SIGTERM)
    if not callable(before):  # the server hears nothing either
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        service.drain.begin(loop, service.runtime.server.drain)
        before(number, frame)

    try:
        signal.signal(signal.SIGTERM, stop)
    except ValueError:  # a server in a thread stops in ways of its own
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)

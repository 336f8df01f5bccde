"""`image-router demo`: the router and its console at work, with backends and callers of its own."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from router import demo as play, shipped
from router.app import build
from router.catalog import load_catalog
from router.config.load import load
from router.demo.stage import Stage
from router.observe import logs
from router.service import Service
from router.serving.server import run
from router.serving.sockets import bound

_HOST = "127.0.0.1"
_CONFIG = Path(play.__file__).parent / "demo.yaml"


@click.command()
@click.option("--port", type=click.IntRange(0, 65_535), default=8080, show_default=True, help="0 takes a free one.")
def demo(*, port: int) -> None:
    """Show the router at work: the console, and four backends that are slow, limited, refuse and recover.

    It needs no key and no network, and listens to this machine only.
    """
    try:
        sockets = bound(_HOST, port)
    except OSError as why:
        raise click.ClickException(f"cannot listen on port {port}: {why.strerror or why}; try --port 0") from None
    address = f"http://{_HOST}:{sockets[0].getsockname()[1]}"
    stage = Stage()
    loaded = load(_CONFIG, {"DEMO": stage.address})
    service = Service.of(loaded, load_catalog(shipped.path("catalog")))

    def begin() -> None:
        click.echo(f"The console is at {address}/console#live: watch aurora. Ctrl-C ends the demonstration.")
        stage.call_at(address)

    with _silence(), stage.open():
        run(build(service), service, sockets, begin, lambda: None)


@contextmanager
def _silence() -> Iterator[None]:
    """The console shows what the log would say."""
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        logs.configure(nowhere)
        yield

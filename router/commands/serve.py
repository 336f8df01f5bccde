"""`image-router serve`, and the processes that it starts."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from router.commands import mistakes
from router.config.load import Loaded
from router.serving import run
from router.serving.start import CannotServe, Source

_Path = click.Path(path_type=Path, dir_okay=False)

_CONFIG = click.option(
    "--config", "file", type=_Path, help="The configuration; without it, the one shipped, which needs no key."
)
_STRICT = click.option(
    "--strict", is_flag=True, help="Refuse to start on a broken configuration, instead of serving the last good one."
)
_STATE_DIR = click.option(
    "--state-dir",
    type=click.Path(path_type=Path, file_okay=False),
    envvar="IMAGE_ROUTER_STATE_DIR",
    help="Where the last good configuration is kept, instead of server.state_dir.",
)


@click.command()
@_CONFIG
@click.option("--host", help="The address to listen on, instead of server.host.")
@click.option("--port", type=click.IntRange(0, 65_535), help="The port, instead of server.port; 0 takes a free one.")
@click.option("--workers", type=click.IntRange(1, 256), help="Processes side by side, instead of server.workers.")
@_STRICT
@_STATE_DIR
def serve(
    *, file: Path | None, host: str | None, port: int | None, workers: int | None, strict: bool, state_dir: Path | None
) -> None:
    """Serve images. Ready when GET /readyz answers 200; SIGTERM lets requests under way finish."""
    source = Source(file=file, strict=strict, state_dir=state_dir)
    with _complaining():
        run.serve(source, run.Listening(host=host, port=port, workers=workers), _warn)


@click.command(hidden=True)
@_CONFIG
@_STRICT
@_STATE_DIR
@click.option("--number", type=int, required=True)
@click.option("--pulse", type=int, required=True)
@click.option("--socket", "sockets", type=int, multiple=True, required=True)
@click.option("--metrics-socket", "asked", type=int, multiple=True)
@click.option("--state")
def worker(
    *,
    file: Path | None,
    strict: bool,
    state_dir: Path | None,
    number: int,
    pulse: int,
    sockets: tuple[int, ...],
    asked: tuple[int, ...],
    state: str | None,
) -> None:
    """One of the processes that `serve --workers` starts."""
    source = Source(file=file, strict=strict, state_dir=state_dir, state=state)
    with _complaining():
        run.work(source, number, pulse, sockets, asked)


def _warn(loaded: Loaded) -> None:
    for warning in loaded.warnings:
        click.echo(f"{warning} (warning)", err=True)


@contextmanager
def _complaining() -> Iterator[None]:
    """What keeps a command from its work ends it, in words."""
    try:
        with mistakes.told():
            yield
    except CannotServe as why:
        raise click.ClickException(str(why)) from None

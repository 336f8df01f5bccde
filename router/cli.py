"""The command line: serve, check, schema, providers."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

import providers
from router import __version__, matrix
from router.catalog import CatalogFile
from router.commands.check import check
from router.commands.demo import demo
from router.commands.diff import diff
from router.commands.explain import explain
from router.commands.health import health
from router.commands.import_litellm import import_
from router.commands.keys import keys
from router.config.load import ConfigError, Loaded, schema
from router.serving import run
from router.serving.start import CannotServe, Source

_Path = click.Path(path_type=Path, dir_okay=False)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="image-router")
def main() -> None:
    """Image Router: one endpoint in front of every image backend."""


main.add_command(check)
main.add_command(demo)
main.add_command(diff)
main.add_command(explain)
main.add_command(health)
main.add_command(import_)
main.add_command(keys)


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


@main.command()
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


@main.command(hidden=True)
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


@main.command(name="schema")
@click.option("--catalog", is_flag=True, help="That of the catalogue's files instead.")
def schema_(*, catalog: bool) -> None:
    """Print the configuration's JSON Schema, for editors."""
    click.echo(json.dumps(schema(CatalogFile) if catalog else schema(), indent=2))


@main.command(name="providers")
@click.option("--stats", is_flag=True, help="How many kinds, models, dialects and, in a source tree, golden files.")
@click.option("--matrix", "table", is_flag=True, help="What each kind can do, as a table in Markdown.")
@click.option("--write", "document", type=_Path, help="Put both between the matrix markers of this document.")
def providers_(*, stats: bool, table: bool, document: Path | None) -> None:
    """List the kinds of provider, and what each lets you set."""
    if document is not None:
        _write(document)
    if table:
        click.echo(matrix.matrix())
    if stats:
        click.echo(matrix.stats())
    if not (stats or table or document):
        _list()


def _write(document: Path) -> None:
    try:
        document.write_text(matrix.written(document.read_text(encoding="utf-8")), encoding="utf-8")
    except (OSError, ValueError) as why:
        raise click.ClickException(f"{document}: {why}") from None


def _list() -> None:
    for kind in providers.kinds():
        adapter = providers.load(kind)
        click.echo(f"{kind}: {adapter.base_url or 'base_url is yours to give'}")
        for option, meaning in adapter.options.items():
            click.echo(f"  options.{option}: {meaning}")


def _warn(loaded: Loaded) -> None:
    for warning in loaded.warnings:
        click.echo(f"{warning} (warning)", err=True)


@contextmanager
def _complaining() -> Iterator[None]:
    """What keeps a command from its work ends it, in words."""
    try:
        yield
    except ConfigError as error:
        for mistake in error.mistakes:
            click.echo(str(mistake), err=True)
        raise click.exceptions.Exit(1) from None
    except CannotServe as why:
        raise click.ClickException(str(why)) from None

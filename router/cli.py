"""The command line: serve, check, schema, providers."""

import ipaddress
import json
import os
import sys
from pathlib import Path

import click

import providers
from router import __version__, matrix, shipped
from router.app import build
from router.catalog import CatalogFile, load_catalog
from router.config.load import ConfigError, Loaded, load, schema
from router.images.store import StoreFailed
from router.observe import logs
from router.runtime import Runtime, Service
from router.server import run

_Path = click.Path(path_type=Path, dir_okay=False)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="image-router")
def main() -> None:
    """Image Router: one endpoint in front of every image backend."""


@main.command()
@click.option(
    "--config", "file", type=_Path, help="The configuration; without it, the one shipped, which needs no key."
)
@click.option("--host", help="The address to listen on, instead of server.host.")
@click.option("--port", type=click.IntRange(0, 65_535), help="The port, instead of server.port; 0 takes a free one.")
def serve(file: Path | None, host: str | None, port: int | None) -> None:
    """Serve images. Ready when GET /readyz answers 200."""
    loaded = _loaded(file or shipped.path("router.yaml"))
    server = loaded.settings.server
    host = host or server.host
    if not server.keys and not server.open and not _loopback(host):
        raise click.ClickException(
            f"without keys the router listens to this machine only, not on {host}: "
            "name who may call in server.keys, or set server.open: true",
        )
    logs.configure(sys.stderr)
    try:
        service = Service(Runtime(loaded, load_catalog(shipped.path("catalog"))))
    except StoreFailed as why:
        raise click.ClickException(str(why)) from None
    run(build(service), service, host, server.port if port is None else port)


@main.command()
@click.argument("file", type=_Path)
def check(file: Path) -> None:
    """Check a configuration: its mistakes, else each model with its chain."""
    loaded = _loaded(file)
    for name, model in loaded.settings.models.items():
        click.echo(f"{name}: {' -> '.join(target.target for target in model.chain)}")


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


def _loaded(file: Path) -> Loaded:
    """The configuration; its warnings are printed, its mistakes end the command."""
    try:
        loaded = load(file, os.environ)
    except ConfigError as error:
        for mistake in error.mistakes:
            click.echo(str(mistake), err=True)
        raise click.exceptions.Exit(1) from None
    for warning in loaded.warnings:
        click.echo(f"{warning} (warning)", err=True)
    return loaded


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"

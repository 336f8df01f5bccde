"""`image-router schema` and `image-router providers`: what a configuration can say, and which kinds there are."""

import json
from pathlib import Path

import click

import providers
from router import matrix
from router.catalog import CatalogFile
from router.config.load import schema

_Path = click.Path(path_type=Path, dir_okay=False)


@click.command(name="schema")
@click.option("--catalog", is_flag=True, help="That of the catalogue's files instead.")
def schema_(*, catalog: bool) -> None:
    """Print the configuration's JSON Schema, for editors."""
    click.echo(json.dumps(schema(CatalogFile) if catalog else schema(), indent=2))


@click.command(name="providers")
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

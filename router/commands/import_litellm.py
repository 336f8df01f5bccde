"""`image-router import litellm FILE`: LiteLLM's configuration in our words."""

from pathlib import Path

import click

from router.catalog import Catalog, load_catalog
from router.config.mistakes import ConfigError
from router.config.text import read_text
from router.migrate.litellm import imported

_Path = click.Path(path_type=Path, dir_okay=False)


@click.group(name="import")
def import_() -> None:
    """Translate another router's configuration."""


@import_.command(name="litellm")
@click.argument("file", type=_Path)
@click.option("--output", type=_Path, help="Write the configuration here, where there is none yet; else it is printed.")
def litellm(file: Path, output: Path | None) -> None:
    """Translate a LiteLLM proxy configuration: what serves images becomes a configuration of ours.

    Its comments say what each line comes from. What was translated, and what could not be, is also said on stderr.
    """
    if output is not None and output.exists():
        raise click.ClickException(f"{output} is there already: remove it, or name another")
    catalog = load_catalog()
    try:
        made = imported(read_text(file), str(file), lambda kind, model: _draws(catalog, kind, model))
    except ConfigError as error:
        for mistake in error.mistakes:
            click.echo(str(mistake), err=True)
        raise click.exceptions.Exit(1) from None
    for note in made.notes:
        click.echo(f"{file}:{note}", err=True)
    if output is None:
        click.echo(made.text, nl=False)
        return
    try:
        output.write_text(made.text, encoding="utf-8")
    except OSError as why:
        raise click.ClickException(f"{output}: {why.strerror}") from None


def _draws(catalog: Catalog, kind: str, model: str) -> bool:
    return catalog.backend(kind, model) is not None

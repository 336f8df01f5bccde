"""`image-router diff`: what changes for callers and for ops when one configuration takes another's place."""

import os
from pathlib import Path

import click
import msgspec

from router.checkup.differences import differences
from router.checkup.findings import Audience, Difference
from router.config.load import ConfigError, Loaded, load

_PATH = click.Path(path_type=Path, dir_okay=False)
_HEADS = {Audience.CALLERS: "For callers:", Audience.OPS: "For ops:"}


@click.command()
@click.argument("old", type=_PATH)
@click.argument("new", type=_PATH)
@click.option("--json", "as_json", is_flag=True, help="Print the same as JSON.")
def diff(*, old: Path, new: Path, as_json: bool) -> None:
    """Say in words what changes when the configuration NEW takes the place of OLD.

    References are filled in from the environment, for both alike; keys are told by name, never shown. Exits with 0
    where nothing changes, 1 where something does, 2 where a file cannot be used.
    """
    found = list(differences(_loaded(old), old, _loaded(new), new))
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(found), indent=2))
    else:
        _print(found)
    if found:
        raise click.exceptions.Exit(1)


def _print(found: list[Difference]) -> None:
    for audience, head in _HEADS.items():
        told = [each.words for each in found if each.audience is audience]
        for line in (head, *(f"  {words}" for words in told)) if told else ():
            click.echo(line)


def _loaded(file: Path) -> Loaded:
    try:
        return load(file, os.environ)
    except ConfigError as error:
        for mistake in error.mistakes:
            click.echo(str(mistake), err=True)
        raise click.exceptions.Exit(2) from None

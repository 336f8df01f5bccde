"""How a command ends on files with mistakes: it tells each of them with its place."""

from collections.abc import Iterator
from contextlib import contextmanager

import click

from router.config.load import ConfigError


@contextmanager
def told() -> Iterator[None]:
    """Mistakes end the command with exit code 1, each on a line of its own."""
    try:
        yield
    except ConfigError as error:
        for mistake in error.mistakes:
            click.echo(str(mistake), err=True)
        raise click.exceptions.Exit(1) from None

"""The command line: each command is imported when it is asked for, since a health check needs none of the router."""

from importlib import import_module

import click

from router import __version__

_COMMANDS = {
    "check": "check.check",
    "demo": "demo.demo",
    "diff": "diff.diff",
    "explain": "explain.explain",
    "health": "health.health",
    "import": "import_litellm.import_",
    "keys": "keys.keys",
    "providers": "known.providers_",
    "schema": "known.schema_",
    "serve": "serve.serve",
    "worker": "serve.worker",
}
"""Their names, and where in `router.commands` they are."""


class _Commands(click.Group):
    """Its commands have nothing but names until they are asked for."""

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        if cmd_name not in self.commands:
            return None
        module, _, name = _COMMANDS[cmd_name].partition(".")
        command: click.Command = getattr(import_module(f"router.commands.{module}"), name)
        return command


@click.group(
    cls=_Commands,
    commands={name: click.Command(name) for name in _COMMANDS},
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__, prog_name="image-router")
def main() -> None:
    """Image Router: one endpoint in front of every image backend."""

"""`image-router check`: a configuration's mistakes, what each of its targets can do, and what to look at."""

import os
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import click
import msgspec

from router.catalog import load_catalog
from router.checkup.findings import Ability, Finding, Report, Severity, Surveyed
from router.checkup.retirement import SOON, when
from router.checkup.survey import survey


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--json", "as_json", is_flag=True, help="Print the same as JSON.")
@click.option("--strict", is_flag=True, help="Exit with 1 for warnings too, not for mistakes alone.")
@click.option(
    "--on",
    "day",
    type=click.DateTime(["%Y-%m-%d"]),
    metavar="YYYY-MM-DD",
    help="The day for which to say what is retired, instead of today.",
)
def check(*, file: Path, as_json: bool, strict: bool, day: datetime | None) -> None:
    """Check a configuration: its mistakes, else each model with its chain, and what to look at.

    Looked for are models that are retired or soon will be, with what replaces them; targets, wildcards and words
    without effect; and chains that one account or host takes down. Nothing is sent. Exits with 0 where the file can
    be used, 1 where it cannot, 2 where the command itself was wrong.
    """
    today = day.date() if day is not None else datetime.now(UTC).date()
    report = survey(file, os.environ, load_catalog(), today)
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(report), indent=2))
    else:
        _print(report)
    if report.failed(strict=strict):
        raise click.exceptions.Exit(1)


def _print(report: Report) -> None:
    """The mistakes as an error, or the models and then the findings."""
    for model in report.models:
        for line in _model(model, report.day):
            click.echo(line)
    if report.models and report.findings:
        click.echo()
    for finding in report.findings:
        for line in _finding(finding):
            click.echo(line, err=finding.severity is Severity.ERROR)


def _model(model: Surveyed, day: date) -> Iterator[str]:
    yield f"{model.name}: {' -> '.join(target.target for target in model.chain)}"
    for target in model.chain:
        yield f"  {target.target}: {'; '.join(_ability(target, day))}"


def _ability(target: Ability, day: date) -> Iterator[str]:
    if target.wildcard:
        yield "whatever the model asked for can do"
        return
    yield ", ".join(target.operations)
    taken = []
    if target.max_images:
        taken.append("1 picture" if target.max_images == 1 else f"up to {target.max_images} pictures")
    if target.mask:
        taken.append("a mask")
    if taken:
        yield f"takes {' and '.join(taken)}"
    if target.transparent:
        yield "transparent backgrounds"
    yield f"{target.max_n} a call"
    if target.stream:
        yield "streams"
    if target.retires is not None and target.retires <= day + SOON:
        yield when(target.retires, day)
    elif target.retires is not None:
        yield f"retires on {target.retires}"


def _finding(finding: Finding) -> Iterator[str]:
    yield str(finding)
    if finding.write:
        yield f"    {finding.write}"

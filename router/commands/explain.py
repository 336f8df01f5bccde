"""`image-router explain`: what a router would do with one request, and what another configuration would change."""

import base64
import os
from pathlib import Path
from typing import Any

import click
import msgspec

from providers.base import Operation
from router import shipped
from router.auth import ANYONE, Caller
from router.commands.rehearsal import CannotAsk, Question, asked_of, caller_of, explained
from router.config.load import ConfigError, Loaded, load
from router.explain.difference import difference
from router.explain.explanation import Explanation
from router.explain.words import lines
from router.images.store import StoreFailed
from router.messages.errors import Refused

_Path = click.Path(path_type=Path, dir_okay=False)
_OPERATIONS = click.Choice([str(operation) for operation in Operation])
_Readable = click.Path(path_type=Path, dir_okay=False, exists=True)


@click.command()
@click.option("--config", "file", type=_Path, help="The configuration; without it, the one shipped.")
@click.option("--operation", type=_OPERATIONS, default="generate", show_default=True, help="What is asked for.")
@click.option("--model", help="The model asked for; without it, server.default_model.")
@click.option("--prompt", help="What the picture shall show.")
@click.option("--size", help="Such as 1024x1024.")
@click.option("--quality", help="Such as high.")
@click.option("--n", type=int, help="How many pictures.")
@click.option("--image", "images", type=_Readable, multiple=True, help="A picture to start from; may be repeated.")
@click.option("--mask", type=_Readable, help="The mask of an edit.")
@click.option("--json", "body", type=_Readable, help="A file with the request's JSON; the options above outrank it.")
@click.option("--as", "key_name", help="The name of the key in server.keys that asks; without it, one that may all.")
@click.option("--running", help="Say what differs from this: the address of a running router, or a configuration.")
@click.option(
    "--running-key",
    envvar="IMAGE_ROUTER_KEY",
    help="The key for the running router, one with dry_run: true; better as IMAGE_ROUTER_KEY in the environment.",
)
@click.option("--json-output", is_flag=True, help="Print JSON.")
def explain(
    *,
    file: Path | None,
    operation: str,
    body: Path | None,
    images: tuple[Path, ...],
    mask: Path | None,
    key_name: str | None,
    running: str | None,
    running_key: str | None,
    json_output: bool,
    **fields: Any,
) -> None:
    """Explain what would be done with one request; nothing is sent.

    For each target of the chain: whether it is eligible or each reason why not, the exact requests that it would be
    sent, what would be sent otherwise than asked, and the price. Keys are masked and pictures told by length and
    digest. With --running only what would change is said. Exits with 0 where the request can be served, else 1.
    """
    question = Question(Operation(operation), _fields(body, fields, images, mask))
    candidate = _loaded(file or shipped.path("router.yaml"))
    told = _told(question, candidate, _caller(candidate, key_name))
    if running is not None:
        _compare(_running(question, running, running_key, key_name), told, json_output=json_output)
    elif isinstance(told, str):
        raise click.ClickException(told)
    elif json_output:
        click.echo(msgspec.json.format(msgspec.json.encode(told), indent=2))
    else:
        for line in lines(told):
            click.echo(line)
    if isinstance(told, str) or not told.served:
        raise click.exceptions.Exit(1)


def _fields(body: Path | None, options: dict[str, Any], images: tuple[Path, ...], mask: Path | None) -> dict[str, Any]:
    """The request's fields; pictures as data URIs."""
    fields: dict[str, Any] = {}
    if body is not None:
        try:
            fields = msgspec.json.decode(body.read_bytes(), type=dict[str, Any])
        except msgspec.MsgspecError as error:
            raise click.ClickException(f"{body}: it is not a JSON object: {error}") from None
    fields |= {name: value for name, value in options.items() if value is not None}
    if images:
        fields["image"] = [_data_uri(image) for image in images]
        fields.pop("images", None)
    if mask is not None:
        fields["mask"] = _data_uri(mask)
    fields.pop("dry_run", None)
    return fields


def _data_uri(picture: Path) -> str:
    return f"data:application/octet-stream;base64,{base64.b64encode(picture.read_bytes()).decode()}"


def _loaded(file: Path) -> Loaded:
    try:
        return load(file, os.environ)
    except ConfigError as error:
        for mistake in error.mistakes:
            click.echo(str(mistake), err=True)
        raise click.exceptions.Exit(1) from None


def _caller(loaded: Loaded, name: str | None) -> Caller:
    if name is None:
        return ANYONE
    caller = caller_of(loaded, name)
    if caller is None:
        known = ", ".join(key.name for key in loaded.settings.server.keys) or "there are none"
        raise click.ClickException(f"--as: no key is named {name!r}; the keys are {known}")
    return caller


def _told(question: Question, loaded: Loaded, caller: Caller) -> Explanation | str:
    """The explanation, or in words that the request would be refused."""
    try:
        return explained(question, loaded, caller)
    except Refused as refused:
        return _refusal(refused)
    except StoreFailed as why:
        raise click.ClickException(str(why)) from None


def _running(question: Question, running: str, key: str | None, key_name: str | None) -> dict[str, Any] | str:
    """The same of what runs: plain, or in words."""
    if not running.startswith(("http://", "https://")):
        loaded = _loaded(Path(running))
        told = _told(question, loaded, _caller(loaded, key_name))
        return told if isinstance(told, str) else told.plain()
    try:
        return asked_of(question, running, key)
    except Refused as refused:
        return _refusal(refused)
    except CannotAsk as why:
        raise click.ClickException(str(why)) from None


def _refusal(refused: Refused) -> str:
    return f"the request is refused: {refused.status} {refused.code}: {refused.message}"


def _compare(running: dict[str, Any] | str, candidate: Explanation | str, *, json_output: bool) -> None:
    """Print what would change."""
    if isinstance(running, str) or isinstance(candidate, str):
        now = running if isinstance(running, str) else "the request is served"
        then = candidate if isinstance(candidate, str) else "the request is explained without a refusal"
        found = [] if running == candidate else [f"with what runs, {now}", f"with the candidate, {then}"]
    else:
        found = difference(running, candidate.plain())
    if json_output:
        click.echo(msgspec.json.format(msgspec.json.encode({"differences": found}), indent=2))
        return
    for sentence in found or ["nothing changes for this request"]:
        click.echo(sentence)

"""`image-router keys`: make, list, end and exchange the keys of clients."""

import os
import re
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any

import click
import msgspec

from router.commands import mistakes
from router.config import keyring
from router.config.keys import StoredKey
from router.config.load import server_of
from router.config.mistakes import quoted, suggestion
from router.config.model import ClientKey, Server

_SPAN = re.compile(r"([0-9]{1,5})([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_KEY = re.compile(r"(?:irk_)?([A-Za-z0-9]{8})(?:_[A-Za-z0-9]{32})?")


class State(StrEnum):
    """What becomes of a request with a key."""

    ACTIVE = "active"
    EXPIRED = "expired"
    REVOKED = "revoked"
    UNNAMED = "unnamed"  # server.keys has nobody of that name
    GIVEN = "given"  # it is the `key` of server.keys
    MISSING = "missing"  # the name has no key


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One key as it is listed; `id` and the moments are of keys that this command made."""

    name: str
    id: str | None = None
    created: str | None = None
    expires: str | None = None
    state: State
    models: tuple[str, ...] = ()


class _Span(click.ParamType[Any]):
    """A time such as 24h or 90d."""

    name = "span"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        if isinstance(value, timedelta):
            return value
        found = _SPAN.fullmatch(value)
        if found is None:
            self.fail("write a time such as 30m, 24h or 90d", param, ctx)
        return timedelta(**{_UNITS[found[2]]: int(found[1])})


class _End(_Span):
    """When something ends: after a time, or with a day of UTC."""

    name = "end"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if isinstance(value, datetime):
            return value
        now = _now()
        try:
            day = date.fromisoformat(value)
            end = datetime.combine(day + timedelta(days=1), time(), UTC)
        except OverflowError:
            self.fail("that day is too far away", param, ctx)
        except ValueError:
            end = now + super().convert(value, param, ctx)
        if end <= now:
            self.fail("that is over already: name a later end", param, ctx)
        return end


_CONFIG = click.option(
    "--config",
    "file",
    type=click.Path(path_type=Path, dir_okay=False),
    envvar="IMAGE_ROUTER_CONFIG",
    required=True,
    help="The configuration; IMAGE_ROUTER_CONFIG in the environment names it too.",
)
_EXPIRES = click.option(
    "--expires",
    type=_End(),
    metavar="END",
    help="When it ends: after 30m, 12h or 90d, or with a day of UTC such as 2026-12-31. Without it, never.",
)


@click.group()
def keys() -> None:
    """Make, list, end and exchange the keys of clients.

    Who may call, and what each may do, is said by name in server.keys of the configuration. The keys made here are in
    the file that server.keys_file names, each by its id and SHA-256 alone: no key can be got back from it. A name may
    have several. A running router takes up a change when it reads its configuration again; a key that expires does so
    without that.
    """


@keys.command()
@click.argument("name")
@_EXPIRES
@_CONFIG
def new(*, name: str, expires: datetime | None, file: Path) -> None:
    """Make a key for NAME. It is printed once, alone on stdout, and kept nowhere."""
    place = _Place.of(file)
    place.require(name)
    with place.changing() as kept:
        key, stored = keyring.made(name, _now(), expires, kept)
        kept.append(stored)
    _told(key, stored, place)


@keys.command()
@click.argument("name")
@click.option("--overlap", type=_Span(), default="24h", show_default=True, help="How long the old keys still work.")
@_EXPIRES
@_CONFIG
def rotate(*, name: str, overlap: timedelta, expires: datetime | None, file: Path) -> None:
    """Make a new key for NAME, whose other keys end after the overlap. The key is printed as by `keys new`."""
    place = _Place.of(file)
    place.require(name)
    now = _now()
    until = now + overlap
    with place.changing() as kept:
        old = [each for each in kept if each.name == name and each.lives(now)]
        if not old:
            make = f"make one with `image-router keys new {shlex.quote(name)}`"
            raise click.ClickException(f"{name!r} has no key to take the place of: {make}")
        key, stored = keyring.made(name, now, expires, kept)
        kept[:] = [*keyring.outlived(kept, name, until), stored]
    _told(key, stored, place)
    ending = ", ".join(each.id for each in old)
    click.echo(f"of its other keys none works after {keyring.spelled(until)}: {ending}", err=True)
    place.mind(name)


@keys.command()
@click.argument("which", nargs=-1, metavar="[ID]...")
@click.option("--name", help="All keys of that name.")
@_CONFIG
def revoke(*, which: tuple[str, ...], name: str | None, file: Path) -> None:
    """End keys at once, by their ids, the 8 characters after irk_, or by the name of whom they are."""
    if not which and name is None:
        raise click.UsageError("say which: the ids of the keys, or --name")
    ids = {_id(each) for each in which}
    place, now = _Place.of(file), _now()
    with place.changing() as kept:
        if unknown := sorted(ids - {each.id for each in kept}):
            message = f"no key has the id {', '.join(unknown)}, so none was revoked: `image-router keys list` has them"
            raise click.ClickException(message)
        ids |= {each.id for each in kept if each.name == name}
        ending = [each for each in kept if each.id in ids and each.revoked is None]
        kept[:] = keyring.revoked(kept, ids, now)
    for each in ending:
        click.echo(f"revoked {each.id} of {each.name!r}", err=True)
    if not ending:
        click.echo("nothing to revoke", err=True)
    for owner in dict.fromkeys([each.name for each in ending] + ([name] if name is not None else [])):
        place.mind(owner)
    if place.broken:
        click.echo(f"{file} has mistakes, and a running router takes nothing up until they are mended", err=True)


@keys.command(name="list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@_CONFIG
def list_(*, as_json: bool, file: Path) -> None:
    """List the keys: whose they are, since when, until when, and which models they may ask for.

    A key that has ended is listed for 90 days more. The state `given` is that of a key in server.keys itself,
    `missing` that of a name without any key, and `unnamed` that of a key whose name server.keys does not have.
    """
    place = _Place.of(file)
    rows = list(_rows(place, _now()))
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(rows), indent=2))
        return
    cells = [("NAME", "ID", "CREATED", "EXPIRES", "STATE", "MODELS")]
    cells += [
        (row.name, row.id or "-", row.created or "-", row.expires or "-", row.state, ", ".join(row.models) or "-")
        for row in rows
    ]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for cell in cells:
        click.echo("  ".join(map(str.ljust, cell, widths)).rstrip())


@dataclass(frozen=True, slots=True)
class _Place:
    """A configuration and its file of keys. `broken` is one that no router would take up."""

    file: Path
    server: Server
    path: Path
    broken: bool

    @classmethod
    def of(cls, file: Path) -> "_Place":
        with mistakes.told():
            server, broken = server_of(file, os.environ)
        if server.keys_file is None:
            raise click.ClickException(f"{file} names no file for keys: add `keys_file: keys.yaml` to its server part")
        return cls(file, server, server.keys_file, broken)

    @property
    def named(self) -> dict[str, ClientKey]:
        return {key.name: key for key in self.server.keys}

    def require(self, name: str) -> None:
        """Let nobody have a key whose rights are not written down."""
        if name not in self.named:
            hint = suggestion(name, self.named)
            message = f"server.keys of {self.file} has nobody named {quoted(name)}{hint}: add `- {{name: ...}}` first"
            raise click.ClickException(message)

    def mind(self, name: str) -> None:
        """Say so where a name has a key that is not ours to end."""
        if (known := self.named.get(name)) is not None and known.key is not None:
            click.echo(f"{name!r} can still use the key that {self.file} gives it: remove it there to end it", err=True)

    @contextmanager
    def changing(self) -> Iterator[list[StoredKey]]:
        try:
            with mistakes.told(), keyring.changing(self.path, _now()) as kept:
                yield kept
        except OSError as why:
            raise click.ClickException(f"{self.path}: {why.strerror}, so nothing was changed") from None


def _rows(place: _Place, now: datetime) -> Iterator[Row]:
    with mistakes.told():
        stored = keyring.keys_of(place.path)
    for name, known in place.named.items():
        own = [key for key in stored if key.name == name]
        if known.key is not None or not own:
            yield Row(name=name, state=State.GIVEN if known.key is not None else State.MISSING, models=known.models)
        yield from (_row(key, now, known) for key in own)
    yield from (_row(key, now, None) for key in stored if key.name not in place.named)


def _row(key: StoredKey, now: datetime, known: ClientKey | None) -> Row:
    return Row(
        name=key.name,
        id=key.id,
        created=keyring.spelled(key.created),
        expires=keyring.spelled(key.expires) if key.expires is not None else None,
        state=_state(key, now, named=known is not None),
        models=known.models if known is not None else (),
    )


def _state(key: StoredKey, now: datetime, *, named: bool) -> State:
    if key.revoked is not None:
        return State.REVOKED
    if not key.lives(now):
        return State.EXPIRED
    return State.ACTIVE if named else State.UNNAMED


def _told(key: str, stored: StoredKey, place: _Place) -> None:
    """The key alone on stdout, so that it can be piped to where it belongs; the rest on stderr."""
    click.echo(key)
    end = f"ends at {keyring.spelled(stored.expires)}" if stored.expires is not None else "does not end by itself"
    click.echo(
        f"this key of {stored.name!r}, {stored.id}, {end} and is not shown again; its digest is in {place.path}",
        err=True,
    )


def _id(which: str) -> str:
    found = _KEY.fullmatch(which)
    if found is None:
        # not repeated: it may be a key with a slip of the hand
        raise click.UsageError("an id is 8 letters and digits, those after irk_: `image-router keys list` has them")
    return found[1]


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)

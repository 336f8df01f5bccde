"""The keys of clients: the file of those that `image-router keys` makes, and what is wrong with any of them."""

import ipaddress
import re
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator

from router.config.checks import Finding
from router.config.mistakes import ConfigError, Mistake, quoted, suggestion
from router.config.model import Server
from router.config.nodes import Node, parse
from router.config.references import stands_there
from router.config.text import MISSING, Reader
from router.config.validate import validate
from router.config.values import Filled, Record, expected

_PLACE = ("server", "keys_file")
_MAKE_IT = "no such file: `image-router keys new NAME` makes it"
_NO_KEYS = "this is no file of keys: put back what `image-router keys` wrote, or write `keys: []` where there is none"


def _moment(value: Any) -> datetime:
    what = "a moment such as 2026-12-31T23:59:59Z"
    try:
        found = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
        return found.astimezone(UTC) if found.tzinfo is not None else expected(what)
    except (ValueError, OverflowError):
        expected(what)


def _of_form(form: str, what: str) -> Callable[[str], str]:
    def read(value: str) -> str:
        if not re.fullmatch(form, value):
            expected(what)
        return value

    return read


Moment = Annotated[datetime, BeforeValidator(_moment)]


class StoredKey(Record):
    """A key that the command made, without the key itself: `sha256` is of all of its text."""

    name: Filled
    id: Annotated[str, AfterValidator(_of_form("[A-Za-z0-9]{8}", "the 8 letters and digits of a key's id"))]
    sha256: Annotated[str, AfterValidator(_of_form("[0-9a-f]{64}", "a SHA-256 in 64 digits"))]
    created: Moment
    expires: Moment | None = None
    revoked: Moment | None = None

    def lives(self, now: datetime) -> bool:
        """Whether it opens the router at that moment."""
        return self.revoked is None and (self.expires is None or now < self.expires)


class KeysFile(Record):
    """All keys of a router, those that have ended too."""

    keys: tuple[StoredKey, ...]


@dataclass(frozen=True, slots=True)
class Stored:
    """The keys of a file, and what is odd about it without being wrong."""

    keys: tuple[StoredKey, ...] = ()
    warnings: tuple[Mistake, ...] = ()


def read_keys(path: Path, read: Reader, names: Iterable[str]) -> Stored:
    """The keys of a file; `names` are those that the configuration gives rights to.

    Raises:
        ConfigError: it cannot be used; all its mistakes.
    """
    file, text = str(path), read(path)
    try:
        tree, mistakes = parse(text, file)
    except ConfigError as error:
        none = Mistake(file, 1, 1, "", _NO_KEYS)
        raise ConfigError(told if told.line else none for told in error.mistakes) from None
    found, illegal = validate(tree, KeysFile, file, path.parent)
    mistakes += illegal
    keys = found.keys if found is not None else ()
    if not mistakes:
        mistakes += _doubled(keys, tree, file)
    if mistakes:
        raise ConfigError(mistakes)
    return Stored(keys, tuple(_strangers(keys, tree, file, list(names))))


def stored_keys(server: Server, read: Reader, mistakes: list[Mistake], findings: list[Finding]) -> Stored:
    """The keys of the file that a configuration names, if it does; mistakes are added to the lists."""
    if server.keys_file is None:
        return Stored()
    try:
        return read_keys(server.keys_file, read, [key.name for key in server.keys])
    except ConfigError as error:
        mistakes += [mistake for mistake in error.mistakes if mistake.line]
        whys = (told.message for told in error.mistakes if not told.line)
        findings += [Finding(_PLACE, _MAKE_IT if why == MISSING else why) for why in whys]
    return Stored()


def plain_keys(server: Server, tree: Node, environ: Mapping[str, str]) -> dict[str, int]:
    """Name -> position of the keys that stand in the file itself, unless they are allowed to."""
    return {
        key.name: index
        for index, key in enumerate(server.keys)
        if key.key is not None and not key.plain and _stands_there(tree, index, environ)
    }


def key_findings(
    server: Server, stored: Sequence[StoredKey], tree: Node, environ: Mapping[str, str]
) -> Iterator[Finding]:
    """What is wrong between the keys of a configuration, its file of keys and where it listens."""
    if server.keys_file is not None and not server.keys:
        yield Finding(_PLACE, "nobody in server.keys may call with these keys: add `- {name: ...}` there")
    if not loopback(server.host):
        for name, index in plain_keys(server, tree, environ).items():
            yield Finding(("server", "keys", index, "key"), refusal(name, server.host))
    made = {key.name for key in stored if key.revoked is None}
    for index, key in enumerate(server.keys):
        here = ("server", "keys", index)
        if key.plain and (key.key is None or not _stands_there(tree, index, environ)):
            yield Finding((*here, "plain"), "has no effect: the key does not stand here; remove it", grave=False)
        if key.key is None and key.name not in made:
            add = "run" if server.keys_file is not None else "add 'key', or name a server.keys_file and run"
            message = f"there is no key for {quoted(key.name)}: {add} `image-router keys new {shlex.quote(key.name)}`"
            yield Finding(here, message, grave=False)


def refusal(name: str, host: str) -> str:
    """Why a key that stands in the file is refused, and what to do."""
    return (
        f"the key of {quoted(name)} stands in the file while the router listens on {host}: "
        "take it from ${NAME} or ${file:PATH}, have one made by `image-router keys new`, or say plain: true beside it"
    )


def loopback(host: str) -> bool:
    """Whether an address to listen on is of this machine only."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _stands_there(tree: Node, index: int, environ: Mapping[str, str]) -> bool:
    way, rest = tree.find(("server", "keys", index, "key"))
    return not rest and stands_there(way[-1], environ)


def _doubled(keys: Sequence[StoredKey], tree: Node, file: str) -> Iterator[Mistake]:
    first: dict[str, int] = {}
    for index, key in enumerate(keys):
        if first.setdefault(key.id, index) != index:
            message = f"{quoted(key.id)} is the id of another key too: remove one"
            yield tree.find(("keys", index, "id"))[0][-1].mistake(file, message)


def _strangers(keys: Sequence[StoredKey], tree: Node, file: str, names: Sequence[str]) -> Iterator[Mistake]:
    for index, key in enumerate(keys):
        if key.name not in names and key.revoked is None:
            hint = suggestion(key.name, names)
            message = f"no one is named {quoted(key.name)} in server.keys{hint}: this key opens nothing"
            yield tree.find(("keys", index, "name"))[0][-1].mistake(file, message)

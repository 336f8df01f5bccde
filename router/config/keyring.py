"""Makes and ends keys of clients, and writes them to their file: one command at a time, whole or not at all."""

import fcntl
import hashlib
import os
import secrets
import stat
import string
import tempfile
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

from router.config.keys import StoredKey, read_keys
from router.config.mistakes import ConfigError
from router.config.text import MISSING, read_text

KEPT = timedelta(days=90)
"""How long a key that has ended is still listed."""

_LETTERS = string.ascii_letters + string.digits
_HEAD = """\
# The keys of clients, without the keys themselves. Made by `image-router keys`, which rewrites this file.
# What each name may do is said in server.keys of the configuration.
"""


def made(name: str, now: datetime, expires: datetime | None, others: Sequence[StoredKey]) -> tuple[str, StoredKey]:
    """A new key, and what is kept of it."""
    taken = {key.id for key in others}
    while (identity := _random(8)) in taken:
        pass
    key = f"irk_{identity}_{_random(32)}"
    digest = hashlib.sha256(key.encode()).hexdigest()
    return key, StoredKey(name=name, id=identity, sha256=digest, created=now, expires=expires)


def revoked(keys: Sequence[StoredKey], ids: Collection[str], now: datetime) -> list[StoredKey]:
    """The keys, those with these ids ended now."""
    return [key.model_copy(update={"revoked": now}) if key.id in ids and key.revoked is None else key for key in keys]


def outlived(keys: Sequence[StoredKey], name: str, until: datetime) -> list[StoredKey]:
    """The keys, those of a name ending then, if not before."""
    return [
        key.model_copy(update={"expires": min(until, key.expires or until)})
        if key.name == name and key.revoked is None
        else key
        for key in keys
    ]


@contextmanager
def changing(path: Path, now: datetime) -> Iterator[list[StoredKey]]:
    """The keys of a file, to be changed in place; they are written when the block ends well.

    Raises:
        ConfigError: what is there cannot be read. It is left as it is.
        OSError: it cannot be written.
    """
    real = path.resolve()  # a link to the file stays one
    with _alone(real.parent):
        keys = list(keys_of(path))
        yield keys
        _write(real, [key for key in keys if _listed(key, now)])


def keys_of(path: Path) -> Sequence[StoredKey]:
    """The keys of a file; none where there is no file yet.

    Raises:
        ConfigError: it cannot be used.
    """
    try:
        return read_keys(path, read_text, ()).keys
    except ConfigError as error:
        if [told.message for told in error.mistakes] == [MISSING]:
            return ()
        raise


def written(keys: Sequence[StoredKey]) -> str:
    """The text of a file of keys."""
    rows = "".join(f"  - {{{_row(key)}}}\n" for key in keys)
    return f"{_HEAD}keys:\n{rows}" if rows else f"{_HEAD}keys: []\n"


def _random(length: int) -> str:
    return "".join(secrets.choice(_LETTERS) for _ in range(length))


def _row(key: StoredKey) -> str:
    values = {"name": key.name, "id": key.id, "sha256": key.sha256, "created": spelled(key.created)}
    values |= {word: spelled(when) for word, when in (("expires", key.expires), ("revoked", key.revoked)) if when}
    return ", ".join(f"{word}: {_quoted(value)}" for word, value in values.items())


def spelled(moment: datetime) -> str:
    """A moment of UTC, to the second."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _quoted(text: str) -> str:
    letters = (
        f"\\{letter}" if letter in '"\\' else letter if letter.isprintable() else f"\\U{ord(letter):08x}"
        for letter in text
    )
    return f'"{"".join(letters)}"'


def _listed(key: StoredKey, now: datetime) -> bool:
    ends = [moment for moment in (key.expires, key.revoked) if moment is not None]
    return not ends or min(ends) > now - KEPT


@contextmanager
def _alone(directory: Path) -> Iterator[None]:
    """While no other command changes a file there; the lock is the directory's, as the file itself is replaced."""
    number = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(number, fcntl.LOCK_EX)
        yield
        os.fsync(number)
    finally:
        os.close(number)


def _write(path: Path, keys: Sequence[StoredKey]) -> None:
    """Whole or not at all. Owner and group stay what ops made them, so that the router can still read it."""
    number, beside = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # its mode is 0600
    try:
        with os.fdopen(number, "w", encoding="utf-8") as file:
            file.write(written(keys))
            file.flush()
            if path.exists():
                before = path.stat()
                os.fchmod(number, stat.S_IMODE(before.st_mode) & 0o640 | 0o600)
                if (before.st_uid, before.st_gid) != (os.geteuid(), os.getegid()):
                    os.fchown(number, before.st_uid, before.st_gid)
            os.fsync(number)
        Path(beside).replace(path)
    except BaseException:
        Path(beside).unlink(missing_ok=True)
        raise

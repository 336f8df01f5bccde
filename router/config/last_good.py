"""The last configuration that could be used, kept as it was written, for a start on a file that cannot be."""

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

import msgspec

from router.config.load import Loaded, load
from router.config.mistakes import ConfigError, Mistake
from router.config.text import read_text

_VERSION = 1
_HOME_NEEDED = "neither a home nor a state directory is known"


class NotKept(Exception):  # noqa: N818 - named as what happened
    """There is no place to keep a configuration, and why."""


class _Snapshot(msgspec.Struct, frozen=True):
    version: int
    texts: dict[str, str]


class LastGood:
    """The last good state of one configuration file.

    It is found in the user's state directory. Where the configuration names another, a note there leads to it, since
    a broken file can no longer say so; `directory`, from outside the file, needs no note.
    """

    def __init__(self, file: Path, environ: Mapping[str, str], directory: Path | None = None) -> None:
        self._file = file
        self._name = hashlib.sha256(os.fsencode(Path(os.path.abspath(file)))).hexdigest()[:16]  # noqa: PTH100 - a link stays
        self._home = directory or _home(environ)
        self._fixed = directory is not None

    def keep(self, loaded: Loaded) -> None:
        """Keep what was read, readable by this user only.

        Raises:
            NotKept: it cannot be written anywhere.
        """
        named = None if self._fixed else loaded.settings.server.state_dir
        place = named or self._home
        if place is None:
            raise NotKept(_HOME_NEEDED)
        snapshot = _Snapshot(_VERSION, {str(path): text for path, text in loaded.texts.items()})
        try:
            _write(place, f"{self._name}.json", msgspec.json.encode(snapshot))
        except OSError as error:
            raise NotKept(f"{place}: {error.strerror}") from None
        self._note(named)

    def load(self, environ: Mapping[str, str]) -> Loaded | None:
        """The configuration that was kept; None where there is none, or it can no longer be used."""
        texts = self._texts()

        def read(path: Path) -> str:
            try:
                return texts[str(path)]
            except KeyError:
                raise ConfigError([Mistake(str(path), 0, 0, "", "was not kept")]) from None

        try:
            found = load(self._file, environ, read)
        except ConfigError:
            return None
        keys = found.settings.server.keys_file
        try:  # a key revoked since stays revoked
            return load(self._file, environ, lambda path: read_text(path) if path == keys else read(path))
        except ConfigError:
            return found

    def _note(self, named: Path | None) -> None:
        """Lead the next start to a directory that the file names."""
        if self._home is None or self._fixed:
            return
        with contextlib.suppress(OSError):  # a start on a broken file then needs the directory from outside
            if named is not None:
                _write(self._home, f"{self._name}.place", os.fsencode(named.absolute()))
            else:
                (self._home / f"{self._name}.place").unlink(missing_ok=True)

    def _texts(self) -> Mapping[str, str]:
        if self._home is None:
            return {}
        place = self._home
        with contextlib.suppress(OSError):
            place = Path(os.fsdecode((place / f"{self._name}.place").read_bytes()))
        try:
            snapshot = msgspec.json.decode((place / f"{self._name}.json").read_bytes(), type=_Snapshot)
        except (OSError, msgspec.MsgspecError):
            return {}
        return snapshot.texts if snapshot.version == _VERSION else {}


def _home(environ: Mapping[str, str]) -> Path | None:
    """The directory of this user for what programs remember; a service manager names its own."""
    if given := environ.get("STATE_DIRECTORY", "").partition(":")[0]:
        return Path(given)
    if state := environ.get("XDG_STATE_HOME"):
        return Path(state, "image-router")
    try:
        return Path.home() / ".local" / "state" / "image-router"
    except RuntimeError:
        return None


def _write(directory: Path, name: str, content: bytes) -> None:
    """Whole or not at all, and for nobody else to read."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    number, made = tempfile.mkstemp(prefix=f".{name}.", dir=directory)  # its mode is 0600
    try:
        with os.fdopen(number, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(number)
        Path(made).replace(directory / name)
    except BaseException:
        Path(made).unlink(missing_ok=True)
        raise

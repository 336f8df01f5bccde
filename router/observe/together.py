"""What several workers have counted, as one: each writes files of its own, and whoever is asked reads all of them.

What a dead worker has counted is kept, in files of nobody's; what it had under way is forgotten with it. Whether it
lives is told by a lock that it holds: numbers of processes are given again, and a lock ends with its holder.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from prometheus_client import values
from prometheus_client.mmap_dict import MmapedDict

DIRECTORY = "PROMETHEUS_MULTIPROC_DIR"
"""The environment variable that names the workers' directory; it counts where it is set before Python starts."""

_NOBODY = "0"
_LIVE = "gauge_live"
_TEXT = "scrape.txt"


def shared_directory() -> Path | None:
    """Where the workers' files are; None for a process that counts for itself."""
    name = os.environ.get(DIRECTORY)
    multiprocess = getattr(values.ValueClass, "_multiprocess", False)
    return Path(name) if name and multiprocess else None


class Together:
    """The files of all workers, seen from one of them. Made before it counts anything."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        own = str(os.getpid())
        with self.alone():
            _forget(directory, own)  # an earlier process may have had this number
            self._sign = _held(directory / f"alive_{own}")

    @contextmanager
    def alone(self) -> Iterator[None]:
        """While no other worker reads or moves files."""
        with (self.directory / "lock").open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def bury(self) -> None:
        """Forget what dead workers had under way, and keep what they have counted. Only `alone`."""
        for number in {_number(file) for file in self.directory.glob("*.db")} - {_NOBODY}:
            if not self._alive(number):
                _forget(self.directory, number)

    def _alive(self, number: str) -> bool:
        try:
            with (self.directory / f"alive_{number}").open("rb") as sign:
                fcntl.flock(sign, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except BlockingIOError:
            return True
        return False

    def kept_text(self, most: float) -> bytes | None:
        """What any worker answered to Prometheus no longer than `most` seconds ago, where it was kept."""
        file = self.directory / _TEXT
        with suppress(FileNotFoundError):
            if 0 <= time.time() - file.stat().st_mtime <= most:
                return file.read_bytes()
        return None

    def keep_text(self, text: bytes) -> None:
        """Have others answer the same for a while."""
        fresh = self.directory / f"{_TEXT}.new"
        fresh.write_bytes(text)
        fresh.replace(self.directory / _TEXT)


def _held(file: Path) -> IO[bytes]:
    sign = file.open("ab")
    fcntl.flock(sign, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return sign


def _number(file: Path) -> str:
    return file.stem.rpartition("_")[2]


def _forget(directory: Path, number: str) -> None:
    for file in directory.glob(f"*_{number}.db"):
        if not file.name.startswith(_LIVE):
            _add(file, file.with_name(f"{file.stem.rpartition('_')[0]}_{_NOBODY}.db"))
        file.unlink()
    (directory / f"alive_{number}").unlink(missing_ok=True)


def _add(file: Path, into: Path) -> None:
    """Add one worker's numbers to those of nobody's; of a gauge the larger or the later stays."""
    files: Any = MmapedDict
    kept = files(str(into))
    try:
        for key, value, moment, _ in files.read_all_values_from_file(str(file)):
            had, before = kept.read_value(key)
            if file.name.startswith("gauge_max"):
                kept.write_value(key, max(had, value), 0.0)
            elif not file.name.startswith("gauge"):
                kept.write_value(key, had + value, 0.0)
            elif moment >= before:
                kept.write_value(key, value, moment)
    finally:
        kept.close()

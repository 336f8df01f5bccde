"""A store in a SQLite file: for several processes on one machine, none of them a server."""

import asyncio
import os
import sqlite3
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Final, TypeVar

from router.state.base import StateLost

T = TypeVar("T")

_WAIT: Final = 0.2  # seconds for a call, as the protocol says
_BUSY: Final = 0.15  # seconds to wait for another process's write, and still answer in time
_PAUSE: Final = 0.01
_SWEEP_EVERY: Final = 1.0
# The version stands in the names: two releases share one file while one takes over from the other.
_TABLES: Final = """
    CREATE TABLE IF NOT EXISTS entries_v1 (key TEXT PRIMARY KEY, value BLOB NOT NULL, ends REAL NOT NULL) WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS entries_v1_ends ON entries_v1 (ends);
    CREATE TABLE IF NOT EXISTS counters_v1 (key TEXT PRIMARY KEY, total INTEGER NOT NULL, ends REAL NOT NULL)
        WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS counters_v1_ends ON counters_v1 (ends);
"""
_GET: Final = "SELECT value FROM entries_v1 WHERE key = ? AND ends > ?"
_PUT: Final = "INSERT OR REPLACE INTO entries_v1 VALUES (?, ?, ?)"
_DELETE: Final = "DELETE FROM entries_v1 WHERE key = ?"
_ENTRIES: Final = "SELECT key, value FROM entries_v1 WHERE key >= ? AND key < ? AND ends > ?"
_COUNT: Final = "SELECT total, ends FROM counters_v1 WHERE key = ? AND ends > ?"
_SET: Final = "INSERT OR REPLACE INTO counters_v1 VALUES (?, ?, ?)"
_SWEEPS: Final = (
    "DELETE FROM entries_v1 WHERE key IN (SELECT key FROM entries_v1 WHERE ends <= ? LIMIT 1000)",
    "DELETE FROM counters_v1 WHERE key IN (SELECT key FROM counters_v1 WHERE ends <= ? LIMIT 1000)",
)
_LAST = chr(0x10FFFF)


class SqliteStore:
    """All work is done by one thread of the store's own, which opens the file at the first call."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        """The clock is the wall's: it is the one that all processes share, and that a restart keeps."""
        self._path = path
        self._clock = clock
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="state")
        self._open: sqlite3.Connection | None = None
        self._swept = 0.0

    async def get(self, key: str) -> bytes | None:
        """An entry; None where there is none."""
        return await self._run(lambda db: self._read(db, key))

    async def put(self, key: str, value: bytes, ttl: float) -> None:
        """Write an entry, whatever was there."""
        await self._run(lambda db: self._write(db, key, value, ttl))

    async def claim(self, key: str, value: bytes, ttl: float) -> bytes | None:
        """Write an entry unless there is one: None for the one winner, the entry that is there for all others."""

        def work(db: sqlite3.Connection) -> bytes | None:
            with db:
                db.execute("BEGIN IMMEDIATE")
                there = self._read(db, key)
                if there is None:
                    self._write(db, key, value, ttl)
                return there

        return await self._run(work)

    async def replace(self, key: str, old: bytes, new: bytes | None, ttl: float) -> bool:
        """Write `new`, or delete for None, only where the entry is still `old`; whether it was."""

        def work(db: sqlite3.Connection) -> bool:
            with db:
                db.execute("BEGIN IMMEDIATE")
                if self._read(db, key) != old:
                    return False
                self._write(db, key, new, ttl)
                return True

        return await self._run(work)

    async def delete(self, key: str) -> None:
        """Forget an entry."""
        await self._run(lambda db: self._write(db, key, None, 0))

    async def add(self, key: str, amount: int, ttl: float, limit: int | None = None) -> int | None:
        """Add to a counter and tell its new value; None, and nothing added, where that would exceed `limit`."""

        def work(db: sqlite3.Connection) -> int | None:
            with db:
                db.execute("BEGIN IMMEDIATE")
                now = self._clock()
                there, ends = db.execute(_COUNT, (key, now)).fetchone() or (0, now + ttl)
                total: int = there + amount
                if limit is not None and total > limit:
                    return None
                db.execute(_SET, (key, total, ends))
                return total

        return await self._run(work)

    async def entries(self, prefix: str) -> Mapping[str, bytes]:
        """Every entry, not counters, whose key begins with `prefix`."""
        return await self._run(lambda db: dict(db.execute(_ENTRIES, (prefix, prefix + _LAST, self._clock()))))

    async def aclose(self) -> None:
        """Close the file, once the work begun is done, and end the thread."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._close)
        self._thread.shutdown(wait=False)

    def _read(self, db: sqlite3.Connection, key: str) -> bytes | None:
        row = db.execute(_GET, (key, self._clock())).fetchone()
        return None if row is None else row[0]

    def _write(self, db: sqlite3.Connection, key: str, value: bytes | None, ttl: float) -> None:
        if value is None:
            db.execute(_DELETE, (key,))
        else:
            db.execute(_PUT, (key, value, self._clock() + ttl))

    async def _run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Do one piece of work in the thread."""
        try:
            async with asyncio.timeout(_WAIT):
                return await asyncio.get_running_loop().run_in_executor(self._thread, self._do, work)
        except TimeoutError:
            raise StateLost(f"The state file '{self._path}' did not answer within {_WAIT:g} s.") from None
        except (sqlite3.Error, OSError) as error:
            raise StateLost(f"The state file '{self._path}' cannot be used: {error}.") from error

    def _do(self, work: Callable[[sqlite3.Connection], T]) -> T:
        try:
            if self._open is None:
                self._open = _connect(self._path)
            done = work(self._open)
            self._sweep(self._open)
        except sqlite3.Error:
            # Whatever was wrong with the file, the next call finds it as it is then.
            self._close()
            raise
        return done

    def _sweep(self, db: sqlite3.Connection) -> None:
        """Remove what has ended, a bounded part of it at a time; another process's turn is as good."""
        now = self._clock()
        if abs(now - self._swept) >= _SWEEP_EVERY:
            self._swept = now
            with suppress(sqlite3.OperationalError):
                for statement in _SWEEPS:
                    db.execute(statement, (now,))

    def _close(self) -> None:
        if self._open is not None:
            self._open.close()
            self._open = None


def _connect(path: Path) -> sqlite3.Connection:
    """Open the file, and make it where it is missing: for this user alone, as it tells who asked for what."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.exists():
        with suppress(FileExistsError):
            os.close(os.open(path, os.O_CREAT | os.O_EXCL, 0o600))
    until = time.monotonic() + _BUSY
    while True:
        db = sqlite3.connect(path, timeout=_BUSY, isolation_level=None)
        try:
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = NORMAL")
            db.executescript(_TABLES)
        except sqlite3.OperationalError:
            db.close()
            # Processes that start together find the file locked at once, whatever the timeout.
            if time.monotonic() > until:
                raise
            time.sleep(_PAUSE)
        except sqlite3.Error:
            db.close()
            raise
        else:
            return db

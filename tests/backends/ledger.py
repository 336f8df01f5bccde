"""What a scripted backend was sent and what it would put on the bill."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One call that reached the backend, in the order of arrival.

    `fields` are the body's; `files` are (part name, media type, size). `status` is what was
    answered, None where nothing was. `billed` says whether the backend did the work.
    """

    path: str
    model: str | None
    n: int
    fields: Mapping[str, Any]
    files: tuple[tuple[str, str, int], ...] = ()
    headers: Mapping[str, str] = field(repr=False)
    status: int | None
    billed: bool


class Ledger:
    """Records, safe to read while the backend writes."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._records: list[Record] = []

    def add(self, record: Record) -> None:
        """One more record; who waits for it is told."""
        with self._changed:
            self._records.append(record)
            self._changed.notify_all()

    @property
    def records(self) -> list[Record]:
        """All so far."""
        with self._changed:
            return list(self._records)

    @property
    def billed(self) -> list[Record]:
        """Those that cost money."""
        return [record for record in self.records if record.billed]

    @property
    def pictures(self) -> int:
        """Pictures on the bill."""
        return sum(record.n for record in self.billed)

    def wait(self, count: int, timeout: float = 10.0) -> None:
        """Block until `count` calls have arrived."""
        with self._changed:
            if not self._changed.wait_for(lambda: len(self._records) >= count, timeout):
                raise TimeoutError(f"{len(self._records)} of {count} calls arrived in {timeout} s")

    def clear(self) -> None:
        """Begin anew."""
        with self._changed:
            self._records.clear()

    def __len__(self) -> int:
        return len(self.records)

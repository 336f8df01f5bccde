"""Keeps one request's pictures in one unlinked file, so that no upload is ever held in memory."""

import os
import tempfile
from functools import partial
from io import FileIO
from pathlib import Path
from threading import Lock

from providers.base import Upload
from router.images.sniff import sniff

_FULL = 256 * 1024


class Spool:
    """One request's pictures, appended as they arrive and read from any thread until closed.

    The file is opened with the first write and has no name, so a crash leaves nothing behind. `append` only fills a
    buffer; whoever appends calls `flush` when `full`, in a worker thread where the event loop waits: a disk that
    stalls then slows its own upload and nobody else's, for about 0.1 ms a piece.
    """

    def __init__(self, directory: Path | None = None) -> None:
        self._directory = directory
        self._file: FileIO | None = None
        self._buffer = bytearray()
        self._written = 0
        self._closed = False
        # The number of a closed file is soon another request's file: nothing may read or write while one closes.
        self._lock = Lock()

    @property
    def size(self) -> int:
        """Bytes appended so far; the offset of the next one."""
        return self._written + len(self._buffer)

    @property
    def pending(self) -> bool:
        """Whether bytes wait to be written."""
        return bool(self._buffer)

    @property
    def full(self) -> bool:
        """Whether it is time to `flush`."""
        return len(self._buffer) >= _FULL

    def append(self, data: bytes | memoryview) -> None:
        """Adds bytes at the end."""
        self._buffer += data

    def flush(self) -> None:
        """Writes what waits.

        Raises:
            OSError: the disk is full, or the directory is not there.
            ValueError: the spool is closed.
        """
        with self._lock:
            self._refuse_closed()
            if self._file is None:
                self._file = tempfile.TemporaryFile(buffering=0, dir=self._directory)  # noqa: SIM115 - closed in `close`
            with memoryview(self._buffer) as rest:
                done = 0
                while done < len(rest):
                    done += self._file.write(rest[done:])
            self._written += done
            self._buffer = bytearray()

    def upload(self, offset: int, size: int) -> Upload:
        """The flushed bytes from `offset` on as a picture, with what its header says."""
        read = partial(self._read, offset, size)
        seen = sniff(read, size)
        if seen is None:
            return Upload(read=read, size=size, media_type=None)
        return Upload(read=read, size=size, media_type=seen.media_type, width=seen.width, height=seen.height)

    def close(self) -> None:
        """Gives the disk space back; the pictures can no longer be read. Closing twice is fine."""
        with self._lock:
            self._closed = True
            self._buffer = bytearray()
            if self._file is not None:
                self._file.close()

    def _read(self, start: int, size: int, offset: int, length: int) -> bytes:
        length = min(length, size - offset)
        if length <= 0:
            return b""
        with self._lock:
            self._refuse_closed()
            return os.pread(self._file.fileno(), length, start + offset) if self._file else b""

    def _refuse_closed(self) -> None:
        if self._closed:
            raise ValueError("the spool is closed: its request has ended")

"""Reads server-sent events from bytes as they come, whatever their line ends and wherever they are cut.

A picture's data line may have tens of megabytes: its pieces wait where they lie, and are copied once, when the event
is whole.
"""

from dataclasses import dataclass

from providers.base import bad_response

MAX_EVENT = 64 * 1024 * 1024

_PIECE = 256
"""What a piece of a line weighs besides its bytes, so that millions of tiny ones are too large as well."""
_BOM = b"\xef\xbb\xbf"
_TELLING = len(_BOM) + len(b"data: ")
"""Bytes at the start of a line that say what it is."""


@dataclass(frozen=True, slots=True)
class Event:
    """One event: its name, empty where the stream gives none, and its data."""

    name: str
    data: bytes


class Events:
    """The events of one stream, fed with its bytes.

    Line ends are LF, CRLF or CR. Comments, `id`, `retry` and unknown fields are passed over.
    """

    def __init__(self, max_event: int = MAX_EVENT) -> None:
        self._max_event = max_event
        self._name = ""
        self._data: list[memoryview | bytes] = []
        self._line: list[memoryview | bytes] = []
        self._line_size = self._size = 0
        self._first_line = True
        self._after_cr = False

    def feed(self, chunk: bytes) -> list[Event]:
        """The events that these bytes complete.

        Raises:
            ProviderError: `bad_response`, when an event is larger than allowed.
        """
        view = memoryview(chunk)
        events: list[Event] = []
        at = 1 if self._after_cr and chunk.startswith(b"\n") else 0
        self._after_cr = chunk.endswith(b"\r") or (self._after_cr and not chunk)
        lf = cr = -1
        while True:
            # Each kind of line end is sought once from where it was last found, so that long chunks stay cheap.
            lf = _next(chunk, b"\n", at, lf)
            cr = _next(chunk, b"\r", at, cr)
            end = min(lf, cr)
            if end == len(chunk):
                break
            self._add(view[at:end])
            if (event := self._end_of_line()) is not None:
                events.append(event)
            at = end + (2 if lf == cr + 1 else 1)
        self._add(view[at:])
        return events

    def end(self) -> list[Event]:
        """The event that only lacked its blank line when the stream ended, if any."""
        if self._line:
            self._end_of_line()
        last = self._end_of_event()
        return [] if last is None else [last]

    def _add(self, piece: memoryview) -> None:
        if not piece:
            return
        self._line.append(piece)
        self._line_size += len(piece) + _PIECE
        if self._line_size + self._size > self._max_event:
            raise bad_response(f"an event of the backend's stream is larger than {self._max_event} bytes")

    def _end_of_line(self) -> Event | None:
        line, size, self._line, self._line_size = self._line, self._line_size, [], 0
        start = _start(line)
        if self._first_line:
            self._first_line = False
            if start.startswith(_BOM):
                start = start[len(_BOM) :]
                line = [memoryview(line[0])[len(_BOM) :], *line[1:]]
        if not start:
            return self._end_of_event()
        if start.startswith(b"data:"):
            value = len(b"data: ") if start.startswith(b"data: ") else len(b"data:")
            self._add_data([memoryview(line[0])[value:], *line[1:]], size)
        elif start.startswith((b"event", b"data")):
            name, _, text = b"".join(line).partition(b":")
            if name == b"event":
                self._name = text.removeprefix(b" ").decode(errors="replace")
            elif name == b"data":
                self._add_data([b""], _PIECE)
        return None

    def _add_data(self, value: list[memoryview | bytes], size: int) -> None:
        if self._data:
            self._data.append(b"\n")
        self._data += value
        self._size += size

    def _end_of_event(self) -> Event | None:
        event = Event(self._name, b"".join(self._data)) if self._data else None
        self._name, self._data, self._size = "", [], 0
        return event


def _next(chunk: bytes, end: bytes, start: int, known: int) -> int:
    """Where `end` is next from `start`: where it is known to be, unless that is passed; the length where nowhere."""
    if known >= start:
        return known
    found = chunk.find(end, start)
    return len(chunk) if found < 0 else found


def _start(line: list[memoryview | bytes]) -> bytes:
    """The first bytes of a line, enough to tell its field. They are brought into its first piece where they are not."""
    while len(line) > 1 and len(line[0]) < _TELLING:
        line[:2] = [bytes(line[0]) + line[1]]
    return bytes(line[0][:_TELLING]) if line else b""

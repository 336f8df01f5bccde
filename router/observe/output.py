"""How log lines look and where they go: JSON for machines, words and colours on a terminal, never a secret."""

import atexit
import logging
import re
import sys
import traceback
from collections.abc import Iterable
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, TextIO

import msgspec
import structlog
from structlog.typing import EventDict, WrappedLogger

from router.config.observing import Log
from router.observe.sink import Sink

_SECRET = re.compile(
    r"authorization|api[-_]?key|signing_key|token$|secret|cookie|password|prompt$|b64_json", re.IGNORECASE
)
_LONGEST = 2048
_DEEPEST = 12  # places of a failure that are told: the last ones

_PARTING = 1.0  # seconds that the last lines have at the end
_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
_sinks: list[Sink] = []
_subject: ContextVar[dict[str, str] | None] = ContextVar("subject", default=None)


class Output:
    """This process's log. `worker` is its number among those that serve side by side."""

    def __init__(self, stream: TextIO, worker: int | None = None) -> None:
        self._sink = Sink(stream.fileno())
        self._terminal = stream.isatty()
        self._worker = worker
        _sinks.append(self._sink)
        atexit.register(self._sink.flush, _PARTING)

    def follow(self, log: Log) -> None:
        """Log as the config says; libraries speak from warning up."""
        pretty = log.format == "pretty" or (log.format == "auto" and self._terminal)
        level = _LEVELS[log.level]
        logging.basicConfig(handlers=[_Handler()], level=max(level, logging.WARNING), force=True)
        for name in ("httpx", "httpcore"):  # they log addresses with their queries
            logging.getLogger(name).setLevel(logging.WARNING)
        structlog.configure(
            processors=[
                structlog.processors.add_log_level,
                structlog.processors.TimeStamper(fmt="iso", utc=True),
                _told,
                *([] if self._worker is None else [_Numbered(self._worker)]),
                _of_subject,
                redact,
                *(
                    [structlog.dev.ConsoleRenderer(colors=True, sort_keys=False), _Words(level)]
                    if pretty
                    else [_Json(level, self._sink, self._worker)]
                ),
            ],
            wrapper_class=structlog.make_filtering_bound_logger(level),
            logger_factory=lambda *_: _Logger(self._sink),
            cache_logger_on_first_use=True,
        )


def configure(stream: TextIO, worker: int | None = None) -> Output:
    """Log to `stream`, for now as where the config says nothing."""
    output = Output(stream, worker)
    output.follow(Log())
    return output


def about(request_id: str, trace_id: str | None) -> None:
    """What every line of the current request says."""
    _subject.set({"request_id": request_id} if trace_id is None else {"request_id": request_id, "trace_id": trace_id})


def tell(event: str, fields: dict[str, Any], from_outside: Iterable[str]) -> None:
    """Log a line at `info` in which only the fields `from_outside` may be long or secret; `fields` are given away.

    As JSON it is one step, where all other lines are many: every request has such a line.
    """
    last = structlog.get_config()["processors"][-1]
    if isinstance(last, _Json):
        last.tell(event, fields, from_outside)
    else:
        structlog.get_logger().info(event, **fields)


def hears(level: int) -> bool:
    """Whether a line of this level is written at all."""
    last = structlog.get_config()["processors"][-1]
    enabled: bool = last.level <= level if isinstance(last, _Last) else structlog.get_logger().is_enabled_for(level)
    return enabled


def dropped() -> int:
    """How many lines this process has lost because nobody took them."""
    return sum(sink.dropped for sink in _sinks)


def redact(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Mask what a key's name gives away, and cut what is too long to be a fact."""
    return {key: _masked(key, value) for key, value in event.items()}


def _masked(key: str, value: Any) -> Any:
    if _SECRET.search(key) and value is not None:
        return "[redacted]"
    if isinstance(value, str):
        return value if len(value) <= _LONGEST else f"{value[:_LONGEST]}... ({len(value)} characters)"
    if isinstance(value, dict):
        return {name: _masked(str(name), each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_masked(key, each) for each in value]
    return value


class _Handler(logging.Handler):
    """The libraries' lines, as ours."""

    def emit(self, record: logging.LogRecord) -> None:
        """Put a line on its way."""
        failure = record.exc_info[1] if record.exc_info else None
        level = "error" if record.levelno >= logging.ERROR else "warning"
        said = structlog.get_logger()
        getattr(said, level)(record.getMessage(), logger=record.name, exc_info=failure)


class _Logger:
    """The router's own lines, which come rendered."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink

    def msg(self, line: bytes) -> None:
        """Put a line on its way."""
        self._sink.put(line + b"\n")

    debug = info = warning = error = critical = exception = fatal = msg


class _Numbered:
    """Adds the worker's number."""

    def __init__(self, worker: int) -> None:
        self._worker = worker

    def __call__(self, _logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        return {**event, "worker": self._worker}


def _of_subject(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    subject = _subject.get()
    return event if subject is None else {**subject, **event}


def _told(_logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """What failed, by its types and places: the words of a failure may quote a prompt, a key or an address."""
    given = event.pop("exc_info", None)
    if given is None and method == "exception":
        given = True
    error = sys.exc_info()[1] if given is True else given[1] if isinstance(given, tuple) else given
    if isinstance(error, BaseException):
        event["exception"] = list(_chain(error))
    return event


def _chain(error: BaseException) -> list[str]:
    told: list[str] = []
    seen: BaseException | None = error
    while seen is not None and len(told) < _DEEPEST:
        frames = traceback.extract_tb(seen.__traceback__)[-_DEEPEST:]
        places = " < ".join(f"{frame.filename}:{frame.lineno} {frame.name}" for frame in reversed(frames))
        told.append(f"{type(seen).__qualname__} at {places}" if places else type(seen).__qualname__)
        seen = seen.__cause__ or (None if seen.__suppress_context__ else seen.__context__)
    return told


class _Last:
    """The last step of a line's way, which knows the level from which on there are lines."""

    def __init__(self, level: int) -> None:
        self.level = level


class _Words(_Last):
    """For people: what comes is text already."""

    def __call__(self, _logger: WrappedLogger, _method: str, line: Any) -> bytes:
        return str(line).encode("utf-8", "replace")


class _Json(_Last):
    """For machines."""

    def __init__(self, level: int, sink: Sink, worker: int | None) -> None:
        super().__init__(level)
        self._sink = sink
        self._worker = worker
        self._encode = msgspec.json.Encoder(enc_hook=str).encode

    def __call__(self, _logger: WrappedLogger, _method: str, event: EventDict) -> bytes:
        return self._encode(event)

    def tell(self, event: str, fields: dict[str, Any], from_outside: Iterable[str]) -> None:
        """Write a line as the other steps would have made it."""
        if self.level > logging.INFO:
            return
        for name in from_outside:
            if name in fields:
                fields[name] = _masked(name, fields[name])
        subject = _subject.get()
        line = fields if subject is None else {**subject, **fields}
        line["event"] = event
        line["level"] = "info"
        line["timestamp"] = datetime.now(UTC)
        if self._worker is not None:
            line["worker"] = self._worker
        self._sink.put(self._encode(line) + b"\n")

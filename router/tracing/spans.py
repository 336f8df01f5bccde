"""Where spans begin and end. Without a tracer a span is nothing, and costs as much."""

import re
from collections.abc import Mapping
from contextlib import AbstractContextManager
from contextvars import ContextVar
from enum import Enum
from types import TracebackType
from typing import Protocol, Self

Value = str | int | float | bool

_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(-.*)?")
_given: ContextVar[str | None] = ContextVar("trace_id", default=None)


class Kind(Enum):
    """Whose view a span is: of who is asked, of who asks, or of neither."""

    SERVER = "server"
    CLIENT = "client"
    INTERNAL = "internal"


class Span(Protocol):
    """A piece of work under way."""

    def note(self, name: str, value: Value | None) -> None:
        """Say something of it; None says nothing."""


class Tracer(Protocol):
    """Who keeps spans."""

    def span(
        self, name: str, kind: Kind, attributes: Mapping[str, Value], parent: str | None
    ) -> AbstractContextManager[Span]:
        """A span within the current one, or within a `traceparent`; what is raised in it becomes its error's type."""

    def trace_id(self) -> str | None:
        """Of the current span, in hex."""

    def traceparent(self) -> str | None:
        """The current span, as another service is told of it."""

    def close(self) -> None:
        """Hand over what is left."""


class _Nothing:
    """The span of a router that keeps none."""

    def __enter__(self) -> Self:
        """It begins."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """It ends."""

    def note(self, name: str, value: Value | None) -> None:
        """Nobody hears it."""


_NOTHING = _Nothing()
_tracer: Tracer | None = None


def use(tracer: Tracer | None) -> None:
    """Keep spans from now on; None: no more."""
    global _tracer  # noqa: PLW0603 - one process, one tracer
    _tracer = tracer


def request(name: str, traceparent: str | None, attributes: Mapping[str, Value]) -> AbstractContextManager[Span]:
    """The span of a whole request, within the trace that its client began, if it did."""
    known = _TRACEPARENT.fullmatch(traceparent) if traceparent is not None else None
    _given.set(known.group(1) if known is not None else None)
    if _tracer is None:
        return _NOTHING
    return _tracer.span(name, Kind.SERVER, attributes, traceparent if known is not None else None)


def span(name: str, attributes: Mapping[str, Value], kind: Kind = Kind.INTERNAL) -> AbstractContextManager[Span]:
    """A span of one part of the current request."""
    return _NOTHING if _tracer is None else _tracer.span(name, kind, attributes, None)


def trace_id() -> str | None:
    """The trace that the current request is part of, in hex: ours, or its client's where we keep no spans."""
    return _given.get() if _tracer is None else _tracer.trace_id()


def traceparent() -> str | None:
    """What a backend is told of the current span."""
    return None if _tracer is None else _tracer.traceparent()


def close() -> None:
    """Hand over what is left, as the router stops."""
    if _tracer is not None:
        _tracer.close()

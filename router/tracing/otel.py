"""Spans by OpenTelemetry's own SDK, sent to where its environment variables say. Only imported where they do."""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, Status, StatusCode, format_trace_id
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from providers.errors import ProviderError
from router import __version__
from router.tracing import names
from router.tracing.spans import Kind, Span, Value

_KINDS = {Kind.SERVER: SpanKind.SERVER, Kind.CLIENT: SpanKind.CLIENT, Kind.INTERNAL: SpanKind.INTERNAL}
_TOLD = TraceContextTextMapPropagator()
_HEADER = "traceparent"


def exporting(environ: Mapping[str, str]) -> "OpenTelemetry":
    """The tracer that OpenTelemetry's environment variables describe."""
    name = environ.get("OTEL_SERVICE_NAME", names.SERVICE)
    provider = TracerProvider(resource=Resource.create({SERVICE_NAME: name}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return OpenTelemetry(provider)


class _Noted:
    """One span under way."""

    def __init__(self, span: trace.Span) -> None:
        self._span = span

    def note(self, name: str, value: Value | None) -> None:
        """Say something of it."""
        if value is not None:
            self._span.set_attribute(name, value)
            if name == names.ERROR_TYPE:
                self._span.set_status(Status(StatusCode.ERROR))


class OpenTelemetry:
    """A `Tracer`. What is raised in a span gives it a type and no words: these may quote a prompt or an address."""

    def __init__(self, provider: TracerProvider) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer(names.SERVICE, __version__)

    @contextmanager
    def span(self, name: str, kind: Kind, attributes: Mapping[str, Value], parent: str | None) -> Iterator[Span]:
        """A span within the current one, or within a `traceparent`."""
        context = _TOLD.extract({_HEADER: parent}) if parent is not None else None
        with self._tracer.start_as_current_span(
            name,
            context=context,
            kind=_KINDS[kind],
            attributes=dict(attributes),
            record_exception=False,
            set_status_on_exception=False,
        ) as begun:
            noted = _Noted(begun)
            try:
                yield noted
            except BaseException as error:
                noted.note(names.ERROR_TYPE, _type(error))
                raise

    def trace_id(self) -> str | None:
        """Of the current span."""
        known = trace.get_current_span().get_span_context()
        return format_trace_id(known.trace_id) if known.is_valid else None

    def traceparent(self) -> str | None:
        """The current span."""
        carrier: dict[str, str] = {}
        _TOLD.inject(carrier)
        return carrier.get(_HEADER)

    def close(self) -> None:
        """Hand over what is left."""
        self._provider.shutdown()


def _type(error: BaseException) -> str:
    if isinstance(error, ProviderError):
        return error.kind
    return "cancelled" if isinstance(error, asyncio.CancelledError) else type(error).__qualname__

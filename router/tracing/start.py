"""Whether spans are kept at all: as OpenTelemetry's environment variables say, where the extra is installed."""

import importlib.util
from collections.abc import Mapping

from router.tracing import spans

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")


class NotInstalled(Exception):  # noqa: N818 - named for what is so
    """Spans are asked for, and what they need is not there."""


def start(environ: Mapping[str, str]) -> bool:
    """Keep spans from now on, where the environment asks for that; whether it does.

    Raises:
        NotInstalled: it does, and the extra is not installed.
    """
    if not asked_for(environ):
        return False
    if importlib.util.find_spec("opentelemetry.exporter") is None or not _sdk():
        raise NotInstalled("traces are asked for, and OpenTelemetry is not installed: install 'image-router[otel]'")
    # Only here: who keeps no spans neither needs the libraries nor waits for them.
    from router.tracing.otel import exporting  # noqa: PLC0415 - said above

    spans.use(exporting(environ))
    return True


def asked_for(environ: Mapping[str, str]) -> bool:
    """Whether the environment names somewhere to send spans to, and does not forbid it."""
    if environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return False
    exporter = environ.get("OTEL_TRACES_EXPORTER")
    if exporter is not None:
        return exporter == "otlp"
    return any(environ.get(name) for name in _ENDPOINTS)


def _sdk() -> bool:
    return all(
        importlib.util.find_spec(name) is not None
        for name in ("opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http")
    )

"""Spans of a request and its parts: by the names there are, within the client's trace, and quoting nobody."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from backends.bfl import BFLBackend
from faults import NOBODY, Peer, Seen, faulty
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode
from pictures import base64_png
from serving import serving
from trial import KEY, PROMPT, trial

from router.tracing import names, spans
from router.tracing.otel import OpenTelemetry
from router.tracing.start import asked_for

pytestmark = pytest.mark.anyio

PATIENT = {"attempt_timeout": "10s", "timeout": "20s"}
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
TRACEPARENT = {"traceparent": f"00-{TRACE}-{PARENT}-01"}
GOOD = b'{"created": 1, "data": [{"b64_json": "' + base64_png(64, 64).encode() + b'"}]}'


@pytest.fixture
def kept() -> Iterator[InMemorySpanExporter]:
    """Where spans go."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    spans.use(OpenTelemetry(provider))
    yield exporter
    spans.use(None)


async def good(peer: Peer) -> None:
    """A picture."""
    await peer.request()
    await peer.answer(GOOD)


async def bad(peer: Peer) -> None:
    """A failure that quotes what it was sent."""
    await peer.request()
    await peer.answer(f'{{"error": {{"message": "no {PROMPT} for {KEY}", "code": "x"}}}}'.encode(), 500)


def named(kept: InMemorySpanExporter, name: str) -> list[ReadableSpan]:
    """The spans whose names begin so."""
    return [span for span in kept.get_finished_spans() if span.name.startswith(name)]


def said(span: ReadableSpan) -> dict[str, Any]:
    """What a span says of itself."""
    return dict(span.attributes or {})


async def test_a_request_its_plans_attempts_and_calls_are_spans(kept: InMemorySpanExporter, tmp_path: Path) -> None:
    """A request that fell back is one trace: the request, each plan, each attempt, and within these each call."""
    async with (
        faulty(bad, bad) as first,
        faulty(good) as second,
        trial(tmp_path, {"a": first, "b": second}, defaults=PATIENT) as router,
    ):
        ended = await router.ask()
        assert ended.status == 200
    (request,) = named(kept, "image generate")
    assert request.kind is SpanKind.SERVER
    assert said(request)[names.OPERATION] == "generate_content"
    assert said(request)[names.OUTPUT_TYPE] == "image"
    assert (said(request)[names.REQUEST_MODEL], said(request)[names.STATUS]) == ("m", 200)
    assert said(request)[names.REQUEST_ID] == ended.response.headers["x-request-id"]
    attempts = named(kept, "generate_content")
    assert [said(attempt)[names.TARGET] for attempt in attempts] == ["a/any", "b/any"]
    assert [said(attempt)[names.OUTCOME] for attempt in attempts] == ["failed", "succeeded"]
    assert said(attempts[0])[names.ERROR_TYPE] == "unavailable"
    assert attempts[0].status.status_code is StatusCode.ERROR
    assert said(attempts[1])[names.PROVIDER] == "openai"
    assert {said(plan)[names.TARGET] for plan in named(kept, "plan")} == {"a/any", "b/any"}
    calls = named(kept, "submit")
    assert [call.parent.span_id for call in calls] == [attempt.context.span_id for attempt in attempts]
    assert {attempt.parent.span_id for attempt in attempts} == {request.context.span_id}
    assert len({span.context.trace_id for span in kept.get_finished_spans()}) == 1


async def test_the_clients_trace_goes_on_and_the_log_names_it(kept: InMemorySpanExporter, tmp_path: Path) -> None:
    """A `traceparent` from the client is followed; one that is none begins a trace of our own."""
    async with faulty(good, good) as backend, trial(tmp_path, {"a": backend}, defaults=PATIENT) as router:
        for headers in (TRACEPARENT, {"traceparent": "nonsense"}):
            body = {"model": "m", "prompt": PROMPT}
            await router.client.post("/v1/images/generations", json=body, headers=headers)
    followed, own = named(kept, "image generate")
    assert (f"{followed.context.trace_id:032x}", f"{followed.parent.span_id:016x}") == (TRACE, PARENT)
    assert own.parent is None


async def test_backends_are_told_only_where_they_may_be(kept: InMemorySpanExporter, tmp_path: Path) -> None:
    """A `traceparent` goes to a provider that is to have it, naming the call's own span; to no other."""
    async with faulty(bad, bad) as first, faulty(good) as second:
        told = {"b": {"send_traceparent": True}}
        async with trial(tmp_path, {"a": first, "b": second}, defaults=PATIENT, providers=told) as router:
            await router.ask()
    assert all("traceparent" not in seen.headers for seen in first.requests)
    seen: Seen = second.requests[0]
    call = named(kept, "submit")[-1]
    assert seen.headers["traceparent"].split("-")[1:3] == [
        f"{call.context.trace_id:032x}",
        f"{call.context.span_id:016x}",
    ]


def test_polls_and_downloads_are_spans(kept: InMemorySpanExporter, tmp_path: Path) -> None:
    """A backend that is polled and gives a link: each poll is a span within the attempt, and so is the download."""
    with BFLBackend() as backend:
        config = {
            "providers": {"b": {"kind": "bfl", "base_url": backend.url, "api_key": "k"}},
            "models": {"m": {"chain": ["b/flux-2-pro"]}},
        }
        with serving(config, tmp_path) as url:
            body = {"model": "m", "prompt": PROMPT, "response_format": "b64_json"}
            assert httpx.post(f"{url}/v1/images/generations", json=body, timeout=30).status_code == 200
            found = {name: named(kept, name) for name in ("submit", "poll", "download", "generate_content")}
    (attempt,) = found["generate_content"]
    assert all(found.values())
    parts = (*found["submit"], *found["poll"], *found["download"])
    assert {part.parent.span_id for part in parts} == {attempt.context.span_id}
    assert PROMPT not in " ".join(span.to_json() for span in parts)


async def test_no_span_has_a_prompt_a_key_or_an_address(kept: InMemorySpanExporter, tmp_path: Path) -> None:
    """Whatever a backend answers, and whatever fails, spans quote nobody and know no address."""
    async with faulty(bad, bad) as first, trial(tmp_path, {"a": first, "n": NOBODY}, defaults=PATIENT) as router:
        await router.client.post(f"/v1/images/generations?secret={KEY}", json={"model": "m", "prompt": PROMPT})
    told = " ".join(span.to_json() for span in kept.get_finished_spans())
    assert "unavailable" in told
    for secret in (PROMPT, KEY, "secret=", "http://", "exception.message"):
        assert secret not in told


async def test_the_trace_is_in_the_log_without_spans_too() -> None:
    """Where no spans are kept, lines still name the trace that the client began."""
    with spans.request("image generate", TRACEPARENT["traceparent"], {}):
        assert spans.trace_id() == TRACE
        assert spans.traceparent() is None


@pytest.mark.parametrize(
    ("environ", "wanted"),
    [
        ({}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c:4318/v1/traces"}, True),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, True),
        ({"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"}, False),
        ({"OTEL_SDK_DISABLED": "true", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"}, False),
    ],
)
def test_the_environment_decides(environ: dict[str, str], *, wanted: bool) -> None:
    """OpenTelemetry's own variables say whether spans are kept."""
    assert asked_for(environ) is wanted


def test_nothing_is_imported_where_no_spans_are_kept() -> None:
    """A router without traces does not load OpenTelemetry."""
    code = "import sys, router.cli, router.service; sys.exit(any(m.startswith('opentelemetry') for m in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

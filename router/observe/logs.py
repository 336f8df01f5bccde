"""One line per request, in JSON, with everything but prompts, keys and picture bytes."""

import logging
import re
from typing import Any, TextIO

import msgspec
import structlog
from structlog.typing import EventDict, FilteringBoundLogger, WrappedLogger

from providers.base import OutcomeClass
from router.auth import Caller
from router.engine.record import Outcome
from router.engine.request import ImageRequest

_SECRET = re.compile(r"authorization|api[-_]?key|token$|secret|cookie|password|prompt$", re.IGNORECASE)
_LONGEST = 2048


def configure(stream: TextIO) -> None:
    """Send every log line of this process to `stream`, as JSON; libraries speak from warning up."""
    logging.basicConfig(stream=stream, level=logging.WARNING, format="%(message)s", force=True)
    for name in ("httpx", "httpcore"):  # they log addresses with their queries
        logging.getLogger(name).setLevel(logging.WARNING)
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            redact,
            structlog.processors.JSONRenderer(serializer=_json),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.BytesLoggerFactory(stream.buffer),
        cache_logger_on_first_use=True,
    )


def logger() -> FilteringBoundLogger:
    """The router's logger."""
    bound: FilteringBoundLogger = structlog.get_logger()
    return bound


def _json(event: EventDict, **_: Any) -> bytes:
    return msgspec.json.encode(event, enc_hook=str)


def redact(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Mask what a key's name gives away, and cut what is too long to be a fact."""
    return {key: _masked(key, value) for key, value in event.items()}


def _masked(key: str, value: Any) -> Any:
    if _SECRET.search(key) and value is not None:
        return "[redacted]"
    if isinstance(value, str) and len(value) > _LONGEST:
        return f"{value[:_LONGEST]}... ({len(value)} characters)"
    return value


def request_line(
    *,
    request_id: str,
    route: str | None,
    caller: Caller | None,
    status: int,
    seconds: float,
    request: ImageRequest | None,
    outcome: Outcome | None,
    error: str | None,
    client_retry: str | None,
) -> None:
    """The canonical line of one request; field names follow OpenTelemetry where it has them."""
    fields: dict[str, Any] = {
        "request_id": request_id,
        "gen_ai.request.model": route,
        "status": status,
        "seconds": round(seconds, 4),
        "caller": caller.name if caller else None,
        "error.type": error,
        "client_retry": client_retry,
    }
    if request is not None:
        fields |= {
            "operation": request.operation,
            "n": request.n,
            "input_images": len(request.images),
            "prompt_characters": len(request.prompt),
            "identity": request.trace.identity,
            "name": request.trace.name,
            "metadata": dict(request.trace.metadata) or None,
            "notes": list(request.trace.notes) or None,
        }
    if outcome is not None:
        fields |= _story(outcome)
    logger().info("request", **{key: value for key, value in fields.items() if value is not None})


def _story(outcome: Outcome) -> dict[str, Any]:
    return {
        "gen_ai.provider.name": outcome.attempts[-1].target.provider.kind if outcome.attempts else None,
        "images": len(outcome.deliveries),
        "cost_usd": outcome.cost,
        "attempts": [
            {
                "target": attempt.target.name,
                "number": attempt.number,
                "outcome": attempt.outcome,
                "seconds": round(attempt.seconds, 4),
                "error": attempt.error.kind if attempt.error else None,
                "status": attempt.error.status if attempt.error else None,
            }
            for attempt in outcome.attempts
        ],
        "skipped": [skip.target.name for skip in outcome.skips] or None,
        "adjusted": [warning.parameter for warning in outcome.warnings] or None,
        "maybe_billed": sum(attempt.outcome is OutcomeClass.AMBIGUOUS for attempt in outcome.attempts) or None,
    }

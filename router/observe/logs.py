"""What is logged: of each request one line without prompts, keys and picture bytes, and what befell the router."""

import logging
from collections.abc import Sequence
from typing import Any

import structlog
from structlog.typing import FilteringBoundLogger

from providers.base import OutcomeClass
from router.auth import Caller
from router.engine.ledger import Row
from router.engine.record import Attempt, Outcome
from router.engine.request import ImageRequest
from router.observe.output import about, configure, dropped, redact

__all__ = ["about", "configure", "dropped", "redact"]


def logger() -> FilteringBoundLogger:
    """The router's logger."""
    bound: FilteringBoundLogger = structlog.get_logger()
    return bound


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


def attempt(ended: Attempt) -> None:
    """The detail of one attempt, for whoever looks closely."""
    log = logger()
    if not log.is_enabled_for(logging.DEBUG):
        return
    log.debug("attempt", **{key: value for key, value in {**_tried(ended), **_detail(ended)}.items() if value})


def _tried(attempt: Attempt) -> dict[str, Any]:
    return {
        "target": attempt.target.name,
        "number": attempt.number,
        "outcome": attempt.outcome,
        "seconds": round(attempt.seconds, 4),
        "error": attempt.error.kind if attempt.error else None,
        "status": attempt.error.status if attempt.error else None,
    }


def _detail(attempt: Attempt) -> dict[str, Any]:
    return {
        "account": attempt.target.account,
        "gen_ai.provider.name": attempt.target.provider.kind,
        "fallback": attempt.fallback_index,
        "after": attempt.after,
        "retry_after": attempt.error.retry_after if attempt.error else None,
        "polls": attempt.polls,
        "images": attempt.pictures,
        "cost_usd": attempt.cost,
        "wasted_usd": attempt.wasted,
    }


def dry_run(request_id: str, caller: Caller, model: str) -> None:
    """A request that was explained and not served."""
    logger().info("dry run", **{"request_id": request_id, "caller": caller.name, "gen_ai.request.model": model})


def orphan(row: Row) -> None:
    """A submit whose worker died before its end was known."""
    logger().warning(
        "possibly billed: a worker died before the attempt ended",
        request_id=row.request,
        caller=row.caller,
        target=row.target,
        started=row.started,
        job=row.job,
    )


def _story(outcome: Outcome) -> dict[str, Any]:
    return {
        "gen_ai.provider.name": outcome.attempts[-1].target.provider.kind if outcome.attempts else None,
        "images": len(outcome.deliveries),
        "cost_usd": outcome.cost,
        "attempts": [_tried(attempt) for attempt in outcome.attempts],
        "skipped": [skip.target.name for skip in outcome.skips] or None,
        "adjusted": [warning.parameter for warning in outcome.warnings] or None,
        "maybe_billed": sum(attempt.outcome is OutcomeClass.AMBIGUOUS for attempt in outcome.attempts) or None,
    }


def stale(file: str, mistakes: Sequence[str]) -> None:
    """A start on a configuration with mistakes, which goes on with the last good one."""
    logger().error(
        "the configuration on disk has mistakes: the last good one is served", file=file, mistakes=list(mistakes)
    )


def reloaded(version: str, mistakes: Sequence[str], warnings: Sequence[str]) -> None:
    """A look at the configuration's files that found something: another configuration, or mistakes."""
    if mistakes:
        words = "the configuration on disk has mistakes and was not taken up"
        logger().error(words, serving=version, mistakes=list(mistakes))
    else:
        logger().info("the configuration was taken up", version=version, warnings=list(warnings) or None)


def not_kept(why: str) -> None:
    """A start that leaves nothing for the next one to fall back on."""
    logger().warning("the configuration could not be kept, so a restart on a broken file will fail", reason=why)


def untraced(why: str) -> None:
    """Traces that are asked for and cannot be kept."""
    logger().warning("no traces are kept", reason=why)


def worker_ended(number: int, code: int, pause: float | None) -> None:
    """A worker is gone that should not be; another starts after `pause` seconds, or its forerunner stays."""
    logger().warning("a worker ended", worker=number, code=code, again_in=pause)


def worker_stuck(number: int) -> None:
    """A worker that shows no pulse is ended."""
    logger().error("a worker is stuck and is ended", worker=number)


def alone() -> None:
    """Workers that share nothing."""
    logger().warning(
        "no directory can be written, so each worker counts limits and metrics and keeps idempotency for itself: "
        "set server.state, and give it a directory for temporary files"
    )

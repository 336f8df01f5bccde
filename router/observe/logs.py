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
from router.observe.labels import OTHER
from router.observe.output import about, configure, dropped, hears, redact, tell

__all__ = ["about", "configure", "dropped", "redact"]

_FROM_OUTSIDE = ("client_retry", "identity", "name", "metadata", "notes", "adjusted")  # in words of the caller's own


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
    fields: dict[str, Any] = {"request_id": request_id}
    if route is not None:
        fields["gen_ai.request.model"] = route
    fields["status"] = status
    fields["seconds"] = round(seconds, 4)
    if caller is not None:
        fields["caller"] = caller.name
    if error is not None:
        fields["error.type"] = error
    if client_retry is not None:
        fields["client_retry"] = client_retry
    if request is not None:
        _add_request(fields, request)
    if outcome is not None:
        _add_story(fields, outcome)
    tell("request", fields, _FROM_OUTSIDE)


def _add_request(fields: dict[str, Any], request: ImageRequest) -> None:
    fields["operation"] = request.operation
    fields["n"] = request.n
    fields["input_images"] = len(request.images)
    fields["prompt_characters"] = len(request.prompt)
    trace = request.trace
    if trace.identity is not None:
        fields["identity"] = trace.identity
    if trace.name is not None:
        fields["name"] = trace.name
    if trace.metadata:
        fields["metadata"] = dict(trace.metadata)
    if trace.notes:
        fields["notes"] = list(trace.notes)


def _add_story(fields: dict[str, Any], outcome: Outcome) -> None:
    attempts = outcome.attempts
    if attempts:
        fields["gen_ai.provider.name"] = attempts[-1].target.provider.kind
    fields["images"] = len(outcome.deliveries)
    if (cost := outcome.cost) is not None:
        fields["cost_usd"] = cost
    fields["attempts"] = [_tried(attempt) for attempt in attempts]
    if outcome.skips:
        fields["skipped"] = [skip.target.name for skip in outcome.skips]
    if outcome.warnings:
        # What is no name may be words of a prompt.
        fields["adjusted"] = [warning.parameter if warning.named else OTHER for warning in outcome.warnings]
    if maybe_billed := [attempt for attempt in attempts if attempt.outcome is OutcomeClass.AMBIGUOUS]:
        fields["maybe_billed"] = len(maybe_billed)


def attempt(ended: Attempt) -> None:
    """The detail of one attempt, for whoever looks closely."""
    if hears(logging.DEBUG):
        told = {**_tried(ended), **_detail(ended)}
        logger().debug("attempt", **{key: value for key, value in told.items() if value})


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

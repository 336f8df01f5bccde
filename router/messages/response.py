"""An outcome in the contract's words. Base64 is passed on as the slices it came in, between small pieces of JSON."""

import math
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from providers.base import Usage
from providers.dialect import ParameterWarning
from router.engine.record import Attempt, Outcome
from router.engine.request import Form, ImageRequest
from router.images.pixels import FORMATS, Picture
from router.messages.errors import Refused, envelope, from_provider
from router.messages.retirement import retirement

Piece = bytes | memoryview

_FACTS: Mapping[str, frozenset[str]] = {  # the only words the clients' response types allow
    "quality": frozenset({"low", "medium", "high", "xhigh", "max"}),
    "background": frozenset({"transparent", "opaque"}),
}
_UNKNOWN = Usage()

encode = msgspec.json.encode


class Rendered(msgspec.Struct, frozen=True):
    """A response ready to send: its pieces in order, its headers, and the code of the error it tells."""

    status: int
    pieces: tuple[Piece, ...]
    headers: dict[str, str]
    error: str | None = None


def success(request: ImageRequest, outcome: Outcome, *, disclose: bool) -> Rendered:
    """The pictures, in the form asked."""
    pieces: list[Piece] = []
    head = b'{"created":%d,"data":[' % (outcome.created or int(time.time()))
    for delivery in outcome.deliveries:
        before, cargo, after = _item(delivery.picture, request.form)
        pieces += (head + before, cargo, after) if cargo else (head + before + after,)
        head = b","
    cost = outcome.cost
    pictures = [delivery.picture for delivery in outcome.deliveries]
    tail = _facts(outcome)
    tail["usage"] = usage_json(outcome.usage, cost, pictures, pictures_in=bool(request.images))
    if disclose:
        tail["router"] = _story(request, outcome)
    pieces.append(b"]," + encode(tail)[1:])
    return Rendered(200, tuple(pieces), _headers(request, outcome, cost, disclose=disclose))


def failure(request: ImageRequest, outcome: Outcome, *, disclose: bool) -> Rendered:
    """What the caller is told when there is no picture: the last attempt's error, and every attempt and skip."""
    refused = refused_for(outcome, disclose=disclose)
    failures = tuple(_failures(outcome, disclose=disclose))
    return refusal(refused, _headers(request, outcome, outcome.cost, disclose=disclose), failures)


def refused_for(outcome: Outcome, *, disclose: bool) -> Refused:
    """The error an outcome without a picture comes to."""
    if outcome.error is None:
        return Refused(400, "unsupported_parameter", _none_can(outcome, disclose=disclose))
    return from_provider(outcome.error, len(outcome.attempts))


def refusal(
    refused: Refused,
    extra: Mapping[str, str] | None = None,
    failures: Sequence[Mapping[str, Any]] = (),
) -> Rendered:
    """The envelope, and the headers that tell the clients whether and when to ask again."""
    found = {**(extra or {}), "x-should-retry": "true" if refused.should_retry else "false"}
    if refused.retry_after is not None:
        found["retry-after"] = str(math.ceil(refused.retry_after))
    return Rendered(refused.status, (envelope(refused, failures),), found, refused.code)


def _headers(request: ImageRequest, outcome: Outcome, cost: float | None, *, disclose: bool) -> dict[str, str]:
    """What happened, for those who read headers."""
    found = {"x-router-attempts": str(len(outcome.attempts))}
    dates = [request.retires]
    if outcome.attempts:
        final = outcome.attempts[-1]
        last = outcome.deliveries[-1].attempt.target if outcome.deliveries else final.target
        found["x-router-fallback-index"] = str(final.fallback_index)
        if disclose:
            found["x-router-model"] = last.name
            found["x-router-provider"] = last.provider.name
            dates.append(last.retires)
    found |= retirement(dates)
    if request.controls.cache is not None:
        found["x-router-cache"] = "BYPASS"
    if cost is not None:
        found["x-router-cost-usd"] = f"{cost:.6f}".rstrip("0").rstrip(".")
    if outcome.warnings:
        found |= _warned(outcome.warnings)
    return found


def _warned(warnings: Sequence[ParameterWarning]) -> dict[str, str]:
    """The parameters that were left out, and those that were changed; only names that a header can hold."""
    found = {}
    for name, parameters in (
        ("x-router-dropped-params", [each.parameter for each in warnings if each.named and each.sent is None]),
        ("x-router-adjusted-params", [each.parameter for each in warnings if each.named and each.sent is not None]),
    ):
        if parameters:
            found[name] = ",".join(dict.fromkeys(parameters))
    return found


def usage_json(
    used: Usage | None,
    cost: float | None,
    pictures: Sequence[Picture],
    *,
    pictures_in: bool,
) -> dict[str, Any]:
    """Usage, complete: token counts are 0 where unknown, what else is unknown is left out.

    Of input whose parts are unknown all is text, unless there were `pictures_in` it.
    """
    used = used or _UNKNOWN
    output = used.output_tokens or 0
    given = used.input_tokens or 0
    image_in = used.input_image_tokens or 0
    text_in = used.input_text_tokens
    if text_in is None:
        text_in = 0 if pictures_in and used.input_image_tokens is None else given - image_in
    found: dict[str, Any] = {
        "input_tokens": given,
        "output_tokens": output,
        "total_tokens": used.total_tokens if used.total_tokens is not None else given + output,
        "input_tokens_details": {"text_tokens": text_in, "image_tokens": image_in},
        "prompt_tokens": given,
        "input_text_tokens": text_in,
        "image_count": len(pictures),
    }
    if used.output_image_tokens is not None:
        text_out = used.output_text_tokens or 0
        found["output_tokens_details"] = {"text_tokens": text_out, "image_tokens": used.output_image_tokens}
        found |= {"image_tokens": used.output_image_tokens, "output_image_tokens": used.output_image_tokens}
    if pictures[0].width:
        found |= {"width": pictures[0].width, "height": pictures[0].height}
    if cost is not None:
        found["cost"] = round(cost, 9)
    return found


def _item(picture: Picture, form: Form | None) -> tuple[bytes, memoryview | None, bytes]:
    """One element of `data`: what comes before the base64, the base64, what comes after."""
    after = b',"revised_prompt":%b}' % encode(picture.revised_prompt) if picture.revised_prompt else b"}"
    if picture.b64 is None:
        return b'{"url":%b' % encode(picture.url), None, after
    if form is Form.URL:
        return b'{"url":"data:%b;base64,' % (picture.media_type or "image/png").encode(), picture.b64, b'"' + after
    return b'{"b64_json":"', picture.b64, b'"' + after


def _facts(outcome: Outcome) -> dict[str, Any]:
    looked: dict[str, Any] = {**looks(outcome.deliveries[0].picture)}
    if not outcome.facts:
        return looked
    said = {name: outcome.facts[name] for name, legal in _FACTS.items() if outcome.facts.get(name) in legal}
    return said | looked


def looks(picture: Picture) -> dict[str, str]:
    """What a picture itself says: its format and its size, where they were seen."""
    found = {}
    if picture.media_type in FORMATS:
        found["output_format"] = FORMATS[picture.media_type]
    if picture.width:
        found["size"] = f"{picture.width}x{picture.height}"
    return found


def _story(request: ImageRequest, outcome: Outcome) -> dict[str, Any]:
    story: dict[str, Any] = {
        "request_id": request.id,
        "target": outcome.deliveries[-1].target.name,
        "images": [
            {"target": delivery.target.name, "attempt": delivery.attempt.number} for delivery in outcome.deliveries
        ],
        "attempts": [_told(attempt) for attempt in outcome.attempts],
        "warnings": [
            {"parameter": warning.parameter, "asked": warning.asked, "sent": warning.sent, "reason": warning.reason}
            for warning in outcome.warnings
        ],
    }
    if outcome.skips:
        story["skipped"] = [{"target": skip.target.name, "reason": skip.reason} for skip in outcome.skips]
    return story


def _told(attempt: Attempt) -> dict[str, Any]:
    told: dict[str, Any] = {
        "target": attempt.target.name,
        "number": attempt.number,
        "seconds": round(attempt.seconds, 3),
    }
    return told if attempt.error is None else {**told, "error": attempt.error.kind}


def _failures(outcome: Outcome, *, disclose: bool) -> Iterable[dict[str, Any]]:
    for attempt in outcome.attempts:
        if attempt.error is not None:
            told = from_provider(attempt.error)
            yield {
                **({"model": attempt.target.name, "provider": attempt.target.provider.name} if disclose else {}),
                "attempt": attempt.number,
                "status": attempt.error.status,
                "code": told.code,
                "message": told.message,
                "duration_ms": round(attempt.seconds * 1000),
            }
    if disclose:
        for skip in outcome.skips:
            yield {
                "model": skip.target.name,
                "provider": skip.target.provider.name,
                "attempt": 0,
                "status": None,
                "code": "unsupported_parameter",
                "message": skip.reason,
                "duration_ms": 0,
            }


def _none_can(outcome: Outcome, *, disclose: bool) -> str:
    reasons = [f"{skip.target.name}: {skip.reason}" if disclose else skip.reason for skip in outcome.skips]
    return f"no target of this model can do what was asked ({'; '.join(dict.fromkeys(reasons))})"

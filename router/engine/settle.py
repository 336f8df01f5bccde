"""The last word on a request: pictures in the order asked, and warnings about what was delivered, not what was sent."""

from operator import attrgetter

from providers.dialect import ParameterWarning
from router.engine.record import Outcome
from router.engine.request import ImageRequest
from router.images.pixels import FORMATS

_COMPRESSED = frozenset({"jpeg", "webp"})


def settle(outcome: Outcome, request: ImageRequest) -> None:
    """Put an outcome in order once nothing more will be made."""
    if not outcome.deliveries:
        return
    if len(outcome.deliveries) > 1:
        outcome.deliveries.sort(key=attrgetter("place"))
    if (shape := request.asked.get("shape")) is not None and shape.height:
        _settle("size", str(shape), _sizes(outcome), outcome)
    if (picture := request.asked.get("output_format")) is not None:
        formats = _formats(outcome)
        _settle("output_format", picture, formats, outcome)
        if formats and {picture, *formats} <= _COMPRESSED:  # then the router did it, if no backend
            _forget("output_compression", outcome)
    if not outcome.complete:
        made = len(outcome.deliveries)
        outcome.warn([ParameterWarning("n", str(outcome.wanted), str(made), "no target was left for the rest")])


def _settle(parameter: str, asked: str, delivered: set[str], outcome: Outcome) -> None:
    """Drop a warning that the delivery has made untrue, and say what it has made true."""
    if not delivered:
        return
    if delivered == {asked}:
        _forget(parameter, outcome)
        return
    given = " ".join(sorted(delivered))
    told = [warning for warning in outcome.warnings if warning.parameter == parameter]
    if not any(warning.sent == given for warning in told):
        outcome.warn([ParameterWarning(parameter, asked, given, "what the backend delivered")])


def _forget(parameter: str, outcome: Outcome) -> None:
    if outcome.warnings:
        outcome.warnings[:] = [warning for warning in outcome.warnings if warning.parameter != parameter]


def _sizes(outcome: Outcome) -> set[str]:
    pictures = [delivery.picture for delivery in outcome.deliveries]
    return {f"{picture.width}x{picture.height}" for picture in pictures if picture.width}


def _formats(outcome: Outcome) -> set[str]:
    kinds = {delivery.picture.media_type for delivery in outcome.deliveries}
    return {FORMATS[kind] for kind in kinds if kind in FORMATS}

"""The last word on a request: pictures in the order asked, and warnings about what was delivered, not what was sent."""

from providers.dialect import ParameterWarning, Shape
from router.engine.record import Outcome
from router.engine.request import ImageRequest
from router.images.pixels import FORMATS


def settle(outcome: Outcome, request: ImageRequest) -> None:
    """Put an outcome in order once nothing more will be made."""
    outcome.deliveries.sort(key=lambda delivery: delivery.place)
    if not outcome.deliveries:
        return
    _settle("size", _size_asked(request), _sizes(outcome), outcome)
    _settle("output_format", request.asked.get("output_format"), _formats(outcome), outcome)
    if _recompressed(request, outcome):
        _forget("output_compression", outcome)
    if not outcome.complete:
        made = len(outcome.deliveries)
        outcome.warn([ParameterWarning("n", str(outcome.wanted), str(made), "no target was left for the rest")])


def _settle(parameter: str, asked: str | None, delivered: set[str], outcome: Outcome) -> None:
    """Drop a warning that the delivery has made untrue, and say what it has made true."""
    if asked is None or not delivered:
        return
    if delivered == {asked}:
        _forget(parameter, outcome)
        return
    given = " ".join(sorted(delivered))
    told = [warning for warning in outcome.warnings if warning.parameter == parameter]
    if not any(warning.sent == given for warning in told):
        outcome.warn([ParameterWarning(parameter, asked, given, "what the backend delivered")])


def _forget(parameter: str, outcome: Outcome) -> None:
    outcome.warnings[:] = [warning for warning in outcome.warnings if warning.parameter != parameter]


def _size_asked(request: ImageRequest) -> str | None:
    shape = request.asked.get("shape")
    return str(shape) if isinstance(shape, Shape) and shape.height else None


def _sizes(outcome: Outcome) -> set[str]:
    pictures = [delivery.picture for delivery in outcome.deliveries]
    return {f"{picture.width}x{picture.height}" for picture in pictures if picture.width}


def _formats(outcome: Outcome) -> set[str]:
    kinds = {delivery.picture.media_type for delivery in outcome.deliveries}
    return {FORMATS[kind] for kind in kinds if kind in FORMATS}


def _recompressed(request: ImageRequest, outcome: Outcome) -> bool:
    """Whether a compression that no backend took was given in the end, by the router itself."""
    formats = _formats(outcome)
    return bool(formats) and request.asked.get("output_format") in ("jpeg", "webp") and formats <= {"jpeg", "webp"}

"""The strict rules of a model that the catalogue knows, checked against the request before anything is sent."""

from collections.abc import Callable, Mapping
from typing import Any

from providers.base import Operation
from providers.dialect import Shape
from router.catalog import Entry, SizeRule
from router.engine.request import ImageRequest
from router.messages.errors import Refused
from router.messages.fields import illegal, too_long, unsupported
from router.messages.uploads import check_uploads

_WORDS: Mapping[str, Callable[[Entry], tuple[str, ...]]] = {
    "quality": lambda entry: entry.qualities,
    "style": lambda entry: entry.styles,
    "background": lambda entry: entry.backgrounds,
    "output_format": lambda entry: entry.output_formats,
    "moderation": lambda entry: entry.moderations,
    "input_fidelity": lambda entry: entry.input_fidelities,
}


def check(request: ImageRequest, entry: Entry) -> None:
    """Refuse what the requested model does not promise; an unconstrained one promises whatever its targets can.

    Raises:
        Refused: 400, or 413 for an upload that is too large.
    """
    if entry.unconstrained:
        return
    if not entry.can(request.operation):
        legal = ", ".join(sorted(operation for operation in Operation if entry.can(operation)))
        raise Refused(
            400,
            "unsupported_operation",
            f"{entry.id} has no {request.operation}; it has {legal}",
            param="model",
        )
    if len(request.prompt) > entry.prompt_max:
        raise too_long("prompt", len(request.prompt), entry.prompt_max)
    if request.n > entry.n_max:
        raise illegal("n", f"{request.n} is not legal for {entry.id}; use 1{_up_to(entry.n_max)}")
    if "shape" in request.asked:
        _check_shape(request.asked["shape"], entry)
    for name, value in request.asked.items():
        if name in _WORDS:
            _check_word(name, value, request.operation, entry)
    _check_compression(request.asked, entry)
    check_uploads(request, entry)


def exempt(entry: Entry, name: str, value: Any) -> bool:
    """Whether a field may be dropped in silence: the model lacks it, and its value is `auto` or the default."""
    match name:
        case "output_compression":
            return value == 100 and not entry.output_formats
        case "quality":
            default = entry.default_quality
        case "style":
            default = entry.default_style
        case "output_format":
            default = "png"
        case _:
            default = "auto"
    return name in _WORDS and value in {"auto", default} and value not in _WORDS[name](entry)


def legal_sizes(entry: Entry) -> str:
    """The sizes a model has, in words."""
    listed = ", ".join(entry.sizes)
    rule = entry.size_rule
    if rule is None:
        return listed
    law = (
        f"any WxH with both sides multiples of {rule.step} and at most {rule.longest}, "
        f"{rule.area[0]} to {rule.area[1]} pixels, at most {rule.ratio:g}:1"
    )
    return f"{listed}, or {law}" if listed else law


def _check_word(name: str, value: str, operation: Operation, entry: Entry) -> None:
    legal = _WORDS[name](entry)
    if name == "input_fidelity":
        if operation is not Operation.EDIT:
            raise unsupported(name, "is for edits only; leave it out")
        if legal and value not in legal:
            raise unsupported(name, f"{entry.id} does not have {value}; use {', '.join(legal)}, or leave it out")
    if not legal:
        raise unsupported(name, f"{entry.id} has no such parameter; leave it out")
    if value not in legal:
        raise illegal(name, f"{value} is not legal for {entry.id}; use one of {', '.join(legal)}")


def _check_compression(asked: Mapping[str, Any], entry: Entry) -> None:
    compression = asked.get("output_compression")
    if compression is None:
        return
    if not entry.output_formats:
        raise unsupported("output_compression", f"{entry.id} has no such parameter; leave it out")
    picture = asked.get("output_format", "png")
    if compression != 100 and picture not in {"jpeg", "webp"}:
        raise illegal("output_compression", f"{picture} is not compressed; use output_format jpeg or webp, or 100")


def _check_shape(shape: Shape, entry: Entry) -> None:
    """A size must be the model's; of an aspect ratio each target makes its nearest."""
    constrained = entry.sizes or entry.size_rule
    if not constrained or not shape.height or str(shape) in entry.sizes or _within(shape, entry.size_rule):
        return
    raise illegal("size", f"{shape} is not legal for {entry.id}; use {legal_sizes(entry)}")


def _within(shape: Shape, rule: SizeRule | None) -> bool:
    if rule is None:
        return False
    low, high = sorted((shape.width, shape.height))
    return (
        low % rule.step == 0
        and high % rule.step == 0
        and high <= rule.longest
        and high <= low * rule.ratio
        and rule.area[0] <= low * high <= rule.area[1]
    )


def _up_to(most: int) -> str:
    return f" to {most}" if most > 1 else ""

"""How a family of models spells the common parameters: tables of rules, and the one function that applies them.

What no rule covers is left out and said; nothing is dropped in silence. Requirements (the operation, input images,
a mask, transparency) are never adapted: a model that cannot meet one raises `Unsupported`.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from providers.base import Operation

PARAMETERS = frozenset(
    {
        "shape",
        "quality",
        "style",
        "background",
        "output_format",
        "output_compression",
        "moderation",
        "input_fidelity",
        "response_format",
        "seed",
        "negative_prompt",
        "guidance",
        "steps",
        "strength",
        "user",
        "safety_identifier",
    },
)
"""Every common parameter; `shape` is size and aspect ratio in one."""


class Unsupported(Exception):  # noqa: N818 - a fact about a target, not a fault
    """A target that cannot do what was asked; the text is the reason."""


class Strictness(StrEnum):
    """What to do with a preference that a model cannot express exactly."""

    ADAPT = "adapt"  # send the nearest, leave out what has no equivalent, say both
    DROP = "drop"  # leave out whatever is inexact, say so
    ERROR = "error"  # rule the target out


@dataclass(frozen=True, slots=True)
class Shape:
    """The form of a picture: pixels, or only a ratio (width / height) where `width` and `height` are 0."""

    width: int = 0
    height: int = 0
    aspect: float = 0.0

    @property
    def ratio(self) -> float:
        """Width divided by height."""
        return self.width / self.height if self.height else self.aspect

    def __str__(self) -> str:
        return f"{self.width}x{self.height}" if self.height else f"{self.aspect:.4g}:1"


@dataclass(frozen=True, slots=True)
class Fit:
    """What a rule makes of a value: the fields to send, and why they differ from what was asked (None: exact)."""

    fields: Mapping[str, Any]
    reason: str | None = None


Rule = Callable[[Any], Fit | None]
"""A value to its fit; None where the model has no equivalent."""


@dataclass(frozen=True, slots=True)
class As:
    """The same meaning under another name."""

    name: str

    def __call__(self, value: Any) -> Fit:
        return Fit({self.name: value})


@dataclass(frozen=True, slots=True)
class OneOf:
    """A closed list of words: what the caller may say -> what the backend calls it."""

    name: str
    words: Mapping[str, str]

    def __call__(self, value: Any) -> Fit | None:
        word = self.words.get(value)
        if word is None:
            return None
        return Fit({self.name: word}, None if word == value else "the nearest the model knows")


@dataclass(frozen=True, slots=True)
class Between:
    """A number within bounds; one outside goes to the nearer bound."""

    name: str
    low: float
    high: float

    def __call__(self, value: Any) -> Fit:
        held = min(max(value, self.low), self.high)
        return Fit({self.name: held}, None if held == value else f"must be {self.low} to {self.high}")


@dataclass(frozen=True, slots=True)
class Sizes:
    """A closed list of sizes, sent as `WxH`: the nearest ratio first, then the nearest area."""

    name: str
    sizes: tuple[tuple[int, int], ...]

    def __call__(self, value: Shape) -> Fit:
        area = value.width * value.height or 1 << 20
        width, height = min(self.sizes, key=lambda size: _distance(size, value.ratio, area))
        legal = " ".join(f"{w}x{h}" for w, h in self.sizes)
        exact = _exact((width, height), value)
        return Fit({self.name: f"{width}x{height}"}, None if exact else f"the model draws {legal}")


@dataclass(frozen=True, slots=True)
class Grid:
    """Any size on a grid, sent as `WxH`: sides in multiples of `step`, within bounds of side, area and ratio."""

    name: str
    step: int
    longest: int
    area: tuple[int, int]
    ratio: float

    def __call__(self, value: Shape) -> Fit:
        width, height = self._nearest(value)
        exact = _exact((width, height), value)
        return Fit({self.name: f"{width}x{height}"}, None if exact else self._law())

    def _nearest(self, value: Shape) -> tuple[int, int]:
        asked = (value.width, value.height)
        if not (asked[0] % self.step or asked[1] % self.step) and self._legal(asked):
            return asked  # the search below cannot tell 1001x1000 from 1000x1001
        wanted = value.width * value.height or 1 << 20
        ratio = min(max(value.ratio, 1 / self.ratio), self.ratio)
        area = min(max(wanted, self.area[0]), self.area[1])
        width = min(math.sqrt(area * ratio), self.longest, self.longest * ratio)
        across, down = width / self.step, width / ratio / self.step
        near = [(x * self.step, y * self.step) for x in _around(across) for y in _around(down)]
        return min(filter(self._legal, near), key=lambda size: _distance(size, ratio, area, self.step / min(size)))

    def _legal(self, size: tuple[int, int]) -> bool:
        width, height = size
        return (
            min(size) > 0
            and max(size) <= self.longest
            and max(size) <= min(size) * self.ratio
            and self.area[0] <= width * height <= self.area[1]
        )

    def _law(self) -> str:
        return (
            f"sides must be multiples of {self.step} up to {self.longest}, "
            f"{self.area[0]} to {self.area[1]} pixels, at most {self.ratio:g}:1"
        )


@dataclass(frozen=True, slots=True)
class AnySize:
    """Whatever size is asked, sent as `WxH`; a mere ratio becomes about a megapixel, in steps of 16."""

    name: str

    def __call__(self, value: Shape) -> Fit:
        if value.height:
            return Fit({self.name: str(value)})
        height = math.sqrt((1 << 20) / value.ratio)
        width, height = (max(round(side / 16), 1) * 16 for side in (height * value.ratio, height))
        return Fit({self.name: f"{width}x{height}"})


def _around(side: float) -> Iterable[int]:
    """Whole steps near a side, wide enough that one of them is legal at every edge of the bounds."""
    return range(math.floor(side) - 1, math.ceil(side) + 2)


def _exact(size: tuple[int, int], asked: Shape) -> bool:
    """Whether nothing was lost: the pixels asked, or where only a ratio was asked, that ratio within a percent."""
    return size == (asked.width, asked.height) if asked.height else _distance(size, asked.ratio, 1)[0] <= 1


def _distance(size: tuple[int, int], ratio: float, area: float, grain: float = 0.01) -> tuple[float, float]:
    """How far a size is from a ratio, in whole grains below which ratios count as equal, and then from an area."""
    width, height = size
    return round(abs(math.log(width / height / ratio)) / grain), abs(math.log(width * height / area))


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """What a family of models accepts.

    Args:
        params: common parameter -> rule. What is not here is not supported.
        edit_params: rules that hold on edits only, over those of `params`.
        operations: what the models can do.
        variation_prompt: for models that make a variation by an edit: what the edit asks for.
        max_n: pictures per call; the router splits more.
        max_images: input pictures per edit.
        mask: whether an edit takes a mask.
        input_types: media types of input pictures.
        extras: whether fields nobody here knows are passed on.
    """

    params: Mapping[str, Rule]
    edit_params: Mapping[str, Rule | None] = field(default_factory=dict)
    operations: frozenset[Operation] = frozenset({Operation.GENERATE})
    variation_prompt: str | None = None
    max_n: int = 1
    max_images: int = 0
    mask: bool = False
    input_types: frozenset[str] = frozenset({"image/png", "image/jpeg", "image/webp"})
    extras: bool = False

    def rule(self, parameter: str, operation: Operation) -> Rule | None:
        """The rule for a parameter in an operation; None where the models have no such parameter."""
        if operation is Operation.EDIT and parameter in self.edit_params:
            return self.edit_params[parameter]
        return self.params.get(parameter)


@dataclass(frozen=True, slots=True)
class ParameterWarning:
    """A parameter that was sent differently than asked, or left out (`sent` is None)."""

    parameter: str
    asked: str
    sent: str | None
    reason: str


@dataclass(frozen=True, slots=True)
class Translation:
    """The backend's fields, and what differs from what was asked."""

    params: Mapping[str, Any]
    warnings: tuple[ParameterWarning, ...]


def translate(
    asked: Mapping[str, Any],
    dialect: Dialect,
    operation: Operation,
    strictness: Strictness = Strictness.ADAPT,
) -> Translation:
    """What was asked, in the words of `dialect`.

    Raises:
        Unsupported: the models cannot draw on a transparent background, or `strictness` is `error` and something
            is inexact.
    """
    fields: dict[str, Any] = {}
    warnings: list[ParameterWarning] = []
    # `safety_identifier` outranks `user`: last, it wins where both go to one field
    for parameter in sorted(asked, key=lambda parameter: parameter == "safety_identifier"):
        fit = _fit(parameter, asked, dialect, operation)
        if fit.reason is None:
            fields.update(fit.fields)
            continue
        name, value = parameter_name(parameter), str(asked[parameter])
        if strictness is Strictness.ERROR:
            raise Unsupported(f"{name}: {value} cannot be sent as asked, {fit.reason}")
        sent = fit.fields if strictness is Strictness.ADAPT else {}
        fields.update(sent)
        warnings.append(ParameterWarning(name, value, " ".join(map(str, sent.values())) or None, fit.reason))
    return Translation(fields, tuple(warnings))


def _fit(parameter: str, asked: Mapping[str, Any], dialect: Dialect, operation: Operation) -> Fit:
    """What becomes of one parameter; without fields it is left out, and without a reason nothing is lost by it."""
    value = asked[parameter]
    rule = dialect.rule(parameter, operation)
    if parameter == "output_compression" and not _lossy(asked, dialect, operation):
        return Fit({}) if value == 100 else Fit({}, "only jpeg and webp are compressed with loss")
    fit = rule(value) if rule is not None else None
    if fit is not None:
        return fit
    if value == "auto" or parameter == "response_format":  # as the backend likes; the router's own business
        return Fit({})
    if parameter == "background" and value == "transparent":
        raise Unsupported("background: the model cannot draw on a transparent background")
    name = parameter_name(parameter)
    return Fit({}, f"the model's {name} knows no {value}" if rule is not None else f"the model has no {name}")


def _lossy(asked: Mapping[str, Any], dialect: Dialect, operation: Operation) -> bool:
    """Whether the pictures will come in a form that can be compressed with loss."""
    rule = dialect.rule("output_format", operation)
    form = asked.get("output_format")
    return form in {"jpeg", "webp"} and (rule is None or rule(form) is not None)


def parameter_name(parameter: str) -> str:
    """A parameter as callers know it."""
    return "size" if parameter == "shape" else parameter

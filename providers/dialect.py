"""How a family of models spells the common parameters: tables of rules, and the one function that applies them.

What no rule covers is left out and said; nothing is dropped in silence. Requirements (the operation, input images,
a mask, transparency) are never adapted: a model that cannot meet one raises `Unsupported`.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from providers.base import Operation
from providers.shapes import AnySize, Either, Fit, Grid, Named, Ratios, Shape, Sizes, Tiered

__all__ = [
    "PARAMETERS",
    "VARY",
    "AnySize",
    "As",
    "Between",
    "Dialect",
    "Either",
    "Fit",
    "Grid",
    "MaskForm",
    "Named",
    "OneOf",
    "ParameterWarning",
    "Ratios",
    "Rule",
    "Shape",
    "Sizes",
    "Spelled",
    "Strictness",
    "Tiered",
    "Translation",
    "Unsupported",
    "merged",
    "parameter_name",
    "translate",
]

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

VARY = "Make a variation of this picture: the same subject, style and mood, with new details."
"""The words with which an edit makes a variation."""


class Unsupported(Exception):  # noqa: N818 - a fact about a target, not a fault
    """A target that cannot do what was asked; the text is the reason."""


class Strictness(StrEnum):
    """What to do with a preference that a model cannot express exactly."""

    ADAPT = "adapt"  # send the nearest, leave out what has no equivalent, say both
    DROP = "drop"  # leave out whatever is inexact, say so
    ERROR = "error"  # rule the target out


class MaskForm(StrEnum):
    """What a mask looks like to a backend: which of its pixels are to be drawn anew."""

    ALPHA = "alpha"  # the transparent ones, as in OpenAI's and so in the caller's own
    CLEAR = "clear"  # the transparent ones of a picture that is opaque elsewhere, for a backend that takes any
    WHITE = "white"  # the white ones of a grey picture
    BLACK = "black"  # the black ones of a grey picture


Rule = Callable[[Any], Fit | None]
"""A value to its fit; None where the model has no equivalent."""


@dataclass(frozen=True, slots=True)
class As:
    """The same meaning under another name. In every rule a dot in a name nests: `parameters.seed`."""

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
class Spelled:
    """A closed list of words that mean the same under others, such as `jpeg`, which some call `jpg`."""

    name: str
    words: Mapping[str, Any]

    def __call__(self, value: Any) -> Fit | None:
        return Fit({self.name: self.words[value]}) if value in self.words else None


@dataclass(frozen=True, slots=True)
class Between:
    """A number within bounds; one outside goes to the nearer bound."""

    name: str
    low: float
    high: float

    def __call__(self, value: Any) -> Fit:
        held = min(max(value, self.low), self.high)
        return Fit({self.name: held}, None if held == value else f"must be {self.low} to {self.high}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """What a family of models accepts.

    Args:
        params: common parameter -> rule. What is not here is not supported.
        edit_params: rules that hold on edits only, over those of `params`.
        mask_params: rules that hold on edits with a mask only, over both; None takes a parameter away.
        defaults: fields that are sent where nothing asked fills them.
        edit_defaults: the same on edits, instead of those.
        operations: what the models can do.
        variation_prompt: for models that make a variation by an edit: what the edit asks for.
        max_n: pictures per call; the router splits more.
        max_images: input pictures per edit.
        mask: the form in which an edit takes a mask; None where it takes none.
        input_types: media types of input pictures.
        extras: whether fields nobody here knows are passed on; names are those that are.
        stream: whether the models send a picture in events, where their adapter reads them.
    """

    params: Mapping[str, Rule]
    edit_params: Mapping[str, Rule | None] = field(default_factory=dict)
    mask_params: Mapping[str, Rule | None] = field(default_factory=dict)
    defaults: Mapping[str, Any] = field(default_factory=dict)
    edit_defaults: Mapping[str, Any] = field(default_factory=dict)
    operations: frozenset[Operation] = frozenset({Operation.GENERATE})
    variation_prompt: str | None = None
    max_n: int = 1
    max_images: int = 0
    mask: MaskForm | None = None
    input_types: frozenset[str] = frozenset({"image/png", "image/jpeg", "image/webp"})
    extras: bool | frozenset[str] = False
    stream: bool = False

    def but(self, params: Mapping[str, Rule] | None = None, **changes: Any) -> "Dialect":
        """The same with these rules over its own, and these arguments changed."""
        return replace(self, params={**self.params, **(params or {})}, **changes)

    def editing(self, max_images: int = 1, *, alone: bool = False, vary: str | None = VARY) -> "Dialect":
        """The same for models that also edit up to so many pictures, or `alone` do that; `vary` makes variations."""
        operations = frozenset({Operation.EDIT} if alone else {Operation.GENERATE, Operation.EDIT})
        return replace(self, operations=operations, variation_prompt=vary, max_images=max_images)

    def masked(self) -> "Dialect":
        """The same for an edit with a mask."""
        return replace(self, edit_params={**self.edit_params, **self.mask_params}) if self.mask_params else self

    def rule(self, parameter: str, operation: Operation) -> Rule | None:
        """The rule for a parameter in an operation; None where the models have no such parameter."""
        if operation is Operation.EDIT and parameter in self.edit_params:
            return self.edit_params[parameter]
        return self.params.get(parameter)


_NAME = re.compile(r"[\w.\-\[\]]{1,64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class ParameterWarning:
    """A parameter that was sent differently than asked, or left out (`sent` is None)."""

    parameter: str
    asked: str
    sent: str | None
    reason: str

    @property
    def named(self) -> bool:
        """Whether its name is one: a caller may write anything there, also what belongs in no header and no log."""
        return _NAME.fullmatch(self.parameter) is not None

    @property
    def objection(self) -> str:
        """The same as the reason why a target is ruled out, where nothing inexact is to be sent."""
        return f"{self.parameter}: {self.asked} cannot be sent as asked, {self.reason}"


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
    for parameter in sorted(asked, key="safety_identifier".__eq__):
        fit = _fit(parameter, asked, dialect, operation)
        if fit.reason is None:
            _put(fit.fields, fields)
            continue
        name, value = parameter_name(parameter), str(asked[parameter])
        if strictness is Strictness.ERROR:
            raise Unsupported(ParameterWarning(name, value, None, fit.reason).objection)
        sent = fit.fields if strictness is Strictness.ADAPT else {}
        _put(sent, fields)
        pixels = parameter == "shape" and all(isinstance(side, int) for side in sent.values())
        said = ("x" if pixels else " ").join(map(str, sent.values()))
        warnings.append(ParameterWarning(name, value, said or None, fit.reason))
    defaults = dialect.edit_defaults if operation is Operation.EDIT else dialect.defaults
    return Translation({**defaults, **fields}, tuple(warnings))


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


def merged(params: Mapping[str, Any], fields: Mapping[str, Any]) -> dict[str, Any]:
    """A backend's parameters with a rule's fields laid over them; neither is changed."""
    found = {name: dict(value) if isinstance(value, dict) else value for name, value in params.items()}
    _put(fields, found)
    return found


def _put(found: Mapping[str, Any], fields: dict[str, Any]) -> None:
    """Add fields; a dot in a name leads into an object within."""
    for name, value in found.items():
        if "." not in name:
            fields[name] = value
            continue
        *path, last = name.split(".")
        place = fields
        for step in path:
            place = place.setdefault(step, {})
        place[last] = value


def parameter_name(parameter: str) -> str:
    """A parameter as callers know it."""
    return "size" if parameter == "shape" else parameter

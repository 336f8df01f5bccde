"""Stability AI's services, wherever they are bought: what each accepts, and the fields of a call.

No adapter itself: a kind that serves them brings the way there and its own tables.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from providers.base import Job, Operation
from providers.dialect import As, Between, Dialect, Fit, MaskForm, OneOf, Ratios, Rule

Rules = Mapping[str, Rule]


def _formats(*words: str) -> Rules:
    return {"output_format": OneOf("output_format", {word: word for word in words})}


_STYLES = (
    *("enhance", "anime", "photographic", "digital-art", "comic-book", "fantasy-art", "line-art", "analog-film"),
    *("neon-punk", "isometric", "low-poly", "origami", "modeling-compound", "cinematic", "3d-model", "pixel-art"),
    "tile-texture",
)
SHAPE: Rules = {
    "shape": Ratios("aspect_ratio", ("21:9", "16:9", "3:2", "5:4", "1:1", "4:5", "2:3", "9:16", "9:21")),
}
STYLE: Rules = {"style": OneOf("style_preset", {word: word for word in _STYLES})}
NO_WEBP = _formats("png", "jpeg")
SEEDED: Rules = {**_formats("png", "jpeg", "webp"), "seed": Between("seed", 0, 4_294_967_294)}
GUIDED: Rules = {**SEEDED, "negative_prompt": As("negative_prompt")}
CUT_OUT: Rules = {
    **_formats("png", "webp"),
    "background": lambda word: Fit({}) if word in {"auto", "transparent"} else None,
}
_FIDELITY = {"low": 0.75, "high": 0.35}
_STRENGTH = 0.65  # how much of a picture is drawn anew where the caller does not say; the services want a number


def _fidelity(word: str) -> Fit | None:
    return Fit({"strength": _FIDELITY[word]}, "the nearest the model knows") if word in _FIDELITY else None


def draws(params: Rules) -> Dialect:
    """What a service accepts that draws from words alone."""
    return Dialect(params={**params, **SHAPE})


def redraws(params: Rules) -> Dialect:
    """What a service accepts that also draws a picture anew, as far as `strength` says, in the picture's own shape."""
    return Dialect(
        params={**params, **SHAPE},
        edit_params={"shape": None, "strength": Between("strength", 0, 1), "input_fidelity": _fidelity},
        operations=frozenset({Operation.GENERATE, Operation.EDIT}),
        variation_prompt="Draw this picture again: the same subject, style and mood, with new details.",
        max_images=1,
    )


def edits(params: Rules, *, mask: bool = False, images: int = 1) -> Dialect:
    """What a service accepts that only changes pictures; it may have words of its own, such as `search_prompt`."""
    form = MaskForm.WHITE if mask else None
    return Dialect(params=params, operations=frozenset({Operation.EDIT}), max_images=images, mask=form, extras=True)


@dataclass(frozen=True, slots=True)
class Service:
    """What one service accepts, where it is, and what it calls the prompt (None: it has none) and the pictures."""

    dialect: Dialect
    path: str = ""
    prompt: str | None = "prompt"
    images: tuple[str, ...] = ("image",)

    def fields(self, job: Job, named: Mapping[str, str]) -> dict[str, Any]:
        """The body of a call, pictures as they are; `named` are fields that nobody may set but the adapter."""
        fields: dict[str, Any] = {}
        if job.images and "strength" in self.dialect.edit_params:
            fields["strength"] = _STRENGTH
        if job.mask is not None:
            fields["grow_mask"] = 0  # the edges of a caller's mask are meant; the services would widen them
        fields |= {**job.params, **job.extras, **named, **dict(zip(self.images, job.images, strict=False))}
        if self.prompt is not None and job.prompt:
            fields[self.prompt] = job.prompt
        return fields if job.mask is None else {**fields, "mask": job.mask}

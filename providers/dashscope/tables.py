"""What the image models of DashScope accept, and which of its four addresses each is asked at."""

from dataclasses import replace
from enum import StrEnum
from fnmatch import fnmatchcase

from providers.base import Operation
from providers.dialect import VARY, AnySize, Between, Dialect, Fit, Grid, MaskForm, Rule, Sizes


class Path(StrEnum):
    """Where a model is asked; all but the first give a task."""

    AT_ONCE = "/services/aigc/multimodal-generation/generation"
    LATER = "/services/aigc/image-generation/generation"
    DRAW = "/services/aigc/text2image/image-synthesis"
    EDIT = "/services/aigc/image2image/image-synthesis"


_PATHS = {
    "wan2.5-i2i*": Path.EDIT,
    "wanx2.1-imageedit*": Path.EDIT,
    "wan2.[1-5]-*": Path.DRAW,
    "wanx*": Path.DRAW,
    "wan*": Path.LATER,
    "*": Path.AT_ONCE,
}


def path(model: str) -> Path:
    """Where a model is asked."""
    return next(path for pattern, path in _PATHS.items() if fnmatchcase(model, pattern))


def _area(least: int, most: int, ratio: float) -> Grid:
    """Any size whose area lies between those of two squares, up to a ratio."""
    return Grid("size", step=1, longest=int(most * ratio**0.5), area=(least**2, most**2), ratio=ratio)


def _negative(value: str) -> Fit:
    return Fit({"negative_prompt": value[:500]}, "only 500 characters count" if len(value) > 500 else None)


def _png(value: str) -> Fit | None:
    return Fit({}) if value == "png" else None  # whatever is asked, it is PNG


_FIVE = Sizes("size", ((1328, 1328), (1664, 928), (1472, 1104), (1104, 1472), (928, 1664)))
_SIDES = Grid("size", step=1, shortest=512, longest=1440, area=(512**2, 1440**2), ratio=1440 / 512)
_BY_16 = Grid("size", step=16, shortest=512, longest=2048, area=(512**2, 2048**2), ratio=4)
_EDIT = frozenset({Operation.EDIT})
_BOTH = frozenset({Operation.GENERATE, Operation.EDIT})
_AS_SAID = {"prompt_extend": False}  # else the prompt is rewritten unasked, at one model for twice the price

_DRAWS = Dialect(
    params={
        "seed": Between("seed", 0, (1 << 31) - 1),
        "negative_prompt": _negative,
        "output_format": _png,
    },
    defaults=_AS_SAID,
    edit_defaults=_AS_SAID,
    extras=True,
)


def _draws(shape: Rule, most: int) -> Dialect:
    return replace(_DRAWS, params={**_DRAWS.params, "shape": shape}, max_n=most)


def _redraws(dialect: Dialect, pictures: int) -> Dialect:
    return replace(dialect, operations=_BOTH, variation_prompt=VARY, max_images=pictures)


def _edits(dialect: Dialect, pictures: int) -> Dialect:
    return replace(_redraws(dialect, pictures), operations=_EDIT)


def _plain(dialect: Dialect) -> Dialect:
    """One that knows nothing of rewriting prompts."""
    return replace(dialect, defaults={}, edit_defaults={})


_QWEN = _redraws(_draws(_area(512, 2048, 8), 6), 3)
_QWEN_EDIT = _edits(_draws(_BY_16, 6), 3)
_QWEN_FIVE = replace(_draws(_FIVE, 1), defaults={**_AS_SAID, "size": "1328x1328"})  # else 16:9
_WAN_25 = _draws(_area(1280, 1440, 4), 4)
_WAN_22 = _draws(_SIDES, 4)

DIALECTS = {
    "qwen-image-3.0*": _QWEN,
    "qwen-image-2.0*": _QWEN,
    "qwen-image-edit-max*": _QWEN_EDIT,
    "qwen-image-edit-plus*": _QWEN_EDIT,
    "qwen-image-edit*": _plain(_edits(_DRAWS, 3)),
    "qwen-image-max*": _QWEN_FIVE,
    "qwen-image-plus*": _QWEN_FIVE,
    "qwen-image": _QWEN_FIVE,
    "z-image-*": _draws(AnySize("size"), 1),
    "wan2.7-image*": _plain(_redraws(_draws(_area(768, 2048, 8), 4), 9)),
    "wan2.6-t2i*": _WAN_25,
    "wan2.6-image*": _edits(_draws(AnySize("size"), 4), 4),
    "wan2.5-t2i*": _WAN_25,
    "wan2.5-i2i*": _plain(_edits(_draws(_area(768, 1280, 4), 4), 3)),
    "wan2.2-t2i*": _WAN_22,
    "wan2.1-t2i*": _WAN_22,
    "wanx2.1-imageedit*": replace(_plain(_edits(_DRAWS, 1)), mask=MaskForm.WHITE),
    "wanx*": _WAN_22,
    "*": _redraws(_draws(AnySize("size"), 1), 3),
}

"""What Replicate's models take, and under which names they take pictures."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from providers.base import Operation
from providers.dialect import VARY, As, Between, Dialect, Fit, Grid, MaskForm, Ratios, Rule, Shape, Sizes, Spelled
from providers.openai import words

_WIDE = ("21:9", "16:9", "3:2", "4:3", "5:4", "1:1", "4:5", "3:4", "2:3", "9:16")
_RATIOS = Ratios("aspect_ratio", (*_WIDE, "9:21"))
_SIDES = ("width", "height")
_EDIT = frozenset({Operation.EDIT})
_BOTH = frozenset({Operation.GENERATE, Operation.EDIT})
_SEED: Mapping[str, Rule] = {"seed": As("seed")}
_AS_INPUT = {"aspect_ratio": "match_input_image"}
_PNG = {"output_format": "png"}  # else webp
_IDEOGRAM_SIZES = (
    *((2048, 2048), (1440, 2880), (2880, 1440), (1664, 2496), (2496, 1664), (1792, 2240), (2240, 1792)),
    *((1440, 2560), (2560, 1440), (1600, 2560), (2560, 1600), (1728, 2304), (2304, 1728), (1024, 1024)),
)


@dataclass(frozen=True, slots=True)
class Custom:
    """Exact pixels, which some models take only where their aspect ratio is `custom`."""

    grid: Grid

    def __call__(self, value: Shape) -> Fit:
        """The grid's fit, and that word."""
        fit = self.grid(value)
        return Fit({"aspect_ratio": "custom", **fit.fields}, fit.reason)


def _formats(*forms: str) -> Mapping[str, Rule]:
    return {"output_format": Spelled("output_format", {form: "jpg" if form == "jpeg" else form for form in forms})}


def _tolerance(most: int) -> Mapping[str, Rule]:
    return {"moderation": Spelled("safety_tolerance", {"low": most})}


def _flux_2(step: int) -> Custom:
    return Custom(Grid(_SIDES, step=step, shortest=256, longest=2048, area=(256**2, 2048**2), ratio=8))


_THREE: Mapping[str, Rule] = {**_formats("png", "jpeg", "webp"), "output_compression": As("output_quality")}
_FLUX_1: Mapping[str, Rule] = {"shape": _RATIOS, **_SEED, **_THREE}
_FLUX_2 = Dialect(
    params={"shape": _flux_2(16), **_SEED, **_THREE, **_tolerance(5)},
    operations=_BOTH,
    variation_prompt=VARY,
    defaults=_PNG,
    edit_defaults={**_PNG, **_AS_INPUT},
    max_images=8,
)
_IDEOGRAM = Dialect(
    params={
        "shape": Sizes("size", _IDEOGRAM_SIZES),
        **_SEED,
        "quality": words("quality", "low", "medium", "high", standard="medium", hd="high"),
    },
    operations=_BOTH,
    variation_prompt=VARY,
    edit_defaults={"size": "source"},
    max_n=8,
    max_images=5,
    mask=MaskForm.BLACK,
)

DIALECTS = {
    "black-forest-labs/flux-schnell": Dialect(
        params={**_FLUX_1, "steps": Between("num_inference_steps", 1, 4)}, defaults=_PNG, max_n=4
    ),
    "black-forest-labs/flux-dev": Dialect(
        params={**_FLUX_1, "guidance": As("guidance")},
        edit_params={"strength": As("prompt_strength")},
        operations=_BOTH,
        defaults=_PNG,
        edit_defaults=_PNG,
        max_n=4,
        max_images=1,
    ),
    "black-forest-labs/flux-1.1-pro": Dialect(
        params={
            **_FLUX_1,
            "shape": Custom(Grid(_SIDES, step=32, shortest=256, longest=1440, area=(256**2, 1440**2), ratio=5.625)),
            **_tolerance(6),
        },
        defaults=_PNG,
    ),
    "black-forest-labs/flux-1.1-pro-ultra": Dialect(params={"shape": _RATIOS, **_SEED}),
    "black-forest-labs/flux-2-flex": replace(
        _FLUX_2,
        params={**_FLUX_2.params, "shape": _flux_2(32), "steps": As("steps"), "guidance": As("guidance")},
        max_images=10,
    ),
    "black-forest-labs/flux-2-*": _FLUX_2,
    "black-forest-labs/flux-3-image": replace(
        _FLUX_2,
        params={"shape": Ratios("aspect_ratio", _WIDE), "output_compression": As("output_quality"), **_tolerance(4)},
        defaults={},
        edit_defaults={},
        max_images=10,
    ),
    "black-forest-labs/flux-kontext-*": replace(
        _FLUX_2, params={"shape": _RATIOS, **_SEED, **_formats("png", "jpeg")}, max_images=1
    ),
    "black-forest-labs/flux-fill-pro": Dialect(
        params={**_SEED, **_formats("png", "jpeg", "webp")},
        operations=_EDIT,
        edit_defaults=_PNG,
        max_images=1,
        mask=MaskForm.WHITE,
    ),
    "ideogram-ai/ideogram-4-5-precise-edit": replace(
        _IDEOGRAM, edit_params={"shape": None}, operations=_EDIT, edit_defaults={}
    ),
    "ideogram-ai/ideogram-4-5": _IDEOGRAM,
    "*": Dialect(params={}, extras=True),
}
"""Models that are not here have inputs that only their own schema tells: they get the prompt, and what callers add."""


@dataclass(frozen=True, slots=True)
class Inputs:
    """The names under which a model takes the first picture, the others (all, where there is no first) and a count."""

    first: str = ""
    others: str = ""
    count: str = "num_outputs"


INPUTS = {
    "black-forest-labs/flux-2-*": Inputs(others="input_images"),
    "black-forest-labs/flux-3-*": Inputs(others="images"),
    "black-forest-labs/flux-kontext-*": Inputs(first="input_image"),
    "ideogram-ai/ideogram-4-5-precise-edit": Inputs("image", "reference_images", "num_images"),
    "ideogram-ai/*": Inputs(others="images", count="num_images"),
    "*": Inputs(first="image"),
}

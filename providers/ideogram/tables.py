"""What Ideogram's models accept."""

from dataclasses import replace

from providers import openai
from providers.base import Operation
from providers.dialect import VARY, As, Between, Dialect, Fit, Grid, MaskForm, Named, OneOf, Sizes

_LARGE = (
    *((2048, 2048), (1440, 2880), (2880, 1440), (1664, 2496), (2496, 1664), (1792, 2240), (2240, 1792)),
    *((1440, 2560), (2560, 1440), (1600, 2560), (2560, 1600), (1728, 2304), (2304, 1728)),
)
_WIDE = ((1, 1), (5, 4), (4, 3), (3, 2), (16, 10), (16, 9), (2, 1), (3, 1))
_RATIOS = {(w, h): f"{w}x{h}" for wide in _WIDE for w, h in (wide, wide[::-1])}
_GRID = Grid("size", step=32, shortest=256, longest=4096, area=(256**2, 4096**2), ratio=6)
_SEED = Between("seed", 0, 2**31 - 1)
_SPEED = OneOf(
    "rendering_speed",
    {"low": "turbo", "medium": "default", "standard": "default"}
    | dict.fromkeys(("high", "hd", "xhigh", "max"), "quality"),
)
_QUALITY = openai.words("quality", "low", "medium", "high", standard="medium", hd="high", xhigh="high", max="high")
_AS_SAID = {"magic_prompt": "off"}  # else the prompt is rewritten


def _clear(value: str) -> Fit | None:
    return Fit({}) if value == "transparent" else None  # as all that such a model draws


_BOTH = frozenset({Operation.GENERATE, Operation.EDIT})
V46 = Dialect(
    params={"shape": _GRID, "quality": _QUALITY, "seed": _SEED},
    operations=_BOTH,
    variation_prompt=VARY,
    max_n=8,
    max_images=5,
)
V45 = replace(
    V46,
    params={**V46.params, "shape": Sizes("size", (*_LARGE, (1024, 1024)))},
    edit_params={"shape": replace(_GRID, area=(256**2, 2048**2))},
    defaults=_AS_SAID,
    edit_defaults={**_AS_SAID, "size": "source"},
    operations=frozenset(Operation),
    variation_prompt=None,
    mask=MaskForm.BLACK,
)
V4 = Dialect(
    params={"shape": Sizes("resolution", _LARGE), "quality": _SPEED, "seed": _SEED},
    defaults=_AS_SAID,
    operations=frozenset({Operation.GENERATE, Operation.VARIATION}),
    max_n=8,
    max_images=1,
)
V3 = replace(
    V4,
    params={
        "shape": Named("aspect_ratio", _RATIOS),
        "quality": _SPEED,
        "style": OneOf("style_type", {"natural": "realistic"}),
        "seed": _SEED,
        "negative_prompt": As("negative_prompt"),
    },
    edit_params={"shape": None, "negative_prompt": None},
    edit_defaults=_AS_SAID,
    operations=frozenset(Operation),
    mask=MaskForm.BLACK,
)
V3_CLEAR = replace(
    V3,
    params={
        **{name: V3.params[name] for name in ("shape", "quality", "seed", "negative_prompt")},
        "background": _clear,
    },
    operations=frozenset({Operation.GENERATE}),
    max_images=0,
    mask=None,
)
DIALECTS = {
    "ideogram-4-6": V46,
    "ideogram-4-5": V45,
    "ideogram-4": V4,
    "ideogram-3": V3,
    "ideogram-3-transparent": V3_CLEAR,
    "*": Dialect(params={}),
}

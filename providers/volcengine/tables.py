"""What the models of Ark take, by name: those of Volcengine begin with `doubao-`, those of BytePlus do not."""

import math
from collections.abc import Mapping
from dataclasses import replace

from providers import openai
from providers.base import Operation
from providers.dialect import VARY, Between, Dialect, Fit, Grid, Shape, Spelled

_TIERS = {"1K": 1024**2, "1.5K": 1536**2, "2K": 1 << 62}
_FORMAT = openai.words("output_format", "png", "jpeg", webp="png")
_UNMARKED = {"response_format": "b64_json", "watermark": False}  # a mark in the corner is their default


def _pixels(least: int, most: int) -> Grid:
    return Grid("size", step=1, longest=math.isqrt(16 * most), area=(least, most), ratio=16)


def _tier(value: Shape) -> Fit:
    """The model takes a size by words; its ratio follows from the prompt."""
    area = value.width * value.height
    word = {"size": next(tier for tier, most in _TIERS.items() if area <= most)} if area else {}
    return Fit(word, f"the model takes {', '.join(_TIERS)}, and a ratio from the prompt alone")


_ANY = Dialect(  # the bounds hold for all models that take pictures, as an endpoint of one's own may stand for any
    params={
        "shape": _pixels(3_686_400, 4_624_220),
        "response_format": Spelled("response_format", {"b64_json": "b64_json", "url": "url"}),
    },
    defaults=_UNMARKED,
    edit_defaults=_UNMARKED,
    operations=frozenset({Operation.GENERATE, Operation.EDIT}),
    variation_prompt=VARY,
    max_images=10,
    input_types=frozenset({"image/png", "image/jpeg"}),
    extras=frozenset({"watermark"}),
)
_4_0 = replace(_ANY, params={**_ANY.params, "shape": _pixels(921_600, 16_777_216)}, max_images=14, stream=True)
_4_5 = replace(_4_0, params={**_ANY.params, "shape": _pixels(3_686_400, 16_777_216)})
_5_LITE = replace(_4_0, params={**_ANY.params, "shape": _pixels(3_686_400, 10_400_000), "output_format": _FORMAT})
_5_FLASH = replace(_ANY, params={**_ANY.params, "shape": _pixels(921_600, 4_624_220), "output_format": _FORMAT})
_5_PRO = replace(
    _5_FLASH,
    params={**_5_FLASH.params, "background": openai.words("background", "opaque")},
    edit_params={"background": openai.words("background", "opaque", "transparent")},
)
_5_5 = replace(
    _5_FLASH,
    params={
        **_5_FLASH.params,
        "shape": _tier,
        "background": openai.words("background", "opaque", "transparent"),
    },
)
_3_0 = Dialect(
    params={
        "shape": Grid("size", step=1, shortest=512, longest=2048, area=(512**2, 2048**2), ratio=4),
        "response_format": _ANY.params["response_format"],
        "seed": Between("seed", -1, 2_147_483_647),
        "guidance": Between("guidance_scale", 1, 10),
    },
    defaults=_UNMARKED,
    extras=_ANY.extras,
)
_EDIT_3_0 = replace(
    _ANY,
    params={name: rule for name, rule in _3_0.params.items() if name != "shape"},
    edit_defaults={**_UNMARKED, "size": "adaptive"},
    operations=frozenset({Operation.EDIT}),
    max_images=1,
)

DIALECTS: Mapping[str, Dialect] = {
    "*seedream-5-5*": _5_5,
    "*seedream-5-0-pro*": _5_PRO,
    "*seedream-5-0-flash*": _5_FLASH,
    "*seedream-5-0*": _5_LITE,
    "*seedream-4-5*": _4_5,
    "*seedream-4-0*": _4_0,
    "*seedream-3-0*": _3_0,
    "*seededit-3-0*": _EDIT_3_0,
    "*": _ANY,
}

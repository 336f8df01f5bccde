"""What each of Google's image models takes: ratios, tiers of pixels, pictures to go by."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from providers.base import Operation
from providers.dialect import VARY, Between, Dialect, Fit, Ratios, Shape

# tier -> how much longer its sides are than those of 1K, and up to how many pixels asked it is the nearest
_TIERS = {"512": (0.5, 600_000), "1K": (1, 1_900_000), "2K": (2, 7_000_000), "4K": (4, 1 << 62)}
_WIDE = {"5:4": (1152, 928), "4:3": (1200, 896), "3:2": (1264, 848), "16:9": (1376, 768)}
_WIDE_25 = {"5:4": (1152, 896), "4:3": (1184, 864), "3:2": (1248, 832), "16:9": (1344, 768)}
_STRIPS = {"4:1": (2048, 512), "8:1": (3072, 384)}


def _and_upright(wide: Mapping[str, tuple[int, int]]) -> Mapping[str, tuple[int, int]]:
    upright = {":".join(reversed(ratio.split(":"))): (height, width) for ratio, (width, height) in wide.items()}
    return {**wide, **upright}


_SIZES = {"1:1": (1024, 1024), **_and_upright(_WIDE), "21:9": (1584, 672)}
_SIZES_25 = {"1:1": (1024, 1024), **_and_upright(_WIDE_25), "21:9": (1536, 672)}
_SIZES_AND_STRIPS = {**_SIZES, **_and_upright(_STRIPS)}


@dataclass(frozen=True, slots=True)
class Canvas:
    """An aspect ratio, and where a model has several, a tier of pixels. `sizes` are those of the tier 1K."""

    sizes: Mapping[str, tuple[int, int]]
    tiers: tuple[str, ...] = ("1K",)

    def __call__(self, value: Shape) -> Fit:
        """The nearest ratio, then the tier of about as many pixels; a mere ratio leaves the tier to the model."""
        fit = Ratios("aspectRatio", tuple(self.sizes))(value)
        if not value.height:
            return fit
        tier = next((tier for tier in self.tiers if value.width * value.height <= _TIERS[tier][1]), self.tiers[-1])
        width, height = (int(side * _TIERS[tier][0]) for side in self.sizes[fit.fields["aspectRatio"]])
        named = {"imageSize": tier} if len(self.tiers) > 1 else {}
        exact = (width, height) == (value.width, value.height)
        return Fit({**fit.fields, **named}, None if exact else f"the nearest the model draws is {width}x{height}")


def _moderation(value: str) -> Fit | None:
    return Fit({"threshold": "BLOCK_ONLY_HIGH"}) if value == "low" else None


def _background(value: str) -> Fit | None:
    return Fit({}) if value == "opaque" else None  # as every picture of these models is


_SEED = {"seed": Between("seed", 0, (1 << 31) - 1)}  # the newest model refuses one
OTHERS = Dialect(
    params={"shape": Canvas(_SIZES_25), "moderation": _moderation, "background": _background},
    operations=frozenset({Operation.GENERATE, Operation.EDIT}),
    variation_prompt=VARY,
    max_images=3,
    input_types=frozenset({"image/png", "image/jpeg", "image/webp", "image/heic", "image/heif"}),
)
FLASH_25 = replace(OTHERS, params={**OTHERS.params, **_SEED})
NANO_BANANA_21 = replace(
    OTHERS,
    params={**OTHERS.params, "shape": Canvas(_SIZES_AND_STRIPS, ("1K", "2K", "4K"))},
    max_images=14,
)
FLASH_31 = replace(
    NANO_BANANA_21,
    params={**FLASH_25.params, "shape": Canvas(_SIZES_AND_STRIPS, ("512", "1K", "2K", "4K"))},
)
FLASH_LITE_31 = replace(FLASH_31, params={**FLASH_25.params, "shape": Canvas(_SIZES)})
PRO_3 = replace(FLASH_31, params={**FLASH_25.params, "shape": Canvas(_SIZES, ("1K", "2K", "4K"))})

DIALECTS = {
    "gemini-nano-banana-2.1*": NANO_BANANA_21,
    "gemini-3-pro-image*": PRO_3,
    "nano-banana-pro*": PRO_3,
    "gemini-3.1-flash-lite-image*": FLASH_LITE_31,
    "gemini-3.1-flash-image*": FLASH_31,
    "gemini-2.5-flash-image*": FLASH_25,
    "*": OTHERS,
}

"""What fal's endpoints take, family by family."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from providers.base import Operation
from providers.dialect import VARY, AnySize, As, Dialect, Grid, MaskForm, Ratios, Rule, Sizes, Spelled, Tiered
from providers.openai import words

_SIDES = ("image_size.width", "image_size.height")
_ANY = AnySize(_SIDES)
_SQUARE = {"image_size": "square_hd"}  # else most draw 4:3
_EDIT = frozenset({Operation.EDIT})
_NAMES = {"steps": "num_inference_steps", "guidance": "guidance_scale"}
_TWO, _THREE = ("png", "jpeg"), ("png", "jpeg", "webp")
_WORDS = ("21:9", "16:9", "3:2", "4:3", "5:4", "1:1", "4:5", "3:4", "2:3", "9:16")
_K = {"1K": 1_900_000, "2K": 7_000_000, "4K": 1 << 62}  # about as many pixels as asked
_GRADES = ("low", "medium", "high")


def _rules(shape: Rule | None, *names: str, formats: tuple[str, ...] = (), tolerance: str = "") -> Mapping[str, Rule]:
    found: dict[str, Rule] = {name: As(_NAMES.get(name, name)) for name in names}
    if shape is not None:
        found["shape"] = shape
    if formats:
        found["output_format"] = words("output_format", *formats)
    if tolerance:
        found["moderation"] = Spelled("safety_tolerance", {"low": tolerance})
    return found


def _draws(params: Mapping[str, Rule], defaults: Mapping[str, Any] = _SQUARE, **more: Any) -> Dialect:
    return Dialect(params=params, defaults=defaults, **{"max_n": 4, **more})


def _edits(params: Mapping[str, Rule], max_images: int, defaults: Mapping[str, Any] = _SQUARE, **more: Any) -> Dialect:
    both = {"operations": frozenset({Operation.GENERATE, Operation.EDIT}), "variation_prompt": VARY}
    return _draws(params, defaults, max_images=max_images, **{**both, **more})


def _sized(least: int, most: int, *, longest: int, shortest: int = 0) -> Grid:
    return Grid(_SIDES, step=1, longest=longest, area=(least, most), ratio=4, shortest=shortest)


_REDUX: dict[str, Any] = {"operations": frozenset({Operation.GENERATE, Operation.VARIATION}), "max_images": 1}
_FLUX_1 = _draws(_rules(_ANY, "seed", "steps", "guidance", formats=_TWO), **_REDUX)
_OLD = Ratios("aspect_ratio", ("21:9", "16:9", "4:3", "3:2", "1:1", "2:3", "3:4", "9:16", "9:21"))
_ONE_TO_ONE = {"aspect_ratio": "1:1"}  # else 16:9
_SIZE_2 = _sized(512**2, 2048**2, shortest=512, longest=2048)
_PRO = _rules(_SIZE_2, "seed", formats=_TWO, tolerance="5")
_QWEN = _rules(_ANY, "seed", "steps", "guidance", "negative_prompt", formats=_TWO)
_QWEN_EDIT = _edits(_QWEN, 1, operations=_EDIT)
_BANANA = _rules(Ratios("aspect_ratio", _WORDS), "seed", formats=_THREE, tolerance="6")
_PRO_TIERS = Tiered(Ratios("aspect_ratio", _WORDS), "resolution", _K)
_STRIPS = Ratios("aspect_ratio", (*_WORDS, "4:1", "1:4", "8:1", "1:8"))
_GROUND = {"background": words("background", "auto", "opaque", "transparent")}
_GRADED = {"quality": words("quality", *_GRADES, standard="medium", hd="high", xhigh="high", max="high")}
_GPT_SIZES = Sizes("image_size", ((1024, 1024), (1536, 1024), (1024, 1536)))
_GPT_2 = _edits(
    {**_rules(Grid(_SIDES, 16, 3840, (655_360, 8_294_400), 3), formats=_THREE), **_GRADED},
    16,
    defaults={},
    edit_params=_GROUND,
    mask=MaskForm.ALPHA,
)
_IDEOGRAM: Mapping[str, Rule] = {
    **_rules(_ANY, "seed", "negative_prompt"),
    "quality": Spelled("rendering_speed", dict(zip(_GRADES, ("TURBO", "BALANCED", "QUALITY"), strict=True))),
    "style": Spelled("style", {style: style.upper() for style in ("auto", "general", "realistic", "design")}),
}
_STYLES = {style: style for style in ("any", "realistic_image", "digital_illustration")}
_RECRAFT = {**_STYLES, "natural": "realistic_image/natural_light"}

DIALECTS = {
    "fal-ai/flux/dev*": replace(
        _FLUX_1, operations=frozenset(Operation), edit_params={"shape": None, "strength": As("strength")}
    ),
    "fal-ai/flux/*": _FLUX_1,
    "fal-ai/flux-pro/v1.1-ultra*": _draws(_rules(_OLD, "seed", formats=_TWO, tolerance="6"), _ONE_TO_ONE, **_REDUX),
    "fal-ai/flux-pro/v1.1": _draws(_rules(_ANY, "seed", formats=_TWO, tolerance="6")),
    "fal-ai/flux-pro/kontext*": _edits(
        _rules(_OLD, "seed", "guidance", formats=_TWO, tolerance="6"), 4, defaults=_ONE_TO_ONE
    ),
    "fal-ai/flux-pro/v1/fill": _draws(
        _rules(None, "seed", formats=_TWO, tolerance="6"), operations=_EDIT, max_images=1, mask=MaskForm.WHITE
    ),
    "fal-ai/flux-2-flex*": _edits({**_PRO, **_rules(None, "steps", "guidance")}, 8, max_n=1),
    "fal-ai/flux-2-*": _edits(_PRO, 8, max_n=1),
    "fal-ai/flux-2/klein*": _edits(_rules(_SIZE_2, "seed", "steps", formats=_TWO), 4),
    "fal-ai/flux-2*": _edits(_rules(_SIZE_2, "seed", "steps", "guidance", formats=_THREE), 4),
    "fal-ai/recraft/v3/*": _edits(
        {**_rules(_ANY), "style": Spelled("style", _RECRAFT)},
        1,
        edit_params={"shape": None, **_rules(None, "strength", "negative_prompt")},
        max_n=1,
    ),
    "fal-ai/recraft/v4*/text-to-image": _draws(_rules(_ANY), max_n=1),
    "fal-ai/ideogram/v3": _draws(_IDEOGRAM),
    "fal-ai/qwen-image-edit/inpaint": replace(
        _QWEN_EDIT, params={**_QWEN, "strength": As("strength")}, variation_prompt=None, mask=MaskForm.WHITE
    ),
    "fal-ai/qwen-image-edit-plus": replace(_QWEN_EDIT, max_images=3),
    "fal-ai/qwen-image-edit": _QWEN_EDIT,
    "fal-ai/qwen-image-2/*": _edits(_rules(_ANY, "seed", "negative_prompt", formats=_THREE), 3),
    "fal-ai/qwen-image": _draws(_QWEN),
    "fal-ai/bytedance/seedream/v4.5/*": _edits(
        _rules(_sized(2560 * 1440, 4096**2, longest=4096), "seed"), 10, defaults={}
    ),
    "fal-ai/bytedance/seedream/v4/*": _edits(_rules(_ANY, "seed"), 10),
    "fal-ai/bytedance/seedream/v5/lite/text-to-image": _draws(
        _rules(_sized(2560 * 1440, 3072**2, longest=4096)), defaults={}
    ),
    "fal-ai/nano-banana-pro*": _edits({**_BANANA, "shape": _PRO_TIERS}, 14, defaults={}),
    "fal-ai/nano-banana-2*": _edits(
        {**_BANANA, "shape": Tiered(_STRIPS, "resolution", {"0.5K": 600_000, **_K})}, 14, defaults={}
    ),
    "fal-ai/nano-banana*": _edits(_BANANA, 3, defaults={}),
    "fal-ai/gpt-image-1.5*": replace(
        _GPT_2,
        params={**_rules(_GPT_SIZES, formats=_THREE), **_GRADED, **_GROUND},
        edit_params={"input_fidelity": words("input_fidelity", "low", "high")},
    ),
    "openai/gpt-image-2.5/*": replace(
        _GPT_2,
        params={**_GPT_2.params, "quality": words("quality", *_GRADES, "xhigh", "max", standard="medium", hd="high")},
    ),
    "openai/gpt-image-2*": _GPT_2,
    "xai/grok-imagine-image*": _edits(
        _rules(Ratios("aspect_ratio", ("16:9", "4:3", "1:1", "3:4", "9:16")), formats=_THREE),
        3,
        defaults={},
        edit_params={"shape": None},
    ),
    "fal-ai/stable-diffusion-v35-large": _draws(_QWEN),
    "fal-ai/z-image/turbo": _draws(_rules(_ANY, "seed", "steps", formats=_THREE)),
    "*": _edits(_QWEN, 4, defaults={}, extras=True),
}
"""By endpoint; one that draws and one that edits share a family under either's name."""

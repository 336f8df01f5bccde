"""What the models at Runware accept: the open ones alike, the partners' each something of its own."""

from dataclasses import replace

from providers.base import Operation
from providers.dialect import VARY, AnySize, As, Between, Dialect, Fit, Grid, MaskForm, Spelled

_SIDES = ("width", "height")
_BASE64 = {"outputType": "base64Data"}
_EDITS = frozenset({Operation.GENERATE, Operation.EDIT})


def _moderation(value: str) -> Fit | None:
    return Fit({"safety": {"checkContent": True}} if value == "auto" else {}) if value in {"auto", "low"} else None


PARTNER = Dialect(  # each lists fields of its own; these are everybody's
    params={
        "shape": AnySize(_SIDES),
        "output_format": Spelled("outputFormat", {"png": "PNG", "jpeg": "JPG", "webp": "WEBP"}),
        "output_compression": Between("outputQuality", 20, 99),
        "moderation": _moderation,
        "response_format": Spelled("outputType", {"b64_json": "base64Data", "url": "URL"}),
    },
    defaults=_BASE64,
    edit_defaults=_BASE64,
    extras=True,
)
OPEN = replace(
    PARTNER,
    params={
        **PARTNER.params,
        "shape": Grid(_SIDES, step=64, shortest=128, longest=2048, area=(1 << 14, 1 << 22), ratio=16),
        "seed": Between("seed", 1, (1 << 63) - 1),
        "steps": As("steps"),
        "guidance": As("CFGScale"),
    },
    defaults={**_BASE64, "width": 1024, "height": 1024},
    edit_defaults={**_BASE64, "width": 1024, "height": 1024},
    max_n=20,
)
REDRAWS = replace(OPEN, operations=_EDITS, edit_params={"strength": Between("strength", 0, 1)}, max_images=1)
FILL = replace(REDRAWS, operations=frozenset({Operation.EDIT}), mask=MaskForm.WHITE)
KONTEXT = replace(
    OPEN,
    operations=_EDITS,
    variation_prompt=VARY,
    max_images=1,
)
COMMUNITY = replace(REDRAWS, params={**OPEN.params, "negative_prompt": As("negativePrompt")}, mask=MaskForm.WHITE)


DIALECTS = {
    "runware:100@*": OPEN,
    "runware:101@*": REDRAWS,
    "runware:102@*": FILL,
    "runware:106@*": KONTEXT,
    "runware:*": OPEN,
    "civitai:*": COMMUNITY,
    "*": PARTNER,
}

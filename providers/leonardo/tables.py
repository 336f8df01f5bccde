"""What Leonardo's models accept, and the numbers by which it knows its own."""

from dataclasses import replace

from providers.base import Operation
from providers.dialect import VARY, AnySize, As, Between, Dialect, Fit, Grid, Sizes, Spelled

# in the configuration a model of their own has its name; on the wire its number
NUMBERS = {
    "lucid-origin": "7b592283-e8a7-4c5a-9ba6-d18c31f258b9",
    "lucid-realism": "05ce0082-2d80-4a2d-8653-4d1c85e2418e",
    "phoenix-1.0": "de7d3faf-762f-48e0-b3b7-9d0ac3a3fcf3",
    "flux-dev": "b2614463-296c-462a-9586-aafdb8f00e36",
    "flux-schnell": "1dd50843-d653-4516-a8e3-f0238ee453ff",
}
_EDITS = frozenset({Operation.GENERATE, Operation.EDIT})
_WIDE = ((1152, 896), (1536, 1024), (1280, 720), (1792, 1024), (2048, 1152), (2560, 1440))
_PLAIN = {"alchemy": False, "contrast": 3.5, "enhancePrompt": False, "width": 1024, "height": 1024}


def _closeness(change: float) -> Fit:
    """Theirs counts from little likeness to much, the callers' the other way."""
    return Between("init_strength", 0.1, 0.9)(round(1 - change, 4))


OWN = Dialect(
    params={
        "shape": Grid(("width", "height"), step=8, shortest=32, longest=1536, area=(1 << 10, 1536**2), ratio=48),
        "quality": Spelled("ultra", {"high": True}),
        "seed": Between("seed", 0, 9_999_999_998),
        "negative_prompt": As("negative_prompt"),
        "guidance": Between("guidance_scale", 1, 20),
        "steps": Between("num_inference_steps", 10, 60),
    },
    edit_params={"strength": _closeness},
    defaults=_PLAIN,
    edit_defaults={**_PLAIN, "init_strength": 0.5},
    operations=_EDITS,
    variation_prompt=VARY,
    max_n=4,
    max_images=1,
)
FLUX = replace(OWN, params={**OWN.params, "seed": Between("seed", 0, 2_147_483_637)})
PARTNER = Dialect(params={"shape": AnySize(("width", "height")), "seed": As("seed")})
IDEOGRAM = Dialect(
    params={
        "shape": Sizes(("width", "height"), (*_WIDE, (1024, 1024), (2048, 2048), *((h, w) for w, h in _WIDE))),
        "quality": Spelled("quality", {word: word.upper() for word in ("low", "medium", "high")}),
        "seed": As("seed"),
    },
    defaults={"prompt_enhance": "OFF"},
    edit_defaults={"prompt_enhance": "OFF"},
    operations=_EDITS,
    variation_prompt=VARY,
    max_n=2,
    max_images=5,
)


DIALECTS = {
    "lucid-*": OWN,
    "phoenix-*": OWN,
    "flux-dev": FLUX,
    "flux-schnell": FLUX,
    **{NUMBERS[name]: FLUX for name in ("flux-dev", "flux-schnell")},
    "????????-????-????-????-????????????": OWN,
    "ideogram/ideogram-4.5": IDEOGRAM,
    "*": PARTNER,
}

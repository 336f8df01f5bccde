"""Drawings made inside the process: no key, no network, true pictures from every endpoint.

It speaks OpenAI's Images API, so only what its models accept and the backend itself are its own.
"""

from dataclasses import replace

from providers import openai
from providers.base import Operation
from providers.dialect import As, Between, Dialect, Fit, Grid, MaskForm, Shape
from providers.openai import words
from providers.sketch import studio

_PIXELS = Grid("size", step=1, longest=studio.LONGEST, area=(4096, studio.LONGEST**2), ratio=8)
_RATIOS = replace(_PIXELS, step=16)


def _shape(value: Shape) -> Fit:
    """Any pixels as they are; a mere ratio in round numbers."""
    return (_PIXELS if value.height else _RATIOS)(value)


SKETCH = Dialect(
    params={
        "shape": _shape,
        "quality": words(
            "quality", "auto", "low", "medium", "high", standard="medium", hd="high", xhigh="high", max="high"
        ),
        "style": words("style", "vivid", "natural"),
        "background": words("background", "auto", "opaque", "transparent"),
        "output_format": words("output_format", "png", "jpeg", "webp"),
        "output_compression": Between("output_compression", 0, 100),
        "seed": As("seed"),
    },
    operations=frozenset(Operation),
    max_n=studio.MOST_N,
    max_images=studio.MOST_IMAGES,
    mask=MaskForm.ALPHA,
    stream=True,
)

adapter = replace(
    openai.adapter,
    base_url="sketch:",
    dialects={"*": SKETCH},
    auth=None,
    options={},
    local=studio.answer,
)

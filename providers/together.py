"""Together AI: one endpoint draws and edits, told which by its fields; OpenAI's answers."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from providers import images_api
from providers.auth import bearer
from providers.base import Adapter, Flow, Inline, Job
from providers.dialect import As, Between, Dialect, Grid, OneOf, Rule, Sizes, Spelled
from providers.errors import ErrorKind, When, json_error

_SIDES = ("width", "height")
_FLUX_1 = Grid(_SIDES, step=16, shortest=256, longest=1440, area=(256**2, 1440**2), ratio=5.625)
_FLUX_2 = replace(_FLUX_1, longest=2048, area=(256**2, 2048**2), ratio=8)
_TABLE = ((1024, 1024), (1344, 768), (1248, 832), (1184, 864), (1152, 896))
_GOOGLE = Sizes(_SIDES, (*_TABLE, *((width, height) for height, width in _TABLE[1:])))
_FORMAT = OneOf("output_format", {"png": "png", "jpeg": "jpeg", "webp": "png"})
_PROSE: Mapping[str, Rule] = {"negative_prompt": As("negative_prompt"), "guidance": As("guidance_scale")}
_OPEN: Mapping[str, Rule] = {"moderation": Spelled("disable_safety_checker", {"low": True, "auto": False})}

PLAIN = Dialect(params={"shape": _FLUX_1, "seed": As("seed"), "output_format": _FORMAT})
SEVERAL = replace(PLAIN, max_n=4)
SCHNELL = SEVERAL.but({**_PROSE, **_OPEN, "steps": Between("steps", 1, 12)})
SCHNELL_FREE = SEVERAL.but({"steps": Between("steps", 1, 4)})
EDITS = PLAIN.editing()
KONTEXT = EDITS.but({**_PROSE, "steps": As("steps")})
KREA = KONTEXT.but(_OPEN, max_n=4)
FLUX_2_PRO = PLAIN.but({"shape": _FLUX_2}).editing(8)
FLUX_2_FLEX = FLUX_2_PRO.but({"steps": As("steps"), "guidance": As("guidance")})
FLUX_2_DEV = FLUX_2_FLEX.but(_OPEN)
GOOGLE = replace(EDITS, params={"shape": _GOOGLE, "output_format": _FORMAT})
QWEN = PLAIN.but({**_PROSE, "steps": As("steps")})

_ONE_PICTURE = "black-forest-labs/FLUX.1-"  # these take `image_url`, all others `reference_images`, none both


def _generate(job: Job) -> Flow:
    fields = {"model": job.model, "response_format": "base64", **_pictures(job)}
    return images_api.result((yield images_api.json_request(job, fields)))


def _pictures(job: Job) -> Mapping[str, Any]:
    pictures = [Inline.data_uri(image) for image in job.images]
    if job.model.startswith(_ONE_PICTURE) and pictures:
        return {"image_url": pictures[0]}
    return {"reference_images": pictures} if pictures else {}


adapter = Adapter(
    base_url="https://api.together.ai/v1",
    dialects={
        "black-forest-labs/FLUX.1-schnell-Free": SCHNELL_FREE,
        "black-forest-labs/FLUX.1-schnell*": SCHNELL,
        "black-forest-labs/FLUX.1.1-pro*": SEVERAL,
        "black-forest-labs/FLUX.1-krea*": KREA,
        "black-forest-labs/FLUX.1-kontext*": KONTEXT,
        "black-forest-labs/FLUX.2-pro*": FLUX_2_PRO,
        "black-forest-labs/FLUX.2-flex*": FLUX_2_FLEX,
        "black-forest-labs/FLUX.2-dev*": FLUX_2_DEV,
        "google/*": GOOGLE,
        "ByteDance-Seed/Seedream-4*": EDITS,
        "Qwen/Qwen-Image": QWEN,
        "*": PLAIN,
    },
    auth=bearer(),
    generate=_generate,
    error=json_error(
        message=("error.message", "message"),
        code=("error.code",),
        type=("error.type",),
        param=("error.param",),
        # which of its codes means this is not documented
        cases={When((400, 422), words="nsfw|safety"): ErrorKind.CONTENT_POLICY},
    ),
)

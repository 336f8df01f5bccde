"""Together AI: one endpoint draws and edits, told which by its fields; OpenAI's answers."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from providers import images_api, openai
from providers.auth import bearer
from providers.base import Adapter, Answer, ErrorKind, Flow, Inline, Job, Operation, ProviderError, json_error
from providers.dialect import As, Between, Dialect, Grid, OneOf, Rule, Sizes, Spelled

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
SCHNELL = replace(SEVERAL, params={**PLAIN.params, **_PROSE, **_OPEN, "steps": Between("steps", 1, 12)})
SCHNELL_FREE = replace(SEVERAL, params={**PLAIN.params, "steps": Between("steps", 1, 4)})
EDITS = replace(
    PLAIN,
    operations=frozenset({Operation.GENERATE, Operation.EDIT}),
    variation_prompt=openai.GPT_IMAGE_2.variation_prompt,
    max_images=1,
)
KONTEXT = replace(EDITS, params={**PLAIN.params, **_PROSE, "steps": As("steps")})
KREA = replace(KONTEXT, params={**KONTEXT.params, **_OPEN}, max_n=4)
FLUX_2_PRO = replace(EDITS, params={**PLAIN.params, "shape": _FLUX_2}, max_images=8)
FLUX_2_FLEX = replace(FLUX_2_PRO, params={**FLUX_2_PRO.params, "steps": As("steps"), "guidance": As("guidance")})
FLUX_2_DEV = replace(FLUX_2_FLEX, params={**FLUX_2_FLEX.params, **_OPEN})
GOOGLE = replace(EDITS, params={"shape": _GOOGLE, "output_format": _FORMAT})
QWEN = replace(PLAIN, params={**PLAIN.params, **_PROSE, "steps": As("steps")})

_ONE_PICTURE = "black-forest-labs/FLUX.1-"  # these take `image_url`, all others `reference_images`, none both


def _generate(job: Job) -> Flow:
    fields = {"model": job.model, "response_format": "base64", **_pictures(job)}
    return images_api.result((yield images_api.request(replace(job, operation=Operation.GENERATE), fields)))


def _pictures(job: Job) -> Mapping[str, Any]:
    pictures = [Inline.data_uri(image) for image in job.images]
    if job.model.startswith(_ONE_PICTURE) and pictures:
        return {"image_url": pictures[0]}
    return {"reference_images": pictures} if pictures else {}


_read_error = json_error(
    message=("error.message", "message"), code=("error.code",), type=("error.type",), param=("error.param",)
)


def _error(answer: Answer) -> ProviderError:
    error = _read_error(answer)
    said = f"{error.code} {error.message}".lower()
    # which of its codes means this is not documented
    if error.status in (400, 422) and ("nsfw" in said or "safety" in said):
        error.kind = ErrorKind.CONTENT_POLICY
    return error


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
    error=_error,
)

"""Black Forest Labs' FLUX models: a task is submitted, asked after where its answer says, and ends in a link."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import count
from typing import Any
from urllib.parse import quote

import msgspec

from providers.auth import header
from providers.base import (
    Adapter,
    Answer,
    ErrorKind,
    Flow,
    Image,
    ImageResult,
    Inline,
    Job,
    Operation,
    Usage,
    bad_response,
    json_error,
    poll,
    submit,
)
from providers.dialect import As, Between, Dialect, Grid, MaskForm, Ratios, Rule, Spelled, Tiered

_LOST = 5  # polls, a second each, for which a task that is not found may only not have been found yet
_PENDING = frozenset({"pending", "reasoning", "generating"})
_FAILED = {
    **dict.fromkeys(("request moderated", "content moderated"), ErrorKind.CONTENT_POLICY),
    **dict.fromkeys(("error", "failed"), ErrorKind.UNAVAILABLE),
}
_SIDES = ("width", "height")
_WIDE = ("21:9", "2:1", "16:9", "3:2", "7:5", "4:3", "5:4", "1:1")
_RATIOS = Ratios("aspect_ratio", (*_WIDE, "4:5", "3:4", "5:7", "2:3", "9:16", "1:2", "9:21"))
_FAMILY_2 = Grid(_SIDES, step=16, shortest=64, longest=8192, area=(4096, 1 << 22), ratio=128)
_FAMILY_1 = Grid(_SIDES, step=32, shortest=256, longest=1440, area=(1 << 16, 1440**2), ratio=5.625)
_FAMILY_3 = Tiered(_RATIOS, "resolution", {"1k": 1 << 20, "1.5k": 2_400_000, "2k": 1 << 22, "4k": 1 << 62})


def _params(shape: Rule, tolerance: int, *formats: str) -> Mapping[str, Rule]:
    return {
        "shape": shape,
        "seed": As("seed"),
        "output_format": Spelled("output_format", {form: form for form in formats}),
        "moderation": Spelled("safety_tolerance", {"low": tolerance}),
    }


def _strength(guidance: tuple[float, float], steps: tuple[int, int]) -> Mapping[str, Rule]:
    return {"guidance": Between("guidance", *guidance), "steps": Between("steps", *steps)}


_AS_SAID = {"prompt_upsampling": False}  # the one model that would rewrite the prompt unasked
FLUX_2 = Dialect(
    params=_params(_FAMILY_2, 5, "png", "jpeg", "webp"),
    operations=frozenset({Operation.GENERATE, Operation.EDIT}),
    variation_prompt="Make a variation of this picture: the same subject, style and mood, with new details.",
    max_images=8,
)
FLEX = replace(
    FLUX_2, params={**FLUX_2.params, **_strength((1.5, 10), (1, 50))}, defaults=_AS_SAID, edit_defaults=_AS_SAID
)
FLUX_3 = replace(
    FLUX_2, params={"shape": _FAMILY_3, "moderation": Spelled("safety_tolerance", {"low": 4})}, max_images=10
)
KONTEXT = replace(FLUX_2, params=_params(_RATIOS, 6, "png", "jpeg"), max_images=4)
FLUX_11 = Dialect(params=_params(_FAMILY_1, 6, "png", "jpeg"), defaults={"width": 1024, "height": 1024})  # else 4:3
EXPAND = Dialect(
    params={**KONTEXT.params, **_strength((1.5, 100), (15, 50))},
    edit_params={"shape": None},
    operations=frozenset({Operation.EDIT}),
    max_images=1,
)


class _Task(msgspec.Struct):
    polling_url: str
    cost: float | None = None
    output_mp: float | None = None


class _Result(msgspec.Struct):
    sample: str = ""


class _State(msgspec.Struct):
    status: str
    result: _Result | None = None


def _states() -> Callable[[Answer], str]:
    """Reads states; a word that nobody knows means that the task is still running."""
    lost = count()

    def read(answer: Answer) -> str:
        state = answer.read(_State).status.casefold()
        if state == "task not found" and next(lost) >= _LOST:
            raise bad_response("the backend no longer finds the task that it took")
        return state if state == "ready" or state in _FAILED else "pending"

    return read


def _pictures(job: Job) -> Mapping[str, Any]:
    inline = [Inline(image) for image in job.images]
    if job.model.startswith("flux-3"):
        return {"images": inline} if inline else {}
    if job.model.startswith("flux-pro-1.0"):
        return {"image": inline[0], **({"mask": Inline(job.mask)} if job.mask is not None else {})}
    return {f"input_image_{place}" if place > 1 else "input_image": image for place, image in enumerate(inline, 1)}


def _generate(job: Job) -> Flow:
    # with a webhook the answer would name no address to poll
    extras = {name: value for name, value in job.extras.items() if not name.startswith("webhook_")}
    fields = {**job.params, **extras, "prompt": job.prompt, **_pictures(job)}
    task = (yield submit(f"/v1/{quote(job.model, safe='')}", json=fields)).read(_Task)
    answer = yield from poll(task.polling_url, status=_states(), pending=_PENDING, done={"ready"}, failed=_FAILED)
    result = answer.read(_State).result
    cost = task.cost / 100 if task.cost is not None else None  # a credit is a cent
    usage = Usage(credits=task.cost, cost=cost, megapixels=task.output_mp)
    images = (Image(url=result.sample),) if result is not None and result.sample else ()
    return ImageResult(images=images, usage=usage if usage != Usage() else None)


adapter = Adapter(
    base_url="https://api.bfl.ai",
    dialects={
        "flux-2-klein*": replace(FLUX_2, max_images=4),
        "flux-2-flex*": FLEX,
        "flux-3-image*": FLUX_3,
        "flux-kontext-*": KONTEXT,
        "flux-pro-1.1-ultra*": Dialect(params=KONTEXT.params, defaults={"aspect_ratio": "1:1"}),  # else 16:9
        "flux-pro-1.1*": FLUX_11,
        "flux-dev*": replace(FLUX_11, params={**FLUX_11.params, **_strength((1.5, 5), (1, 50))}),
        "flux-pro-1.0-fill*": replace(EXPAND, mask=MaskForm.WHITE),
        "flux-pro-1.0-expand*": EXPAND,
        "*": FLUX_2,
    },
    auth=header("x-key"),
    generate=_generate,
    error=json_error(message=("detail.0.msg", "detail"), type=("detail.0.type",), param=("detail.0.loc.1",)),
    key_hosts=("bfl.ai", "*.bfl.ai"),
    link_life=600,
)

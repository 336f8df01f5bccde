"""Black Forest Labs' FLUX models: a task is submitted, asked after where its answer says, and ends in a link."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import count
from typing import Any
from urllib.parse import quote

from providers.auth import header
from providers.base import Adapter, Answer, Flow, ImageResult, Inline, Job, Usage, poll, submit
from providers.dialect import As, Between, Dialect, Grid, MaskForm, Ratios, Rule, Spelled, Tiered
from providers.errors import ErrorKind, bad_response, json_error

_LOST = 5  # polls, a second each, for which a task that is not found may only not have been found yet
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
FLUX_2 = Dialect(params=_params(_FAMILY_2, 5, "png", "jpeg", "webp")).editing(8)
FLEX = FLUX_2.but(_strength((1.5, 10), (1, 50)), defaults=_AS_SAID, edit_defaults=_AS_SAID)
FLUX_3 = Dialect(params={"shape": _FAMILY_3, "moderation": Spelled("safety_tolerance", {"low": 4})}).editing(10)
KONTEXT = Dialect(params=_params(_RATIOS, 6, "png", "jpeg")).editing(4)
FLUX_11 = Dialect(params=_params(_FAMILY_1, 6, "png", "jpeg"), defaults={"width": 1024, "height": 1024})  # else 4:3
_EXPANDS = KONTEXT.but(_strength((1.5, 100), (15, 50)), edit_params={"shape": None})
EXPAND = _EXPANDS.editing(alone=True, vary=None)


def _states() -> Callable[[Answer], str]:
    """Reads states; a word that nobody knows means that the task is still running."""
    lost = count()

    def read(answer: Answer) -> str:
        state = answer.word("status").casefold()
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
    task = yield submit(f"/v1/{quote(job.model, safe='')}", json=fields)
    place, price = task.word("polling_url"), task.number("cost")
    answer = yield from poll(place, status=_states(), pending={"pending"}, done={"ready"}, failed=_FAILED)
    cost = price / 100 if price is not None else None  # a credit is a cent
    usage = Usage(credits=price, cost=cost, megapixels=task.number("output_mp"))
    return ImageResult(images=answer.links("result.sample"), usage=usage.or_none())


adapter = Adapter(
    base_url="https://api.bfl.ai",
    dialects={
        "flux-2-klein*": replace(FLUX_2, max_images=4),
        "flux-2-flex*": FLEX,
        "flux-3-image*": FLUX_3,
        "flux-kontext-*": KONTEXT,
        "flux-pro-1.1-ultra*": Dialect(params=KONTEXT.params, defaults={"aspect_ratio": "1:1"}),  # else 16:9
        "flux-pro-1.1*": FLUX_11,
        "flux-dev*": FLUX_11.but(_strength((1.5, 5), (1, 50))),
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

"""AUTOMATIC1111's web UI and Forge with `--api`: a target's model is a checkpoint, which the server loads as needed.

The server draws with what it has loaded when it does not know a checkpoint's name, so the name is looked up first. What
a prompt holds of the server's own syntax is escaped unless the provider's options allow it.
"""

import re
from base64 import b64encode
from collections.abc import Mapping
from typing import Any

import msgspec

from providers import self_hosted
from providers.auth import HeaderAuth
from providers.base import Adapter, Call, Flow, Image, ImageResult, Inline, Job, Operation, Phase, submit
from providers.dialect import As, Between, Dialect, Grid, MaskForm, OneOf, Shape
from providers.errors import ErrorKind, OutcomeClass, ProviderError, json_error
from providers.http import Auth

_STEPS = {"low": "20", "standard": "25", "medium": "25", **dict.fromkeys(("hd", "high", "xhigh", "max"), "30")}
_USUAL_STEPS = "25"  # the server's own 50 take twice as long for little
_VARIED = 0.6  # how far a variation leaves its picture
_SIZE = Grid(("width", "height"), step=8, shortest=64, longest=8192, area=(1 << 12, 1 << 26), ratio=128)
_PAINTER = Dialect(
    params={
        "shape": _SIZE,
        "quality": OneOf("quality", _STEPS),
        "steps": As("steps"),
        "guidance": As("cfg_scale"),
        "negative_prompt": As("negative_prompt"),
        "seed": As("seed"),
    },
    edit_params={"strength": Between("denoising_strength", 0, 1)},
    operations=frozenset(Operation),
    max_n=10,
    max_images=1,
    mask=MaskForm.WHITE,
)
_EXTRAS = frozenset(
    {
        *("sampler_name", "scheduler", "styles", "enable_hr", "mask_blur"),
        *("inpainting_fill", "inpaint_full_res", "inpainting_mask_invert"),
    }
)
_NETWORK = re.compile(r"<(?=\w+:)")
_WORDS = re.compile(r"\b(AND|BREAK)\b")
_WEIGHT = re.compile(r"(:\s*[-+]?(?:\d+\.?|\d*\.\d+))\s*$")  # at the end it weighs the whole prompt


class _Checkpoint(msgspec.Struct):
    title: str
    model_name: str


class _Made(msgspec.Struct):
    images: list[msgspec.Raw]


def _escaped(prompt: str) -> str:
    """The prompt with none of the server's syntax: weights, schedules, networks, its two words in capitals."""
    text = re.sub(r"[\\()\[\]]", r"\\\g<0>", prompt)
    text = _WORDS.sub(lambda found: found[0].lower(), _NETWORK.sub("< ", text))
    return _WEIGHT.sub(r"\1,", text)


def _fields(job: Job) -> Mapping[str, Any]:
    """What the operation, the pictures and the parameters come to."""
    fields = dict(job.params)
    fields = {"steps": int(fields.pop("quality", _USUAL_STEPS)), **fields}
    if not job.images:
        return fields
    image = job.images[0]
    if image.width and "width" not in fields:  # else 512x512, whatever the picture
        fields |= _SIZE(Shape(image.width, image.height)).fields
    if job.operation is Operation.VARIATION:
        fields["denoising_strength"] = _VARIED
    if job.mask is not None:
        # the edges of a caller's mask are meant; the server would soften them and change what lies beside
        fields |= {"mask": Inline(job.mask), "mask_blur": 0, "inpainting_fill": 1}
    return {**fields, "init_images": [Inline(image)]}


def _request(job: Job) -> Call:
    trusted = self_hosted.trusts(job)
    fields = {"prompt": job.prompt, **_fields(job)}
    if not trusted:
        fields |= {name: _escaped(fields[name]) for name in ("prompt", "negative_prompt") if name in fields}
    legal = _EXTRAS | {"alwayson_scripts"} if trusted else _EXTRAS
    extras = self_hosted.own_options(job, legal)
    own = {
        "override_settings": {"sd_model_checkpoint": job.model},
        "override_settings_restore_afterwards": True,
        "batch_size": 1,
        "n_iter": job.n,
        "send_images": True,
        "save_images": False,
    }
    return submit(f"/sdapi/v1/{'img2img' if job.images else 'txt2img'}", json={**fields, **extras, **own})


def _generate(job: Job) -> Flow:
    request = _request(job)
    answer = yield Call(phase=Phase.PREPARE, method="GET", path="/sdapi/v1/sd-models")
    known = answer.read(list[_Checkpoint])
    if not any(job.model in (checkpoint.title, checkpoint.model_name) for checkpoint in known):
        message = f"the server has no checkpoint {job.model}; use a title or name that its /sdapi/v1/sd-models lists"
        raise ProviderError(ErrorKind.UNSUPPORTED, message, outcome=OutcomeClass.REJECTED)
    answer = yield request
    return ImageResult(images=tuple(Image(b64=answer.cargo(raw)) for raw in answer.read(_Made).images))


def _basic(key: str) -> Auth:
    return HeaderAuth("authorization", f"Basic {b64encode(key.encode()).decode()}")


adapter = Adapter(
    base_url="http://127.0.0.1:7860",
    dialects={"*": _PAINTER},
    auth=_basic,
    options={
        "prompt_syntax": "`allow`: prompts may hold the server's own syntax, such as `<lora:name:1>`, which is escaped "
        "otherwise, and calls may run its always-on scripts"
    },
    generate=_generate,
    error=json_error(message=("detail.0.msg", "detail", "errors", "error"), type=("error",), param=("detail.0.loc.1",)),
)

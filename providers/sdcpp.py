"""stable-diffusion.cpp's server: OpenAI's Images API for the one model it holds, the rest in a tag in the prompt.

What a prompt holds of the server's own syntax (weights, BREAK, that very tag) is escaped unless the provider's options
allow it; LoRA tags the server ignores by itself.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import msgspec

from providers import images_api, openai, self_hosted
from providers.auth import bearer
from providers.base import Adapter, Flow, Job, Operation, json_error
from providers.dialect import AnySize, As, Between, Dialect, MaskForm, OneOf, Spelled, merged

_FORMATS = ("png", "jpeg", "webp")
_DRAWER = Dialect(
    params={
        "shape": AnySize("size"),
        "output_format": Spelled("output_format", {form: form for form in _FORMATS}),
        "output_compression": As("output_compression"),
        "seed": As("tag.seed"),
        "negative_prompt": As("tag.negative_prompt"),
        "steps": As("tag.sample_params.sample_steps"),
        "guidance": As("tag.sample_params.guidance.txt_cfg"),
    },
    edit_params={
        "output_format": OneOf("output_format", {"png": "png", "jpeg": "jpeg", "webp": "png"}),
        "strength": Between("tag.strength", 0, 1),
    },
    operations=frozenset({Operation.GENERATE, Operation.EDIT}),
    variation_prompt=openai.GPT_IMAGE_2.variation_prompt,
    max_n=10,
    max_images=16,
    mask=MaskForm.WHITE,
)
_RANDOM = -1  # without a word on it every picture of a prompt would be the same
_EXTRAS = {
    "clip_skip": "clip_skip",
    "sample_method": "sample_params.sample_method",
    "scheduler": "sample_params.scheduler",
}
_TAG = "sd_cpp_extra_args"
_LESS = r"\u003c"
_TAGS = re.compile(rf"<(?=/?{_TAG}>)")
_OPENS = re.compile(r"[\\(\[]")
_WEIGHT = re.compile(r"(:[+-]?[.\d]+)(?=\))")  # without a bracket before it the server would swallow it
_BREAK = re.compile(r"\bBREAK\b")


def _escaped(prompt: str) -> str:
    """The prompt with none of the server's syntax; a closing bracket means nothing where none was opened."""
    text = _WEIGHT.sub(r"\1 ", _OPENS.sub(r"\\\g<0>", prompt))
    return _TAGS.sub("< ", _BREAK.sub("break", text))


def _tag(fields: Mapping[str, Any], extras: Mapping[str, Any]) -> str:
    """The tag for what the API has no field for; a `<` in it might end it."""
    own = merged(fields, {_EXTRAS[name]: value for name, value in extras.items()})
    said = msgspec.json.encode({"seed": _RANDOM, **own}).decode()
    return f"<{_TAG}>{said.replace('<', _LESS)}</{_TAG}>"


def _generate(job: Job) -> Flow:
    write = self_hosted.writer(job, _escaped)
    params = dict(job.params)
    fields = dict(params.pop("tag", {}))
    if "negative_prompt" in fields:
        fields["negative_prompt"] = write(fields["negative_prompt"])
    prompt = f"{write(job.prompt)} {_tag(fields, self_hosted.own_options(job, _EXTRAS.keys()))}"
    answer = yield images_api.request(replace(job, prompt=prompt, params=params, extras={}), {})
    return images_api.result(answer)


adapter = Adapter(
    base_url="http://127.0.0.1:1234/v1",
    dialects={"*": _DRAWER},
    auth=bearer(),  # the server asks for none; what stands before it may
    options=self_hosted.PROMPT_SYNTAX,
    generate=_generate,
    error=json_error(message=("message", "error")),
)

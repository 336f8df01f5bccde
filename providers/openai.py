"""OpenAI's Images API, and everything that speaks it."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from providers import images_api
from providers.auth import bearer
from providers.base import Adapter, Call, Flow, Job, Operation, Stream
from providers.dialect import PARAMETERS, AnySize, As, Between, Dialect, Grid, MaskForm, OneOf, Sizes


def words(name: str, *same: str, **other: str) -> OneOf:
    """A closed list: words the backend knows as they are, and words it knows by another."""
    return OneOf(name, {word: word for word in same} | other)


GPT_IMAGE_2 = Dialect(
    params={
        "shape": Grid("size", step=16, longest=3840, area=(655_360, 8_294_400), ratio=3),
        "quality": words(
            "quality", "auto", "low", "medium", "high", standard="medium", hd="high", xhigh="high", max="high"
        ),
        "background": words("background", "auto", "opaque", "transparent"),
        "output_format": words("output_format", "png", "jpeg", "webp"),
        "output_compression": Between("output_compression", 0, 100),
        "moderation": words("moderation", "auto", "low"),
        "user": As("safety_identifier"),
        "safety_identifier": As("safety_identifier"),
    },
    max_n=10,
    mask=MaskForm.ALPHA,
    stream=True,
).editing(16)
_MORE = words("quality", "auto", "low", "medium", "high", "xhigh", "max", standard="medium", hd="high")
GPT_IMAGE_25 = GPT_IMAGE_2.but({"quality": _MORE})
_LISTED = Sizes("size", ((1024, 1024), (1536, 1024), (1024, 1536)))
CHATGPT_IMAGE = GPT_IMAGE_2.but({"shape": _LISTED})
GPT_IMAGE_1 = replace(CHATGPT_IMAGE, edit_params={"input_fidelity": words("input_fidelity", "high", "low")})
GPT_IMAGE_1_MINI = replace(CHATGPT_IMAGE, edit_params={"input_fidelity": words("input_fidelity", "low")})
ANYTHING = Dialect(
    params={
        **{name: As(name) for name in sorted(PARAMETERS - {"input_fidelity"})},
        "shape": AnySize("size"),
        "guidance": As("guidance_scale"),
        "steps": As("num_inference_steps"),
    },
    edit_params={"input_fidelity": As("input_fidelity")},
    operations=frozenset(Operation),
    max_n=10,
    max_images=16,
    mask=MaskForm.ALPHA,
    extras=True,
)

_OPTIONS = {
    "organization": "the organization that is charged, sent as OpenAI-Organization",
    "project": "the project that is charged, sent as OpenAI-Project",
}


def _call(job: Job, fields: Mapping[str, Any]) -> Call:
    headers = {f"openai-{name}": job.options[name] for name in _OPTIONS if name in job.options}
    return images_api.request(job, {"model": job.model, **fields}, headers)


def _generate(job: Job) -> Flow:
    return images_api.result((yield _call(job, {})))


def _ask(job: Job, partials: int) -> Call:
    return _call(job, images_api.streaming(partials))


adapter = Adapter(
    base_url="https://api.openai.com/v1",
    dialects={
        "gpt-image-2.6*": GPT_IMAGE_25,
        "gpt-image-2.5*": GPT_IMAGE_25,
        "gpt-image-2*": GPT_IMAGE_2,
        "gpt-image-1-mini*": GPT_IMAGE_1_MINI,
        "gpt-image-1*": GPT_IMAGE_1,
        "chatgpt-image-*": CHATGPT_IMAGE,
        "*": ANYTHING,
    },
    auth=bearer(),
    options=_OPTIONS,
    generate=_generate,
    error=images_api.error,
    stream=Stream(request=_ask, event=images_api.events(images_api.error)),
)

"""SGLang's server for diffusion: OpenAI's Images API for the one model it serves; masks it would ignore."""

from dataclasses import replace

from providers import images_api, self_hosted
from providers.auth import bearer
from providers.base import Adapter, Flow, Job
from providers.dialect import AnySize, As, Between, Dialect, Spelled

_PAINTER = Dialect(
    params={
        "shape": AnySize("size"),
        "output_format": Spelled("output_format", {form: form for form in ("png", "jpeg", "webp")}),
        "output_compression": Between("output_compression", 0, 100),
        "seed": As("seed"),
        "negative_prompt": As("negative_prompt"),
        "steps": As("num_inference_steps"),
        "guidance": As("guidance_scale"),
    },
    max_n=10,  # more it would cut without a word
).editing(16)
_ON_EDITING = frozenset({"true_cfg_scale", "enable_upscaling", "upscaling_scale", "enhance_prompt"})
_ON_DRAWING = _ON_EDITING | {"max_sequence_length", "flow_shift", "diffusers_kwargs"}


def _generate(job: Job) -> Flow:
    extras = self_hosted.own_options(job, _ON_EDITING if job.images else _ON_DRAWING)
    named = {"model": job.model, "response_format": "b64_json"}  # links need a store that few servers have
    made = self_hosted.result((yield images_api.request(replace(job, extras=extras), named)))
    images = (replace(image, revised_prompt=_revised(image.revised_prompt, job)) for image in made.images)
    return replace(made, images=tuple(images))


def _revised(prompt: str | None, job: Job) -> str | None:
    """The prompt that was drawn, where it is another than was asked: else the server echoes that."""
    return None if prompt == job.prompt else prompt


adapter = Adapter(
    base_url="http://127.0.0.1:30000/v1",
    dialects={"*": _PAINTER},
    auth=bearer(),
    generate=_generate,
    error=self_hosted.error,
)

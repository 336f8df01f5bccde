"""vLLM-Omni's server: OpenAI's Images API for the one model it serves, with the settings of diffusion beside it."""

from dataclasses import replace

from providers import images_api, self_hosted
from providers.auth import bearer
from providers.base import Adapter, Flow, Job
from providers.dialect import AnySize, As, Between, Dialect, MaskForm, Spelled

_PAINTER = Dialect(
    params={
        "shape": AnySize("size"),
        "output_format": Spelled("output_format", {form: form for form in ("png", "jpeg", "webp")}),
        "output_compression": Between("output_compression", 0, 100),
        "seed": As("seed"),
        "negative_prompt": As("negative_prompt"),
        "steps": Between("num_inference_steps", 1, 200),
        "guidance": Between("guidance_scale", 0, 20),
    },
    edit_params={"strength": As("strength")},
    max_n=10,
    mask=MaskForm.WHITE,  # as the pipelines of diffusers have it
).editing(16)
# not `lora`, which names files of the server's
_EITHER = frozenset({"true_cfg_scale", "layers", "system_prompt"})
_ON_DRAWING = _EITHER | {"flow_shift", "extra_params"}
_ON_EDITING = _EITHER | {"guidance_scale_2", "resolution", "bot_task", "sys_type"}


def _generate(job: Job) -> Flow:
    extras = self_hosted.own_options(job, _ON_EDITING if job.images else _ON_DRAWING)
    named = {"model": job.model, "response_format": "b64_json"}  # links it refuses
    call = images_api.request(replace(job, extras=extras), named)
    if call.form is not None:  # a part named `mask` it would ignore
        form = (("mask_image" if name == "mask" else name, value) for name, value in call.form)
        call = replace(call, form=tuple(form))
    return self_hosted.result((yield call))


adapter = Adapter(
    base_url="http://127.0.0.1:8000/v1",
    dialects={"*": _PAINTER},
    auth=bearer(),
    generate=_generate,
    error=self_hosted.error,
)

"""Baidu Qianfan: OpenAI's answers, edits as JSON, and for each model a list of the only fields it takes."""

from collections.abc import Mapping

from providers import images_api
from providers.auth import bearer
from providers.base import Adapter, Flow, Inline, Job, submit
from providers.dialect import As, Between, Dialect, Rule, Sizes
from providers.errors import ErrorKind, json_error

_LYING = ((1024, 768), (2048, 1024), (1024, 576))
_SQUARE = ((1024, 1024), (512, 512), (768, 768), (2048, 2048))
_SIZES = (*_SQUARE, *_LYING, *((width, height) for height, width in _LYING))
_QWEN_SIZES = ((1664, 928), (1472, 1104), (1328, 1328), (1104, 1472), (928, 1664))
_USER: Mapping[str, Rule] = {"user": As("user"), "safety_identifier": As("user")}
_SEED: Mapping[str, Rule] = {"seed": Between("seed", 0, 4294967295)}
_PROSE: Mapping[str, Rule] = {"negative_prompt": As("negative_prompt")}
_EXTRAS = frozenset({"prompt_extend", "watermark"})

PLAIN = Dialect(params={"shape": Sizes("size", _SIZES), **_USER})
QWEN_IMAGE = Dialect(
    params={
        "shape": Sizes("size", (*_SIZES, *_QWEN_SIZES)),
        **_USER,
        **_SEED,
        **_PROSE,
        "guidance": Between("guidance", 0, 20),
    },
    extras=_EXTRAS,
)
QWEN_IMAGE_EDIT = Dialect(params={**_USER, **_SEED, **_PROSE}, extras=_EXTRAS).editing(alone=True)
FLUX = Dialect(
    params={**PLAIN.params, **_SEED, "steps": Between("steps", 1, 50), "guidance": Between("guidance", 0, 30)},
    max_n=4,
)
IRAG = PLAIN.but(max_n=4).editing()


def _generate(job: Job) -> Flow:
    fields = {**job.params, **job.extras, "model": job.model, "prompt": job.prompt}
    fields.pop("n", None)  # some models know no such field, and none may be asked for more than the bill allows
    if job.n > 1:
        fields["n"] = job.n
    drawn_from = job.model.startswith("irag")
    if job.images:
        fields["refer_image" if drawn_from else "image"] = Inline.data_uri(job.images[0])
    path = "/images/edits" if job.images and not drawn_from else "/images/generations"
    return images_api.result((yield submit(path, json=fields)))


adapter = Adapter(
    base_url="https://qianfan.baidubce.com/v2",
    dialects={
        "qwen-image-edit*": QWEN_IMAGE_EDIT,
        "qwen-image*": QWEN_IMAGE,
        "flux.1-schnell*": FLUX,
        "irag-*": IRAG,
        "*": PLAIN,
    },
    auth=bearer(),
    generate=_generate,
    error=json_error(
        message=("error.message",),
        code=("error.code",),
        type=("error.type",),
        codes={
            "invalid_image_genration_prompt": ErrorKind.CONTENT_POLICY,  # spelled so
            "invalid_model": ErrorKind.UNSUPPORTED,
            "no_parameter_permission": ErrorKind.UNSUPPORTED,  # under a 401, though the key is sound
        },
    ),
)

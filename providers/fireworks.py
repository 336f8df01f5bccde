"""Fireworks: three families of models under three kinds of address: drawn at once, drawn later, and bare bytes."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import msgspec

from providers.auth import bearer
from providers.base import Adapter, Flow, Image, ImageResult, Inline, Job, poll, submit
from providers.dialect import AnySize, As, Dialect, OneOf, Ratios, Spelled
from providers.errors import ErrorKind, When, bad_response, json_error, kept_back

_HALF = ("21:9", "16:9", "3:2", "5:4", "4:3", "1:1")
_RATIOS = Ratios("aspect_ratio", (*_HALF, "4:5", "2:3", "9:16", "9:21", "3:4"))
AT_ONCE = Dialect(
    params={"shape": _RATIOS, "guidance": As("guidance_scale"), "steps": As("num_inference_steps"), "seed": As("seed")}
)
KONTEXT = Dialect(
    params={
        "shape": _RATIOS,
        "seed": As("seed"),
        "output_format": OneOf("output_format", {"png": "png", "jpeg": "jpeg", "webp": "png"}),
        "moderation": Spelled("safety_tolerance", {"low": 6}),
    },
    edit_params={"moderation": Spelled("safety_tolerance", {"low": 2})},
).editing()
BARE = Dialect(
    params={
        "shape": AnySize(("width", "height")),
        "guidance": As("cfg_scale"),
        "steps": As("steps"),
        "seed": As("seed"),
        "negative_prompt": As("negative_prompt"),
        "moderation": Spelled("safety_check", {"auto": True, "low": False}),
        "output_format": Spelled("accept", {"png": "image/png", "jpeg": "image/jpeg"}),
    },
    defaults={"accept": "image/png"},
)


class _Made(msgspec.Struct):
    base64: list[msgspec.Raw] = []


_FAILED = {
    **dict.fromkeys(("Request Moderated", "Content Moderated"), ErrorKind.CONTENT_POLICY),
    **dict.fromkeys(("Error", "Failed"), ErrorKind.UNAVAILABLE),
}
_KONTEXT = "accounts/fireworks/models/flux-kontext-"
_BARE = tuple(
    f"accounts/fireworks/models/{name}"
    for name in ("playground-v2-", "stable-diffusion-xl-", "japanese-stable-diffusion-xl", "SSD-1B")
)


def _generate(job: Job) -> Flow:
    fields, model = {**job.params, **job.extras, "prompt": job.prompt}, quote(job.model)
    if job.model.startswith(_BARE):
        headers = {"accept": str(fields.pop("accept", "image/png"))}
        answer = yield submit(f"/image_generation/{model}", json={**fields, "samples": 1}, headers=headers)
        return ImageResult(images=(Image(data=answer.body),))
    if job.model.startswith(_KONTEXT):
        pictures = {"input_image": Inline.data_uri(image) for image in job.images[:1]}  # noqa: B035 - at most one
        return (yield from _later(f"/workflows/{model}", {**fields, **pictures}))
    answer = yield submit(f"/workflows/{model}/text_to_image", json=fields)
    if answer.at("finishReason", str) == ["CONTENT_FILTERED"]:
        raise kept_back("the backend's content filter kept the picture back")
    return ImageResult(images=tuple(Image(b64=answer.cargo(raw)) for raw in answer.read(_Made).base64))


def _later(path: str, fields: Mapping[str, Any]) -> Flow:
    taken = yield submit(path, json=fields)
    answer = yield from poll(
        f"{path}/get_result",
        json={"id": taken.word("request_id")},
        status="status",
        pending={"Pending", "Task not found"},  # not found yet, at first
        done={"Ready"},
        failed=_FAILED,
    )
    images = answer.links("result.sample")
    if not images:
        raise bad_response("the job is ready, and its answer names no picture")
    return ImageResult(images=images)


adapter = Adapter(
    base_url="https://api.fireworks.ai/inference/v1",
    dialects={f"{_KONTEXT}*": KONTEXT, **{f"{name}*": BARE for name in _BARE}, "*": AT_ONCE},
    auth=bearer(),
    generate=_generate,
    error=json_error(
        message=("error.message", "message", "fault.faultstring", "fault", "error", "detail"),
        code=("error.code",),
        type=("error.type",),
        cases={When(412): ErrorKind.QUOTA},  # how a suspended account is refused
    ),
)

"""The languages of the backends behind Hugging Face's router: a job and a model's name there to pictures."""

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

from providers import images_api
from providers.base import Call, Flow, Image, ImageResult, Inline, Job, Phase, submit
from providers.errors import ErrorKind, bad_response
from providers.huggingface.work import ENDS, Work, links, path_of, said, wait

_CHANNEL = {"accept-language": "en-US,en", "x-source-channel": "hugging_face"}


def _submit(job: Job, path: str, asked: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Call:
    payer = {"x-hf-bill-to": job.options["bill_to"]} if "bill_to" in job.options else {}
    return submit(path, json=asked, headers={**payer, **(headers or {})})


def _sized(job: Job, name: str, form: Callable[[int, int], Any]) -> dict[str, Any]:
    """The parameters, with width and height in one."""
    fields = {**job.params, **job.extras}
    if "width" in fields:
        fields[name] = form(fields.pop("width"), fields.pop("height"))
    return fields


def _sides(width: int, height: int) -> Mapping[str, int]:
    return {"width": width, "height": height}


def _across(width: int, height: int) -> str:
    return f"{width}x{height}"


def _hf_inference(job: Job, model: str) -> Flow:
    asked: dict[str, Any] = {"inputs": job.prompt, "parameters": {**job.params, **job.extras}}
    if job.images:
        fields = {"prompt": job.prompt, **_sized(job, "target_size", _sides)}
        asked = {"inputs": Inline(job.images[0]), "parameters": fields}
    answer = yield _submit(job, f"/hf-inference/models/{quote(model)}", asked, {"accept": "image/png"})
    if not answer.headers.get("content-type", "").startswith("image/"):
        raise bad_response(f"the backend answered with no picture: {answer.read(Work).error}")
    return ImageResult(images=(Image(data=answer.body),))


def _fal(job: Job, model: str) -> Flow:
    asked, path = {"prompt": job.prompt, **_sized(job, "image_size", _sides)}, f"/fal-ai/{quote(model)}"
    if not job.images:
        answer = yield _submit(job, path, asked)
    else:
        picture = Inline.data_uri(job.images[0])
        both = {"image_url": picture, "image_urls": [picture]}  # models differ in which they read
        queued = yield _submit(job, f"{path}?_subdomain=queue", {**both, **asked})
        path = f"/fal-ai{path_of(said(queued).response_url)}"
        status = f"{path}/status?_subdomain=queue"
        yield from wait(status, pending={"IN_QUEUE", "IN_PROGRESS"}, done="COMPLETED", failed={}, every=0.5)
        answer = yield Call(phase=Phase.FETCH, method="GET", path=f"{path}?_subdomain=queue")
    work = answer.read(Work)
    return links([link.url for link in work.images or ()], work.has_nsfw_concepts)


def _replicate(job: Job, model: str) -> Flow:
    asked: dict[str, Any] = {"prompt": job.prompt, **job.params, **job.extras}
    if job.images:
        picture = Inline.data_uri(job.images[0])  # models differ in which they read
        asked |= {"image": picture, "images": [picture], "input_image": picture, "input_images": [picture]}
    name, _, version = model.partition(":")
    path = "/replicate/v1/predictions" if version else f"/replicate/v1/models/{quote(name)}/predictions"
    body = {"input": asked, **({"version": version} if version else {})}
    work = said((yield _submit(job, path, body, {"prefer": "wait"})))
    if work.status != "succeeded":
        path = f"/replicate{path_of(work.urls.get)}"
        work = yield from wait(path, pending={"starting", "processing"}, done="succeeded", failed=ENDS, every=1)
    return links([work.output] if isinstance(work.output, str) else work.output or [])


def _together(job: Job, model: str) -> Flow:
    fields = {"prompt": job.prompt, "response_format": "base64", **job.params, **job.extras, "model": model}
    if "num_inference_steps" in fields:
        fields["steps"] = fields.pop("num_inference_steps")
    if job.images:
        picture, name = Inline.data_uri(job.images[0]), model.lower()
        kontext = "kontext" in name and "flux.1" in name
        fields |= {"image_url": picture} if kontext else {"reference_images": [picture]}
    return images_api.result((yield _submit(job, "/together/v1/images/generations", fields)))


def _nscale(job: Job, model: str) -> Flow:
    fields = _sized(job, "size", _across)
    fields.pop("num_inference_steps", None)  # it knows none
    asked = {"response_format": "b64_json", "prompt": job.prompt, **fields, "model": model}
    return images_api.result((yield _submit(job, "/nscale/v1/images/generations", asked)))


def _wavespeed(job: Job, model: str) -> Flow:
    image = {"image": Inline.data_uri(job.images[0])} if job.images else {}
    asked = {**image, **job.params, **job.extras, "prompt": job.prompt}
    work = said((yield _submit(job, f"/wavespeed/api/v3/{quote(model)}", asked)))
    path = f"/wavespeed{path_of(work.urls.get)}"
    work = yield from wait(path, pending={"created", "processing"}, done="completed", failed=ENDS, every=0.5)
    return links(work.outputs or [])


def _zai(job: Job, model: str) -> Flow:
    asked = {**_sized(job, "size", _across), "model": model, "prompt": job.prompt}
    work = said((yield _submit(job, "/zai-org/api/paas/v4/async/images/generations", asked, _CHANNEL)))
    path = f"/zai-org/api/paas/v4/async-result/{quote(work.id, safe='')}"
    failed = {"FAIL": ErrorKind.UNAVAILABLE}
    work = yield from wait(path, pending={"PROCESSING"}, done="SUCCESS", failed=failed, every=5, headers=_CHANNEL)
    return links([link.url for link in work.image_result or ()])


EDITORS: Mapping[str, Callable[[Job, str], Flow]] = {
    "fal-ai": _fal,
    "replicate": _replicate,
    "together": _together,
    "wavespeed": _wavespeed,
    "hf-inference": _hf_inference,
}
BACKENDS = {**EDITORS, "nscale": _nscale, "zai-org": _zai}

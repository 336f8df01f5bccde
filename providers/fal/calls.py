"""Where a job goes at fal: the endpoint of its operation, and the fields of its pictures."""

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import quote

from providers.base import Call, Inline, Job, Operation, submit

_COSTLY = frozenset({"num_images", "max_images"})
_REDUX = "/redux"


@dataclass(frozen=True, slots=True)
class Paths:
    """What the endpoints of a family end in, and the fields of an edit's pictures and mask."""

    draw: str = ""
    edit: str = "/edit"
    images: str = "image_urls"
    mask: str = "mask_url"


PATHS = {
    "fal-ai/flux-pro/kontext*": Paths(draw="/text-to-image", edit="", images="image_url"),
    "fal-ai/flux-pro/v1/fill": Paths(edit="", images="image_url"),
    "fal-ai/flux/*": Paths(edit="/image-to-image", images="image_url"),
    "fal-ai/qwen-image-edit-plus": Paths(edit=""),
    "fal-ai/qwen-image-edit*": Paths(edit="", images="image_url"),
    "fal-ai/recraft/v3/*": Paths(draw="/text-to-image", edit="/image-to-image", images="image_url"),
    "fal-ai/qwen-image-2/*": Paths(draw="/text-to-image"),
    "fal-ai/bytedance/seedream/*": Paths(draw="/text-to-image"),
    "openai/gpt-image-2.5/*": Paths(draw="/text-to-image"),
    "fal-ai/gpt-image-1.5*": Paths(mask="mask_image_url"),
    "*": Paths(),
}


def call(job: Job) -> Call:
    """The call that starts a job, through the queue."""
    paths = next(paths for pattern, paths in PATHS.items() if fnmatchcase(job.model, pattern))
    field = paths.images
    end = {Operation.GENERATE: paths.draw, Operation.EDIT: paths.edit, Operation.VARIATION: _REDUX}[job.operation]
    pictures: Any = [Inline.data_uri(image) for image in job.images]
    fields = {**job.params, **{name: value for name, value in job.extras.items() if name not in _COSTLY}}
    if job.operation is Operation.VARIATION:  # without a prompt
        field = "image_url"
    else:
        fields["prompt"] = job.prompt
    if field == "image_url" and len(pictures) > 1:
        field, end = "image_urls", "/multi"
    if job.n > 1:
        fields["num_images"] = job.n
    if pictures:
        fields[field] = pictures if field == "image_urls" else pictures[0]
    if job.mask is not None:
        fields[paths.mask] = Inline.data_uri(job.mask)
    endpoint = job.model.removesuffix(paths.draw).removesuffix(paths.edit).removesuffix(_REDUX) + end
    return submit(f"/{quote(endpoint)}", json=fields, headers={"x-fal-no-retry": "1"})  # the router repeats, or goes on

"""LocalAI: OpenAI's Images API with fields of its own for what it draws, and a path of its own where there is a mask.

What follows a `|` in a prompt is to it what the picture shall not show, so a caller's `|` becomes a comma unless the
provider's options allow it.
"""

from collections.abc import Generator
from dataclasses import replace
from typing import Any

from providers import self_hosted
from providers.auth import bearer
from providers.base import Adapter, Answer, Call, Flow, Image, Inline, Job, Phase, Upload, parts, submit
from providers.dialect import AnySize, As, Dialect, MaskForm

_PAINTER = Dialect(
    params={
        "shape": AnySize("size"),
        "seed": As("seed"),
        "negative_prompt": As("negative_prompt"),
        "steps": As("step"),
    },
    mask_params={"shape": None, "seed": None, "negative_prompt": None, "steps": As("steps")},
    max_n=1,  # it would draw several one after another, all with the same seed
    mask=MaskForm.WHITE,
).editing()
_LINKS = "/generated-images/"


def _commas(prompt: str) -> str:
    return prompt.replace("|", ",")


def _generate(job: Job) -> Flow:
    self_hosted.own_options(job, frozenset())
    write = self_hosted.writer(job, _commas)
    fields = {"model": job.model, "prompt": write(job.prompt), **job.params}
    if job.mask is not None:
        return (yield from _inpainted(fields, job.images[0], job.mask))
    if "negative_prompt" in fields:
        joint = ", " if "|" in fields["prompt"] else "|"  # only what is between the first two counts
        fields["prompt"] += joint + write(fields.pop("negative_prompt"))
    if job.images:
        image = job.images[0]
        own = {"size": f"{image.width}x{image.height}"} if image.width else {}  # else 512x512, whatever the picture
        fields = {**own, **fields, "file": Inline(image)}
    return self_hosted.result((yield submit("/v1/images/generations", json={**fields, "response_format": "b64_json"})))


def _inpainted(fields: dict[str, Any], image: Upload, mask: Upload) -> Flow:
    form = parts({**fields, "image": image, "mask": mask})
    made = self_hosted.result((yield submit("/v1/images/inpainting", form=form)))
    images: tuple[Image, ...] = ()
    for drawn in made.images:
        images += ((yield from _fetched(drawn.url)) if drawn.url else drawn,)
    return replace(made, images=images)


def _fetched(url: str) -> Generator[Call, Answer, Image]:
    """The picture behind a link, which wants the key and may name a host that only the server's network knows."""
    answer = yield Call(phase=Phase.FETCH, method="GET", path=_LINKS + url.rpartition("/")[2])
    return Image(data=answer.body)


adapter = Adapter(
    base_url="http://127.0.0.1:8080",
    dialects={"*": _PAINTER},
    auth=bearer(),
    options=self_hosted.PROMPT_SYNTAX,
    generate=_generate,
    error=self_hosted.error,
)

"""A backend that makes one PNG per call and answers with its bytes alone."""

from dataclasses import replace

from kinds.link_only import adapter as link_only
from providers.base import Flow, Image, ImageResult, Job, submit


def _generate(job: Job) -> Flow:
    form = [("prompt", job.prompt), *job.params.items(), *(("image", image) for image in job.images)]
    answer = yield submit("/draw", form=form)
    return ImageResult(images=(Image(data=answer.body),))


adapter = replace(link_only, generate=_generate)

"""A backend that makes one PNG per call and answers with nothing but its address."""

import msgspec

from providers.base import Adapter, Flow, Image, ImageResult, Job, Operation, json_error, submit
from providers.dialect import AnySize, Dialect, MaskForm


class _Body(msgspec.Struct):
    url: str


def _generate(job: Job) -> Flow:
    form = [("prompt", job.prompt), *job.params.items(), *(("image", image) for image in job.images)]
    answer = yield submit("/draw", form=form)
    return ImageResult(images=(Image(url=answer.read(_Body).url),))


DIALECT = Dialect(
    params={"shape": AnySize("size")},
    operations=frozenset({Operation.GENERATE, Operation.EDIT}),
    max_images=4,
    mask=MaskForm.WHITE,
)

adapter = Adapter(dialects={"*": DIALECT}, generate=_generate, error=json_error(message=("error",)))

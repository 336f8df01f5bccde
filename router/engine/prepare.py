"""Input pictures and masks in the form a target reads: converted in a thread, once, only where they must be."""

from dataclasses import replace

from providers.base import ErrorKind, Job, OutcomeClass, ProviderError, Upload
from providers.dialect import Dialect, MaskForm
from router.engine.decoding import Decoding
from router.images.pixels import CannotChange


async def prepared(job: Job, dialect: Dialect, decoding: Decoding) -> Job:
    """The job with its pictures readable for the target and its mask in the target's form.

    Raises:
        ProviderError: `invalid_request`, for a picture or mask that cannot be read.
    """
    odd = [image.media_type is not None and image.media_type not in dialect.input_types for image in job.images]
    foreign = job.mask is not None and dialect.mask not in (None, MaskForm.ALPHA)
    if not any(odd) and not foreign:
        return job
    try:
        return await decoding.run(lambda: _converted(job, dialect, odd, foreign=foreign))
    except CannotChange as why:
        raise ProviderError(
            ErrorKind.INVALID_REQUEST,
            f"image: {why.reason}",
            outcome=OutcomeClass.NOT_SENT,
            code="invalid_image",
            param="image",
        ) from why


def _converted(job: Job, dialect: Dialect, odd: list[bool], *, foreign: bool) -> Job:
    from router.images.masks import as_png, mask_for  # noqa: PLC0415 - what decodes takes megabytes, and few jobs need it

    images = tuple(as_png(image) if strange else image for image, strange in zip(job.images, odd, strict=True))
    mask = job.mask
    if foreign and mask is not None and dialect.mask is not None:
        mask = mask_for(mask, dialect.mask, _pixels(images[0]))
    return replace(job, images=images, mask=mask)


def _pixels(image: Upload) -> tuple[int, int] | None:
    return (image.width, image.height) if image.width else None

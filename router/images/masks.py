"""Turns input pictures into what a backend reads: a mask into its polarity and size, a picture into PNG.

Synchronous, and for hostile bytes as safe as `transcode`, which decodes for it.
"""

from collections.abc import Callable, Mapping

from PIL import Image, ImageChops

from providers.base import Upload
from providers.dialect import MaskForm
from router.config.pictures import Resize
from router.images.pixels import CannotChange
from router.images.transcode import resized, still, written
from router.images.want import PNG

# Masks of two values only: some backends refuse any other, and in OpenAI's too a pixel is drawn anew or is not.
_HALF = 128
_TO_AREA = [255] * _HALF + [0] * (256 - _HALF)


def _see_through(area: Image.Image) -> Image.Image:
    sheet = Image.new("RGBA", area.size, (0, 0, 0, 255))
    sheet.putalpha(ImageChops.invert(area))
    return sheet


_PAINTED: Mapping[MaskForm, Callable[[Image.Image], Image.Image]] = {
    MaskForm.ALPHA: _see_through,
    MaskForm.CLEAR: _see_through,
    MaskForm.WHITE: lambda area: area,
    MaskForm.BLACK: ImageChops.invert,
}
"""How each form is painted from an area that is 255 where the picture is to be drawn anew, and 0 elsewhere."""


def mask_for(mask: Upload, form: MaskForm, size: tuple[int, int] | None = None) -> Upload:
    """OpenAI's mask in a backend's form and, where one is given, size; as PNG.

    What is less than half opaque is to be drawn anew. Edges stay where they were when the mask is scaled.

    Raises:
        CannotChange: it is no sound picture, nothing of it is transparent, or the size is beyond reason.
    """
    image = still(b"".join(mask.pieces()))
    if image.mode != "RGBA":
        raise CannotChange("the mask has no alpha channel; make the area to change transparent")
    alpha = image.getchannel("A")
    if size is not None:
        alpha = resized(alpha, size, Resize.EXACT)
    area = alpha.point(_TO_AREA)
    if area.getbbox() is None:
        raise CannotChange("the mask is opaque; make the area to change transparent")
    return _as_upload(_PAINTED[form](area))


def as_png(upload: Upload) -> Upload:
    """A picture as PNG, upright, for a backend that does not read its kind; one that is PNG stays as it is.

    Raises:
        CannotChange: it is no sound picture.
    """
    return upload if upload.media_type == PNG else _as_upload(still(b"".join(upload.pieces())))


def _as_upload(image: Image.Image) -> Upload:
    return Upload.of(written(image, PNG), PNG, width=image.width, height=image.height)

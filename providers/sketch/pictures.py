"""Reads the pictures that come in, whatever their bytes, and writes those that go out."""

import io
import warnings

from PIL import Image, ImageOps

from providers.base import Upload

Size = tuple[int, int]
_MOST_PIXELS = 50_000_000
_FORMATS = ("PNG", "JPEG", "WEBP")
_BEST_JPEG = 95  # above it a JPEG only grows
warnings.filterwarnings("error", category=Image.DecompressionBombWarning)


class Refused(Exception):  # noqa: N818 - the caller's mistake, not a fault
    """A request that cannot be met: a sentence, the kind of mistake, the parameter."""

    def __init__(self, message: str, code: str, param: str, status: int = 400) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.param = param
        self.status = status


def peek(upload: Upload, param: str) -> Image.Image:
    """A picture whose header is read and whose pixels are not.

    Raises:
        Refused: it is no PNG, JPEG or WEBP, or too large to decode.
    """
    try:
        image = Image.open(io.BytesIO(b"".join(upload.pieces())), formats=_FORMATS)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_large(param) from error
    except Exception as error:  # hostile bytes fail in ways of their own
        raise Refused(f"{param} is not a PNG, JPEG or WEBP picture; send one", "invalid_image", param) from error
    if image.width * image.height > _MOST_PIXELS:
        raise _too_large(param)
    return image


def read(image: Image.Image, size: Size | None, param: str) -> Image.Image:
    """A peeked picture's pixels as RGBA, upright; cut to the ratio of `size` and scaled to it, where one is given.

    Raises:
        Refused: its bytes are broken.
    """
    try:
        if size is not None and image.format == "JPEG":
            image.draft("RGB", size)  # decodes no more than is needed
        upright = _plain(ImageOps.exif_transpose(image))
    except Exception as error:  # hostile bytes fail in ways of their own
        message = f"{param} cannot be decoded: its bytes are broken; send a whole picture"
        raise Refused(message, "invalid_image", param) from error
    return upright if size is None else fit(upright, size)


def fit(image: Image.Image, size: Size) -> Image.Image:
    """A picture cut to the ratio of a size, and scaled to it; unchanged where it has that size."""
    return image if image.size == size else ImageOps.fit(image, size, Image.Resampling.BICUBIC)


def upright_size(image: Image.Image) -> Size:
    """The size of a peeked picture as people see it."""
    try:
        turned = image.getexif().get(0x0112, 1) in (5, 6, 7, 8)
    except Exception:  # noqa: BLE001 - broken metadata turns nothing
        turned = False
    return (image.height, image.width) if turned else image.size


def has_alpha(image: Image.Image) -> bool:
    """Whether a peeked picture says what of it is transparent."""
    return image.has_transparency_data


def without_alpha(image: Image.Image, *, needed: bool = False) -> Image.Image:
    """A picture as RGB where nothing of it is transparent; where `needed`, upon white paper."""
    if image.mode == "RGB":
        return image
    alpha = image.getchannel("A")
    if alpha.getextrema()[0] == 255:
        return image.convert("RGB")
    if not needed:
        return image
    paper = Image.new("RGB", image.size, (255, 255, 255))
    paper.paste(image, mask=alpha)
    return paper


def write(image: Image.Image, output_format: str, compression: int) -> bytes:
    """The bytes of a picture; `compression` is 0 (smallest) to 100 (best), and means nothing for PNG."""
    out = io.BytesIO()
    if output_format == "png":
        image.save(out, "PNG", compress_level=4)
    elif output_format == "jpeg":
        image.save(out, "JPEG", quality=max(1, min(compression, _BEST_JPEG)))
    else:
        image.save(out, "WEBP", quality=compression, method=1)
    return out.getvalue()


def _plain(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I;16"):
        image = image.point(lambda value: value / 256).convert("L")
    elif image.mode in ("I", "F"):
        image = image.convert("F").point(lambda value: value / 256).convert("L")
    elif image.mode == "CMYK":
        image = image.convert("RGB")
    return image.convert("RGBA")


def _too_large(param: str) -> Refused:
    message = f"{param} has more than {_MOST_PIXELS // 1_000_000} million pixels; send a smaller one"
    return Refused(message, "invalid_image", param)

"""What a known model asks of the pictures a caller sends: how many, of what kind, how large, and a mask that fits."""

from providers.base import Operation, Upload
from router.catalog import Entry
from router.engine.request import ImageRequest
from router.images.pixels import MAX_PIXELS
from router.messages.errors import Refused
from router.messages.fields import missing, unsupported

MAX_MASK_BYTES = 4_000_000
_PNG = "image/png"
_HEADER = 33  # the signature and the whole first chunk
_COLOUR_TYPE = 25
_WITH_ALPHA = {4, 6}  # grey and colour, each with an alpha channel
_MOST_CHUNKS = 256


def check_uploads(request: ImageRequest, entry: Entry) -> None:
    """Refuse pictures that the model cannot take.

    Raises:
        Refused: 400, or 413 for one that is too large.
    """
    most = 1 if request.operation is Operation.VARIATION else entry.max_images
    if len(request.images) > most:
        raise Refused(
            400,
            "too_many_images",
            f"image: {len(request.images)} were sent; {entry.id} takes at most {most}",
            param="image",
        )
    for image in request.images:
        _check_image(image, entry)
    if request.mask is not None:
        _check_mask(request, request.mask, entry)


def has_alpha(picture: Upload) -> bool:
    """Whether a PNG has transparency: an alpha channel, or a chunk that names transparent colours."""
    head = picture.read(0, _HEADER)
    if len(head) < _HEADER:
        return False
    if head[_COLOUR_TYPE] in _WITH_ALPHA:
        return True
    offset = _HEADER
    for _ in range(_MOST_CHUNKS):
        chunk = picture.read(offset, 8)
        if len(chunk) < 8 or chunk[4:] in {b"IDAT", b"IEND"}:
            return False
        if chunk[4:] == b"tRNS":
            return True
        offset += 12 + int.from_bytes(chunk[:4])  # length, name and checksum stand around the data
    return False


def _check_image(image: Upload, entry: Entry) -> None:
    if image.media_type not in entry.input_types:
        legal = ", ".join(sorted(entry.input_types))
        raise Refused(
            400,
            "unsupported_file_mimetype",
            f"image: its bytes are {image.media_type or 'no known picture'}; {entry.id} takes {legal}",
            param="image",
        )
    if image.size >= entry.max_image_bytes:
        raise _too_large("image", image, entry.max_image_bytes)
    if image.width * image.height > MAX_PIXELS:
        most = MAX_PIXELS // 1_000_000
        raise _invalid("image", f"is {image.width}x{image.height}; send one of at most {most} million pixels")
    if entry.square_input and image.width != image.height:
        raise _invalid("image", f"is {image.width}x{image.height}; {entry.id} takes square pictures only")


def _check_mask(request: ImageRequest, mask: Upload, entry: Entry) -> None:
    if not entry.mask or request.operation is not Operation.EDIT:
        raise unsupported("mask", f"{entry.id} takes no mask in this operation; leave it out")
    if not request.images:
        raise missing("image", "is required: the picture that the mask belongs to")
    if mask.media_type != _PNG:
        raise _invalid("mask", f"is {mask.media_type or 'no known picture'}; send a PNG")
    if mask.size >= MAX_MASK_BYTES:
        raise _too_large("mask", mask, MAX_MASK_BYTES)
    first = request.images[0]
    if (mask.width, mask.height) != (first.width, first.height):
        raise _invalid(
            "mask", f"is {mask.width}x{mask.height}, the first image {first.width}x{first.height}; make them the same"
        )
    if not has_alpha(mask):
        raise _invalid("mask", "has no alpha channel; make the area to change transparent")


def _too_large(param: str, picture: Upload, limit: int) -> Refused:
    return Refused(
        413,
        "file_too_large",
        f"{param}: has {picture.size} bytes; it must have fewer than {limit}",
        param=param,
    )


def _invalid(param: str, why: str) -> Refused:
    return Refused(400, "invalid_image", f"{param}: {why}", param=param)

"""Finds the pictures in a JSON body, in every shape clients give them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import msgspec

from router.api.pictures import Extent, TextPicture
from router.images.spool import Spool
from router.messages.errors import Refused
from router.messages.limits import BodyLimits

_PIECE = 192 * 1024


@dataclass(frozen=True, slots=True)
class Source:
    """The text of one picture, still as it stands in the body, and its place."""

    text: bytes | memoryview
    param: str


def image_sources(image: msgspec.Raw | None, images: msgspec.Raw | None, most: int) -> list[Source]:
    """What `image` and `images` hold together.

    Raises:
        Refused: 400: a wrong shape, too many, or two fields that differ.
    """
    one = list(_sources(image, "image", most)) if image is not None else []
    many = list(_sources(images, "images", most)) if images is not None else []
    if one and many and [source.text for source in one] != [source.text for source in many]:
        raise Refused(
            400, "invalid_request_body", "image and images hold different pictures: send one of them", param="images"
        )
    return many or one


def mask_source(mask: msgspec.Raw | None) -> Source | None:
    """What `mask` holds.

    Raises:
        Refused: 400: a wrong shape, or several masks.
    """
    return next(_sources(mask, "mask", 1), None) if mask is not None else None


def place(source: Source, spool: Spool, limits: BodyLimits) -> Extent | str | None:
    """Decodes a picture into the spool, piece by piece; an address stays text."""
    picture = TextPicture(spool, source.param, limits.max_image)
    text = memoryview(source.text)
    for start in range(0, len(text), _PIECE):
        picture.feed(text[start : start + _PIECE])
        if spool.full:
            spool.flush()
    return picture.finish()


def _sources(raw: msgspec.Raw, param: str, most: int) -> Iterator[Source]:
    if bytes(memoryview(raw)[:1]) != b"[":
        yield from _one(raw, param)
        return
    items: Sequence[msgspec.Raw] = msgspec.json.decode(raw, type=list[msgspec.Raw])
    if len(items) > most:
        raise too_many(most, param)
    for index, item in enumerate(items):
        yield from _one(item, f"{param}[{index}]")


def _one(raw: msgspec.Raw, param: str, keys: tuple[str, ...] = ("image_url", "url")) -> Iterator[Source]:
    """A string, or an object that holds it under the first of `keys`, within which it may be under the next."""
    match bytes(memoryview(raw)[:1]):
        case b'"':
            yield Source(_text(raw), param)
        case b"n":
            return
        case b"{" if keys:
            record: dict[str, msgspec.Raw] = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
            if keys[0] in record:
                yield from _one(record[keys[0]], f"{param}.{keys[0]}", keys[1:])
            elif "file_id" in record:
                raise unsupported_file(param)
            else:
                raise Refused(400, "invalid_image", f"{param} holds no picture: add {keys[0]} to it", param=param)
        case _:
            words = f"{param} must be a data URI, base64, an address, or an object with image_url"
            raise Refused(400, "invalid_type", words, param=param)


def _text(raw: msgspec.Raw) -> bytes | memoryview:
    r"""The string's own bytes; copied only where it has escapes, as PHP's `\/`."""
    view = memoryview(raw)
    if any(b"\\" in bytes(view[start : start + _PIECE]) for start in range(0, len(view), _PIECE)):
        return str(msgspec.json.decode(raw, type=str)).encode()
    return view[1:-1]


def too_many(most: int, param: str) -> Refused:
    """The refusal of more pictures than are taken."""
    name = param.partition("[")[0]
    if name == "mask":
        return Refused(400, "invalid_request_body", "mask is given more than once: send one", param="mask")
    return Refused(400, "too_many_images", f"{name} holds more than {most} pictures: send at most {most}", param=name)


def unsupported_file(param: str) -> Refused:
    """The refusal of a reference to a file kept elsewhere."""
    return Refused(
        400,
        "unsupported_parameter",
        f"{param}.file_id cannot be followed, as this server keeps no files: send the picture itself",
        param=f"{param}.file_id",
    )

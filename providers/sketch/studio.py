"""The backend inside the process: a call to an answer, in the words of OpenAI's Images API.

A pure function: the same call has the same answer, byte for byte, and a bad one is answered with 400.
"""

import base64
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from random import Random
from typing import Annotated, Any, Literal

import msgspec
from PIL import Image

from providers.base import Answer, Call, Operation, Upload
from providers.sketch import events, pictures, prompt, retouch, scene
from providers.sketch.canvas import Detail
from providers.sketch.pictures import Refused, Size

MODELS = ("sketch", "sketch-fast")
SHORTEST, LONGEST = 16, 2048
MOST_IMAGES = 16
MOST_N = 10
MOST_LOOKS = 3
_OPERATIONS = {
    "/images/generations": Operation.GENERATE,
    "/images/edits": Operation.EDIT,
    "/images/variations": Operation.VARIATION,
}
_USUAL_SIZE = (1024, 1024)
_PRINT_SIZE = (256, 256)
_DETAILS = {"low": Detail.LOW, "medium": Detail.MEDIUM, "high": Detail.HIGH}


class _Fields(msgspec.Struct, frozen=True, kw_only=True):
    model: str
    prompt: str = ""
    n: Annotated[int, msgspec.Meta(ge=1, le=MOST_N)] = 1
    size: Annotated[str, msgspec.Meta(pattern=r"\A[1-9][0-9]{0,4}x[1-9][0-9]{0,4}\Z")] | None = None
    quality: Literal["auto", "low", "medium", "high"] = "auto"
    background: Literal["auto", "opaque", "transparent"] = "auto"
    output_format: Literal["png", "jpeg", "webp"] = "png"
    output_compression: Annotated[int, msgspec.Meta(ge=0, le=100)] = 100
    style: Literal["vivid", "natural"] | None = None
    seed: int = 0
    stream: bool = False
    partial_images: Annotated[int, msgspec.Meta(ge=0, le=MOST_LOOKS)] = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Order:
    """A call that was read and found sound."""

    fields: _Fields
    operation: Operation
    size: Size
    images: tuple[Image.Image, ...] = ()
    mask: Image.Image | None = None

    @property
    def detail(self) -> Detail:
        return Detail.LOW if self.fields.model == "sketch-fast" else _DETAILS[self.quality]

    @property
    def quality(self) -> str:
        return "medium" if self.fields.quality == "auto" else self.fields.quality

    @property
    def transparent(self) -> bool:
        return self.fields.background == "transparent"


def answer(call: Call) -> Answer:
    """What the backend answers: pictures, or an error that names the parameter."""
    try:
        order = _read(call)
        drawn = [_drawn(order, index) for index in range(order.fields.n)]
    except Refused as refused:
        error = {
            "message": refused.message,
            "type": "invalid_request_error",
            "code": refused.code,
            "param": refused.param,
        }
        return _answer(refused.status, {"error": error})
    said = {
        "background": "transparent" if any(image.mode == "RGBA" for image in drawn) else "opaque",
        "output_format": order.fields.output_format,
        "quality": "low" if order.detail is Detail.LOW else order.quality,
        "size": "x".join(map(str, order.size)),
    }
    if order.fields.stream:
        stream = b"".join(event for image in drawn for event in _events(order, image, said))
        return Answer(200, {"content-type": "text/event-stream"}, stream)
    data = [{"b64_json": msgspec.Raw(b'"' + base64.b64encode(_written(order, image)) + b'"')} for image in drawn]
    return _answer(200, {"data": data, **said})


def _events(order: _Order, image: Image.Image, said: Mapping[str, str]) -> Iterator[bytes]:
    name = "image_generation" if order.operation is Operation.GENERATE else "image_edit"
    looks = order.fields.partial_images
    for index in range(looks):
        look = _written(order, events.early_look(image, looks - 1 - index))
        yield events.written(f"{name}.partial_image", look, {**said, "partial_image_index": index})
    yield events.written(f"{name}.completed", _written(order, image), said)


def _written(order: _Order, image: Image.Image) -> bytes:
    return pictures.write(image, order.fields.output_format, order.fields.output_compression)


def _answer(status: int, body: Mapping[str, Any]) -> Answer:
    return Answer(status, {"content-type": "application/json"}, msgspec.json.encode(body))


def _read(call: Call) -> _Order:
    operation = _OPERATIONS.get(call.path)
    if operation is None:
        raise Refused(f"there is nothing at {call.path}", "not_found", "path", 404)
    parts = call.form if call.form is not None else ()
    texts = {name: value for name, value in parts if isinstance(value, str)}
    fields = _fields(call.json if isinstance(call.json, Mapping) else texts)
    if operation is not Operation.VARIATION and not fields.prompt.strip():
        raise Refused("prompt is missing; say what to draw", "missing_required_parameter", "prompt")
    if operation is Operation.GENERATE:
        return _Order(fields=fields, operation=operation, size=_size(fields.size) or _USUAL_SIZE)
    images = [value for name, value in parts if isinstance(value, Upload) and name in ("image", "image[]")]
    masks = [value for name, value in parts if isinstance(value, Upload) and name == "mask"]
    return _with_pictures(fields, operation, images, masks[0] if masks else None)


def _fields(given: Mapping[str, Any]) -> _Fields:
    try:
        fields = msgspec.convert(dict(given), _Fields, strict=False)
    except msgspec.ValidationError as error:
        found = re.search(r"\$\.(\w+)|field `(\w+)`", str(error))
        param = next(filter(None, found.groups()), "body") if found else "body"
        reason = str(error).partition(" - at ")[0]
        raise Refused(f"{param} is not acceptable: {reason}", "invalid_value", param) from error
    if fields.model not in MODELS:
        raise Refused(f"there is no model {fields.model}; use sketch or sketch-fast", "model_not_found", "model", 404)
    if fields.background == "transparent" and fields.output_format == "jpeg":
        raise Refused("a jpeg has no transparent background; ask for png or webp", "invalid_value", "background")
    return fields


def _size(text: str | None) -> Size | None:
    if text is None:
        return None
    width, height = map(int, text.split("x"))
    if min(width, height) < SHORTEST or max(width, height) > LONGEST:
        message = f"size {text} cannot be drawn; each side must be {SHORTEST} to {LONGEST} pixels"
        raise Refused(message, "invalid_value", "size")
    return width, height


def _with_pictures(fields: _Fields, operation: Operation, images: list[Upload], mask: Upload | None) -> _Order:
    if not images:
        raise Refused("image is missing; send the picture to start from", "missing_required_parameter", "image")
    most = MOST_IMAGES if operation is Operation.EDIT else 1
    if len(images) > most:
        raise Refused(f"{len(images)} images are too many; send at most {most}", "too_many_images", "image")
    first = pictures.peek(images[0], "image")
    original = pictures.upright_size(first)
    size = _size(fields.size) or _within(original)
    alpha = None if mask is None else _mask(mask, original, size)
    read = [pictures.read(first, size, "image")]
    read += (pictures.read(pictures.peek(upload, "image"), _PRINT_SIZE, "image") for upload in images[1:])
    return _Order(fields=fields, operation=operation, size=size, images=tuple(read), mask=alpha)


def _within(original: Size) -> Size:
    """The size of what came in, scaled down to what can be drawn."""
    scale = min(1.0, LONGEST / max(original))
    return max(1, round(original[0] * scale)), max(1, round(original[1] * scale))


def _mask(upload: Upload, original: Size, size: Size) -> Image.Image:
    mask = pictures.peek(upload, "mask")
    if pictures.upright_size(mask) != original:
        seen = "x".join(map(str, mask.size))
        message = f"the mask is {seen} and the image {original[0]}x{original[1]}; send a mask of the image's size"
        raise Refused(message, "invalid_image", "mask")
    if not pictures.has_alpha(mask):
        raise Refused(
            "the mask has no alpha channel; make transparent what may change",
            "invalid_image",
            "mask",
        )
    return pictures.read(mask, size, "mask").getchannel("A")


def _drawn(order: _Order, index: int) -> Image.Image:
    """One picture; every index draws another. What has nothing transparent is RGB."""
    fields = order.fields
    random = Random(f"{fields.seed}/{index}/{fields.prompt}")  # noqa: S311 - chooses colours, guards nothing
    wish = prompt.read(fields.prompt)
    if order.operation is Operation.GENERATE:
        draw: Callable[..., Image.Image] = scene.draw_cut_out if order.transparent else scene.draw
        image = draw(wish, order.size, random, order.detail, style=fields.style)
    elif order.operation is Operation.VARIATION:
        image = retouch.vary(order.images[0], random, fields.style)
        image = retouch.cut_round(image) if order.transparent else image
    else:
        image = retouch.edit(
            order.images,
            order.mask,
            wish,
            random,
            order.detail,
            style=fields.style,
            transparent=order.transparent,
        )
    return pictures.without_alpha(image, needed=fields.background == "opaque" or fields.output_format == "jpeg")

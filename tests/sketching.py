"""Calls to the backend inside the process, and pictures to send it."""

import io
from base64 import b64decode

import msgspec
from PIL import Image, ImageChops, ImageDraw, ImageStat

import providers
from providers.base import Upload, submit

SKETCH = providers.load("sketch")

PATHS = {"generate": "/images/generations", "edit": "/images/edits", "variation": "/images/variations"}


def call(operation="generate", images=(), mask=None, **fields):
    """A call as the adapter makes it, pictures or not."""
    fields = {"model": "sketch", **({} if operation == "variation" else {"prompt": "a red kite"}), **fields}
    if operation == "generate":
        return submit(PATHS[operation], json=fields)
    parts = [(name, str(value)) for name, value in fields.items()]
    parts += [("image" if len(images) == 1 else "image[]", image) for image in images]
    return submit(PATHS[operation], form=[*parts, *([("mask", mask)] if mask else [])])


def drawn(*args, **fields):
    """The pictures that a call brings."""
    answer = SKETCH.local(call(*args, **fields))
    assert answer.status == 200, bytes(answer.body)
    return [opened(b64decode(item["b64_json"])) for item in msgspec.json.decode(answer.body)["data"]]


def refused(*args, **fields):
    """How a call is refused: status, code, param."""
    answer = SKETCH.local(call(*args, **fields))
    error = msgspec.json.decode(answer.body)["error"]
    assert error["message"]
    return answer.status, error["code"], error["param"]


def opened(data):
    """A picture, decoded to its end."""
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def upload(image, form="PNG", **options):
    """A picture as a caller sends it."""
    out = io.BytesIO()
    image.save(out, form, **options)
    return Upload.of(out.getvalue())


def photo(size=(96, 64)):
    """A picture of four colours."""
    image = Image.new("RGB", size, (200, 60, 40))
    pen = ImageDraw.Draw(image)
    pen.rectangle((size[0] // 2, 0, *size), fill=(30, 120, 60))
    pen.ellipse((size[0] // 4, size[1] // 4, size[0] // 2, size[1] // 2), fill=(240, 220, 90))
    pen.rectangle((0, size[1] * 3 // 4, size[0] // 3, size[1]), fill=(20, 40, 140))
    return image


def hole(size=(96, 64), box=(10, 10, 50, 40)):
    """A mask that opens a box."""
    mask = Image.new("RGBA", size, (0, 0, 0, 255))
    mask.paste((0, 0, 0, 0), box)
    return mask


def far(one, other):
    """The mean distance of two pictures' colours once both are small."""
    small = [image.convert("RGB").resize((8, 8), Image.Resampling.BOX) for image in (one, other)]
    return sum(ImageStat.Stat(ImageChops.difference(*small)).mean) / 3

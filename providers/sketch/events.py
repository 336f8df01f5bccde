"""Puts a picture into events: early looks, ever sharper, and then the picture itself."""

import base64
from collections.abc import Mapping
from typing import Any

import msgspec
from PIL import Image

_SHARPEST = 8  # pixels of the picture to one of the last early look; each look before it is twice as coarse


def early_look(image: Image.Image, left: int) -> Image.Image:
    """A picture as it looks when `left` further looks are still to come."""
    coarse = image.reduce(min(_SHARPEST << left, *image.size))
    return coarse.resize(image.size, Image.Resampling.BICUBIC)


def written(kind: str, data: bytes, more: Mapping[str, Any]) -> bytes:
    """One event on the wire."""
    picture = msgspec.Raw(b'"' + base64.b64encode(data) + b'"')
    body = msgspec.json.encode({"type": kind, "b64_json": picture, **more})
    return b"event: " + kind.encode() + b"\ndata: " + body + b"\n\n"

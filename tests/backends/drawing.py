"""What OpenAI's Images API answers with: real pictures, in one body or in events."""

import io
import time
from base64 import b64encode
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import msgspec
from PIL import Image


def drawn(fields: Mapping[str, Any], inputs: int, n: int) -> bytes:
    """The documented answer, with `n` real pictures of the size asked, made from so many `inputs`."""
    looks = looks_of(fields)
    data = [{"b64_json": shaded(looks, shade)} for shade in range(n)]
    return msgspec.json.encode({"created": int(time.time()), **looks, "data": data, "usage": used(fields, inputs, n)})


def streamed(fields: Mapping[str, Any], inputs: int, n: int, operation: str) -> tuple[bytes, ...]:
    """The documented events: of each picture the early looks asked, then the picture; none says whose it is."""
    looks = looks_of(fields)
    name = "image_edit" if operation == "edits" else "image_generation"
    said = {"created_at": int(time.time()), **looks}
    early = fields.get("partial_images", 0)
    return tuple(
        event(f"{name}.partial_image", {"b64_json": shaded(looks, look + 4), **said, "partial_image_index": look})
        if look < early
        else event(f"{name}.completed", {"b64_json": shaded(looks, shade), **said, "usage": used(fields, inputs, 1)})
        for shade in range(n)
        for look in range(early + 1)
    )


def event(name: str, body: Mapping[str, Any]) -> bytes:
    """One event on the wire."""
    return b"event: %b\ndata: %b\n\n" % (name.encode(), msgspec.json.encode({"type": name, **body}))


def looks_of(fields: Mapping[str, Any]) -> dict[str, str]:
    """What the answer says of its pictures."""
    size, quality = (fields.get(name, "auto") for name in ("size", "quality"))
    return {
        "background": "transparent" if fields.get("background") == "transparent" else "opaque",
        "output_format": fields.get("output_format", "png"),
        "quality": "medium" if quality == "auto" else quality,
        "size": "1024x1024" if size == "auto" else size,
    }


def used(fields: Mapping[str, Any], inputs: int, n: int) -> dict[str, Any]:
    """What the answer says that the call used."""
    text, taken = len(fields["prompt"].split()), 272 * inputs
    return {
        "input_tokens": text + taken,
        "input_tokens_details": {"text_tokens": text, "image_tokens": taken},
        "output_tokens": 210 * n,
        "output_tokens_details": {"text_tokens": 0, "image_tokens": 210 * n},
        "total_tokens": text + taken + 210 * n,
    }


def shaded(looks: Mapping[str, str], shade: int) -> str:
    """A picture that looks so, in a grey of its own."""
    return picture(looks["size"], looks["output_format"], shade, clear=looks["background"] == "transparent")


@lru_cache(maxsize=256)
def picture(size: str, form: str, shade: int = 0, *, clear: bool = False) -> str:
    """A plain picture as base64; grey, as that is quickly drawn."""
    width, height = map(int, size.split("x"))
    into = io.BytesIO()
    grey = 20 * shade + 40
    Image.new("LA" if clear else "L", (width, height), (grey, 0) if clear else grey).save(into, form)
    return b64encode(into.getvalue()).decode()

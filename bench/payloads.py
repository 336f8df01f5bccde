"""What the backends of every measurement answer, and what is sent to them."""

import base64
import json
import random
import struct
import zlib
from collections.abc import Iterator
from typing import Any

KINDS = {"tiny": 0, "m": 1_500_000, "l": 6_000_000}
"""The answers by name: how many letters of base64 each holds; without any it is a link."""

MODELS = {"tiny": "dall-e-3", "m": "gpt-image-1", "l": "gpt-image-1.5"}
"""The model that is asked for each: one whose rules and prices are known, and which answers in that form."""

EDIT_PICTURES, EDIT_MIB = 16, 20
BOUNDARY = "------------------------image-router-bench"
_USAGE = {
    "total_tokens": 4210,
    "input_tokens": 50,
    "output_tokens": 4160,
    "input_tokens_details": {"text_tokens": 50, "image_tokens": 0},
}


def answer(kind: str) -> bytes:
    """A backend's answer, the same at each call."""
    letters = KINDS[kind]
    noise = random.Random(kind)  # noqa: S311 - the same at each call
    said: dict[str, Any] = {"created": 1760000000, "usage": _USAGE}
    if letters:
        said["data"] = [{"b64_json": base64.b64encode(picture(noise, letters * 3 // 4)).decode()}]
        said |= {"background": "opaque", "output_format": "png", "quality": "high", "size": "1024x1024"}
    else:
        said["data"] = [{"url": "https://img.example/" + "x" * 24 + ".png"}]
    return json.dumps(said, separators=(",", ":")).encode()


def picture(noise: random.Random, size: int) -> bytes:
    """So many bytes that begin and end as a PNG of 1024 x 1024 does; between is noise, which nothing compresses."""
    header = b"IHDR" + struct.pack(">IIBBBBB", 1024, 1024, 8, 2, 0, 0, 0)
    first = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    first += struct.pack(">I", size - len(first) - 24) + b"IDAT"
    last = bytes(4) + struct.pack(">I", 0) + b"IEND" + struct.pack(">I", zlib.crc32(b"IEND"))
    return first + noise.randbytes(size - len(first) - len(last)) + last


def asked(model: str) -> bytes:
    """The body of a request for one picture."""
    said = {"model": model, "prompt": "a lighthouse at dawn, oil on canvas", "size": "1024x1024", "n": 1}
    return json.dumps(said).encode()


def edit(model: str, pictures: int = EDIT_PICTURES, mib: int = EDIT_MIB) -> tuple[int, Iterator[bytes]]:
    """The length and the pieces of a form with so many pictures of so many MiB."""
    start = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="'
    words = {"model": model, "prompt": "merge these"}
    fields = "".join(f'{start}{name}"\r\n\r\n{value}\r\n' for name, value in words.items()).encode()
    heads = [
        f'{start}image[]"; filename="{at}.png"\r\nContent-Type: image/png\r\n\r\n'.encode() for at in range(pictures)
    ]
    whole = picture(random.Random(mib), mib << 20)  # noqa: S311 - the same at each call
    end = f"--{BOUNDARY}--\r\n".encode()
    length = len(fields) + sum(len(head) + len(whole) + 2 for head in heads) + len(end)

    def pieces() -> Iterator[bytes]:
        yield fields
        for head in heads:
            yield head
            yield from (whole[at : at + (1 << 20)] for at in range(0, len(whole), 1 << 20))
            yield b"\r\n"
        yield end

    return length, pieces()

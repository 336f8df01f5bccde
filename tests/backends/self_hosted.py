"""What the backends of servers on one's own machines share: a key only where one is set, sizes, masks as they came."""

import io
import re
from base64 import b64decode
from typing import Any

from PIL import Image

from backends.checked import CheckedBackend
from backends.drawing import picture
from backends.openai import Part, Refusal
from backends.server import Request

GOOD_KEY = "gate-key"


class SelfHostedBackend(CheckedBackend):
    """Asks for `GOOD_KEY` only once it is `locked`; `masks` are those it was sent."""

    def __init__(self) -> None:
        super().__init__()
        self.locked = False
        self.masks: list[bytes] = []

    def authorise(self, request: Request) -> None:
        """Refuses any other key where it asks for one."""
        if self.locked and request.headers.get("authorization") != f"Bearer {GOOD_KEY}":
            raise Refusal(401, None, "Unauthorized")


def any_size(value: Any) -> bool:
    """`WxH`."""
    return isinstance(value, str) and re.fullmatch(r"[1-9]\d*x[1-9]\d*", value) is not None


def any_whole(value: Any) -> bool:
    """A whole number."""
    return type(value) is int


def size_of(data: bytes) -> str:
    """A picture's size."""
    with Image.open(io.BytesIO(data)) as opened:
        return f"{opened.width}x{opened.height}"


def part(parts: list[Part], name: str) -> bytes | None:
    """The one part of a name; None where there is none."""
    return next((found.data for found in parts if found.name == name), None)


def drawn(size: str, form: str, n: int) -> list[str]:
    """So many pictures as base64."""
    return [picture(size, form, shade) for shade in range(n)]


def png_of(size: str) -> bytes:
    """One picture as bytes."""
    return b64decode(picture(size, "png"))


def white(mask: bytes) -> list[bool]:
    """Which pixels of a grey mask's first row are white."""
    with Image.open(io.BytesIO(mask)) as opened:
        if opened.mode not in {"L", "1"}:
            raise AssertionError(f"a mask of mode {opened.mode} would be read by its colours")
        return [opened.convert("L").getpixel((column, 0)) == 255 for column in range(opened.width)]

"""The pictures of the demonstration's backends, drawn by the sketch backend whatever dialect asks for them."""

import io
from collections.abc import Mapping
from typing import Any

import msgspec
from PIL import Image, ImageOps

from providers.base import Answer, Call, Phase, Upload
from providers.sketch import studio

MODEL = "sketch-fast"
_PIXELS = 1024
_STEP = 16


def asked(path: str, fields: Mapping[str, Any], files: list[tuple[str, bytes]] | None = None) -> Answer:
    """What the sketch backend answers to a call in OpenAI's words; a size it should choose itself is left out."""
    given = {name: value for name, value in fields.items() if (name, value) != ("size", "auto")} | {"model": MODEL}
    if not files:
        return studio.answer(Call(phase=Phase.SUBMIT, method="POST", path=path, json=given))
    texts = [(name, str(value)) for name, value in given.items()]
    form: list[tuple[str, str | Upload]] = [*texts, *((name, Upload.of(data)) for name, data in files)]
    return studio.answer(Call(phase=Phase.SUBMIT, method="POST", path=path, form=form))


def picture(
    prompt: str,
    size: tuple[int, int],
    *,
    base: bytes | None = None,
    white: bytes | None = None,
    output_format: str = "png",
    seed: int,
) -> str:
    """One picture as base64: of the prompt, or of `base` drawn anew, only where `white` is white.

    Raises:
        ValueError: it cannot be drawn.
    """
    fields = {
        "prompt": prompt or "a still life",
        "size": "{}x{}".format(*size),
        "output_format": output_format,
        "seed": seed,
    }
    files = [] if base is None else [("image", base)]
    if base is not None and white is not None:
        files.append(("mask", _as_alpha(white)))
    answer = asked("/images/edits" if files else "/images/generations", fields, files)
    told = msgspec.json.decode(bytes(answer.body))
    if answer.status != 200:
        raise ValueError(told["error"]["message"])
    return str(told["data"][0]["b64_json"])


def of_ratio(ratio: str) -> tuple[int, int]:
    """Pixels in a shape such as `3:2`."""
    across, down = map(int, ratio.split(":"))
    scale = _PIXELS / (across * down) ** 0.5
    width, height = (round(side * scale / _STEP) * _STEP for side in (across, down))
    return width, height


def _as_alpha(white: bytes) -> bytes:
    """A mask that is white where the picture may change, as one that is transparent there."""
    with Image.open(io.BytesIO(white)) as opened:
        grey = opened.convert("L")
    mask = Image.new("RGBA", grey.size)
    mask.putalpha(ImageOps.invert(grey))
    out = io.BytesIO()
    mask.save(out, "PNG")
    return out.getvalue()

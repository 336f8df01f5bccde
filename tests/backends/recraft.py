"""Recraft's images: five paths, sizes by family, white masks, and credits in every answer."""

import io
from typing import Any

import msgspec
from PIL import Image

from backends.openai import Part, Refusal
from backends.server import Request, Status
from backends.strict import (
    TINY,
    Rules,
    StrictBackend,
    Work,
    check,
    check_files,
    levels,
    number,
    text,
    truth,
    whole,
    words,
)

_V4 = (
    *("1024x1024", "1536x768", "768x1536", "1280x832", "832x1280", "1216x896", "896x1216", "1152x896", "896x1152"),
    *("832x1344", "1280x896", "896x1280", "1344x768", "768x1344"),
)
_PRO = (
    *("2048x2048", "3072x1536", "1536x3072", "2560x1664", "1664x2560", "2432x1792", "1792x2432", "2304x1792"),
    *("1792x2304", "1664x2688", "2560x1792", "1792x2560", "2688x1536", "1536x2688"),
)
_V3 = (
    *("1024x1024", "1365x1024", "1024x1365", "1536x1024", "1024x1536", "1820x1024", "1024x1820", "1024x2048"),
    *("2048x1024", "1434x1024", "1024x1434", "1024x1280", "1280x1024", "1024x1707", "1707x1024"),
)
MODELS = {
    **dict.fromkeys(("recraftv4", "recraftv4_1", "recraftv4_1_flash", "recraftv4_1_utility"), _V4),
    **dict.fromkeys(("recraftv4_pro", "recraftv4_1_pro", "recraftv4_1_utility_pro"), _PRO),
    **dict.fromkeys(("recraftv3", "recraftv3_raster", "recraftv2"), _V3),
}
PRICES = {"recraftv4_1": 35, "recraftv4_1_pro": 210, "recraftv2": 22}
_COMMON: Rules = {
    "model": words(*MODELS),
    "n": whole(1, 6),
    "response_format": words("url", "b64_json"),
    "image_format": words("webp", "png"),
    "random_seed": whole(0, 2**32 - 1),
}
_DRAWN: Rules = {**_COMMON, "prompt": text, "block_nsfw": truth}
_STYLED: Rules = {"style": words("realistic_image", "digital_illustration", "any"), "negative_prompt": text}
_ONE = {"image": 1}


class RecraftBackend(StrictBackend):
    """`url` is the base URL. A prompt with `forbidden` is refused. `masks` are those it was sent."""

    def __init__(self) -> None:
        super().__init__()
        self.masks: list[bytes] = []

    @property
    def url(self) -> str:
        """The base URL."""
        return f"{self.origin}/v1"

    def error(self, failure: Status) -> bytes:
        """Its envelope."""
        return msgspec.json.encode({"code": failure.code, "message": failure.message})

    def work(self, request: Request, fields: dict[str, Any], files: list[Part]) -> Work:
        """Pictures by one of the five paths."""
        model = fields.get("model", "recraftv4_1")
        styled = _STYLED if str(model).startswith(("recraftv3", "recraftv2")) else {}
        size: Rules = {"size": words(*MODELS.get(model, ()))}
        match request.path.removeprefix("/v1/images/"):
            case "generations":
                check(fields, {**_DRAWN, **styled, **size})
                check_files(files, {})
            case "variateImage":
                check(fields, {**_COMMON, **size}, ("size",))
                check_files(files, _ONE)
            case "imageToImage":
                check(fields, {**_DRAWN, **styled, "strength": number(0, 1)}, ("prompt", "strength"))
                check_files(files, _ONE)
            case "inpaint":
                check(fields, {**_DRAWN, **styled})
                check_files(files, {**_ONE, "mask": 1})
                self.masks.append(_mask(files))
            case _:
                raise Refusal(404, "not_found", "Nothing is here.")
        if files and not str(model).startswith("recraftv3"):
            raise Refusal(400, "invalid_request_parameter", "The model takes no pictures.")
        if "forbidden" in fields.get("prompt", ""):
            raise Refusal(400, "invalid_request_parameter", "The prompt did not pass moderation.")
        n = fields.get("n", 1)
        data = [{"b64_json": TINY, "image_id": f"0000-{at}"} for at in range(n)]
        body = {"created": 1795200000, "credits": PRICES.get(model, 40) * n, "data": data}
        return Work(model=model, n=n, body=msgspec.json.encode(body))


def _mask(files: list[Part]) -> bytes:
    """The mask, which must be grey, of two levels, and as large as the picture."""
    image, mask = (next(part.data for part in files if part.name == name) for name in ("image", "mask"))
    with Image.open(io.BytesIO(image)) as drawn, Image.open(io.BytesIO(mask)) as masked:
        if masked.mode != "L" or masked.size != drawn.size or levels(masked) - {0, 255}:
            raise Refusal(400, "invalid_request_parameter", "The mask must be black and white, as large as the image.")
    return mask

"""Ark's images: one path for pictures drawn and edited, sizes within bounds of area, events of whole pictures."""

import re
from dataclasses import replace
from typing import Any

import msgspec

from backends.drawing import event
from backends.openai import Part, Refusal
from backends.server import Reply, Request, Status
from backends.streams import StreamError
from backends.strict import TINY, Rules, StrictBackend, Test, Work, check, inline, number, text, truth, whole, words

_PICTURE = inline("image/png", "image/jpeg")


def _size(least: int, most: int, *tiers: str) -> Test:
    def legal(value: Any) -> bool:
        sides = re.fullmatch(r"(\d+)x(\d+)", str(value))
        if sides is None:
            return value in tiers
        width, height = int(sides[1]), int(sides[2])
        return least <= width * height <= most and 1 / 16 <= width / height <= 16

    return legal


def _sides(value: Any) -> bool:
    sides = re.fullmatch(r"(\d+)x(\d+)", str(value))
    return sides is not None and all(512 <= int(side) <= 2048 for side in sides.groups())


def _images(most: int) -> Test:
    def legal(value: Any) -> bool:
        if isinstance(value, list):
            return 1 <= len(value) <= most and all(map(_PICTURE, value))
        return _PICTURE(value)

    return legal


_COMMON: Rules = {"model": text, "prompt": text, "response_format": words("url", "b64_json"), "watermark": truth}
_NEW: Rules = {**_COMMON, "output_format": words("png", "jpeg"), "image": _images(10)}
_SET: Rules = {
    **_COMMON,
    "image": _images(14),
    "sequential_image_generation": words("disabled", "auto"),
    "sequential_image_generation_options": lambda value: isinstance(value, dict),
    "stream": truth,
}
_OLD: Rules = {**_COMMON, "seed": whole(-1, 2_147_483_647), "guidance_scale": number(1, 10)}
_PRO = {**_NEW, "size": _size(921_600, 4_624_220, "1K", "1.5K", "2K")}
_LAYERED = {"background": words("opaque", "transparent"), "layer_decomposition": truth}
MODELS: dict[str, Rules] = {
    "seedream-5-5-261028": {**_NEW, **_LAYERED, "size": words("1K", "1.5K", "2K")},
    "doubao-seedream-5-0-pro-260628": {**_PRO, **_LAYERED},
    "doubao-seedream-5-0-flash-260915": _PRO,
    "doubao-seedream-5-0-260128": {
        **_SET,
        "size": _size(3_686_400, 10_400_000, "2K", "3K", "4K"),
        "output_format": words("png", "jpeg"),
        "tools": lambda value: value == [{"type": "web_search"}],
    },
    "doubao-seedream-4-5-251128": {**_SET, "size": _size(3_686_400, 16_777_216, "2K", "4K")},
    "doubao-seedream-4-0-250828": {**_SET, "size": _size(921_600, 16_777_216, "1K", "2K", "4K")},
    "doubao-seedream-3-0-t2i-250415": {**_OLD, "size": _sides},
    "doubao-seededit-3-0-i2i-250628": {**_OLD, "size": words("adaptive"), "image": _PICTURE},
}
POLICY = "OutputImageSensitiveContentDetected"


class VolcengineBackend(StrictBackend):
    """`url` is the base URL. A prompt with `forbidden` is refused, one with `late` only once it was drawn."""

    @property
    def url(self) -> str:
        """The base URL."""
        return f"{self.origin}/api/v3"

    def unauthorised(self) -> Refusal:
        """What a bad key gets."""
        return Refusal(401, "AuthenticationError", "The API key in the request is missing or wrong.")

    def error(self, failure: Status) -> bytes:
        """Its envelope."""
        said = {"code": failure.code, "message": failure.message, "param": failure.param or "", "type": "BadRequest"}
        return msgspec.json.encode({"error": said})

    def error_event(self, failure: StreamError) -> bytes:
        """A picture that failed."""
        error = {"code": failure.code, "message": failure.message}
        return event("image_generation.partial_failed", {"image_index": 0, "error": error})

    def answer(self, request: Request) -> Reply:
        """The answer whole, or where that is asked in events."""
        reply = super().answer(request)
        if reply.status != 200 or reply.record is None or not reply.record.fields.get("stream"):
            return reply
        body = msgspec.json.decode(reply.body)
        item, said = body["data"][0], {"model": body["model"], "created": body["created"], "image_index": 0}
        name = "image_generation.partial_failed" if "error" in item else "image_generation.partial_succeeded"
        used = event("image_generation.completed", {"usage": body["usage"]})
        return replace(reply, events=(event(name, {**said, **item}), used, b"data: [DONE]\n\n"))

    def work(self, request: Request, fields: dict[str, Any], files: list[Part]) -> Work:
        """One picture, drawn or edited."""
        if request.path != "/api/v3/images/generations" or files:
            raise Refusal(404, "NotFound", "Nothing is here.")
        model = fields.get("model")
        if model not in MODELS:
            raise Refusal(404, "InvalidEndpointOrModel.NotFound", "The model or endpoint does not exist.")
        try:
            needed = ("prompt", "image", "size") if "seededit" in model else ("prompt",)
            check(fields, MODELS[model], needed)
        except Refusal as refusal:
            code = "MissingParameter" if refusal.failure.code == "missing_parameter" else "InvalidParameter"
            raise Refusal(400, code, refusal.failure.message, refusal.failure.param) from refusal
        self._check_background(model, fields)
        if "forbidden" in fields["prompt"]:
            raise Refusal(400, "InputTextSensitiveContentDetected", "The input text may contain sensitive information.")
        late = "late" in fields["prompt"]
        error = {"error": {"code": POLICY, "message": "The picture may contain sensitive information."}}
        tokens = 0 if late else 16_384
        used = {"generated_images": int(not late), "output_tokens": tokens, "total_tokens": tokens}
        data = [error if late else {"b64_json": TINY, "size": "2048x2048"}]
        body = {"model": model, "created": 1_795_000_000, "data": data, "usage": used}
        return Work(model=model, n=int(not late), body=msgspec.json.encode(body))

    def _check_background(self, model: str, fields: dict[str, Any]) -> None:
        if fields.get("background") != "transparent":
            return
        unfit = "5-0-pro" in model and (isinstance(fields.get("image", []), list))
        if unfit or fields.get("output_format") == "jpeg":
            raise Refusal(400, "InvalidParameter", "Not on a transparent background.", "background")

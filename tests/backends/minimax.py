"""MiniMax's images: image-01, which answers 200 whatever happens, and H3, which speaks as OpenAI does."""

from typing import Any

import msgspec

from backends.drawing import picture
from backends.openai import Part, Refusal
from backends.server import Request, Status
from backends.strict import Rules, StrictBackend, Work, check, text, truth, whole, words

_RATIOS = ("1:1", "16:9", "4:3", "3:2", "2:3", "3:4", "9:16")
_JPEG = picture("16x16", "jpeg")
_COMMON: Rules = {
    "model": text,
    "prompt": lambda value: text(value) and len(value) <= 1500,
    "n": whole(1, 9),
    "seed": whole(-(2**62), 2**62),
    "response_format": words("url", "base64"),
    "prompt_optimizer": truth,
    "aigc_watermark": truth,
}


def _side(value: Any) -> bool:
    return type(value) is int and 512 <= value <= 2048 and value % 8 == 0


MODELS: dict[str, Rules] = {
    "image-01": {**_COMMON, "aspect_ratio": words(*_RATIOS, "21:9"), "width": _side, "height": _side},
    "image-01-live": {**_COMMON, "aspect_ratio": words(*_RATIOS)},
}
H3 = ("MiniMax-H3-Image", "MiniMax-H3-Image-Highspeed")


def _h3_size(value: Any) -> bool:
    width, height = map(int, value.split("x"))
    return 655_360 <= width * height <= 20_000_000 and 1 / 3 <= width / height <= 3


_H3_RULES: Rules = {
    "model": text,
    "prompt": lambda value: text(value) and len(value) <= 32_000,
    "n": whole(1, 10),
    "size": _h3_size,
}


class MiniMaxBackend(StrictBackend):
    """`url` is the base URL. A prompt with `forbidden` is refused; of a `shy` one the last picture is removed."""

    @property
    def url(self) -> str:
        """The base URL."""
        return f"{self.origin}/v1"

    def unauthorised(self) -> Refusal:
        """What a bad key gets."""
        return Refusal(200, "2049", "invalid api key")

    def error(self, failure: Status) -> bytes:
        """H3's envelope where the status says that something is wrong, image-01's under a 200."""
        if failure.status >= 400:
            said = {"message": failure.message, "type": failure.type, "code": failure.code}
            return msgspec.json.encode({"error": said})
        code = int(failure.code) if failure.code and failure.code.isdecimal() else 2013
        return msgspec.json.encode({"id": "0x1f", "base_resp": {"status_code": code, "status_msg": failure.message}})

    def work(self, request: Request, fields: dict[str, Any], files: list[Part]) -> Work:
        """Pictures from a prompt."""
        model, n = fields.get("model"), fields.get("n", 1)
        if request.path == "/v1/images/generations" and model in H3:
            check(fields, _H3_RULES)
            used = {"input_tokens": 12, "output_tokens": 1500 * n, "total_tokens": 12 + 1500 * n}
            body = {"created": 1795000000, "data": [{"b64_json": _JPEG}] * n, "usage": used}
            return Work(model=model, n=n, body=msgspec.json.encode(body))
        if request.path != "/v1/image_generation" or model not in MODELS:
            raise Refusal(200, "2013", "invalid params, model")
        check(fields, MODELS[model], status=200)
        if ("width" in fields) != ("height" in fields) or ("width" in fields and "aspect_ratio" in fields):
            raise Refusal(200, "2013", "invalid params, both sides or a ratio")
        if "forbidden" in fields["prompt"]:
            raise Refusal(200, "1026", "input new_sensitive")
        return Work(model=model, n=n, body=self._made(fields, n, 1 if "shy" in fields["prompt"] else 0))

    def _made(self, fields: dict[str, Any], n: int, removed: int) -> bytes:
        inline = fields.get("response_format", "url") == "base64"
        found = _JPEG if inline else f"{self.origin}/made.jpeg"
        body = {
            "id": "0x1f",
            "data": {"image_base64" if inline else "image_urls": [found] * (n - removed)},
            "metadata": {"success_count": str(n - removed), "failed_count": str(removed)},
            "base_resp": {"status_code": 0, "status_msg": "success"},
        }
        return msgspec.json.encode(body)

"""SiliconFlow's images: a size that some models need and others refuse, links for answers, errors that may be bare."""

import re
from typing import Any

import msgspec

from backends.openai import Part, Refusal
from backends.server import Request, Status
from backends.strict import TINY, Rules, StrictBackend, Work, check, inline, number, text, whole, words

_PICTURE = inline("image/png")
_COMMON: Rules = {
    "model": text,
    "prompt": text,
    "negative_prompt": text,
    "seed": whole(0, 9_999_999_999),
    "num_inference_steps": whole(1, 100),
}
MODELS: dict[str, Rules] = {
    "Kwai-Kolors/Kolors": {
        **_COMMON,
        "image_size": words("1024x1024", "960x1280", "768x1024", "720x1440", "720x1280"),
        "batch_size": whole(1, 4),
        "guidance_scale": number(0, 20),
        "image": _PICTURE,
    },
    "Qwen/Qwen-Image": {
        **_COMMON,
        "image_size": words("1328x1328", "1664x928", "928x1664", "1472x1140", "1140x1472", "1584x1056", "1056x1584"),
        "cfg": number(0.1, 20),
    },
    "Qwen/Qwen-Image-Edit": {**_COMMON, "image": _PICTURE},
    "Qwen/Qwen-Image-Edit-2509": {**_COMMON, "image": _PICTURE, "image2": _PICTURE, "image3": _PICTURE},
}


class SiliconflowBackend(StrictBackend):
    """`url` is the base URL. A prompt with `forbidden` is refused."""

    @property
    def url(self) -> str:
        """The base URL."""
        return f"{self.origin}/v1"

    def unauthorised(self) -> Refusal:
        """What a bad key gets."""
        return Refusal(401, None, "Invalid token")

    def error(self, failure: Status) -> bytes:
        """An object, or for a bad key a bare string."""
        if failure.status == 401:
            return msgspec.json.encode(failure.message)
        code = int(failure.code) if failure.code and re.fullmatch(r"\d+", failure.code) else 20012
        return msgspec.json.encode({"code": code, "message": failure.message, "data": None})

    def work(self, request: Request, fields: dict[str, Any], files: list[Part]) -> Work:
        """Links to pictures, drawn or edited; here they hold the pictures themselves."""
        if request.path != "/v1/images/generations" or files:
            raise Refusal(404, None, "404 page not found")
        model = fields.get("model")
        if model not in MODELS:
            raise Refusal(400, "20012", "Model does not exist. Please check it carefully.")
        check(fields, MODELS[model], ("prompt", "image" if "Edit" in model else "image_size"))
        if "forbidden" in fields["prompt"]:
            raise Refusal(400, "20012", "The prompt may not be drawn.")
        n = fields.get("batch_size", 1)
        pictures = [{"url": f"data:image/png;base64,{TINY}"}] * n
        body = {"images": pictures, "timings": {"inference": 1.9}, "seed": 42}
        return Work(model=model, n=n, body=msgspec.json.encode(body))

"""Baidu Qianfan's images: links, JSON edits, a list of fields for each model and no patience with any other."""

from typing import Any

import msgspec

from backends.openai import Part, Refusal
from backends.server import Request, Status
from backends.strict import Rules, StrictBackend, Work, check, inline, number, text, truth, whole, words

_SIZES = [
    "512x512",
    "768x768",
    "768x1024",
    "1024x768",
    "1024x1024",
    "1024x2048",
    "2048x1024",
    "2048x2048",
    "576x1024",
    "1024x576",
]
_QWEN_SIZES = ["1664x928", "1472x1104", "1328x1328", "1104x1472", "928x1664"]
_PICTURE = inline("image/png", "image/jpeg", "image/webp")
_COMMON: Rules = {"model": text, "prompt": text, "user": text}
_SEED: Rules = {"seed": whole(0, 4294967295)}
_QWEN: Rules = {
    **_COMMON,
    **_SEED,
    "prompt": lambda value: text(value) and len(value) <= 800,
    "negative_prompt": lambda value: text(value) and len(value) <= 500,
    "prompt_extend": truth,
    "watermark": truth,
}
_SEVERAL: Rules = {**_COMMON, "n": whole(1, 4), "size": words(*_SIZES)}
DRAWERS: dict[str, Rules] = {
    "qwen-image": {**_QWEN, "guidance": number(0, 20), "size": words(*_SIZES, *_QWEN_SIZES)},
    "flux.1-schnell": {**_SEVERAL, **_SEED, "steps": whole(1, 50), "guidance": number(0, 30)},
    "irag-1.0": {**_SEVERAL, "refer_image": _PICTURE},
}
EDITORS: dict[str, Rules] = {"qwen-image-edit": {**_QWEN, "image": _PICTURE}}


class QianfanBackend(StrictBackend):
    """`url` is the base URL. A prompt with `forbidden` is refused."""

    @property
    def url(self) -> str:
        """The base URL."""
        return f"{self.origin}/v2"

    def unauthorised(self) -> Refusal:
        """What a bad key gets."""
        return Refusal(401, "invalid_iam_token", "IAM token is invalid")

    def error(self, failure: Status) -> bytes:
        """Its envelope."""
        said = {"code": failure.code, "message": failure.message, "type": failure.type}
        return msgspec.json.encode({"error": said, "id": "as-2"})

    def work(self, request: Request, fields: dict[str, Any], files: list[Part]) -> Work:
        """Pictures, drawn or edited."""
        models = {"/v2/images/generations": DRAWERS, "/v2/images/edits": EDITORS}.get(request.path)
        if models is None or request.headers["content-type"] != "application/json":
            raise Refusal(400, "malformed_json", "Nothing is here.")
        model = fields.get("model")
        if model not in models:
            raise Refusal(401, "invalid_model", "the model does not exist")
        if unknown := fields.keys() - models[model].keys():
            raise Refusal(401, "no_parameter_permission", f"no permission to use {min(unknown)}")
        check(fields, models[model], ("prompt", "image") if models is EDITORS else ("prompt",))
        if "forbidden" in fields["prompt"]:
            raise Refusal(400, "invalid_image_genration_prompt", "the prompt is unsafe")
        n = fields.get("n", 1)
        body = {"id": "as-1", "created": 1795000000, "data": [{"url": f"{self.origin}/made.png"}] * n}
        return Work(model=model, n=n, body=msgspec.json.encode(body))

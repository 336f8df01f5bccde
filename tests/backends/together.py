"""Together's images: one path, sides instead of sizes, and other fields for each family."""

from typing import Any

import msgspec

from backends.openai import Part, Refusal
from backends.server import Request, Status
from backends.strict import TINY, Rules, StrictBackend, Test, Work, check, inline, number, text, truth, whole, words

_TABLE = {(1024, 1024), (1344, 768), (1248, 832), (1184, 864), (1152, 896)}
_BOTH = _TABLE | {size[::-1] for size in _TABLE}
_PICTURE = inline("image/png", "image/jpeg", "image/webp")
_COMMON: Rules = {
    "model": text,
    "prompt": text,
    "n": whole(1, 4),
    "response_format": words("base64", "url"),
    "output_format": words("jpeg", "png"),
    "width": whole(256, 2048),
    "height": whole(256, 2048),
}
_ONE = {**_COMMON, "n": whole(1, 1)}
_PROSE: Rules = {"negative_prompt": text, "guidance_scale": number(0, 100)}
_SEED: Rules = {"seed": whole(-(2**62), 2**62)}


def _references(most: int) -> Test:
    return lambda value: isinstance(value, list) and 1 <= len(value) <= most and all(map(_PICTURE, value))


_FLUX_2 = {**_ONE, **_SEED, "reference_images": _references(8)}
MODELS: dict[str, Rules] = {
    "black-forest-labs/FLUX.1-schnell": {
        **_COMMON,
        **_SEED,
        **_PROSE,
        "steps": whole(1, 12),
        "disable_safety_checker": truth,
    },
    "black-forest-labs/FLUX.1.1-pro": {**_COMMON, **_SEED},
    "black-forest-labs/FLUX.1-kontext-pro": {**_ONE, **_SEED, **_PROSE, "steps": whole(1, 50), "image_url": _PICTURE},
    "black-forest-labs/FLUX.2-pro": _FLUX_2,
    "black-forest-labs/FLUX.2-dev": {
        **_FLUX_2,
        "steps": whole(1, 50),
        "guidance": number(0, 100),
        "disable_safety_checker": truth,
    },
    "google/flash-image-2.5": {**_ONE, "reference_images": _references(1)},
    "Qwen/Qwen-Image": {**_ONE, **_SEED, **_PROSE, "steps": whole(1, 50)},
}


class TogetherBackend(StrictBackend):
    """`url` is the base URL. A prompt with `forbidden` is refused."""

    @property
    def url(self) -> str:
        """The base URL."""
        return f"{self.origin}/v1"

    def error(self, failure: Status) -> bytes:
        """Its envelope."""
        said = {"message": failure.message, "type": failure.type, "param": failure.param, "code": failure.code}
        return msgspec.json.encode({"id": "oVkx-1", "error": said})

    def work(self, request: Request, fields: dict[str, Any], files: list[Part]) -> Work:
        """Pictures, drawn or edited."""
        if request.path != "/v1/images/generations" or request.headers["content-type"] != "application/json":
            raise Refusal(404, "not_found", "Nothing is here.")
        model = fields.get("model")
        if model not in MODELS:
            raise Refusal(404, "model_not_available", "Unable to access model.")
        check(fields, MODELS[model])
        self._check_sides(model, fields)
        if "forbidden" in fields["prompt"]:
            raise Refusal(422, None, "The prompt may contain NSFW content.")
        n = fields.get("n", 1)
        data = [{"index": at, "type": "b64_json", "b64_json": TINY} for at in range(n)]
        body = {"id": "oVkx-1", "model": model, "object": "list", "data": data}
        return Work(model=model, n=n, body=msgspec.json.encode(body))

    def _check_sides(self, model: str, fields: dict[str, Any]) -> None:
        sides = tuple(fields[name] for name in ("width", "height") if name in fields)
        if not sides:
            return
        step, longest = (8, 2048) if "FLUX" not in model else (16, 2048 if "FLUX.2" in model else 1440)
        legal = len(sides) == 2 and max(sides) <= longest and not any(side % step for side in sides)
        if not legal or (model.startswith("google/") and sides not in _BOTH):
            raise Refusal(400, "invalid_value", "The model does not draw this size.", "width")

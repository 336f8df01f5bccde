"""DeepInfra: OpenAI's routes without seeds, and one of its own for each model with them; three shapes of errors."""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from backends.checked import CheckedBackend, only, within
from backends.drawing import picture
from backends.openai import Part, Refusal
from backends.server import Reply, Request, Status

OPENAI = {"model": str, "prompt": str, "n": int, "size": str, "user": str, "response_format": str}
OWN = {
    **dict.fromkeys(("prompt", "negative_prompt"), str),
    **dict.fromkeys(("num_images", "width", "height", "seed", "num_inference_steps"), int),
    "guidance_scale": (int, float),
}
DRAWERS = frozenset({"black-forest-labs/FLUX-1-schnell", "black-forest-labs/FLUX-1-dev", "black-forest-labs/FLUX-pro"})
EDITORS = frozenset({"Qwen/Qwen-Image-Edit", "black-forest-labs/FLUX.1-Kontext-dev"})
OPEN = frozenset({"black-forest-labs/FLUX-1-schnell", "black-forest-labs/FLUX-1-dev"})
COST = 0.0005


class DeepInfraBackend(CheckedBackend):
    """`url` is the base URL. A prompt that says "forbidden" is drawn on DeepInfra's own route, and flagged."""

    @property
    def url(self) -> str:
        """The base URL."""
        return f"{self.origin}/v1"

    def error(self, failure: Status) -> bytes:
        """The envelope of a status: they differ."""
        if failure.status == 422:
            detail = [{"loc": ["body", failure.param], "msg": failure.message, "type": "value_error"}]
            return msgspec.json.encode({"detail": detail})
        if failure.status in (401, 429):
            return msgspec.json.encode({"detail": {"error": failure.message}})
        said = {"message": failure.message} if failure.status == 400 else failure.message
        return msgspec.json.encode({"error": said})

    def make(self, request: Request, fields: Mapping[str, Any], parts: list[Part]) -> Reply:
        """What the route's own rules allow."""
        own = request.path.removeprefix("/v1/inference/")
        if own in OPEN:
            return flagged(fields)
        found = re.fullmatch(r"/v1/openai/images/(generations|edits)", request.path)
        if found is None or fields.get("model") not in (EDITORS if found[1] == "edits" else DRAWERS):
            raise Refusal(404, None, "Model is not available")
        only(fields, OPENAI)
        within(fields, "n", 1, 4)
        if fields.get("response_format", "b64_json") != "b64_json":
            raise Refusal(422, None, "only b64_json", "response_format")
        if [part.name for part in parts] != ["image"] * (found[1] == "edits"):
            raise Refusal(422, None, "one image to edit, none to draw", "image")
        size = fields.get("size", "1024x1024")
        if not re.fullmatch(r"\d+x\d+", size) or (fields["model"] in OPEN and not legal(*map(int, size.split("x")))):
            raise Refusal(422, None, "size is not supported", "size")
        data = [{"b64_json": picture(size, "jpeg"), "revised_prompt": None, "url": None}] * fields.get("n", 1)
        return Reply(200, msgspec.json.encode({"created": 1, "data": data}))


def flagged(fields: Mapping[str, Any]) -> Reply:
    """The answer of DeepInfra's own route."""
    only(fields, OWN)
    within(fields, "num_images", 1, 4)
    within(fields, "num_inference_steps", 1, 50)
    width, height = fields.get("width", 1024), fields.get("height", 1024)
    if not legal(width, height):
        raise Refusal(422, None, "size is not supported", "width")
    n = fields.get("num_images", 1)
    body = {
        "images": [f"data:image/jpeg;base64,{picture(f'{width}x{height}', 'jpeg')}"] * n,
        "nsfw_content_detected": ["forbidden" in fields["prompt"]] * n,
        "seed": fields.get("seed", 42),
        "inference_status": {"status": "succeeded", "runtime_ms": 812, "cost": COST * n},
    }
    return Reply(200, msgspec.json.encode(body))


def legal(width: int, height: int) -> bool:
    """Whether a model of the open kind draws this size."""
    return all(128 <= side <= 1440 and side % 32 == 0 for side in (width, height))

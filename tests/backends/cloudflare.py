"""Workers AI: per model other fields, a form or JSON to send, and JSON or bare bytes to be sent back."""

from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from backends.checked import CheckedBackend, only, within
from backends.drawing import picture
from backends.openai import Part, Refusal
from backends.server import Reply, Request, Status

FLOAT = (int, float)
SIDES = {"width": int, "height": int}
DIFFUSION = {
    **SIDES,
    "negative_prompt": str,
    "num_steps": int,
    "guidance": FLOAT,
    "strength": FLOAT,
    "seed": int,
    "image_b64": str,
    "mask": list,
}


@dataclass(frozen=True, slots=True)
class Rules:
    """What a model takes besides its prompt: fields by type, the bounds of its sides, the most steps."""

    fields: Mapping[str, Any]
    form: bool = False
    naked: str | None = None  # the media type of what comes without JSON
    sides: tuple[int, int, int] = (1, 10_000, 1)
    steps: int = 50
    needs: frozenset[str] = field(default_factory=frozenset)


_FLUX_2 = {**SIDES, "seed": int, "guidance": FLOAT}
_LEONARDO = {**SIDES, "seed": int, "guidance": FLOAT, "num_steps": int}
MODELS = {
    "@cf/black-forest-labs/flux-1-schnell": Rules({"steps": int, "seed": int}, steps=8),
    "@cf/black-forest-labs/flux-2-dev": Rules({**_FLUX_2, "steps": int}, form=True, sides=(256, 1920, 1)),
    "@cf/black-forest-labs/flux-2-klein-4b": Rules(_FLUX_2, form=True, sides=(256, 1920, 1)),
    "@cf/leonardo/lucid-origin": Rules({**_LEONARDO, "steps": int}),
    "@cf/leonardo/phoenix-1.0": Rules({**_LEONARDO, "negative_prompt": str}, naked="jpeg"),
    "@cf/stabilityai/stable-diffusion-xl-base-1.0": Rules(DIFFUSION, naked="png", sides=(256, 2048, 8), steps=20),
    "@cf/runwayml/stable-diffusion-v1-5-inpainting": Rules(
        DIFFUSION, naked="png", sides=(256, 2048, 8), steps=20, needs=frozenset({"image_b64", "mask"})
    ),
}


class CloudflareBackend(CheckedBackend):
    """`url` is the base URL of one account. A prompt that says "forbidden" is refused, what "flag" draws is flagged.

    `masks` are those that came, the newest last.
    """

    def __init__(self) -> None:
        super().__init__()
        self.masks: list[bytes] = []

    @property
    def url(self) -> str:
        """The base URL."""
        return f"{self.origin}/client/v4/accounts/0123/ai/run"

    def error(self, failure: Status) -> bytes:
        """The envelope."""
        return envelope(int(failure.code or 5006), failure.message)

    def make(self, request: Request, fields: Mapping[str, Any], parts: list[Part]) -> Reply:
        """One picture, in JSON or bare."""
        model = request.path.removeprefix("/client/v4/accounts/0123/ai/run/")
        if model not in MODELS:
            raise Refusal(400, "5007", f"No such model {model} or task")
        rules = MODELS[model]
        if rules.form is not request.headers["content-type"].startswith("multipart/form-data"):
            raise Refusal(400, "5006", "AiError: Bad input: the wrong kind of body")
        fields = numbers(fields) if rules.form else fields
        check(fields, parts, rules)
        if "forbidden" in fields["prompt"]:
            raise Refusal(400, "3030", "AiError: AiError: Input prompt contains NSFW content")
        if "flag" in fields["prompt"]:
            return Reply(200, envelope(3030, "AiError: Your output has been flagged"))
        self.masks += [bytes(fields["mask"])] if "mask" in fields else []
        size = f"{fields.get('width', 1024)}x{fields.get('height', 1024)}"
        if rules.naked is not None:
            return Reply(200, b64decode(picture(size, rules.naked)), {"content-type": f"image/{rules.naked}"})
        body = {"result": {"image": picture(size, "jpeg")}, "success": True, "errors": [], "messages": []}
        return Reply(200, msgspec.json.encode(body))


def envelope(code: int, message: str) -> bytes:
    """A failure."""
    body = {"success": False, "errors": [{"code": code, "message": message}], "result": None, "messages": []}
    return msgspec.json.encode(body)


def numbers(fields: Mapping[str, Any]) -> dict[str, Any]:
    """A form's fields, with what looks like a number as one."""
    return {name: value if name == "prompt" else msgspec.json.decode(value) for name, value in fields.items()}


def check(fields: Mapping[str, Any], parts: list[Part], rules: Rules) -> None:
    """Refuses whatever the model does not take."""
    only(fields, {"prompt": str, **rules.fields})
    for name in rules.needs - fields.keys():
        raise Refusal(400, "5006", f"AiError: Bad input: {name} is needed")
    if not 1 <= len(fields.get("prompt", "")) <= 2048:
        raise Refusal(400, "5006", "AiError: Bad input: the prompt is too long")
    for name in SIDES:
        within({name: rules.sides[0], **fields}, name, *rules.sides)
    for name in ("steps", "num_steps"):
        within(fields, name, 1, rules.steps)
    if [part.name for part in parts] != [f"input_image_{number}" for number in range(min(len(parts), 4))]:
        raise Refusal(400, "5006", "AiError: Bad input: the pictures are misnamed")

"""Fireworks' images: three families of models under three kinds of path."""

from base64 import b64decode
from typing import Any

import msgspec

from backends.drawing import picture
from backends.openai import Part, Refusal, body_of
from backends.server import Reply, Request, Status
from backends.strict import TINY, Rules, StrictBackend, Work, check, inline, number, text, truth, whole, words

MODELS = "accounts/fireworks/models/"
AT_ONCE = frozenset({f"{MODELS}flux-1-schnell-fp8", f"{MODELS}flux-1-dev-fp8"})
LATER = frozenset({f"{MODELS}flux-kontext-pro", f"{MODELS}flux-kontext-max"})
BARE = frozenset({f"{MODELS}stable-diffusion-xl-1024-v1-0", f"{MODELS}SSD-1B"})
_RATIO = words(*["1:1", "21:9", "16:9", "3:2", "5:4", "4:5", "2:3", "9:16", "9:21", "4:3", "3:4"])
_SEED = whole(0, 2**62)
_AT_ONCE: Rules = {
    "prompt": text,
    "aspect_ratio": _RATIO,
    "guidance_scale": number(0, 100),
    "num_inference_steps": whole(1, 100),
    "seed": _SEED,
}
_LATER: Rules = {
    "prompt": text,
    "aspect_ratio": _RATIO,
    "seed": _SEED,
    "output_format": words("png", "jpeg"),
    "safety_tolerance": whole(0, 6),
    "input_image": inline("image/png", "image/jpeg", "image/webp"),
}
_BARE: Rules = {
    "prompt": text,
    "negative_prompt": text,
    "width": whole(64, 2048),
    "height": whole(64, 2048),
    "cfg_scale": number(0, 100),
    "steps": whole(1, 100),
    "samples": whole(1, 1),
    "seed": _SEED,
    "safety_check": truth,
}


class FireworksBackend(StrictBackend):
    """`url` is the base URL. A prompt with `forbidden` is filtered; later pictures are drawn unless `polls` differ."""

    @property
    def url(self) -> str:
        """The base URL."""
        return f"{self.origin}/inference/v1"

    def error(self, failure: Status) -> bytes:
        """Its envelope."""
        said = {"object": "error", "type": failure.type, "code": failure.code, "message": failure.message}
        return msgspec.json.encode({"error": said})

    def free(self, request: Request) -> Reply | None:
        """How a picture is getting on."""
        if not request.path.endswith("/get_result"):
            return super().free(request)
        fields, _ = body_of(request)
        if request.method != "POST" or fields != {"id": "r-1"}:
            raise Refusal(404, "NOT_FOUND", "There is no such task.")
        try:
            state = self.next_poll() or "Ready"
        except Refusal as refusal:  # free, whatever becomes of it
            return Reply(refusal.failure.status, self.error(refusal.failure))
        result = {"sample": f"data:image/png;base64,{TINY}"} if state == "Ready" else None
        return Reply(200, msgspec.json.encode({"id": "r-1", "status": state, "result": result}))

    def work(self, request: Request, fields: dict[str, Any], files: list[Part]) -> Work:
        """A picture, an id for one, or its bytes."""
        family, _, model = request.path.removeprefix("/inference/v1/").partition("/")
        filtered = "forbidden" in fields.get("prompt", "")
        if family == "image_generation" and model in BARE:
            check(fields, _BARE)
            return self._bare(model, fields, request.headers["accept"])
        if family == "workflows" and model in LATER:
            check(fields, _LATER)
            if fields.get("safety_tolerance", 0) > (2 if "input_image" in fields else 6):
                raise Refusal(422, "invalid", "safety_tolerance is at most 2 with a picture.", "safety_tolerance")
            if filtered:
                self.polls.append("Request Moderated")
            return Work(model=model, body=msgspec.json.encode({"request_id": "r-1"}))
        model, _, last = model.rpartition("/")
        if family == "workflows" and last == "text_to_image" and model in AT_ONCE:
            check(fields, _AT_ONCE)
            made = {"base64": [] if filtered else [TINY], "finishReason": "CONTENT_FILTERED" if filtered else "SUCCESS"}
            return Work(model=model, body=msgspec.json.encode({"id": "f-1", "seed": 3, **made}))
        raise Refusal(404, "NOT_FOUND", "Model not found, inaccessible, and/or not deployed")

    def _bare(self, model: str, fields: dict[str, Any], accept: str) -> Work:
        form = {"image/png": "png", "image/jpeg": "jpeg"}.get(accept)
        if form is None:
            raise Refusal(400, "invalid", "Accept a picture.")
        size = f"{fields.get('width', 1024)}x{fields.get('height', 1024)}"
        return Work(model=model, body=b64decode(picture(size, form)), headers={"content-type": accept})

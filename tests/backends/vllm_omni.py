"""vLLM-Omni's server: strict about the model and the numbers; what the real one ignores in silence it refuses."""

import io
from base64 import b64encode
from collections.abc import Mapping
from typing import Any

import msgspec
from PIL import Image

from backends.openai import Part, Refusal
from backends.repaint import repainted
from backends.self_hosted import SelfHostedBackend, any_size, any_whole, drawn, part, size_of
from backends.server import Reply, Request, Status
from backends.strict import Rules, check, check_files, number, read_values, text, whole, words

SERVED = "Qwen/Qwen-Image-Edit-2511"
MOST = 4
EITHER: Rules = {
    "model": text,
    "prompt": text,
    "n": whole(1, 10),
    "size": any_size,
    "response_format": words("b64_json"),
    "output_format": words("png", "jpeg", "webp"),
    "output_compression": whole(0, 100),
    "negative_prompt": text,
    "num_inference_steps": whole(1, 200),
    "guidance_scale": number(0, 20),
    "true_cfg_scale": number(0, 20),
    "seed": any_whole,
    "layers": whole(2, 10),
    "system_prompt": text,
}
PATHS: Mapping[str, Rules] = {
    "/v1/images/generations": {
        **EITHER,
        "flow_shift": number(0, 100),
        "extra_params": lambda value: isinstance(value, dict),
    },
    "/v1/images/edits": {
        **EITHER,
        "guidance_scale_2": number(0, 20),
        "strength": number(0, 1),
        "resolution": words(640, 1024),
        "bot_task": text,
        "sys_type": text,
    },
}


class VllmOmniBackend(SelfHostedBackend):
    """`url` is the base URL; it serves one model."""

    @property
    def url(self) -> str:
        """The base URL."""
        return f"{self.origin}/v1"

    def error(self, failure: Status) -> bytes:
        """OpenAI's envelope, whose code is the status; FastAPI's where a field is to blame."""
        if failure.param is not None:
            detail = {"loc": ["body", failure.param], "msg": failure.message, "type": failure.code}
            return msgspec.json.encode({"detail": [detail]})
        type_ = failure.type or "BadRequestError"
        said = {"message": failure.message, "type": type_, "param": None, "code": failure.status}
        return msgspec.json.encode({"error": said})

    def make(self, request: Request, fields: Mapping[str, Any], parts: list[Part]) -> Reply:
        """Pictures; an edit without a size is as large as its first picture."""
        if request.path not in PATHS:
            raise Refusal(404, None, "Not Found")
        editing = request.path.endswith("edits")
        if editing != request.headers["content-type"].startswith("multipart/form-data"):
            raise Refusal(422, "missing", "Field required", "prompt")
        fields = read_values(fields) if editing else fields
        check(fields, PATHS[request.path], status=422)
        if fields.get("model", SERVED) != SERVED:
            message = f"Model mismatch: request specifies '{fields['model']}' but server is running '{SERVED}'."
            raise Refusal(400, None, message)
        form, n = fields.get("output_format", "png"), fields.get("n", 1)
        source = self._looked_at(parts) if editing else b""
        size = fields.get("size", size_of(source) if editing else "1024x1024")
        pictures = drawn(size, form, n)
        if part(parts, "mask_image") is not None:
            with Image.open(io.BytesIO(self.masks[-1])) as mask:
                pictures = [b64encode(repainted(source, mask.convert("L"), form)).decode()] * n
        data = [{"b64_json": b64, "url": None, "revised_prompt": None} for b64 in pictures]
        said = {"created": 1763670000, "data": data, "output_format": form, "size": size, "cot_output": None}
        return Reply(200, msgspec.json.encode({**said, "metrics": {"peak_memory_mb": 31000.5}}))

    def _looked_at(self, parts: list[Part]) -> bytes:
        """The first picture."""
        check_files(parts, {"image": MOST + 1, "image[]": MOST + 1, "mask_image": 1})
        images = [found.data for found in parts if found.name == "image"]
        images = images or [found.data for found in parts if found.name == "image[]"]
        if not images:
            raise Refusal(422, None, "Field 'image' or 'url' is required")
        if len(images) > MOST:
            said = f"Received {len(images)} input images. At most {MOST} images are supported by this model."
            raise Refusal(400, None, said)
        if (mask := part(parts, "mask_image")) is not None:
            self.masks.append(mask)
        return images[0]

"""SGLang's server for diffusion: answers with its own paths and memory; what the real one ignores it refuses."""

from collections.abc import Mapping
from typing import Any

import msgspec

from backends.openai import Part, Refusal
from backends.self_hosted import SelfHostedBackend, any_size, any_whole, drawn, size_of
from backends.server import Reply, Request, Status
from backends.strict import Rules, check, check_files, number, read_values, text, truth, whole, words

EITHER: Rules = {
    "model": text,
    "prompt": text,
    "n": whole(1, 10),
    "size": any_size,
    "response_format": words("b64_json", "url"),
    "output_format": words("png", "jpeg", "jpg", "webp"),
    "output_compression": whole(0, 100),
    "negative_prompt": text,
    "num_inference_steps": whole(1, 1000),
    "guidance_scale": number(0, 100),
    "true_cfg_scale": number(0, 100),
    "seed": any_whole,
    "enable_upscaling": truth,
    "upscaling_scale": whole(1, 8),
    "enhance_prompt": truth,
}
PATHS: Mapping[str, Rules] = {
    "/v1/images/generations": {
        **EITHER,
        "max_sequence_length": whole(1, 4096),
        "flow_shift": number(0, 100),
        "diffusers_kwargs": lambda value: isinstance(value, dict),
    },
    "/v1/images/edits": EITHER,
}


class SglangBackend(SelfHostedBackend):
    """`url` is the base URL; `counts` says whether it counts tokens, and which."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: tuple[int, int] | None = None

    @property
    def url(self) -> str:
        """The base URL."""
        return f"{self.origin}/v1"

    def error(self, failure: Status) -> bytes:
        """FastAPI's: a sentence, or a list where a field is to blame."""
        if failure.param is not None:
            detail = {"loc": ["body", failure.param], "msg": failure.message, "type": failure.code}
            return msgspec.json.encode({"detail": [detail]})
        return msgspec.json.encode({"detail": failure.message})

    def make(self, request: Request, fields: Mapping[str, Any], parts: list[Part]) -> Reply:
        """Pictures, each with where it lies on the server's disk."""
        if request.path not in PATHS:
            raise Refusal(404, None, "Not Found")
        editing = request.path.endswith("edits")
        if editing != request.headers["content-type"].startswith("multipart/form-data"):
            raise Refusal(422, "missing", "Field required", "prompt")
        fields = read_values(fields) if editing else fields
        check(fields, PATHS[request.path], status=422)
        if fields.get("response_format", "b64_json" if editing else "url") != "b64_json":
            raise Refusal(400, None, "response_format='url' requires cloud storage to be configured.")
        size = "1024x1024"
        if editing:
            check_files(parts, {"image": 1, "image[]": 16})
            if not parts:
                raise Refusal(422, None, "Field 'image' or 'url' is required")
            size = size_of(parts[0].data)
        return Reply(200, msgspec.json.encode(self._body(fields, fields.get("size", size))))

    def _body(self, fields: Mapping[str, Any], size: str) -> dict[str, Any]:
        form, n = fields.get("output_format", "jpeg"), fields.get("n", 1)
        echo = "finer: " * fields.get("enhance_prompt", False) + fields["prompt"]
        where = {"revised_prompt": echo, "file_path": f"/srv/outputs/a.{form}", "resize": None}
        body = {
            "id": "a",
            "created": 1763670000,
            "data": [{"b64_json": b64, "url": None, **where} for b64 in drawn(size, form, n)],
            "peak_memory_mb": 28000.5,
            "inference_time_s": 2.5,
        }
        if self.counts is None:
            return body
        given, made = self.counts
        said = {"prompt_tokens": given, "completion_tokens": made, "total_tokens": given + made}
        return {**body, "usage": {**said, "prompt_tokens_details": None, "image_count": n}}

"""LocalAI: draws a prompt without what follows a `|`; masked edits have a path of their own, answered by a link."""

from base64 import b64decode
from collections.abc import Mapping
from typing import Any

import msgspec

from backends.openai import Part, Refusal
from backends.self_hosted import SelfHostedBackend, any_size, any_whole, drawn, part, png_of, white
from backends.server import Reply, Request, Status
from backends.strict import Rules, check, check_files, read_values, text, whole, words

MODELS = ("stablediffusion", "flux.1-kontext")
DRAWING: Rules = {
    "model": text,
    "prompt": text,
    "n": whole(1, 1),  # more would be the same picture again
    "size": any_size,
    "response_format": words("b64_json"),
    "seed": any_whole,
    "step": whole(1, 1000),
    "file": text,
}
INPAINTING: Rules = {"model": text, "prompt": text, "steps": whole(1, 1000)}
ZEROS = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}


class LocalAIBackend(SelfHostedBackend):
    """`url` is the base URL. `prompts` are what it drew, and what it was not to draw."""

    def __init__(self) -> None:
        super().__init__()
        self.prompts: list[tuple[str, str]] = []
        self._drawn: dict[str, bytes] = {}

    @property
    def url(self) -> str:
        """The base URL."""
        return self.origin

    def error(self, failure: Status) -> bytes:
        """OpenAI's envelope, whose code is the status."""
        said = {"code": failure.status, "message": failure.message, "type": ""}
        return msgspec.json.encode({"error": said})

    def make(self, request: Request, fields: Mapping[str, Any], parts: list[Part]) -> Reply:
        """Pictures, or where one is."""
        if request.path == "/v1/images/inpainting":
            return self._inpainted(read_values(fields), parts)
        if request.path != "/v1/images/generations" or parts:
            raise Refusal(404, None, "Not Found")
        self._check(fields, DRAWING)
        if "file" in fields and not b64decode(fields["file"], validate=True).startswith(b"\x89PNG"):
            raise Refusal(500, None, "failed reading the file")
        positive, *rest = fields["prompt"].split("|")
        self.prompts.append((positive, rest[0] if rest else ""))
        data = [
            {"embedding": None, "index": 0, "b64_json": b64} for b64 in drawn(fields.get("size", "512x512"), "png", 1)
        ]
        return self._said(data)

    def look(self, request: Request) -> Reply:
        """A picture that was drawn."""
        name = request.path.removeprefix("/generated-images/")
        if name not in self._drawn:
            raise Refusal(404, None, "Not Found")
        return Reply(200, self._drawn[name], {"content-type": "image/png"})

    def _inpainted(self, fields: Mapping[str, Any], parts: list[Part]) -> Reply:
        self._check(fields, INPAINTING)
        check_files(parts, {"image": 1, "mask": 1})
        mask = part(parts, "mask")
        if mask is None or part(parts, "image") is None:
            raise Refusal(400, None, "missing mask file")
        white(mask)
        self.masks.append(mask)
        self.prompts.append((fields["prompt"], ""))
        name = f"out_{len(self._drawn)}.png"
        self._drawn[name] = png_of("512x512")
        # its network calls it otherwise than ours does
        return self._said(
            [{"embedding": None, "index": 0, "url": f"http://localai.internal:8080/generated-images/{name}"}]
        )

    def _check(self, fields: Mapping[str, Any], rules: Rules) -> None:
        check(fields, rules, ("model", "prompt"))
        if fields["model"] not in MODELS:
            raise Refusal(500, None, "could not load model: no such file")

    def _said(self, data: list[dict[str, Any]]) -> Reply:
        return Reply(200, msgspec.json.encode({"created": 1763670000, "id": "a", "data": data, "usage": ZEROS}))

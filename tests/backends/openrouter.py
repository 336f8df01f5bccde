"""OpenRouter's image API: JSON alone, one form of size at a time, a bill in every answer, moderation with reasons."""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from backends.checked import CheckedBackend, only
from backends.drawing import picture
from backends.openai import Part, Refusal
from backends.server import Reply, Request, Status
from backends.streams import StreamError

RATIOS = (
    *("1:1", "1:2", "1:4", "1:8", "2:1", "2:3", "2.35:1", "3:2", "3:4", "4:1", "4:3", "4:5", "5:2", "5:4", "5:7"),
    *("7:5", "8:1", "9:16", "16:9", "9:19.5", "19.5:9", "9:20", "20:9", "9:21", "21:9"),
)
WORDS = {
    "quality": {"auto", "low", "medium", "high", "xhigh", "max"},
    "background": {"auto", "transparent", "opaque"},
    "output_format": {"png", "jpeg", "webp", "svg"},
    "aspect_ratio": {"auto", *RATIOS},
}
KINDS = {
    **dict.fromkeys(("model", "prompt", "size", "user", *WORDS), str),
    **dict.fromkeys(("n", "seed", "output_compression"), int),
    "input_references": list,
    "stream": bool,
}
PRICE = 0.04


class OpenRouterBackend(CheckedBackend):
    """`url` is the base URL. A prompt that says "forbidden" is moderated, one that says "late" fails after its head."""

    @property
    def url(self) -> str:
        """The base URL."""
        return f"{self.origin}/api/v1"

    def error(self, failure: Status) -> bytes:
        """The envelope; `type` becomes a reason of the moderation."""
        metadata = {"reasons": [failure.type], "flagged_input": "..."} if failure.status == 403 else None
        return msgspec.json.encode(
            {"error": {"code": failure.status, "message": failure.message, "metadata": metadata}}
        )

    def error_event(self, failure: StreamError) -> bytes:
        """The `error` event."""
        error = {"code": failure.code, "message": failure.message, "param": failure.param, "type": failure.type}
        return event({"type": "error", "error": error})

    def make(self, request: Request, fields: Mapping[str, Any], parts: list[Part]) -> Reply:
        """As many pictures as asked, of the size asked."""
        if request.path != "/api/v1/images" or parts:
            raise Refusal(404, None, f"no route for POST {request.path}")
        check(fields)
        if "forbidden" in fields["prompt"]:
            raise Refusal(403, None, "Your chosen model requires moderation and your input was flagged")
        if "late" in fields["prompt"]:
            return Reply(200, msgspec.json.encode({"error": {"code": 502, "message": "the provider failed"}}))
        n = fields.get("n", 1)
        form = fields.get("output_format", "png")
        drawn = picture(fields.get("size", "1024x1024"), form)
        item = {"b64_json": drawn, "media_type": f"image/{form}"}
        if fields.get("stream"):
            finished = {"type": "image_generation.completed", **item, "created": 1, "usage": used(1)}
            return Reply(200, events=(b": alive\n\n", event(finished), b"data: [DONE]\n\n"))
        return Reply(200, msgspec.json.encode({"created": 1, "data": [item] * n, "usage": used(n)}))


def check(fields: Mapping[str, Any]) -> None:
    """Refuses whatever the schema has no room for, and `n` where one picture is all there is."""
    only(fields, KINDS)
    openai = str(fields.get("model", "")).startswith("openai/")
    if not fields.get("prompt") or "/" not in fields.get("model", ""):
        raise Refusal(400, None, "model and prompt are needed")
    for name, words in WORDS.items():
        if fields.get(name, "auto") not in words | {"auto"}:
            raise Refusal(400, None, f"{name}: no such word", name)
    if "size" in fields and (not re.fullmatch(r"\d+x\d+", fields["size"]) or "aspect_ratio" in fields):
        raise Refusal(400, None, "size: WxH, without an aspect_ratio", "size")
    if ("n" in fields or "stream" in fields) and not (openai and 1 <= fields.get("n", 1) <= 10):
        raise Refusal(400, None, "n, stream: not supported by this model")
    for reference in fields.get("input_references", []):
        address = reference["image_url"]["url"]
        if reference["type"] != "image_url" or not re.match(
            r"data:image/(png|jpeg|webp);base64,[A-Za-z0-9+/]", address
        ):
            raise Refusal(400, None, "input_references: data URIs of pictures", "input_references")


def used(n: int) -> dict[str, Any]:
    """What the answer says that the call used."""
    return {
        "prompt_tokens": 34,
        "completion_tokens": 1290 * n,
        "total_tokens": 34 + 1290 * n,
        "completion_tokens_details": {"image_tokens": 1290 * n, "reasoning_tokens": 0},
        "cost": PRICE * n,
        "is_byok": False,
    }


def event(body: Mapping[str, Any]) -> bytes:
    """One event; its name is only within."""
    return b"data: %b\n\n" % msgspec.json.encode(body)

"""Requests as the clients of other gateways send them, and what a backend of OpenAI's must be sent for each."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pictures import png

PROMPT = "a red kite"
CAT, HAT, SEA = png(64, 64, tint=10), png(96, 64, tint=20), png(128, 64, tint=30)
SQUARE = png(64, 64, alpha=True)
MASK = png(64, 64, alpha=True, tint=0)


def data_uri(picture: bytes) -> str:
    """A picture as clients write it into JSON."""
    return "data:image/png;base64," + base64.b64encode(picture).decode()


def file(picture: bytes, name: str = "a.png", media_type: str = "image/png") -> tuple[str, bytes, str]:
    """A picture as a part of a form."""
    return name, picture, media_type


def text(value: str) -> tuple[None, str]:
    """Text as a part of a form."""
    return None, value


def form(parts: Mapping[str, str], *files: tuple[str, Any]) -> dict[str, Any]:
    """A multipart body."""
    return {"files": [*((name, text(value)) for name, value in parts.items()), *files]}


@dataclass(frozen=True, slots=True)
class Example:
    """A request, and what reaches the backend: `sent` beside model, prompt and one picture; the `files`, in order."""

    gateway: str
    path: str
    body: Mapping[str, Any]
    sent: Mapping[str, Any] = field(default_factory=dict)
    files: tuple[tuple[str, bytes], ...] = ()
    prompt: str | None = PROMPT

    def __str__(self) -> str:
        return f"{self.gateway}: {self.path}"


def drawn(gateway: str, path: str, asked: Mapping[str, Any], sent: Mapping[str, Any]) -> Example:
    """A generation in JSON."""
    return Example(gateway, path, {"json": {"prompt": PROMPT, **asked}}, sent)


GPT = {"model": "gpt-image-2"}
LOOKS = {"size": "1024x1536", "quality": "high", "background": "opaque", "moderation": "low"}
PACKED = {"output_format": "webp", "output_compression": 80}
WHO = {"user": "user-77"}
KNOWN = {"safety_identifier": "user-77"}
V1, V2 = "/v1/images/generations", "/v2/router/images/generations"
EDITS, V2_EDITS, VARIATIONS, LEGACY = (
    "/v1/images/edits",
    "/v2/router/images/edits",
    "/v1/images/variations",
    "/v1/edits",
)
ONE = (("image", CAT),)
TWO = (("image[]", CAT), ("image[]", HAT))
CONTROLS = {
    "fallbacks": [{"model": "gpt-image-1.5"}],
    "retry": {"count": 2, "on_codes": [429, 503]},
    "cache": {"type": "exact_match", "ttl": 3600},
    "load_balancer": {"type": "weight_based", "models": [{"model": "openai/gpt-image-2", "weight": 1}]},
    "timeout": {"call_timeout": 30000},
    "orq": {"name": "n", "identity": {"id": "u1"}},
    "metadata": {"team": "x"},
}

EXAMPLES = (
    drawn("r9s", V1, {**GPT, **LOOKS, **PACKED, **WHO, "n": 1}, {**LOOKS, **PACKED, **KNOWN}),
    drawn("r9s, whose example names a model of chat", V1, {"model": "gpt-4o-mini", "n": 2}, {"n": 2}),
    drawn(
        "r9s, for dall-e-3",
        V1,
        {"model": "dall-e-3", "style": "vivid", "quality": "hd"},
        {"quality": "high", "size": "1024x1024"},
    ),
    Example("r9s, one data URI", EDITS, {"json": {**GPT, "prompt": PROMPT, "image": data_uri(CAT), "n": 1}}, files=ONE),
    Example(
        "r9s, several and a mask",
        EDITS,
        {"json": {**GPT, "prompt": PROMPT, "image": [data_uri(CAT), data_uri(HAT)], "mask": data_uri(MASK)}},
        files=(*TWO, ("mask", MASK)),
    ),
    drawn("nex", V1, {**GPT, **LOOKS, **PACKED, **WHO, "n": 2}, {**LOOKS, **PACKED, **KNOWN, "n": 2}),
    drawn("New-API", V1, {**GPT, "n": 1, "size": "1024x1024", "response_format": "b64_json"}, {"size": "1024x1024"}),
    Example(
        "New-API, a form",
        EDITS,
        form({**GPT, "prompt": PROMPT, "n": "2", "size": "1024x1024"}, ("image", file(CAT)), ("mask", file(MASK))),
        {"n": 2, "size": "1024x1024"},
        (*ONE, ("mask", MASK)),
    ),
    Example(
        "New-API, JSON",
        EDITS,
        {
            "json": {
                "model": "gpt-image-1.5",
                "prompt": PROMPT,
                "images": [{"image_url": data_uri(CAT)}, {"image_url": data_uri(HAT)}],
                "mask": {"image_url": data_uri(MASK)},
                "input_fidelity": "high",
                "quality": "low",
            }
        },
        {"model": "gpt-image-1.5", "input_fidelity": "high", "quality": "low"},
        (*TWO, ("mask", MASK)),
    ),
    Example("New-API, a form", LEGACY, form({**GPT, "prompt": PROMPT}, ("image", file(CAT))), files=ONE),
    Example("New-API, JSON", LEGACY, {"json": {**GPT, "prompt": PROMPT, "image": data_uri(CAT)}}, files=ONE),
    Example(
        "New-API",
        VARIATIONS,
        form({"model": "dall-e-2", "n": "2", "size": "1024x1024"}, ("image", file(SQUARE))),
        {"n": 2, "size": "1024x1024"},
        (("image", SQUARE),),
        prompt=None,
    ),
    drawn("fastapi.ai", V1, {**GPT, **LOOKS, **WHO, "n": 1, "response_format": "url"}, {**LOOKS, **KNOWN}),
    drawn("orq.ai", V2, {"model": "openai/gpt-image-2", "n": 1.0, **LOOKS, **CONTROLS}, LOOKS),
    Example(
        "orq.ai",
        V2_EDITS,
        form(
            {"model": "openai/gpt-image-2", "prompt": PROMPT, "n": "2.0", "fallbacks": '[{"model":"gpt-image-1.5"}]'},
            ("image", file(CAT)),
            ("mask", file(MASK)),
            ("retry", (None, '{"count":2.0,"on_codes":[429.0]}', "application/json")),
        ),
        {"n": 2},
        (*ONE, ("mask", MASK)),
    ),
    Example(
        "orq.ai",
        "/v2/router/images/variations",
        form(
            {"model": "openai/dall-e-2", "n": "1.0", "response_format": "url", "size": "1024x1024"},
            ("image", file(SQUARE)),
        ),
        {"size": "1024x1024"},
        (("image", SQUARE),),
        prompt=None,
    ),
    drawn("one-api, which needs no model", V1, {}, {}),
    drawn("one-api, for dall-e-2", V1, {"model": "dall-e-2", "n": 1, "size": "1024x1024"}, {"size": "1024x1024"}),
    drawn("Laisky", V1, {**GPT, "size": "1024x1536", "quality": "high"}, {"size": "1024x1536", "quality": "high"}),
    Example(
        "Laisky",
        EDITS,
        form({**GPT, "prompt": PROMPT, "quality": "medium"}, ("image[]", file(CAT)), ("image[]", file(HAT))),
        {"quality": "medium"},
        TWO,
    ),
)

# section 2, field by field: the model, what is asked, and what OpenAI's backend is sent for it
FIELDS: Mapping[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "the longest prompt": ("gpt-image-2", {"prompt": "x" * 32_000}, {"prompt": "x" * 32_000}),
    "the longest prompt of dall-e-3": ("dall-e-3", {"prompt": "é" * 4000}, {"prompt": "é" * 4000}),
    "n": ("gpt-image-2", {"n": 10}, {"n": 10}),
    **{
        f"size {size}": ("gpt-image-2", {"size": size}, {"size": "1536x1024"})
        for size in ("1536x1024", "1536*1024", "1536\u00d71024", "1536X1024", "1536 1024", "1536 x 1024")
    },
    "size auto": ("gpt-image-2", {"size": "auto"}, {}),
    **{f"quality {word}": ("gpt-image-2", {"quality": word}, {"quality": word}) for word in ("low", "medium", "high")},
    "quality auto": ("gpt-image-2", {"quality": "auto"}, {"quality": "auto"}),
    "quality standard": ("dall-e-3", {"quality": "standard"}, {"quality": "medium"}),
    "quality hd": ("dall-e-3", {"quality": "hd"}, {"quality": "high"}),
    "response_format": ("gpt-image-2", {"response_format": "url"}, {}),
    "style vivid": ("dall-e-3", {"style": "vivid"}, {}),
    "style natural": ("any", {"style": "natural"}, {}),
    "background": (
        "gpt-image-2",
        {"background": "transparent", "output_format": "png"},
        {"background": "transparent", "output_format": "png"},
    ),
    "moderation": ("gpt-image-2", {"moderation": "low"}, {"moderation": "low"}),
    "output_format": ("gpt-image-2", {"output_format": "jpeg"}, {"output_format": "jpeg"}),
    "output_compression": (
        "gpt-image-2",
        {"output_format": "jpeg", "output_compression": 0},
        {"output_format": "jpeg", "output_compression": 0},
    ),
    "partial_images without a stream": ("gpt-image-2", {"partial_images": 3, "stream": False}, {}),
    "user": ("gpt-image-2", {"user": "user-77"}, {"safety_identifier": "user-77"}),
    "nothing in many words": ("gpt-image-2", {"n": None, "size": None, "quality": None}, {}),
    "the extras of other providers": (
        "gpt-image-2",
        {"watermark": True, "watermark_enabled": False, "user_id": "u"},
        {},
    ),
    "what is in extra_fields": ("gpt-image-2", {"extra_fields": {"watermark": True, "n": 5}}, {}),
}
# the model, its backend's kind, fields of New-API's clients, and what of them that backend is sent
EXTRAS: Mapping[str, tuple[str, str, dict[str, Any], dict[str, Any]]] = {
    "watermark": ("seedream", "volcengine", {"watermark": True, "watermark_enabled": True}, {"watermark": True}),
    "watermark at Qwen": ("qwen", "dashscope", {"watermark": True}, {"watermark": True}),
    "watermark in extra_fields": ("qwen", "dashscope", {"extra_fields": {"watermark": True}}, {"watermark": True}),
    "watermark_enabled and user_id": (
        "cogview",
        "zhipu",
        {"watermark_enabled": False, "user_id": "user-77", "watermark": True},
        {"watermark_enabled": False, "user_id": "user-77"},
    ),
}

# section 3: the shapes of an edit's pictures in JSON, and what they come to
JSON_SHAPES: Mapping[str, tuple[Mapping[str, Any], tuple[tuple[str, bytes], ...]]] = {
    "a data URI": ({"image": data_uri(CAT)}, ONE),
    "raw base64": ({"image": base64.b64encode(CAT).decode()}, ONE),
    "an address": ({"image": "https://pictures.example/cat.png"}, ONE),
    "an array": (
        {"image": [data_uri(CAT), "https://pictures.example/cat.png", base64.b64encode(HAT).decode()]},
        (("image[]", CAT), ("image[]", CAT), ("image[]", HAT)),
    ),
    "images of strings": ({"images": [data_uri(CAT), data_uri(HAT)]}, TWO),
    "images of objects": ({"images": [{"image_url": data_uri(CAT)}, {"image_url": data_uri(HAT)}]}, TWO),
    "images of nested objects": ({"images": [{"image_url": {"url": data_uri(CAT)}}]}, ONE),
    "image and images alike": ({"image": data_uri(CAT), "images": [data_uri(CAT)]}, ONE),
    "a mask as text": ({"image": data_uri(CAT), "mask": data_uri(MASK)}, (*ONE, ("mask", MASK))),
    "a mask as an object": (
        {"images": [{"image_url": data_uri(CAT)}], "mask": {"image_url": data_uri(MASK)}},
        (*ONE, ("mask", MASK)),
    ),
    "a mask as a nested object": (
        {"image": data_uri(CAT), "mask": {"image_url": {"url": data_uri(MASK)}}},
        (*ONE, ("mask", MASK)),
    ),
    "another name for the type": ({"image": data_uri(CAT).replace("image/png", "image/jpeg")}, ONE),
}
THREE = (("image[]", CAT), ("image[]", HAT), ("image[]", SEA))
# the same in a form
FORM_SHAPES: Mapping[str, tuple[list[tuple[str, Any]], tuple[tuple[str, bytes], ...]]] = {
    "image": ([("image", file(CAT))], ONE),
    "image, again": ([("image", file(CAT)), ("image", file(HAT)), ("image", file(SEA))], THREE),
    "image[]": ([("image[]", file(CAT)), ("image[]", file(HAT)), ("image[]", file(SEA))], THREE),
    "image[0]": ([("image[0]", file(CAT)), ("image[1]", file(HAT)), ("image[2]", file(SEA))], THREE),
    "text between files": ([("image[]", file(CAT)), ("image[]", text(data_uri(HAT))), ("image[]", file(SEA))], THREE),
    "text": ([("image", text(data_uri(CAT)))], ONE),
    "an address": ([("image", text("https://pictures.example/cat.png"))], ONE),
    "a mask": ([("mask", file(MASK)), ("image", file(CAT))], (*ONE, ("mask", MASK))),
    "a wrong name and type": ([("image", file(CAT, "photo.jpg", "image/jpeg"))], ONE),
    "no type": ([("image", file(CAT, "upload", "application/octet-stream"))], ONE),
}

"""stable-diffusion.cpp's server: a prompt may hold a tag that says the rest, of which only the first counts."""

import io
import re
from collections.abc import Mapping
from typing import Any

import msgspec
from PIL import Image

from backends.drawing import picture
from backends.fields import Legal, any_text, number
from backends.ledger import Record
from backends.openai import Part, Refusal, body_of
from backends.server import Reply, Request, Server, Status

TAG = re.compile(r"<sd_cpp_extra_args>(.*?)</sd_cpp_extra_args>")
EXTRA: Mapping[str, Legal] = {
    "seed": number(-1, 1 << 62, 1),
    "negative_prompt": any_text,
    "strength": number(0, 1),
    "clip_skip": number(-1, 12, 1),
    "batch_count": number(1, 99, 1),
    "sample_params": lambda value: isinstance(value, dict),
}
SAMPLING: Mapping[str, Legal] = {
    "sample_steps": number(1, 1000, 1),
    "sample_method": any_text,
    "scheduler": any_text,
    "guidance": lambda value: isinstance(value, dict) and set(value) == {"txt_cfg"} and value["txt_cfg"] >= 0,
}
FIELDS = frozenset({"prompt", "n", "size", "output_format", "output_compression"})


class SdCppBackend(Server):
    """`url` is the base URL, and there is no key. The ledger's fields hold the tag's content as `extra`."""

    def __init__(self) -> None:
        super().__init__()
        self.masks: list[bytes] = []

    @property
    def url(self) -> str:
        """The base URL."""
        return f"{self.origin}/v1"

    def error(self, failure: Status) -> bytes:
        """A word, or for a failure that nobody foresaw a word and a sentence."""
        if failure.code is None:
            return msgspec.json.encode({"error": failure.message})
        return msgspec.json.encode({"error": failure.code, "message": failure.message})

    def answer(self, request: Request) -> Reply:
        """Pictures, or what is wrong."""
        fields: dict[str, Any] = {}
        parts: list[Part] = []
        try:
            operation = self._operation(request)
            fields, parts = body_of(request)
            fields = sound(fields, operation)
            if operation == "edits":
                self._look_at(fields, parts)
        except Refusal as refusal:
            failure = refusal.failure
            return Reply(failure.status, self.error(failure), record=_record(request, fields, parts, failure.status))
        return Reply(200, drawn(fields), record=_record(request, fields, parts, 200))

    def _operation(self, request: Request) -> str:
        found = re.fullmatch(r"/v1/images/(generations|edits)", request.path)
        if found is None or request.method != "POST":
            raise Refusal(404, None, "")
        form = request.headers.get("content-type", "").startswith("multipart/form-data")
        if form != (found[1] == "edits"):
            raise Refusal(400, None, "Content-Type must be multipart/form-data")
        return found[1]

    def _look_at(self, fields: dict[str, Any], parts: list[Part]) -> None:
        """The pictures: an edit without a size is as large as the first."""
        images = [part.data for part in parts if part.name in {"image", "image[]"}]
        if not images:
            raise Refusal(400, None, "at least one image[] required")
        with Image.open(io.BytesIO(images[0])) as opened:
            fields.setdefault("size", f"{opened.width}x{opened.height}")
        self.masks += [part.data for part in parts if part.name == "mask"]


def sound(fields: dict[str, Any], operation: str) -> dict[str, Any]:
    """The fields with the tag's content apart; refuses what is illegal."""
    formats = ("png", "jpeg") if operation == "edits" else ("png", "jpeg", "webp")
    if fields.keys() - FIELDS:
        raise Refusal(400, None, f"ignored: {fields.keys() - FIELDS}")
    if fields.get("output_format", "png") not in formats:
        raise Refusal(400, None, f"invalid output_format, must be one of {formats}")
    prompt = fields.get("prompt", "")
    if not prompt:
        raise Refusal(400, None, "prompt required")
    tag = TAG.search(prompt)
    extra = msgspec.json.decode(tag[1]) if tag else {}
    legal(extra, EXTRA)
    legal(extra.get("sample_params", {}), SAMPLING)
    return {**fields, "prompt": TAG.sub("", prompt).rstrip(), "extra": extra}


def legal(values: Mapping[str, Any], rules: Mapping[str, Legal]) -> None:
    """Refuses what the tag may not hold."""
    for name, value in values.items():
        if name not in rules or not rules[name](value):
            raise Refusal(400, None, "invalid sd_cpp_extra_args")


def _record(request: Request, fields: Mapping[str, Any], parts: list[Part], status: int) -> Record:
    return Record(
        path=request.path,
        model=None,
        n=fields.get("extra", {}).get("batch_count", fields.get("n", 1)),
        fields=fields,
        files=tuple((part.name, part.media_type or "", len(part.data)) for part in parts),
        headers=request.headers,
        status=status,
        billed=status == 200,
    )


def drawn(fields: Mapping[str, Any]) -> bytes:
    """As many pictures as were asked."""
    form = fields.get("output_format", "png")
    size, n = fields.get("size", "512x512"), fields.get("n", 1)
    data = [{"b64_json": picture(size, form, shade)} for shade in range(n)]
    return msgspec.json.encode({"created": 1763670000, "data": data, "output_format": form})


def white(mask: bytes) -> list[bool]:
    """Which pixels of a mask's first row are white."""
    with Image.open(io.BytesIO(mask)) as opened:
        grey = opened.convert("L")
        return [grey.getpixel((column, 0)) == 255 for column in range(grey.width)]

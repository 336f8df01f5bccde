"""Ideogram's second API: a path for each action and model, forms where there are files, and results by polling."""

import io
import re
from typing import Any

import msgspec
from PIL import Image

from backends.openai import Part, Refusal
from backends.server import Reply, Request, Status
from backends.strict import Rules, StrictBackend, Test, Work, check, check_files, levels, text, truth, whole, words

_2K = (
    *("2048x2048", "1440x2880", "2880x1440", "1664x2496", "2496x1664", "1792x2240", "2240x1792", "1440x2560"),
    *("2560x1440", "1600x2560", "2560x1600", "1728x2304", "2304x1728"),
)
_RATIOS = [
    "1x3",
    "3x1",
    "1x2",
    "2x1",
    "9x16",
    "16x9",
    "10x16",
    "16x10",
    "2x3",
    "3x2",
    "3x4",
    "4x3",
    "4x5",
    "5x4",
    "1x1",
]
_COMMON: Rules = {
    "prompt": lambda value: text(value) and len(value) <= 10_000,
    "num_images": whole(1, 8),
    "seed": whole(0, 2**31 - 1),
    "async": truth,
}
_MAGIC: Rules = {"magic_prompt": words("auto", "on", "off")}
_SPEED: Rules = {**_MAGIC, "rendering_speed": words("turbo", "default", "quality")}
_SPEED_3: Rules = {**_SPEED, "style_type": words("auto", "general", "realistic", "design")}
_SHAPE_3: Rules = {"aspect_ratio": words(*_RATIOS), "negative_prompt": text}


def _grid(area: int) -> Test:
    def test(value: Any) -> bool:
        found = re.fullmatch(r"(\d+)x(\d+)", str(value))
        if found is None:
            return False
        width, height = int(found[1]), int(found[2])
        even = width % 32 == height % 32 == 0 and min(width, height) >= 256
        return even and max(width, height) <= min(4096, 6 * min(width, height)) and width * height <= area

    return test


_QUALITY: Rules = {"quality": words("low", "medium", "high")}
_4_5: Rules = {**_MAGIC, **_QUALITY}
ACTIONS: dict[str, tuple[Rules, dict[str, int]]] = {
    "generate/ideogram-4-6": ({**_QUALITY, "size": _grid(1 << 24)}, {"images": 5}),
    "generate/ideogram-4-5": ({**_4_5, "size": words("auto", "1024x1024", *_2K)}, {}),
    "edit/ideogram-4-5": (
        {**_4_5, "size": lambda value: value == "source" or _grid(1 << 22)(value)},
        {"images": 5, "mask": 1},
    ),
    "remix/ideogram-4-5": (
        {**_4_5, "size": words("auto", "1024x1024", *_2K), "image_weight": whole(1, 100)},
        {"image": 1},
    ),
    "generate/ideogram-4": ({**_SPEED, "resolution": words(*_2K)}, {}),
    "remix/ideogram-4": ({**_SPEED, "resolution": words(*_2K), "image_weight": whole(1, 100)}, {"image": 1}),
    "generate/ideogram-3": ({**_SPEED_3, **_SHAPE_3}, {}),
    "inpaint/ideogram-3": (_SPEED_3, {"image": 1, "mask": 1}),
    "generate/ideogram-3-transparent": ({**_SPEED, **_SHAPE_3}, {}),
}
ID = "aGVsbG8-d29y_bGQ"


class IdeogramBackend(StrictBackend):
    """`url` is the base URL. A prompt with `forbidden` is refused, one with `shy` is drawn and kept back."""

    def __init__(self) -> None:
        super().__init__()
        self.masks: list[bytes] = []
        self._asked: dict[str, Any] = {}

    @property
    def url(self) -> str:
        """The base URL."""
        return self.origin

    def key(self, request: Request) -> str:
        """The key in a header of its own."""
        return request.headers.get("api-key", "")

    def error(self, failure: Status) -> bytes:
        """Its envelope."""
        reason = {"reject_reason": failure.code} if failure.status == 402 else {}
        return msgspec.json.encode({"error": failure.message, **reason})

    def free(self, request: Request) -> Reply | None:
        """How the last work is getting on."""
        if request.method != "GET":
            return None
        if request.path != f"/v2/generations/{ID}":
            raise Refusal(404, "not_found", "Generation not found")
        state = self.next_poll() or "completed"
        said = {"generation_id": ID, "status": state.partition(":")[0], "created": "2026-11-20T10:00:00Z"}
        if state.startswith("failed"):
            said["failure_reason"] = state.partition(":")[2]
        elif state == "completed":
            said |= {"response_type": "url", "data": self._items(), "usage_cost_usd_micros": 60_000}
        return Reply(200, msgspec.json.encode(said))

    def _items(self) -> list[dict[str, Any]]:
        safe = "shy" not in self._asked["prompt"]
        url = f"{self.origin}/ephemeral/a.png?exp=1&sig=s"
        item = {"object_type": "image", "prompt": self._asked["prompt"], "resolution": "2048x2048"}
        return [{**item, "url": url if safe else None, "is_image_safe": safe}] * self._asked["num_images"]

    def work(self, request: Request, fields: dict[str, Any], files: list[Part]) -> Work:
        """An id, by which the pictures can be asked for."""
        action = request.path.removeprefix("/v2/image/")
        if action == "generate/ideogram-4-5" and files:
            action = "edit/ideogram-4-5"
        if action not in ACTIONS:
            raise Refusal(404, "not_found", "Unknown model")
        rules, most = ACTIONS[action]
        check(fields, {**_COMMON, **rules})
        check_files(files, most)
        names = {part.name for part in files}
        if action.startswith(("inpaint", "remix")) and names != set(most):
            raise Refusal(400, "invalid", "A picture is missing.")
        if "mask" in names:
            self.masks.append(_mask(files))
        if "forbidden" in fields["prompt"]:
            raise Refusal(422, None, "Prompt provided failed safety check due to the inclusion of prohibited content.")
        if not fields.get("async"):
            raise Refusal(400, "invalid", "This backend's pictures are all fetched later.")
        self._asked = fields
        body = msgspec.json.encode({"generation_id": ID})
        return Work(model=action.partition("/")[2], n=fields.get("num_images", 1), body=body)


def _mask(files: list[Part]) -> bytes:
    """The mask, which must be of two levels, both there, without alpha, and as large as the first picture."""
    mask = next(part.data for part in files if part.name == "mask")
    with Image.open(io.BytesIO(files[0].data)) as drawn, Image.open(io.BytesIO(mask)) as masked:
        if masked.mode not in ("L", "RGB") or masked.size != drawn.size or levels(masked) != {0, 255}:
            raise Refusal(400, "invalid", "The mask must be black and white, as large as the image.")
    return mask

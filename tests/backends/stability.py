"""Stability AI's v2beta as its reference has it: forms only, one picture a call, strict about what it is sent."""

import io
from base64 import b64encode
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import msgspec
from PIL import Image, ImageFilter

from backends.drawing import picture
from backends.ledger import Record
from backends.openai import Part, Refusal, body_of
from backends.repaint import repainted
from backends.server import Reply, Request, Server, Status

RATIOS = {
    "21:9": "1536x640",
    "16:9": "1344x768",
    "3:2": "1216x832",
    "5:4": "1088x896",
    "1:1": "1024x1024",
    "4:5": "896x1088",
    "2:3": "832x1216",
    "9:16": "768x1344",
    "9:21": "640x1536",
}
FORMATS = frozenset({"png", "jpeg", "webp"})
STYLES = frozenset({"enhance", "anime", "photographic", "pixel-art", "cinematic"})
SD3 = frozenset({"sd3.5-large", "sd3.5-large-turbo", "sd3.5-medium"})
JOB = "a6dc6c6e20acda010fe14d71f180658f2896ed9b4ec25aa99a6ff06c796987c4"
NUMBERS = {
    "seed": (0, 4_294_967_294),
    "strength": (0, 1),
    "grow_mask": (0, 20),
    "cfg_scale": (1, 10),
    "left": (0, 2000),
    "right": (0, 2000),
    "up": (0, 2000),
    "down": (0, 2000),
    "creativity": (0, 1),
    "control_strength": (0, 1),
    "fidelity": (0, 1),
}


@dataclass(frozen=True, slots=True)
class Rules:
    """What one service takes: fields, files, and which of them it needs."""

    fields: frozenset[str]
    files: frozenset[str] = frozenset()
    needs: frozenset[str] = frozenset()
    formats: frozenset[str] = FORMATS


def rules(fields: str, files: str = "", needs: str = "", formats: Iterable[str] = FORMATS) -> Rules:
    """The same from words."""
    return Rules(*(frozenset(words.split()) for words in (fields, files, needs)), frozenset(formats))


_GUIDED = "prompt negative_prompt seed output_format"
SERVICES: Mapping[str, Rules] = {
    "generate/ultra": rules(f"{_GUIDED} aspect_ratio strength", "image", "prompt"),
    "generate/core": rules(f"{_GUIDED} aspect_ratio style_preset", "", "prompt"),
    "generate/sd3": rules(
        f"{_GUIDED} aspect_ratio strength mode model cfg_scale", "image", "prompt model", {"png", "jpeg"}
    ),
    "edit/inpaint": rules(f"{_GUIDED} grow_mask", "image mask", "prompt image"),
    "edit/erase": rules("grow_mask seed output_format", "image mask", "image"),
    "edit/outpaint": rules("prompt seed output_format creativity left right up down", "image", "image"),
    "edit/search-and-replace": rules(f"{_GUIDED} search_prompt grow_mask", "image", "prompt search_prompt image"),
    "edit/search-and-recolor": rules(f"{_GUIDED} select_prompt grow_mask", "image", "prompt select_prompt image"),
    "edit/remove-background": rules("output_format", "image", "image", {"png", "webp"}),
    "edit/replace-background-and-relight": rules(
        "background_prompt seed output_format", "subject_image", "subject_image background_prompt"
    ),
    "control/sketch": rules(f"{_GUIDED} control_strength", "image", "prompt image"),
    "control/structure": rules(f"{_GUIDED} control_strength", "image", "prompt image"),
    "control/style": rules(f"{_GUIDED} fidelity aspect_ratio", "image", "prompt image"),
}


class StabilityBackend(Server):
    """`url` is the base URL. Any key will do but `bad-key`; a prompt with `forbidden` is refused, with `blur` blurred.

    `polls` are the statuses of the next polls; once they are used up, the job is done.
    """

    def __init__(self) -> None:
        super().__init__()
        self.polls: deque[int] = deque()
        self.polled = 0
        self.masks: list[bytes] = []

    @property
    def url(self) -> str:
        """The base URL."""
        return self.origin

    def error(self, failure: Status) -> bytes:
        """Its envelope."""
        return msgspec.json.encode({"id": "4212a4b6", "name": failure.code, "errors": [failure.message]})

    def answer(self, request: Request) -> Reply:
        """Checks as the backend would, draws, and writes down both."""
        record = Record(path=request.path, model=None, n=1, fields={}, headers=request.headers, status=200, billed=True)
        try:
            authorise(request)
            if request.method == "GET":
                return self._poll(request)
            service, fields, parts = self._taken(request)
            record = replace(record, fields=fields, files=listed(parts), model=fields.get("model"))
            check(service, fields, parts)
            self.masks += [part.data for part in parts if part.name == "mask"]
        except Refusal as refusal:
            failure = refusal.failure
            return Reply(
                failure.status,
                self.error(failure),
                record=replace(record, status=failure.status, billed=False) if request.method == "POST" else None,
            )
        form = fields.get("output_format", "png")
        if service.endswith("relight"):
            return Reply(200, msgspec.json.encode({"id": JOB}), record=record)
        head = {"content-type": f"application/json; type=image/{form}"}
        return Reply(200, drawn(fields, parts, form), head, record)

    def _taken(self, request: Request) -> tuple[str, dict[str, Any], list[Part]]:
        prefix, _, service = request.path.partition("/v2beta/stable-image/")
        if prefix or service not in SERVICES:
            raise Refusal(404, "not_found", "not found")
        if len(request.body) > 10 << 20:
            raise Refusal(413, "payload_too_large", "the request is larger than 10 MiB")
        if not request.headers.get("content-type", "").startswith("multipart/form-data"):
            raise Refusal(400, "bad_request", "content-type: must be multipart/form-data")
        if request.headers.get("accept") not in {"application/json", "image/*"}:
            raise Refusal(400, "bad_request", "accept: must be image/* or application/json")
        return service, *body_of(request)

    def _poll(self, request: Request) -> Reply:
        self.polled += 1
        if request.path != f"/v2beta/results/{JOB}":
            raise Refusal(404, "not_found", "the result was not found")
        status = self.polls.popleft() if self.polls else 200
        if status == 202:
            return Reply(202, msgspec.json.encode({"id": JOB, "status": "in-progress"}))
        if status != 200:
            return Reply(status, self.error(Status(status, "internal_error")))
        return Reply(200, drawn({}, [], "png"))


def authorise(request: Request) -> None:
    """Refuses a missing key and the bad one."""
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    if scheme != "Bearer" or key in {"", "bad-key"}:
        raise Refusal(401, "unauthorized", "missing or invalid authorization header")


def listed(parts: list[Part]) -> tuple[tuple[str, str, int], ...]:
    """The files, as the ledger has them."""
    return tuple((part.name, part.media_type or "", len(part.data)) for part in parts)


def check(service: str, fields: Mapping[str, Any], parts: list[Part]) -> None:
    """Refuses whatever the service does not take."""
    known = SERVICES[service]
    files = {part.name: part for part in parts}
    for name in (fields.keys() - known.fields) | (files.keys() - known.files):
        raise Refusal(400, "bad_request", f"{name}: is not allowed")
    for name in known.needs - fields.keys() - files.keys():
        raise Refusal(400, "bad_request", f"{name}: is required")
    check_words(known, fields)
    for name, (low, high) in NUMBERS.items():
        if name in fields and not low <= float(fields[name]) <= high:
            raise Refusal(400, "bad_request", f"{name}: must be between {low} and {high}")
    for part in parts:
        check_picture(part)
    if service.startswith("generate/"):
        check_mode(service, fields, redrawn="image" in files)
    if service == "edit/outpaint" and not any(float(fields.get(side, 0)) for side in ("left", "right", "up", "down")):
        raise Refusal(400, "bad_request", "left, right, up, down: at least one must not be zero")
    if "forbidden" in fields.get("prompt", ""):
        raise Refusal(403, "content_moderation", "Your request was flagged by our content moderation system.")


def check_words(known: Rules, fields: Mapping[str, Any]) -> None:
    """Refuses words outside of their lists."""
    legal = {"aspect_ratio": RATIOS, "output_format": known.formats, "style_preset": STYLES, "model": SD3}
    for name, words in legal.items():
        if name in fields and fields[name] not in words:
            raise Refusal(400, "bad_request", f"{name}: must be one of {', '.join(sorted(words))}")
    if not 1 <= len(fields.get("prompt", "x")) <= 10_000:
        raise Refusal(400, "bad_request", "prompt: must be 1 to 10000 characters long")


def check_mode(service: str, fields: Mapping[str, Any], *, redrawn: bool) -> None:
    """A picture needs a strength and forbids a ratio; without one it is the other way round."""
    if redrawn != ("strength" in fields) or (redrawn and "aspect_ratio" in fields):
        raise Refusal(400, "bad_request", "strength: goes with image, and aspect_ratio without")
    if service == "generate/sd3":
        if fields.get("mode", "text-to-image") != ("image-to-image" if redrawn else "text-to-image"):
            raise Refusal(400, "bad_request", "mode: must say whether there is an image")
        if fields["model"].endswith("turbo") and "negative_prompt" in fields:
            raise Refusal(400, "bad_request", "negative_prompt: is not allowed")


def check_picture(part: Part) -> None:
    """Refuses what is no picture, and a mask that is not grey."""
    try:
        with Image.open(io.BytesIO(part.data)) as image:
            (width, height), mode, kind = image.size, image.mode, image.format or ""
    except OSError as error:
        raise Refusal(400, "bad_request", f"{part.name}: is not a valid image") from error
    if kind.lower() not in FORMATS or min(width, height) < 64 or not 4_096 <= width * height <= 9_437_184:
        raise Refusal(400, "bad_request", f"{part.name}: has the wrong size or format")
    if part.name == "mask" and mode != "L":
        raise Refusal(400, "bad_request", "mask: must be grey")


def drawn(fields: Mapping[str, Any], parts: list[Part], form: str) -> bytes:
    """The documented answer: a new picture has the ratio asked, a changed one the size of its input."""
    size = RATIOS[fields.get("aspect_ratio", "1:1")]
    if parts and "aspect_ratio" not in fields:
        with Image.open(io.BytesIO(parts[0].data)) as image:
            size = f"{image.width}x{image.height}"
    files = {part.name: part.data for part in parts}
    image = inpainted(fields, files, form) if "mask" in files else picture(size, form)
    reason = "CONTENT_FILTERED" if "blur" in fields.get("prompt", "") else "SUCCESS"
    return msgspec.json.encode({"image": image, "finish_reason": reason, "seed": 1_204_837_711})


def inpainted(fields: Mapping[str, Any], files: Mapping[str, bytes], form: str) -> str:
    """The picture under its mask, the mask grown by five pixels unless another number is given."""
    grown = int(fields.get("grow_mask", 5))
    with Image.open(io.BytesIO(files["mask"])) as mask:
        area = mask.filter(ImageFilter.MaxFilter(2 * grown + 1))
    return b64encode(repainted(files["image"], area, form)).decode()


def white(mask: bytes) -> list[bool]:
    """Which of a mask's pixels are white, row by row."""
    with Image.open(io.BytesIO(mask)) as image:
        return [value == 255 for value in image.tobytes()]

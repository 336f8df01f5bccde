"""OpenAI's Images API as its live models have it: strict about what it is sent."""

import io
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import msgspec
from PIL import Image

from backends.drawing import drawn, event, streamed
from backends.ledger import Record
from backends.server import Reply, Request, Server, Status
from backends.streams import StreamError

LIVE = (
    *("gpt-image-2.6-sunburst", "gpt-image-2.6-flare", "gpt-image-2.5-sunburst", "gpt-image-2.5-flare"),
    *("gpt-image-2.5-sunburst-2026-09-08", "gpt-image-2.5-flare-2026-09-08", "gpt-image-2", "gpt-image-2-2026-04-21"),
    *("gpt-image-1.5", "gpt-image-1.5-2025-12-16", "gpt-image-1-mini", "chatgpt-image-latest"),
)
MEDIA_TYPES = {b"\x89PNG": "image/png", b"\xff\xd8\xff": "image/jpeg", b"RIFF": "image/webp"}
LISTED = frozenset({"auto", "1024x1024", "1536x1024", "1024x1536"})
INTEGERS = frozenset({"n", "output_compression", "partial_images"})
BOOLEANS = {"true": True, "false": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What one model takes: field -> legal words (None: any text), on edits over those of `words`.

    `fewest_looks` is the least `partial_images` that may be named.
    """

    words: Mapping[str, frozenset[str] | None]
    edit_words: Mapping[str, frozenset[str] | None]
    any_size: bool
    fewest_looks: int = 0
    inputs: frozenset[str] = frozenset(MEDIA_TYPES.values())


class Refusal(Exception):  # noqa: N818 - an answer, not a fault
    """A request that is answered with an error."""

    def __init__(self, status: int, code: str | None, message: str, param: str | None = None) -> None:
        self.failure = Status(status, code, "invalid_request_error", message, param)


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a form; a file where it has a file name."""

    name: str
    data: bytes
    filename: str | None = None
    media_type: str | None = None


class OpenAIBackend(Server):
    """`url` is the provider's base URL. Any key will do but `bad-key`."""

    @property
    def url(self) -> str:
        """The base URL."""
        return f"{self.origin}/v1"

    def error(self, failure: Status) -> bytes:
        """OpenAI's envelope."""
        names = ("message", "type", "param", "code")
        return msgspec.json.encode({"error": {name: getattr(failure, name) for name in names}})

    def error_event(self, failure: StreamError) -> bytes:
        """OpenAI's `error` event."""
        names = ("type", "code", "message", "param")
        return event("error", {"error": {name: getattr(failure, name) for name in names}})

    def answer(self, request: Request) -> Reply:
        """Checks as the backend would, draws, and writes down both."""
        record = Record(path=request.path, model=None, n=1, fields={}, headers=request.headers, status=200, billed=True)
        try:
            self.authorise(request)
            if request.method == "GET":
                return self.listing(request)
            fields, parts = body_of(request)
            files = tuple((part.name, part.media_type or "", len(part.data)) for part in parts)
            record = replace(record, fields=fields, files=files)
            operation, model = self.resolve(request, fields)
            record = replace(record, model=model, n=integer(fields, "n", 1, 1, 10))
            check(fields, parts, self.rules(model), operation)
        except Refusal as refusal:
            failure = refusal.failure
            record = replace(record, status=failure.status, billed=False)
            return Reply(failure.status, self.error(failure), failure.headers, record)
        head = {"x-request-id": f"req_{len(self.ledger)}"}
        inputs = sum(part.name.startswith("image") for part in parts)
        if fields.get("stream"):
            return Reply(200, headers=head, record=record, events=streamed(fields, inputs, record.n, operation))
        return Reply(200, drawn(fields, inputs, record.n), head, record)

    def authorise(self, request: Request) -> None:
        """Refuses a missing key and the bad one."""
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or key in {"", "bad-key"}:
            raise Refusal(401, "invalid_api_key", "Incorrect API key provided.")

    def listing(self, request: Request) -> Reply:
        """The models there are."""
        if request.path != "/v1/models":
            raise Refusal(404, None, f"Invalid URL (GET {request.path})")
        data = [{"id": name, "object": "model", "created": 1763670000, "owned_by": "system"} for name in LIVE]
        return Reply(200, msgspec.json.encode({"object": "list", "data": data}))

    def resolve(self, request: Request, fields: Mapping[str, Any]) -> tuple[str, str]:
        """The operation and the model."""
        found = re.fullmatch(r"/v1/images/(generations|edits)", request.path)
        if found is None:
            raise Refusal(404, None, f"Invalid URL (POST {request.path})")
        model = fields.get("model")
        if model not in LIVE:
            raise Refusal(404, "model_not_found", f"The model '{model}' does not exist.")
        return found[1], str(model)

    def rules(self, model: str) -> Rules:
        """What a live model takes."""
        return live_rules(model)


def live_rules(model: str) -> Rules:
    """What OpenAI says that its models take."""
    qualities = {"auto", "low", "medium", "high"}
    if model.startswith(("gpt-image-2.5", "gpt-image-2.6")):
        qualities |= {"xhigh", "max"}
    fidelities = {"high", "low"} if model.startswith("gpt-image-1.5") else {"low"}
    return Rules(
        words={
            "model": None,
            "prompt": None,
            "quality": frozenset(qualities),
            "background": frozenset({"auto", "opaque", "transparent"}),
            "output_format": frozenset({"png", "jpeg", "webp"}),
            "moderation": frozenset({"auto", "low"}),
            "user": None,
            "safety_identifier": None,
        },
        edit_words={"input_fidelity": frozenset(fidelities)} if model.startswith("gpt-image-1") else {},
        any_size=model.startswith("gpt-image-2"),
    )


def check(fields: Mapping[str, Any], parts: list[Part], rules: Rules, operation: str) -> None:
    """Refuses whatever the model does not take."""
    words = {**rules.words, **(rules.edit_words if operation == "edits" else {})}
    for name, value in fields.items():
        if name in INTEGERS or name in {"size", "stream"}:
            continue
        if name not in words:
            raise Refusal(400, "unknown_parameter", f"Unknown parameter: '{name}'.", name)
        legal = words[name]
        if not isinstance(value, str) or not value or (legal is not None and value not in legal):
            raise Refusal(400, "invalid_value", f"Invalid value: '{value}'.", name)
    if not fields.get("prompt"):
        raise Refusal(400, "missing_required_parameter", "Missing required parameter: 'prompt'.", "prompt")
    form = fields.get("output_format", "png")
    if integer(fields, "output_compression", 100, 0, 100) != 100 and form == "png":
        raise Refusal(400, "invalid_value", "Compression is only for jpeg and webp.", "output_compression")
    if fields.get("background") == "transparent" and form == "jpeg":
        raise Refusal(400, "invalid_value", "A transparent background needs png or webp.", "background")
    check_stream(fields, rules)
    check_size(fields.get("size", "auto"), any_size=rules.any_size)
    if operation == "edits":
        check_pictures(parts, rules)
    elif parts:
        raise Refusal(400, "invalid_request_body", "Generations take JSON.")


def check_stream(fields: Mapping[str, Any], rules: Rules) -> None:
    """Refuses what asks for no proper stream."""
    if type(fields.get("stream", False)) is not bool:
        raise Refusal(400, "invalid_value", f"Invalid value: '{fields['stream']}'.", "stream")
    if "partial_images" in fields:
        integer(fields, "partial_images", 0, rules.fewest_looks, 3)


def check_size(size: Any, *, any_size: bool) -> None:
    """Refuses a size that the model does not draw."""
    found = re.fullmatch(r"(\d+)x(\d+)", size) if isinstance(size, str) else None
    if found and any_size:
        width, height = int(found[1]), int(found[2])
        even = width % 16 == 0 and height % 16 == 0 and 655_360 <= width * height <= 8_294_400
        if even and max(width, height) <= min(3840, 3 * min(width, height)):
            return
    if size not in LISTED:
        raise Refusal(400, "invalid_value", f"Invalid value: '{size}'.", "size")


def check_pictures(parts: list[Part], rules: Rules) -> None:
    """Refuses pictures that are misnamed, misdescribed or too many, and a mask that does not fit."""
    files = [part for part in parts if part.filename is not None]
    single, several = ([part for part in files if part.name == name] for name in ("image", "image[]"))
    masks = [part for part in files if part.name == "mask"]
    if len(single) + len(several) + len(masks) != len(files) or (single and several) or len(masks) > 1:
        raise Refusal(400, "unknown_parameter", "Unknown file.", "image")
    if len(single) > 1 or not 1 <= len(single or several) <= 16:
        raise Refusal(400, "invalid_value", "One `image`, or 1 to 16 `image[]`.", "image")
    for part in files:
        real = next((name for magic, name in MEDIA_TYPES.items() if part.data.startswith(magic)), None)
        if real is None or real != part.media_type or real not in rules.inputs or not part.filename:
            raise Refusal(400, "unsupported_image_media_type", f"Not a picture: {part.media_type}.", part.name)
    if masks:
        small = masks[0].media_type == "image/png" and len(masks[0].data) < 4_000_000
        if not small or size_of(masks[0].data) != size_of((single or several)[0].data):
            raise Refusal(400, "invalid_image", "A mask is a PNG under 4 MB, as large as the image.", "mask")


def size_of(data: bytes) -> tuple[int, int]:
    """A picture's width and height."""
    try:
        with Image.open(io.BytesIO(data)) as image:
            return image.size
    except OSError as error:
        raise Refusal(400, "image_parse_error", "Not a picture.", "image") from error


def integer(fields: Mapping[str, Any], name: str, default: int, low: int, high: int) -> int:
    """A whole number within bounds."""
    value = fields.get(name, default)
    if type(value) is not int or not low <= value <= high:
        raise Refusal(400, "invalid_value", f"Invalid value: '{value}'.", name)
    return value


def body_of(request: Request) -> tuple[dict[str, Any], list[Part]]:
    """The fields, and a form's files; there numbers are text."""
    kind, _, rest = request.headers.get("content-type", "").partition(";")
    if kind == "application/json":
        try:
            return msgspec.json.decode(request.body, type=dict[str, Any]), []
        except msgspec.MsgspecError as error:
            raise Refusal(400, None, "We could not parse the JSON body of your request.") from error
    found = re.search(r'boundary="?([^";]+)', rest)
    if kind != "multipart/form-data" or found is None:
        raise Refusal(400, "unsupported_content_type", f"Unsupported content type: '{kind}'.")
    parts = [part_of(raw) for raw in (b"\r\n" + request.body).split(f"\r\n--{found[1]}".encode())[1:-1]]
    fields: dict[str, Any] = {part.name: part.data.decode() for part in parts if part.filename is None}
    if len(fields) != sum(part.filename is None for part in parts):
        raise Refusal(400, "invalid_request_body", "A field was given twice.")
    fields.update({name: int(fields[name]) for name in INTEGERS & fields.keys() if fields[name].isdecimal()})
    if fields.get("stream") in BOOLEANS:
        fields["stream"] = BOOLEANS[fields["stream"]]
    return fields, [part for part in parts if part.filename is not None]


def part_of(raw: bytes) -> Part:
    """One part of a form."""
    head, _, data = raw.removeprefix(b"\r\n").partition(b"\r\n\r\n")
    text = head.decode()
    name = re.search(r'[; ]name="([^"]*)"', text)
    filename = re.search(r'filename="([^"]*)"', text)
    media_type = re.search(r"(?im)^content-type:\s*(\S+)", text)
    if name is None:
        raise Refusal(400, "invalid_request_body", "A part has no name.")
    return Part(name[1], data, filename and filename[1], media_type and media_type[1])

"""Stability AI's models as Amazon Bedrock has them: JSON, signed by the book, strict about every key."""

import hashlib
import hmac
import io
import re
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

import msgspec
from PIL import Image

from backends.drawing import picture
from backends.ledger import Record
from backends.openai import Refusal
from backends.server import Reply, Request, Server, Status
from backends.stability import FORMATS, NUMBERS, RATIOS, STYLES

ACCESS_KEY_ID, SECRET, TOKEN, API_KEY = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG", "FwoGZXIvYXdzEBYaDH", "ABSKexample"
_CORE = "prompt negative_prompt seed output_format aspect_ratio"
_EDIT = "image prompt negative_prompt seed output_format style_preset"


@dataclass(frozen=True, slots=True)
class Model:
    """What one model takes, what of that it needs, and the formats it draws."""

    takes: str
    needs: str
    formats: frozenset[str] = FORMATS


MODELS: Mapping[str, Model] = {
    "stability.stable-image-core-v1:1": Model(_CORE, "prompt", FORMATS - {"webp"}),
    "stability.stable-image-ultra-v1:1": Model(_CORE, "prompt", FORMATS - {"webp"}),
    "stability.sd3-5-large-v1:0": Model(f"{_CORE} mode image strength", "prompt"),
    "us.stability.stable-image-inpaint-v1:0": Model(f"{_EDIT} mask grow_mask", "image mask prompt"),
    "us.stability.stable-image-erase-object-v1:0": Model("image mask grow_mask seed output_format", "image mask"),
    "us.stability.stable-image-search-replace-v1:0": Model(f"{_EDIT} search_prompt", "image prompt search_prompt"),
    "us.stability.stable-image-search-recolor-v1:0": Model(f"{_EDIT} select_prompt", "image prompt select_prompt"),
    "us.stability.stable-image-remove-background-v1:0": Model("image output_format", "image", FORMATS - {"jpeg"}),
    "us.stability.stable-image-control-sketch-v1:0": Model(f"{_EDIT} control_strength", "image prompt"),
    "us.stability.stable-image-control-structure-v1:0": Model(f"{_EDIT} control_strength", "image prompt"),
    "us.stability.stable-image-style-guide-v1:0": Model(f"{_EDIT} fidelity aspect_ratio", "image prompt"),
    "us.stability.stable-outpaint-v1:0": Model(
        "image prompt seed output_format style_preset left right up down creativity", "image"
    ),
    "us.stability.stable-style-transfer-v1:0": Model(
        "init_image style_image prompt negative_prompt seed output_format", "init_image style_image"
    ),
}
PICTURES = frozenset({"image", "mask", "init_image", "style_image"})


class BedrockBackend(Server):
    """`url` is the base URL. Takes `API_KEY`, or what `ACCESS_KEY_ID` signs; a prompt with `forbidden` is filtered."""

    @property
    def url(self) -> str:
        """The base URL."""
        return self.origin

    def error(self, failure: Status) -> bytes:
        """Its envelope; the type is in a header."""
        return msgspec.json.encode({"message": failure.message})

    def answer(self, request: Request) -> Reply:
        """Checks as the backend would, draws, and writes down both."""
        record = Record(path=request.path, model=None, n=1, fields={}, headers=request.headers, status=200, billed=True)
        try:
            authorise(request)
            model, fields = taken(request)
            record = replace(record, model=model, fields=fields)
            check(MODELS[model], fields)
        except Refusal as refusal:
            failure = refusal.failure
            head = {"x-amzn-ErrorType": f"{failure.code}:http://internal.amazon.com/coral/"}
            record = replace(record, status=failure.status, billed=False)
            return Reply(failure.status, self.error(failure), head, record)
        return Reply(200, drawn(fields), {"x-amzn-RequestId": "f3a1"}, record)


def authorise(request: Request) -> None:
    """Refuses any key but the one, and any signature that does not come out the same when made again."""
    said = request.headers.get("authorization", "")
    if said == f"Bearer {API_KEY}":
        return
    found = re.fullmatch(r"AWS4-HMAC-SHA256 Credential=([^,]+), SignedHeaders=([^,]+), Signature=(\w+)", said)
    if found is None or not found[1].startswith(f"{ACCESS_KEY_ID}/"):
        raise Refusal(403, "UnrecognizedClientException", "The security token included in the request is invalid.")
    names, scope = found[2].split(";"), found[1].partition("/")[2]
    if found[3] != signature(request, names, scope) or "host" not in names:
        raise Refusal(
            403, "InvalidSignatureException", f"It does not match.\n\nIt should have been {dict(request.headers)}"
        )
    if "x-amz-security-token" in request.headers and request.headers["x-amz-security-token"] != TOKEN:
        raise Refusal(403, "ExpiredTokenException", "The security token included in the request is expired")


def signature(request: Request, names: list[str], scope: str) -> str:
    """The signature that a request should have: the path is encoded twice."""
    model = request.path.removeprefix("/model/").removesuffix("/invoke")
    path = f"/model/{quote(quote(model, safe=''), safe='')}/invoke"
    heads = "".join(f"{name}:{request.headers[name]}\n" for name in names)
    body = hashlib.sha256(request.body).hexdigest()
    canonical = f"{request.method}\n{path}\n\n{heads}\n{';'.join(names)}\n{body}"
    hashed = hashlib.sha256(canonical.encode()).hexdigest()
    key = f"AWS4{SECRET}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    text = f"AWS4-HMAC-SHA256\n{request.headers['x-amz-date']}\n{scope}\n{hashed}"
    return hmac.digest(key, text.encode(), "sha256").hex()


def taken(request: Request) -> tuple[str, dict[str, Any]]:
    """The model and the body."""
    found = re.fullmatch(r"/model/(.+)/invoke", request.path)
    if found is None or found[1] not in MODELS:
        if found is not None and f"us.{found[1]}" in MODELS:
            words = f"Invocation of model ID {found[1]} with on-demand throughput isn't supported."
            raise Refusal(400, "ValidationException", words)
        raise Refusal(400, "ValidationException", "The provided model identifier is invalid.")
    if request.headers.get("content-type") != "application/json" or request.headers["accept"] != "application/json":
        raise Refusal(400, "ValidationException", "Send and accept application/json.")
    return found[1], msgspec.json.decode(request.body, type=dict[str, Any])


def check(model: Model, fields: Mapping[str, Any]) -> None:
    """Refuses whatever the model does not take."""
    for name in fields.keys() - set(model.takes.split()):
        raise Refusal(400, "ValidationException", f"Malformed input request: extraneous key [{name}] is not permitted")
    for name in set(model.needs.split()) - fields.keys():
        raise Refusal(400, "ValidationException", f"Malformed input request: required key [{name}] not found")
    words = {"aspect_ratio": RATIOS, "output_format": model.formats, "style_preset": STYLES}
    for name, value in fields.items():
        low, high = NUMBERS.get(name, (0, 0))
        if name in NUMBERS and not (type(value) in {int, float} and low <= value <= high):
            raise Refusal(400, "ValidationException", f"Malformed input request: {name} is out of bounds")
        if name in words and value not in words[name]:
            raise Refusal(400, "ValidationException", f"Malformed input request: {name} is not a valid enum value")
    redrawn = fields.get("mode", "text-to-image") == "image-to-image"
    if "mode" in model.takes and len({redrawn, "image" in fields, "strength" in fields}) > 1:
        raise Refusal(400, "ValidationException", "Malformed input request: mode, image and strength go together")
    if redrawn and "aspect_ratio" in fields:
        raise Refusal(400, "ValidationException", "Malformed input request: no aspect_ratio with an image")
    sizes = {name: opened(fields[name]).size for name in PICTURES & fields.keys()}
    if "mask" in sizes and (sizes["mask"] != sizes["image"] or opened(fields["mask"]).mode != "L"):
        raise Refusal(400, "ValidationException", "The mask must be grey and as large as the image.")


def opened(b64: str) -> Image.Image:
    """A picture that came as base64, and as nothing else."""
    try:
        image = Image.open(io.BytesIO(b64decode(b64, validate=True)))
    except (ValueError, OSError) as error:
        raise Refusal(400, "ValidationException", "Not a picture.") from error
    if min(image.size) < 64:
        raise Refusal(400, "ValidationException", "Each side needs at least 64 pixels.")
    return image


def drawn(fields: Mapping[str, Any]) -> bytes:
    """The documented answer; what the filter takes is a success without a picture."""
    if "forbidden" in fields.get("prompt", ""):
        return msgspec.json.encode({"seeds": [7], "finish_reasons": ["Filter reason: prompt"]})
    size = RATIOS[fields.get("aspect_ratio", "1:1")]
    given = fields.get("image") or fields.get("init_image")
    if given and "aspect_ratio" not in fields:
        size = "{}x{}".format(*opened(given).size)
    made = picture(size, fields.get("output_format", "png"))
    return msgspec.json.encode({"seeds": [7], "finish_reasons": [None], "images": [made]})

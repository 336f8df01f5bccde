"""Pictures as server-sent events, in the words of the contract's section 8."""

import time
from collections.abc import Mapping
from typing import Any

import msgspec

from providers.base import Operation
from router.engine.record import Delivery
from router.engine.request import ImageRequest
from router.images.pixels import Picture
from router.messages.errors import Refused, envelope
from router.messages.response import Piece, looks, usage_json

HEARTBEAT = b": still drawing\n\n"
"""A comment, which every client passes over."""

_encode = msgspec.json.encode


def early(request: ImageRequest, picture: Picture, index: int) -> list[Piece]:
    """An early look at a picture."""
    return _event(request, "partial_image", picture, {"partial_image_index": index})


def finished(request: ImageRequest, delivery: Delivery) -> list[Piece]:
    """A finished picture. Usage is its attempt's; where an attempt made several, the first of them carries it."""
    first = delivery.attempt.usage if delivery.first else None
    cost = delivery.attempt.cost if delivery.first else 0.0 if delivery.attempt.cost is not None else None
    usage = usage_json(first, cost, [delivery.picture], pictures_in=bool(request.images))
    return _event(request, "completed", delivery.picture, {"usage": usage})


def failed(error: Refused) -> list[Piece]:
    """A failure after the first event: both OpenAI clients raise it."""
    return failed_as(envelope(error))


def failed_as(body: bytes) -> list[Piece]:
    """The same of an error as it would be answered otherwise."""
    return [b'event: error\ndata: {"type":"error",' + body[1:] + b"\n\n"]


def _event(request: ImageRequest, word: str, picture: Picture, more: Mapping[str, Any]) -> list[Piece]:
    kind = "image_generation" if request.operation is Operation.GENERATE else "image_edit"
    facts = {
        "created_at": int(time.time()),
        "quality": request.asked.get("quality", "auto"),
        "background": request.asked.get("background", "auto"),
        **looks(picture),
        **more,
    }
    head = b'event: %b.%b\ndata: {"type":"%b.%b","b64_json":"' % ((kind.encode(), word.encode()) * 2)
    return [head, picture.b64 or memoryview(b""), b'",' + _encode(facts)[1:] + b"\n\n"]

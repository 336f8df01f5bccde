"""Black Forest Labs' API: strict about each model's fields, and never done at once."""

from collections.abc import Mapping

import msgspec

from backends.fields import (
    Legal,
    Refusal,
    any_ratio,
    any_text,
    base64_picture,
    bytes_of,
    check,
    many,
    number,
    one_of,
)
from backends.server import Reply, Request, Status
from backends.tasks import Order, Task, TaskServer, body, check_mask, size_of

SWITCH = one_of(True, False)  # noqa: FBT003 - the two values of a switch
RATIOS_3 = "auto 21:9 2:1 16:9 3:2 7:5 4:3 5:4 1:1 4:5 3:4 5:7 2:3 9:16 1:2 9:21"
SIDES_3 = {"768sq": 768, "1k": 1024, "1.5k": 1536, "2k": 2048, "4k": 4096}


def rules(tolerance: int, formats: str, **more: Legal) -> Mapping[str, Legal]:
    """What nearly all models take, and `more`."""
    return {
        "prompt": any_text,
        "seed": number(0, 1 << 62, 1),
        "output_format": one_of(*formats.split()),
        "safety_tolerance": number(0, tolerance, 1),
        **more,
    }


def sides(low: int, high: int, step: int) -> Mapping[str, Legal]:
    """A width and a height."""
    return {"width": number(low, high, step), "height": number(low, high, step)}


def inputs(most: int) -> Mapping[str, Legal]:
    """`input_image`, `input_image_2` and so on."""
    return {"input_image": base64_picture, **{f"input_image_{place}": base64_picture for place in range(2, most + 1)}}


PRO_2 = rules(5, "png jpeg webp", **sides(64, 65_536, 16), **inputs(8))
PRO_1 = rules(6, "png jpeg", **sides(256, 1440, 32))
REPAINT = rules(
    6, "png jpeg", image=base64_picture, guidance=number(1.5, 100), steps=number(15, 50, 1), prompt_upsampling=SWITCH
)
LIVE: Mapping[str, Mapping[str, Legal]] = {
    "flux-2-pro": PRO_2,
    "flux-2-max": PRO_2,
    "flux-2-flex": {**PRO_2, "guidance": number(1.5, 10), "steps": number(1, 50, 1), "prompt_upsampling": SWITCH},
    "flux-2-klein-9b": rules(5, "png jpeg webp", **sides(64, 65_536, 16), **inputs(4)),
    "flux-3-image": {
        "prompt": any_text,
        "images": many(base64_picture, 10),
        "aspect_ratio": one_of(*RATIOS_3.split()),
        "resolution": one_of(*SIDES_3),
        "grounding": SWITCH,
        "safety_tolerance": number(0, 4, 1),
    },
    "flux-kontext-pro": rules(6, "png jpeg", aspect_ratio=any_ratio, **inputs(4)),
    "flux-pro-1.1": PRO_1,
    "flux-pro-1.1-ultra": rules(6, "png jpeg", aspect_ratio=any_ratio),
    "flux-dev": {**PRO_1, "guidance": number(1.5, 5), "steps": number(1, 50, 1)},
    "flux-pro-1.0-fill": {**REPAINT, "mask": base64_picture},
    "flux-pro-1.0-expand": {**REPAINT, **{side: number(0, 2048, 1) for side in ("top", "bottom", "left", "right")}},
}


class BFLBackend(TaskServer):
    """`url` is the provider's base URL. Any key will do but `bad-key`; "forbidden" in a prompt is moderated."""

    good = "Ready"

    @property
    def url(self) -> str:
        """The base URL."""
        return self.origin

    def error(self, failure: Status) -> bytes:
        """Either of FastAPI's shapes."""
        if failure.param is None:
            return msgspec.json.encode({"detail": failure.message})
        detail = {"loc": ["body", failure.param], "msg": failure.message, "type": failure.code}
        return msgspec.json.encode({"detail": [detail]})

    def authorise(self, request: Request) -> None:
        """A key in a header of its own."""
        if request.headers.get("x-key", "bad-key") == "bad-key" or "authorization" in request.headers:
            raise Refusal(403, "Not authenticated")

    def order(self, request: Request) -> Order:
        """One model's fields, all legal."""
        model, fields = request.path.removeprefix("/v1/"), body(request)
        if model not in LIVE or not request.path.startswith("/v1/"):
            raise Refusal(404, "Not Found")
        check(fields, LIVE[model], "prompt")
        if "mask" in fields:
            check_mask(bytes_of(fields["mask"]), bytes_of(fields["image"]))
        if "forbidden" in fields["prompt"]:
            self.end("Request Moderated")
        form = fields.get("output_format", "png" if "kontext" in model else "jpeg")
        return Order(model=model, fields=fields, size=drawn_size(model, fields), form=form)

    def taken(self, task: Task) -> Reply:
        """Where to ask, and what it costs."""
        told = {"id": task.name, "polling_url": f"{self.origin}/v1/get_result?id={task.name}", "cost": 4.5}
        return Reply(200, msgspec.json.encode({**told, "input_mp": 0.0, "output_mp": 1.05}))

    def told(self, request: Request) -> Reply:
        """The state, and in the end the picture's address."""
        task = self.task(request.query.get("id", ""))
        state = "Pending" if task.left >= 0 else task.end
        result = {"sample": task.links[0], "seed": 7} if state == "Ready" else None
        return Reply(200, msgspec.json.encode({"id": task.name, "status": state, "result": result, "details": None}))


def drawn_size(model: str, fields: Mapping[str, object]) -> tuple[int, int]:
    """The pixels that a request gets: those asked, those of a ratio, those of its picture, or the model's own."""
    if isinstance(width := fields.get("width"), int) and isinstance(height := fields.get("height"), int):
        if model.startswith("flux-2") and width * height > 4_194_304:
            raise Refusal(422, "At most 4 MP", "value_error", "width")
        return width, height
    if isinstance(asked := fields.get("aspect_ratio"), str) and asked != "auto":
        across, down = map(int, asked.split(":"))
        side = SIDES_3[str(fields.get("resolution", "1k"))]
        return round(side * (across / down) ** 0.5), round(side * (down / across) ** 0.5)
    for name in ("input_image", "image"):
        if isinstance(picture := fields.get(name), str):
            return size_of(bytes_of(picture))
    return 1024, 1024

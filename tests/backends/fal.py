"""fal's queue, and its direct host: each endpoint strict about its own fields; a job that ended may have failed."""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from backends.fields import Legal, Refusal, any_text, bytes_of, check, data_picture, many, number, one_of
from backends.server import Reply, Request, Status
from backends.tasks import Order, Task, TaskServer, body, check_mask, size_of

WORDS = {
    "square_hd": (1024, 1024),
    "square": (512, 512),
    "portrait_4_3": (768, 1024),
    "portrait_16_9": (576, 1024),
    "landscape_4_3": (1024, 768),
    "landscape_16_9": (1024, 576),
}
SWITCH = one_of(True, False)  # noqa: FBT003 - the two values of a switch
BANANA = one_of("auto", "21:9", "16:9", "3:2", "4:3", "5:4", "1:1", "4:5", "3:4", "2:3", "9:16")
PIXELS = {"1K": 1024, "2K": 2048, "4K": 4096}
REFUSED = "content_policy_violation"


def size(low: int = 64, high: int = 14_142, area: tuple[int, int] = (1, 1 << 62)) -> Legal:
    """A size's word, or its sides within bounds."""

    def legal(value: Any) -> bool:
        if isinstance(value, str):
            return value in WORDS
        if not isinstance(value, dict) or value.keys() != {"width", "height"}:
            return False
        width, height = value["width"], value["height"]
        return all(number(low, high, 1)(side) for side in (width, height)) and area[0] <= width * height <= area[1]

    return legal


def rules(formats: str = "", tolerance: int = 0, **more: Legal) -> Mapping[str, Legal]:
    """What nearly every endpoint takes, and `more`."""
    found: dict[str, Legal] = {"prompt": any_text, "sync_mode": SWITCH, **more}
    if formats:
        found["output_format"] = one_of(*formats.split())
    if tolerance:
        found["safety_tolerance"] = one_of(*map(str, range(1, tolerance + 1)))
    return found


SEED, N = number(0, 1 << 62, 1), number(1, 4, 1)
STEPS = {"num_inference_steps": number(1, 50, 1), "guidance_scale": number(0, 20)}
FLUX = rules("png jpeg", image_size=size(), num_images=N, seed=SEED, **STEPS)
PRO_2 = rules("png jpeg", 5, image_size=size(512, 2048), seed=SEED)
SEEDREAM = rules(image_size=size(area=(2560 * 1440, 4096 * 4096)), num_images=N, max_images=number(1, 6, 1), seed=SEED)
GPT = rules(
    "png jpeg webp",
    image_size=one_of("auto", "1024x1024", "1536x1024", "1024x1536"),
    num_images=N,
    quality=one_of("low", "medium", "high"),
    background=one_of("auto", "transparent", "opaque"),
)
ENDPOINTS: Mapping[str, Mapping[str, Legal]] = {
    "fal-ai/flux/schnell": FLUX,
    "fal-ai/flux/dev": FLUX,
    "fal-ai/flux/dev/image-to-image": {
        **rules("png jpeg", num_images=N, seed=SEED, **STEPS),
        "image_url": data_picture,
        "strength": number(0, 1),
    },
    "fal-ai/flux/schnell/redux": {
        **{name: legal for name, legal in FLUX.items() if name != "prompt"},
        "image_url": data_picture,
    },
    "fal-ai/flux-pro/v1/fill": rules(
        "png jpeg", 6, num_images=N, seed=SEED, image_url=data_picture, mask_url=data_picture
    ),
    "fal-ai/flux-2-pro": PRO_2,
    "fal-ai/flux-2-pro/edit": {**PRO_2, "image_urls": many(data_picture, 8)},
    "fal-ai/nano-banana-pro": rules(
        "png jpeg webp", 6, aspect_ratio=BANANA, resolution=one_of(*PIXELS), num_images=N, seed=SEED
    ),
    "fal-ai/bytedance/seedream/v4.5/text-to-image": SEEDREAM,
    "fal-ai/bytedance/seedream/v4.5/edit": {**SEEDREAM, "image_urls": many(data_picture, 10)},
    "fal-ai/gpt-image-1.5": GPT,
    "fal-ai/gpt-image-1.5/edit": {
        **GPT,
        "image_urls": many(data_picture, 16),
        "mask_image_url": data_picture,
        "input_fidelity": one_of("low", "high"),
    },
    "fal-ai/recraft/v3/text-to-image": rules(image_size=size(), style=any_text),
}


class FalBackend(TaskServer):
    """Any key will do but `bad-key`; "forbidden" in a prompt is refused. With `direct` an order waits for its end.

    A task ends well, in `nsfw` (black pictures), in a model's error such as `content_policy_violation` or
    `internal_server_error`, which the result tells, or in a runner's such as `runner_disconnected`.
    """

    good = "well"

    def __init__(self, *, direct: bool = False) -> None:
        super().__init__()
        self._direct = direct

    @property
    def url(self) -> str:
        """The base URL."""
        return self.origin

    def error(self, failure: Status) -> bytes:
        """A model's error where a code is known, else a gateway's."""
        if failure.code is None:
            return msgspec.json.encode({"detail": failure.message})
        detail = {"loc": ["body", failure.param or "prompt"], "msg": failure.message, "type": failure.code}
        return msgspec.json.encode({"detail": [detail]})

    def authorise(self, request: Request) -> None:
        """A key under fal's own word."""
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        if scheme != "Key" or key in {"", "bad-key"}:
            raise Refusal(401, "Cannot access application. Authentication is required.")

    def order(self, request: Request) -> Order:
        """One endpoint's fields, all legal."""
        endpoint, fields = request.path.removeprefix("/"), body(request)
        if endpoint not in ENDPOINTS:
            raise Refusal(404, f"Path {request.path} not found")
        known = ENDPOINTS[endpoint]
        needed = ({"prompt", "image_url", "image_urls", "mask_url"} & known.keys()) - {"mask_image_url"}
        check(fields, known, *sorted(needed))
        if (request.headers.get("x-fal-no-retry") == "1") == self._direct:
            raise Refusal(400, "Only the queue is asked not to repeat a job")
        pictures = [
            bytes_of(picture) for picture in [*fields.get("image_urls", []), fields.get("image_url")] if picture
        ]
        if "mask_url" in fields:
            check_mask(bytes_of(fields["mask_url"]), pictures[0])
        if "forbidden" in fields.get("prompt", ""):
            if self._direct:
                raise Refusal(422, "The content was flagged by a content checker.", REFUSED, "prompt")
            self.end(REFUSED)
        form = fields.get("output_format", "jpeg")
        size = drawn_size(fields, pictures)
        return Order(model=endpoint, fields=fields, size=size, form=form, n=fields.get("num_images", 1))

    def taken(self, task: Task) -> Reply:
        """Where to ask; directly, the end itself."""
        if self._direct:
            return self._result(task)
        app = f"{self.origin}/fal-ai/app/requests/{task.name}"
        links = {"status_url": f"{app}/status", "response_url": app, "cancel_url": f"{app}/cancel"}
        told = {"request_id": task.name, "status": "IN_QUEUE", "queue_position": 0, **links}
        return Reply(200, msgspec.json.encode(told))

    def told(self, request: Request) -> Reply:
        """A task's state, or what came of it."""
        found = re.fullmatch(r"/fal-ai/app/requests/(\w+)(/status)?", request.path)
        if found is None:
            raise Refusal(405, "Method Not Allowed")
        task = self.task(found[1])
        if found[2] is None:
            return self._result(task)
        if task.left >= 0:
            return Reply(202, msgspec.json.encode({"status": "IN_PROGRESS", "logs": []}))
        failed = {"error": "the runner failed", "error_type": task.end} if task.end.startswith("runner_") else {}
        return Reply(200, msgspec.json.encode({"status": "COMPLETED", "metrics": {"inference_time": 1.1}, **failed}))

    def _result(self, task: Task) -> Reply:
        if task.end not in {"well", "nsfw"}:
            failure = Status(500 if task.end == "internal_server_error" else 422, task.end)
            return Reply(failure.status, self.error(failure))
        images = [{"url": link, "content_type": "image/jpeg"} for link in task.links]
        told = {"images": images, "seed": 7, "has_nsfw_concepts": [task.end == "nsfw"] * len(images)}
        return Reply(200, msgspec.json.encode(told), {"x-fal-billable-units": "1.5"})


def drawn_size(fields: Mapping[str, Any], pictures: list[bytes]) -> tuple[int, int]:
    """The pixels that a request gets: those asked, those of its first picture, or what fal draws unasked."""
    asked = fields.get("image_size")
    if isinstance(asked, dict):
        return asked["width"], asked["height"]
    if isinstance(asked, str) and asked != "auto":
        return WORDS.get(asked) or (int(asked.partition("x")[0]), int(asked.partition("x")[2]))
    if "aspect_ratio" in fields:
        across, down = map(int, fields["aspect_ratio"].split(":"))
        side = PIXELS[fields.get("resolution", "1K")]
        return round(side * (across / down) ** 0.5), round(side * (down / across) ** 0.5)
    return size_of(pictures[0]) if pictures else (1024, 768)

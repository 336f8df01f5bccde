"""Luma's two APIs: strict about fields and ratios, keys in one header, and never done at once."""

from typing import Any

import msgspec

from backends.fields import Refusal, any_text, base64_picture, check, many, one_of
from backends.server import Reply, Request, Status
from backends.tasks import Order, Task, TaskServer, body

RATIOS = ["3:1", "2:1", "21:9", "16:9", "4:3", "3:2", "1:1", "3:4", "2:3", "9:16", "1:2", "1:3"]
PHOTON_RATIOS = ["1:1", "16:9", "9:16", "4:3", "3:4", "21:9", "9:21"]


def picture(value: Any) -> bool:
    """A picture with its kind, as base64."""
    if not isinstance(value, dict) or value.keys() != {"data", "media_type"}:
        return False
    return base64_picture(value["data"]) and value["media_type"] in {"image/png", "image/jpeg", "image/webp"}


UNI = {
    "model": one_of("uni-1", "uni-1-max"),
    "type": one_of("image", "image_edit"),
    "prompt": any_text,
    "aspect_ratio": one_of(*RATIOS),
    "output_format": one_of("png", "jpeg"),
    "style": one_of("auto", "manga"),
    "user_id": any_text,
    "source": picture,
    "image_ref": many(picture, 8),
}
PHOTON = {
    "model": one_of("photon-1", "photon-flash-1"),
    "prompt": any_text,
    "aspect_ratio": one_of(*PHOTON_RATIOS),
    "format": one_of("jpg", "png"),
}


class LumaBackend(TaskServer):
    """The Agents API. Any key will do but `bad-key`; `end` names how a task fails, by its failure code."""

    good = "completed"
    running = "processing"
    path = "/generations"
    rules = UNI

    @property
    def url(self) -> str:
        """The base URL."""
        return self.origin

    def error(self, failure: Status) -> bytes:
        """FastAPI's shapes."""
        if failure.param is None:
            return msgspec.json.encode({"detail": failure.message})
        detail = {"loc": ["body", failure.param], "msg": failure.message, "type": failure.code}
        return msgspec.json.encode({"detail": [detail]})

    def authorise(self, request: Request) -> None:
        """A bearer."""
        if request.headers.get("authorization", "Bearer bad-key") == "Bearer bad-key":
            raise Refusal(401, "Invalid API key")

    def order(self, request: Request) -> Order:
        """All fields known and legal, an edit with its source."""
        if request.path != self.path:
            raise Refusal(404, "Not Found")
        fields = body(request)
        check(fields, self.rules, "model", "prompt")
        if (fields.get("type") == "image_edit") != ("source" in fields):
            raise Refusal(422, "Field required", "missing", "source")
        if "forbidden" in fields["prompt"]:
            raise Refusal(400, "The prompt failed moderation.")
        across, down = map(int, fields.get("aspect_ratio", "1:1").split(":"))
        form = {"jpg": "jpeg"}.get(given := fields.get("output_format", fields.get("format", "png")), given)
        return Order(model=fields["model"], fields=fields, size=(across * 64, down * 64), form=form)

    def taken(self, task: Task) -> Reply:
        """It waits."""
        return Reply(201, msgspec.json.encode({"id": task.name, "state": "queued", "output": [], "assets": None}))

    def told(self, request: Request) -> Reply:
        """The state, and in the end the picture."""
        task = self.task(request.path.rpartition("/")[2])
        done = task.left < 0
        said: dict[str, Any] = {"id": task.name, "state": self.running, "output": [], "assets": None}
        if done and task.end == self.good:
            said |= {"state": self.good, "output": [{"type": "image", "url": task.links[0]}]}
            said["assets"] = {"image": task.links[0]}
        elif done:
            said |= {"state": "failed", "failure_code": task.end, "failure_reason": f"It was {task.end}."}
        return Reply(200, msgspec.json.encode(said))


class PhotonBackend(LumaBackend):
    """The Dream Machine API."""

    running = "dreaming"
    path = "/generations/image"
    rules = PHOTON

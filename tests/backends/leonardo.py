"""Leonardo's API in both generations, and the store beside it that takes uploads by a form and without a key."""

import re

import msgspec

from backends.fields import Refusal, any_text, check, number, one_of
from backends.openai import body_of
from backends.server import Reply, Request, Status
from backends.tasks import Order, Task, TaskServer, body

SIDES = (
    "512 640 720 800 832 864 896 1024 1120 1152 1248 1280 1440 1536 1600 1664 1728 1792 2048 2240 2304 2496 2560 2880"
)
FALSE = one_of(False)  # noqa: FBT003 - the value of a switch
V1 = {
    "modelId": any_text,
    "prompt": any_text,
    "num_images": number(1, 8, 1),
    "width": number(32, 1536, 8),
    "height": number(32, 1536, 8),
    "alchemy": FALSE,
    "enhancePrompt": FALSE,
    "public": FALSE,
    "ultra": one_of(True),  # noqa: FBT003 - the value of a switch
    "contrast": one_of(1, 1.3, 1.8, 2.5, 3, 3.5, 4, 4.5),
    "seed": number(0, 9_999_999_998, 1),
    "negative_prompt": any_text,
    "guidance_scale": number(1, 20),
    "num_inference_steps": number(10, 60, 1),
    "init_image_id": any_text,
    "init_strength": number(0.1, 0.9),
}
V2 = {
    "prompt": any_text,
    "width": one_of(*map(int, SIDES.split())),
    "height": one_of(*map(int, SIDES.split())),
    "quantity": number(1, 4, 1),
    "quality": one_of("LOW", "MEDIUM", "HIGH"),
    "prompt_enhance": one_of("ON", "OFF", "AUTO"),
    "seed": number(0, 1 << 31, 1),
    "guidances": lambda value: isinstance(value, dict),
}


class LeonardoBackend(TaskServer):
    """Any key will do but `bad-key`. `store` is where uploads go; `uploads` are the names that were filled."""

    good = "COMPLETE"

    def __init__(self) -> None:
        super().__init__()
        self.store = "https://store.example/bucket"
        self.uploads: list[str] = []
        self._tickets = 0

    @property
    def url(self) -> str:
        """The base URL."""
        return self.origin

    def error(self, failure: Status) -> bytes:
        """A flat error."""
        return msgspec.json.encode({"error": failure.message, "path": "$", "code": failure.code or "unexpected"})

    def authorise(self, request: Request) -> None:
        """A bearer."""
        if request.headers.get("authorization", "Bearer bad-key") == "Bearer bad-key":
            raise Refusal(401, "Invalid API key", "invalid-jwt")

    def answer(self, request: Request) -> Reply:
        """A ticket or an upload, which make nothing, or what a task server answers."""
        if request.path == "/v1/init-image":
            return self._ticket(request)
        if request.path == "/bucket":
            return self._upload(request)
        return super().answer(request)

    def order(self, request: Request) -> Order:
        """Either generation's fields."""
        given = body(request)
        if request.path == "/v1/generations":
            check(given, V1, "modelId", "prompt", "num_images", "width", "height", "alchemy", "contrast", "public")
            fields, n, used = given, given["num_images"], [given["init_image_id"]] if "init_image_id" in given else []
            if n > 4 and max(given["width"], given["height"]) > 768:
                raise Refusal(400, "Too many images", "validation-failed")
        elif request.path == "/v2/generations":
            check(given, {"model": any_text, "public": FALSE, "parameters": bool}, "model", "public", "parameters")
            fields = given["parameters"]
            check(fields, V2, "prompt", "quantity")
            guides = fields.get("guidances", {"image_reference": []})["image_reference"]
            n, used = fields["quantity"], [guide["image"]["id"] for guide in guides]
        else:
            raise Refusal(404, "Not Found")
        if not set(used) <= set(self.uploads):
            raise Refusal(400, "There is no such picture", "validation-failed")
        if "forbidden" in fields["prompt"]:
            raise Refusal(400, "The content moderation filter stopped the prompt.")
        model = given.get("modelId", given.get("model"))
        return Order(model=model, fields=given, size=(fields["width"], fields["height"]), n=n)

    def taken(self, task: Task) -> Reply:
        """The work's name and its cost."""
        job = {"generationId": task.name, "cost": {"amount": "0.0158", "unit": "DOLLARS"}}
        return Reply(200, msgspec.json.encode({"sdGenerationJob": job}))

    def told(self, request: Request) -> Reply:
        """Nothing at first, then the state and the pictures."""
        task = self.task(request.path.rpartition("/")[2])
        if task.left >= 0:
            return Reply(200, b'{"generations_by_pk":null}')
        links = task.links if task.end == self.good else ()
        images = [{"id": link, "url": link, "nsfw": False} for link in links]
        return Reply(200, msgspec.json.encode({"generations_by_pk": {"status": task.end, "generated_images": images}}))

    def _ticket(self, request: Request) -> Reply:
        try:
            self.authorise(request)
            check(body(request), {"extension": one_of("png", "jpg", "jpeg", "webp")}, "extension")
        except Refusal as refusal:
            return Reply(refusal.failure.status, self.error(refusal.failure))
        self._tickets += 1
        form = msgspec.json.encode({"key": f"in-{self._tickets}", "Policy": "p"}).decode()
        place = {"id": f"in-{self._tickets}", "url": self.store, "fields": form}
        return Reply(200, msgspec.json.encode({"uploadInitImage": place}))

    def _upload(self, request: Request) -> Reply:
        """The ticket's fields first, the file last, and no key."""
        names = re.findall(rb'form-data; name="([^"]*)"', request.body)
        if "authorization" in request.headers or names != [b"key", b"Policy", b"file"]:
            return Reply(403)
        fields, _ = body_of(request)
        self.uploads.append(fields["key"])
        return Reply(204)

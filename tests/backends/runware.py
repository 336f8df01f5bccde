"""Runware's API: a list of tasks, each under a new UUID; one item for each picture."""

from typing import Any
from uuid import UUID

import msgspec

from backends.drawing import picture
from backends.fields import Legal, Refusal, any_text, bytes_of, check, data_picture, many, number, one_of
from backends.ledger import Record
from backends.server import Reply, Request, Server, Status
from backends.tasks import check_mask

COMMON: dict[str, Legal] = {
    "taskType": one_of("imageInference"),
    "taskUUID": any_text,
    "model": any_text,
    "positivePrompt": lambda value: isinstance(value, str) and 2 <= len(value) <= 3000,
    "numberResults": number(1, 20, 1),
    "deliveryMethod": one_of("sync"),
    "includeCost": one_of(True),  # noqa: FBT003 - the value of a switch
    "outputType": one_of("base64Data", "URL"),
    "outputFormat": one_of("JPG", "PNG", "WEBP"),
    "outputQuality": number(20, 99, 1),
    "safety": lambda value: value == {"checkContent": True},
    "width": number(128, 2048, 64),
    "height": number(128, 2048, 64),
    "seed": number(1, (1 << 63) - 1, 1),
    "steps": number(1, 100, 1),
    "CFGScale": number(0, 50),
}
SEED = {"seedImage": data_picture, "strength": number(0, 1)}
LIVE = {
    "runware:100@1": COMMON,
    "runware:101@1": {**COMMON, **SEED},
    "runware:102@1": {**COMMON, **SEED, "maskImage": data_picture},
    "runware:106@1": {**COMMON, "referenceImages": many(data_picture, 1)},
    "civitai:4384@128713": {**COMMON, **SEED, "maskImage": data_picture, "negativePrompt": any_text},
}


class RunwareBackend(Server):
    """`url` is the provider's base URL. Any key will do but `bad-key`; "forbidden" in a prompt is refused."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    @property
    def url(self) -> str:
        """The base URL."""
        return f"{self.origin}/v1"

    def error(self, failure: Status) -> bytes:
        """A list of one."""
        fault = {"code": failure.code, "message": failure.message, "parameter": failure.param}
        return msgspec.json.encode({"errors": [fault]})

    def answer(self, request: Request) -> Reply:
        """The pictures, or a refusal."""
        record = {"path": request.path, "model": None, "n": 1, "fields": {}, "headers": request.headers}
        try:
            task = self._task(request)
        except Refusal as refusal:
            failure = refusal.failure
            status = 400 if failure.status == 422 else failure.status
            return Reply(status, self.error(failure), record=Record(**record, status=status, billed=False))
        record |= {"model": task["model"], "n": task["numberResults"], "fields": task}
        size, form = f"{task['width']}x{task['height']}", {"JPG": "jpeg"}.get(task.get("outputFormat", "JPG"))
        drawn = [picture(size, form or task["outputFormat"].lower(), shade) for shade in range(task["numberResults"])]
        items = [{"taskUUID": task["taskUUID"], "imageBase64Data": one, "cost": 0.0013} for one in drawn]
        return Reply(200, msgspec.json.encode({"data": items}), record=Record(**record, status=200, billed=True))

    def _task(self, request: Request) -> dict[str, Any]:
        if request.headers.get("authorization", "Bearer bad-key") == "Bearer bad-key":
            raise Refusal(401, "Invalid API key.", "invalidApiKey")
        (task,) = msgspec.json.decode(request.body, type=list[dict[str, Any]])
        if request.path != "/v1" or task.get("model") not in LIVE:
            raise Refusal(400, "There is no such model.", "invalidModel", "model")
        check(task, LIVE[task["model"]], "taskType", "taskUUID", "model", "positivePrompt", "width", "height")
        if UUID(task["taskUUID"]).version != 4 or task["taskUUID"] in self.names:
            raise Refusal(409, "The name was used.", "conflictTaskUUID", "taskUUID")
        self.names.add(task["taskUUID"])
        if "maskImage" in task:
            check_mask(bytes_of(task["maskImage"]), bytes_of(task["seedImage"]))
        if "forbidden" in task["positivePrompt"]:
            raise Refusal(400, "The prompt was refused.", "contentModeration")
        return task

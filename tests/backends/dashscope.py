"""Alibaba's DashScope: four addresses, each for its own models; some answer at once, most with a task."""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from backends.fields import Legal, Refusal, any_text, bytes_of, check, data_picture, many, number, one_of
from backends.server import Reply, Request, Status
from backends.tasks import Order, Task, TaskServer, body, check_mask, size_of

SWITCH = one_of(True, False)  # noqa: FBT003 - the two values of a switch
PARTS = ("model", "input", "parameters")
SIZE = re.compile(r"(\d+)\*(\d+)")


def sides(value: Any) -> tuple[int, int] | None:
    """A size's width and height."""
    found = SIZE.fullmatch(value) if isinstance(value, str) else None
    return None if found is None else (int(found[1]), int(found[2]))


def area(least: int, most: int, ratio: float) -> Legal:
    """A size whose area lies between those of two squares."""

    def legal(value: Any) -> bool:
        size = sides(value)
        return size is not None and least**2 <= size[0] * size[1] <= most**2 and max(size) <= ratio * min(size)

    return legal


def within(low: int, high: int) -> Legal:
    """A size whose sides are both within bounds."""
    return lambda value: (size := sides(value)) is not None and low <= min(size) and max(size) <= high


def rules(most: int, size: Legal | None, **more: Legal) -> Mapping[str, Legal]:
    """What nearly all models take as parameters, and `more`."""
    common = {"n": number(1, most, 1), "seed": number(0, (1 << 31) - 1, 1), "watermark": SWITCH}
    return {**common, **({} if size is None else {"size": size}), **more}


EXTEND = {"prompt_extend": SWITCH}
NEGATIVE = {"negative_prompt": any_text}
FIVE = one_of("1664*928", "1472*1104", "1328*1328", "1104*1472", "928*1664")
QWEN = rules(6, area(512, 2048, 8), **EXTEND, **NEGATIVE)
AT_ONCE, LATER, DRAW, EDIT = (
    "multimodal-generation/generation",
    "image-generation/generation",
    "text2image/image-synthesis",
    "image2image/image-synthesis",
)
# model -> address, parameters, fewest and most pictures
LIVE: Mapping[str, tuple[str, Mapping[str, Legal], int, int]] = {
    "qwen-image-3.0": (AT_ONCE, {**QWEN, "enable_thinking": SWITCH}, 0, 3),
    "qwen-image-2.0-pro": (AT_ONCE, QWEN, 0, 3),
    "qwen-image-plus": (AT_ONCE, rules(1, FIVE, **EXTEND, **NEGATIVE), 0, 0),
    "qwen-image-edit-plus": (AT_ONCE, rules(6, within(512, 2048), **EXTEND, **NEGATIVE), 1, 3),
    "qwen-image-edit": (AT_ONCE, rules(1, None, **NEGATIVE), 1, 3),
    "z-image-turbo": (AT_ONCE, rules(1, area(512, 2048, 8), **EXTEND), 0, 0),
    "wan2.7-image-pro": (LATER, rules(4, area(768, 2048, 8), thinking_mode=SWITCH, **NEGATIVE), 0, 9),
    "wan2.6-image": (LATER, rules(4, sides, **EXTEND, **NEGATIVE), 1, 4),
    "wan2.6-t2i": (LATER, rules(4, area(1280, 1440, 4), **EXTEND, **NEGATIVE), 0, 0),
    "wan2.5-t2i-preview": (DRAW, rules(4, area(1280, 1440, 4), **EXTEND), 0, 0),
    "wan2.2-t2i-plus": (DRAW, rules(4, within(512, 1440), **EXTEND), 0, 0),
    "wan2.5-i2i-preview": (EDIT, rules(4, area(768, 1280, 4)), 1, 3),
    "wanx2.1-imageedit": (EDIT, rules(4, None), 1, 1),
}
FIELDS: Mapping[str, Mapping[str, Legal]] = {
    DRAW: {"prompt": any_text, **NEGATIVE},
    "wan2.5-i2i-preview": {"prompt": any_text, "images": many(data_picture, 3), **NEGATIVE},
    "wanx2.1-imageedit": {
        "prompt": any_text,
        "function": one_of("description_edit", "description_edit_with_mask"),
        "base_image_url": data_picture,
        "mask_image_url": data_picture,
        **NEGATIVE,
    },
}


class DashScopeBackend(TaskServer):
    """`url` is the base URL. Any key will do but `bad-key`; "forbidden" in a prompt is refused.

    What `end` is told may name a code after the state: `FAILED InternalError.Algo`.
    """

    good = "SUCCEEDED"

    def __init__(self) -> None:
        super().__init__()
        self.leaked: frozenset[str] = frozenset()  # parameters that are taken without a word
        self.used: list[Mapping[str, Any]] = []  # what was said to be used, in the order of the answers
        self._orders: dict[str, Order] = {}

    @property
    def url(self) -> str:
        """The base URL."""
        return f"{self.origin}/api/v1"

    def error(self, failure: Status) -> bytes:
        """Flat, without an object for the error."""
        return msgspec.json.encode({"request_id": "r1", "code": failure.code, "message": failure.message})

    def authorise(self, request: Request) -> None:
        """A bearer's key."""
        if request.headers.get("authorization", "Bearer bad-key") in {"Bearer bad-key", "Bearer "}:
            raise Refusal(401, "Invalid API-key provided.", "InvalidApiKey")

    def order(self, request: Request) -> Order:
        """One model's fields, at its address."""
        fields = body(request)
        if fields.get("model") not in LIVE:
            raise Refusal(404, "Model not found.", "ModelNotFound")
        where, legal, fewest, most = LIVE[fields["model"]]
        later = request.headers.get("x-dashscope-async") == "enable"
        if request.path != f"/api/v1/services/aigc/{where}" or later is (where == AT_ONCE):
            raise Refusal(403, "current user api does not support synchronous calls.", "AccessDenied")
        said = fields.get("input", {})
        try:
            check(fields, dict.fromkeys(PARTS, bool), *PARTS)
            parameters = {name: fields["parameters"][name] for name in fields["parameters"].keys() - self.leaked}
            check(parameters, legal, "n")  # without it some draw four
            prompt, pictures = message(said) if where in {AT_ONCE, LATER} else old(fields["model"], where, said)
        except Refusal as refusal:
            raise Refusal(400, f"{refusal.failure.param} is not legal", "InvalidParameter") from refusal
        if not fewest <= len(pictures) <= most:
            raise Refusal(400, "wrong number of images", "InvalidParameter")
        if "forbidden" in prompt:
            raise Refusal(400, "Input data may contain inappropriate content.", "DataInspectionFailed")
        own = size_of(bytes_of(pictures[-1])) if pictures else (1024, 1024)
        size = sides(parameters.get("size")) or own
        order = Order(model=fields["model"], fields=fields, size=size, n=parameters["n"])
        self._orders[f"t{len(self._tasks)}"] = order
        return order

    def taken(self, task: Task) -> Reply:
        """The pictures, or the task's name."""
        if LIVE[self._orders[task.name].model][0] == AT_ONCE:
            return Reply(200, msgspec.json.encode({"request_id": "r1", **self._drawn_by(task)}))
        told = {"task_id": task.name, "task_status": "PENDING"}
        return Reply(200, msgspec.json.encode({"request_id": "r1", "output": told}))

    def told(self, request: Request) -> Reply:
        """The state, and in the end the pictures in the layout of the address."""
        name = request.path.removeprefix("/api/v1/tasks/")
        if name not in self._orders:
            return Reply(200, msgspec.json.encode({"output": {"task_id": name, "task_status": "UNKNOWN"}}))
        task = self.task(name)
        state, _, code = ("RUNNING" if task.left >= 0 else task.end).partition(" ")
        done = self._drawn_by(task) if state == self.good else {"output": {}}
        fault = {"code": code, "message": "It failed."} if code else {}
        done["output"] |= {"task_id": name, "task_status": state, **fault}
        return Reply(200, msgspec.json.encode({"request_id": "r2", **done}))

    def _drawn_by(self, task: Task) -> dict[str, Any]:
        order = self._orders[task.name]
        self.used.append(usage(order))
        return {"output": drawn(task, LIVE[order.model][0]), "usage": self.used[-1]}


def message(said: Mapping[str, Any]) -> tuple[str, list[str]]:
    """The prompt and the pictures of the one message."""
    check(said, {"messages": lambda value: isinstance(value, list) and len(value) == 1}, "messages")
    (told,) = said["messages"]
    check(told, {"role": one_of("user"), "content": lambda value: isinstance(value, list)}, "role", "content")
    *pictures, last = told["content"]
    check(last, {"text": any_text}, "text")
    for item in pictures:
        check(item, {"image": data_picture}, "image")
    return last["text"], [item["image"] for item in pictures]


def old(model: str, where: str, said: Mapping[str, Any]) -> tuple[str, list[str]]:
    """The prompt and the pictures of the older models' fields."""
    check(said, FIELDS[DRAW if where == DRAW else model], "prompt")
    if where == DRAW:
        return said["prompt"], []
    if not model.startswith("wanx"):
        return said["prompt"], said.get("images", [])
    check(said, FIELDS[model], "function", "base_image_url")
    if ("mask_image_url" in said) is not (said["function"] == "description_edit_with_mask"):
        raise Refusal(400, "The function and the mask do not fit.", field="function")
    if "mask_image_url" in said:
        check_mask(bytes_of(said["mask_image_url"]), bytes_of(said["base_image_url"]))
    return said["prompt"], [said["base_image_url"]]


def drawn(task: Task, where: str) -> dict[str, Any]:
    """A task's pictures, in either layout."""
    if where in {DRAW, EDIT}:
        return {"results": [{"orig_prompt": "p", "actual_prompt": "a better p", "url": link} for link in task.links]}
    contents = [[{"image": link}] for link in task.links]
    if where == AT_ONCE:
        contents = [[item for content in contents for item in content]]
    return {
        "choices": [{"finish_reason": "stop", "message": {"role": "assistant", "content": one}} for one in contents]
    }


def usage(order: Order) -> dict[str, Any]:
    """What an order used, in the words of its model's family."""
    width, height = order.size
    tokens = {"input_tokens": 22, "output_tokens": 2 * order.n, "total_tokens": 22 + 2 * order.n}
    if order.model.startswith("qwen-image-3"):
        return {"output_image_count": order.n, "output_width": width, "output_height": height, **tokens}
    where = LIVE[order.model][0]
    if where == AT_ONCE:
        return {"image_count": order.n, "width": width, "height": height}
    if where == LATER:
        return {"image_count": order.n, "size": f"{width}*{height}", **tokens}
    return {"image_count": order.n}

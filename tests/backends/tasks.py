"""What backends share that take work first and tell of it later: tasks, their ends, and pictures under links."""

import io
from base64 import b64decode
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import msgspec
from PIL import Image

from backends.drawing import picture
from backends.fields import Refusal
from backends.ledger import Record
from backends.server import Reply, Request, Server


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What a sound request asks for."""

    model: str
    fields: Mapping[str, Any]
    size: tuple[int, int] = (1024, 1024)
    form: str = "png"
    n: int = 1


@dataclass(slots=True)
class Task:
    """Work that was taken, how it ends, and how often it is asked for in vain."""

    name: str
    links: tuple[str, ...]
    end: str
    left: int = 1


class TaskServer(Server):
    """`polls` counts the questions; `stumble` makes the next ones fail, `end` says how the next tasks end.

    A subclass says how a request is checked, how a task is taken and told of, and what else there is to ask.
    """

    good = "succeeded"

    def __init__(self) -> None:
        super().__init__()
        self.polls = 0
        self._stumbles: deque[int] = deque()
        self._ends: deque[str] = deque()
        self._tasks: dict[str, Task] = {}
        self._drawn: dict[str, bytes] = {}

    def authorise(self, request: Request) -> None:
        """Refuses a key that is missing, bad, or in the wrong place."""
        raise NotImplementedError

    def order(self, request: Request) -> Order:
        """What is asked for, or a refusal."""
        raise NotImplementedError

    def taken(self, task: Task) -> Reply:
        """The answer to an order."""
        raise NotImplementedError

    def told(self, request: Request) -> Reply:
        """The answer to a question."""
        raise NotImplementedError

    def stumble(self, *statuses: int) -> None:
        """What the next polls are answered with, before all is normal again."""
        self._stumbles.extend(statuses)

    def end(self, *states: str) -> None:
        """How the next tasks end, one each; all after them end well."""
        self._ends.extend(states)

    def answer(self, request: Request) -> Reply:
        """A picture, an order's answer, or a task's state."""
        if request.path in self._drawn:
            keyed = {"authorization", "x-key"} & request.headers.keys()  # a key has no business there
            return Reply(400) if keyed else Reply(200, self._drawn[request.path])
        if request.method == "GET":
            return self._asked(request)
        record = Record(path=request.path, model=None, n=1, fields={}, headers=request.headers, status=200, billed=True)
        try:
            self.authorise(request)
            order = self.order(request)
        except Refusal as refusal:
            failure = refusal.failure
            record = replace(record, status=failure.status, billed=False)
            return Reply(failure.status, self.error(failure), failure.headers, record)
        reply = self.taken(self._take(order))
        return replace(reply, record=replace(record, model=order.model, fields=order.fields, n=order.n))

    def task(self, name: str) -> Task:
        """A task, asked for once more."""
        task = self._tasks.get(name)
        if task is None:
            raise Refusal(404, "Task not found")
        task.left -= 1
        return task

    def _asked(self, request: Request) -> Reply:
        self.polls += 1
        if self._stumbles:
            return Reply(self._stumbles.popleft(), b"<html>busy</html>")
        try:
            self.authorise(request)
            return self.told(request)
        except Refusal as refusal:
            return Reply(refusal.failure.status, self.error(refusal.failure))

    def _take(self, order: Order) -> Task:
        links = []
        for shade in range(order.n):
            path = f"/pictures/{len(self._drawn)}"
            self._drawn[path] = b64decode(picture("{}x{}".format(*order.size), order.form, shade))
            links.append(f"{self.origin}{path}")
        name = f"t{len(self._tasks)}"
        self._tasks[name] = Task(name, tuple(links), self._ends.popleft() if self._ends else self.good)
        return self._tasks[name]


def body(request: Request) -> dict[str, Any]:
    """The request's JSON."""
    try:
        return msgspec.json.decode(request.body, type=dict[str, Any])
    except msgspec.MsgspecError as error:
        raise Refusal(422, "JSON decode error", "json_invalid") from error


def size_of(data: bytes) -> tuple[int, int]:
    """A picture's width and height."""
    try:
        with Image.open(io.BytesIO(data)) as image:
            return image.size
    except OSError as error:
        raise Refusal(422, "Not a picture", "image_load_error") from error


def check_mask(mask: bytes, image: bytes) -> None:
    """Refuses a mask that is of another size, transparent, or anything but black and white."""
    with Image.open(io.BytesIO(mask)) as opened:
        colours = opened.convert("RGBA").getcolors(4)
        fits = opened.size == size_of(image)
    legal = {(shade, shade, shade, 255) for shade in (0, 255)}
    if not fits or colours is None or not {colour for _, colour in colours} <= legal:
        raise Refusal(422, "The mask does not fit", "value_error", "mask")

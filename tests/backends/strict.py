"""What backends share that check every field they are sent, one test to a field: anything else is refused."""

from base64 import b64decode
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec
from PIL import Image

from backends.drawing import picture
from backends.ledger import Record
from backends.openai import MEDIA_TYPES, Part, Refusal, body_of
from backends.server import Reply, Request, Server

Test = Callable[[Any], bool]
Rules = Mapping[str, Test]
TINY = picture("16x16", "png")


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What a sound request asked for, and the answer to it."""

    model: str
    body: bytes
    n: int = 1
    headers: Mapping[str, str] = field(default_factory=dict)


class StrictBackend(Server):
    """Any key will do but `bad-key`. A subclass says what it draws in `work`, and what is free in `free`.

    `polls` are the states of the next polls, or statuses with which they fail; then all is well.
    """

    def __init__(self) -> None:
        super().__init__()
        self.polls: deque[str | int] = deque()

    def work(self, request: Request, fields: dict[str, Any], files: list[Part]) -> Work:
        """What the request asks for, or a refusal."""
        raise NotImplementedError

    def free(self, request: Request) -> Reply | None:
        """The answer to a call that makes nothing."""
        if request.method == "GET":
            raise Refusal(404, "not_found", "Nothing is here.")
        return None

    def key(self, request: Request) -> str:
        """The key in a request."""
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        return key if scheme == "Bearer" else ""

    def unauthorised(self) -> Refusal:
        """What a bad key gets."""
        return Refusal(401, "invalid_api_key", "The API key is not valid.")

    def answer(self, request: Request) -> Reply:
        """Checks as the backend would, draws, and writes down both."""
        record = Record(path=request.path, model=None, n=1, fields={}, headers=request.headers, status=200, billed=True)
        try:
            if self.key(request) in {"", "bad-key"}:
                raise self.unauthorised()
            if (free := self.free(request)) is not None:
                return free
            fields, parts = body_of(request)
            files = tuple((part.name, part.media_type or "", len(part.data)) for part in parts)
            record = replace(record, fields=fields, files=files)
            work = self.work(request, read_values(fields) if parts else fields, parts)
        except Refusal as refusal:
            failure = refusal.failure
            kept = None if request.method == "GET" else replace(record, status=failure.status, billed=False)
            return Reply(failure.status, self.error(failure), failure.headers, kept)
        return Reply(200, work.body, work.headers, replace(record, model=work.model, n=work.n))

    def next_poll(self) -> str | None:
        """The state that the next poll shall find, None where all is well.

        Raises:
            Refusal: the poll shall fail.
        """
        state = self.polls.popleft() if self.polls else None
        if isinstance(state, int):
            raise Refusal(state, "unavailable", "The service is busy.")
        return state


def read_values(fields: Mapping[str, str]) -> dict[str, Any]:
    """A form's fields, numbers and truths as what they are."""
    return {name: _read(value) for name, value in fields.items()}


def _read(value: Any) -> Any:
    try:
        return msgspec.json.decode(value, type=bool | int | float)
    except (msgspec.MsgspecError, TypeError):
        return value


def check(fields: Mapping[str, Any], rules: Rules, needed: tuple[str, ...] = ("prompt",), status: int = 400) -> None:
    """Refuses fields that are missing, unknown or illegal."""
    for name in needed:
        if name not in fields:
            raise Refusal(status, "missing_parameter", f"{name} is required.", name)
    for name, value in fields.items():
        if name not in rules:
            raise Refusal(status, "unknown_parameter", f"Argument not supported: {name}", name)
        if not rules[name](value):
            raise Refusal(status, "invalid_value", f"Invalid value for {name}.", name)


def check_files(files: list[Part], most: Mapping[str, int]) -> None:
    """Refuses files that are misnamed, misdescribed or too many."""
    for part in files:
        real = next((name for magic, name in MEDIA_TYPES.items() if part.data.startswith(magic)), None)
        if part.filename is None or part.name not in most or real is None or real != part.media_type:
            raise Refusal(400, "invalid_file", f"Not a picture, or not here: {part.name}.", part.name)
    for name, limit in most.items():
        if sum(part.name == name for part in files) > limit:
            raise Refusal(400, "invalid_file", f"At most {limit} {name}.", name)


def words(*legal: str) -> Test:
    """One of a list."""
    return lambda value: value in legal


def whole(low: int, high: int) -> Test:
    """A whole number within bounds."""
    return lambda value: type(value) is int and low <= value <= high


def number(low: float, high: float) -> Test:
    """A number within bounds."""
    return lambda value: type(value) in (int, float) and low <= value <= high


def truth(value: Any) -> bool:
    """True or false."""
    return type(value) is bool


def text(value: Any) -> bool:
    """Some text."""
    return isinstance(value, str) and value != ""


def inline(*types: str) -> Test:
    """A picture of one of these types as a `data:` address."""

    def test(value: Any) -> bool:
        head, _, data = value.partition(";base64,") if isinstance(value, str) else ("", "", "")
        media_type = head.removeprefix("data:")
        real = next((name for magic, name in MEDIA_TYPES.items() if b64decode(data[:16]).startswith(magic)), None)
        return media_type in types and media_type == real

    return test


def levels(mask: Image.Image) -> set[int]:
    """The greys of a mask."""
    return {grey for grey, count in enumerate(mask.convert("L").histogram()) if count}

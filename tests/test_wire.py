"""Golden files: what a request becomes on the wire, and what recorded answers become of it. `--golden` rewrites them.

A file is written by hand up to the answers (`given`, and under `wire` each step's `answer`); `make golden` adds the
rest, and the diff is read as carefully as code. `stream: 2` in `given` asks for events with two early looks, and an
answer may be a list of `events`, each with its `data` and, mostly, the name of the `event`.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from virtual_time import run

import providers
from providers.base import (
    Answer,
    Call,
    FreshSeed,
    FreshUUID,
    Image,
    ImageResult,
    Inline,
    Job,
    Operation,
    Partial,
    ProviderError,
    Upload,
)
from providers.dialect import Shape, Strictness, Unsupported
from router.engine.plan import plan
from router.engine.request import ImageRequest
from router.engine.route import Policy, Provider, Target
from router.wire.answers import events_of
from router.wire.conversation import converse, converse_stream
from router.wire.sse import Event

WIRE = Path(__file__).parent / "wire"
FILES = sorted(WIRE.glob("*/*.yaml"))


@pytest.mark.parametrize("file", FILES, ids=[f"{file.parent.name}/{file.stem}" for file in FILES])
def test_wire(file: Path, request: pytest.FixtureRequest) -> None:
    """A request goes out exactly as recorded, and its answers come in exactly as recorded."""
    text = file.read_text(encoding="utf-8")
    written = yaml.load(text, yaml.CSafeLoader)
    played = play(file.parent.name, written)
    if request.config.getoption("--golden"):
        comment = "".join(line for line in text.splitlines(keepends=True) if line.startswith("#"))
        file.write_text(comment + dump(played), encoding="utf-8")
    else:
        assert played == written


def play(kind: str, file: dict[str, Any]) -> dict[str, Any]:
    """The whole file anew: `given` and the answers as they stand, everything else as the code has it now."""
    given = file["given"]
    answers = [step["answer"] for step in file.get("wire", ())]
    wire: list[dict[str, Any]] = []
    played: dict[str, Any] = {"given": given, "wire": wire}
    adapter = providers.load(kind)
    base_url = given.get("base_url", adapter.base_url or "http://local.test")
    try:
        planned = plan(_request(given), {}, _target(kind, given, base_url))
    except Unsupported as why:
        return {"given": given, "unsupported": str(why)}
    (shard,) = planned.shards
    partials: list[Partial] = []
    try:
        recorded = _Recorded(answers, wire, base_url)
        result = run(_converse(kind, shard.job, recorded, given.get("stream"), partials))
        played["result"] = _result(result, partials)
    except ProviderError as error:
        names = ("kind", "outcome", "status", "code", "type", "param", "message")
        said = {name: getattr(error, name) for name in names if getattr(error, name) is not None}
        played["error"] = {name: value if isinstance(value, int) else str(value) for name, value in said.items()}
    played["warnings"] = [f"{w.parameter}: asked {w.asked}, sent {w.sent}: {w.reason}" for w in planned.warnings]
    return played


class _Recorded:
    """A `Send` whose answers are written in the file; it writes down what was asked."""

    def __init__(self, answers: list[Any], wire: list[dict[str, Any]], base_url: str) -> None:
        self._answers = answers
        self._wire = wire
        self._base_url = base_url

    async def __call__(self, call: Call) -> Answer:
        answer = self._next(call)
        body = answer["text"].encode() if "text" in answer else msgspec.json.encode(answer.get("json"))
        return Answer(answer.get("status", 200), answer.get("headers", {}), body)

    @asynccontextmanager
    async def stream(self, call: Call) -> AsyncIterator[Answer | AsyncIterator[Event]]:
        if "events" not in self._answers[len(self._wire)]:
            yield await self(call)
        else:
            yield events_of(Answer(200, {}, b"".join(map(_written, self._next(call)["events"]))))

    def _next(self, call: Call) -> dict[str, Any]:
        answer: dict[str, Any] = self._answers[len(self._wire)]
        self._wire.append({**_call(call, self._base_url), "answer": answer})
        return answer


def _written(event: dict[str, Any]) -> bytes:
    name = f"event: {event['event']}\n" if "event" in event else ""
    data = event["data"] if isinstance(event["data"], str) else msgspec.json.encode(event["data"]).decode()
    return f"{name}data: {data}\n\n".encode()


async def _converse(kind: str, job: Job, send: _Recorded, looks: int | None, partials: list[Partial]) -> ImageResult:
    async def seen(partial: Partial) -> None:
        partials.append(partial)

    if looks is None:
        return await converse(providers.load(kind), job, send)
    return await converse_stream(providers.load(kind), job, looks, send, seen)


def _request(given: dict[str, Any]) -> ImageRequest:
    mask = given.get("mask")
    return ImageRequest(
        id="golden",
        operation=Operation(given.get("operation", "generate")),
        model=given["model"],
        prompt=given.get("prompt", ""),
        n=given.get("n", 1),
        asked=asked(given.get("params", {})),
        images=tuple(map(_upload, given.get("images", ()))),
        mask=None if mask is None else _upload(mask),
        extras=given.get("extras", {}),
        strictness=Strictness(given["strictness"]) if "strictness" in given else None,
        stream="stream" in given,
        partial_images=given.get("stream", 0),
    )


def asked(params: dict[str, Any]) -> dict[str, Any]:
    """Parameters as clients spell them, read into the common ones."""
    read: dict[str, Any] = {}
    for name, value in params.items():
        if name == "size" and value != "auto":
            width, height = map(int, value.split("x"))
            read["shape"] = Shape(width, height)
        elif name == "aspect_ratio":
            across, down = map(int, value.split(":"))
            read["shape"] = Shape(aspect=across / down)
        elif name != "size":
            read[name] = value
    return read


def _target(kind: str, given: dict[str, Any], base_url: str) -> Target:
    adapter = providers.load(kind)
    options = given.get("options", {})
    provider = Provider(
        name=kind, kind=kind, adapter=adapter, send=_Recorded([], [], base_url), options=options, base_url=base_url
    )
    dialect = adapter.dialect(given.get("like", given["model"]))
    return Target(name=f"{kind}/x", provider=provider, model=given["model"], dialect=dialect, policy=Policy())


def _upload(words: str) -> Upload:
    media_type, size, _ = words.split(" ", 2)
    return Upload.of(bytes(int(size)), media_type)


def _call(call: Call, base_url: str) -> dict[str, Any]:
    url = call.path if "://" in call.path else base_url + call.path
    shown: dict[str, Any] = {"phase": str(call.phase), "send": f"{call.method} {url}"}
    if call.headers:
        shown["headers"] = dict(call.headers)
    if call.json is not None:
        shown["json"] = _spelled(call.json)
    if call.data is not None:
        shown["data"] = _shown(call.data)
    if call.form is not None:
        shown["form"] = [[name, value if isinstance(value, str) else _shown(value)] for name, value in call.form]
    return shown


def _spelled(value: Any) -> Any:
    """A JSON value with its pictures shown for what they are."""
    if isinstance(value, Mapping):
        return {name: _spelled(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_spelled(inner) for inner in value]
    if isinstance(value, FreshUUID):
        return "<a fresh UUID>"
    if isinstance(value, FreshSeed):
        return "<a fresh seed>"
    return value.prefix + _shown(value.upload) if isinstance(value, Inline) else value


def _shown(upload: Upload) -> str:
    return f"<{upload.media_type} {upload.size} bytes>"


def _picture(image: Image) -> dict[str, Any]:
    fields = {
        "b64": image.b64 and str(image.b64, "ascii"),
        "url": image.url,
        "data": image.data and image.data.decode("latin-1"),
        "revised_prompt": image.revised_prompt,
        "width": image.width or None,
        "height": image.height or None,
    }
    return {name: value for name, value in fields.items() if value is not None}


def _result(result: ImageResult, partials: list[Partial]) -> dict[str, Any]:
    shown: dict[str, Any] = {"images": list(map(_picture, result.images))}
    if partials:
        shown["partials"] = [{**_picture(partial.image), "index": partial.index} for partial in partials]
    if result.usage is not None:
        shown["usage"] = {
            name: getattr(result.usage, name)
            for name in result.usage.__slots__
            if getattr(result.usage, name) is not None
        }
    if result.created is not None:
        shown["created"] = result.created
    if result.facts:
        shown["facts"] = dict(result.facts)
    return shown


def dump(played: dict[str, Any]) -> str:
    """A file as people like to read it: the short things on one line."""
    return yaml.safe_dump(played, sort_keys=False, allow_unicode=True, width=110, default_flow_style=None)

"""What `explain` says of ten requests to the examples, and that that it goes out so. `--golden` rewrites the files.

A file is written by hand up to its request (`given`); the rest is what the code says now, read as carefully as code.
"""

import asyncio
import base64
import hashlib
import re
from collections.abc import Iterator, Mapping
from email.parser import BytesParser
from email.policy import HTTP
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import httpx
import msgspec
import pytest
import yaml
from backends import Status, volcengine
from backends.server import Request
from pictures import png
from test_examples import EXAMPLES, PATHS, Example, needed, running

import providers
from providers.base import Operation
from router.commands.rehearsal import Question, explained
from router.config.load import load
from router.explain.explanation import Upstream
from router.explain.following import polls
from router.wire import conversation
from router.wire.send import Wire
from router.wire.writing import Preview

FILES = sorted((Path(__file__).parent / "explain").glob("*.yaml"))
GIVEN = {file.stem: yaml.load(file.read_text(), yaml.CSafeLoader)["given"] for file in FILES}
WIRE = Path(__file__).parent / "wire"
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
DRAWN = "<drawn for each sending>"
ADDED = {"connection"}  # headers that are the transport's own


def data_uri(words: str) -> str:
    """A picture as JSON carries it; `512x512 masked` is one whose left half is transparent."""
    pixels, _, masked = words.partition(" ")
    width, height = map(int, pixels.split("x"))
    return f"data:image/png;base64,{base64.b64encode(png(width, height, alpha=bool(masked))).decode()}"


def question(given: Mapping[str, Any]) -> Question:
    """The request of a file."""
    fields = dict(given["json"])
    if "images" in given:
        fields["image"] = [data_uri(words) for words in given["images"]]
    if "mask" in given:
        fields["mask"] = data_uri(given["mask"])
    return Question(Operation(given["operation"]), fields)


def steady(value: Any) -> Any:
    """An explanation without what depends on how a library compresses pictures, or on our version."""
    if isinstance(value, dict):
        with_pictures = re.search(r"sha256", str(value.get("body")))
        found = {name: steady(inner) for name, inner in value.items()}
        if with_pictures and "headers" in found:
            found["headers"] = found["headers"] | {"content-length": "<as the pictures have it>"}
        return found
    if isinstance(value, list):
        return [steady(inner) for inner in value]
    if not isinstance(value, str):
        return value
    value = re.sub(r"\d+ (characters|bytes), sha256 [0-9a-f]{64}", r"… \1", value)
    return re.sub(r"image-router/[\w.]+", "image-router/…", value)


@pytest.mark.parametrize("file", FILES, ids=[file.stem for file in FILES])
def test_the_explanation_is_the_golden_one(
    file: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each request is explained as recorded, with no call to any backend."""

    async def called(*_: object, **__: object) -> None:
        raise AssertionError("a backend was called")

    monkeypatch.setattr(Wire, "_open", called)
    given = yaml.load(file.read_text(), yaml.CSafeLoader)["given"]
    path = EXAMPLES[given["config"]]
    told = explained(question(given), load(path, needed(path)))
    played = {"given": given, "explanation": steady(told.plain())}
    if request.config.getoption("--golden"):
        text = yaml.safe_dump(played, sort_keys=False, allow_unicode=True, width=110, default_flow_style=None)
        file.write_text(text, encoding="utf-8")
    else:
        assert played == yaml.load(file.read_text(), yaml.CSafeLoader)


def test_there_are_ten() -> None:
    """Ten requests, to different examples, and all three operations."""
    assert len(FILES) == 10
    assert {given["operation"] for given in GIVEN.values()} == set(Operation)


@pytest.fixture
def example(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Example]:
    """The example of a file, running, its polls without waits."""

    async def at_once(_: float) -> None:
        await asyncio.sleep(0)

    own = {name.removeprefix("doubao-"): rules for name, rules in volcengine.MODELS.items()}
    monkeypatch.setattr(volcengine, "MODELS", own | volcengine.MODELS)
    monkeypatch.setattr(conversation, "asyncio", SimpleNamespace(sleep=at_once, timeout=asyncio.timeout))
    with running(EXAMPLES[GIVEN[request.param]["config"]], tmp_path) as found:
        yield found


class Listener:
    """Writes down all that arrives at an example's backends."""

    def __init__(self, example: Example) -> None:
        self.heard: dict[str, list[Request]] = {name: [] for name in example.backends}
        for name, backend in example.backends.items():
            self._listen(name, backend)

    def _listen(self, name: str, backend: Any) -> None:
        plain = backend.answer

        def answer(request: Request) -> Any:
            self.heard[name].append(request)
            return plain(request)

        backend.answer = answer

    def forget(self) -> None:
        """Begin anew."""
        for heard in self.heard.values():
            heard.clear()


def masked(body: bytes, content_type: str) -> bytes:
    """A body without what is drawn anew for each sending."""
    if "boundary=" in content_type:
        body = body.replace(content_type.partition("boundary=")[2].encode(), b"B")
    return UUID.sub("U", body.decode("latin-1")).encode("latin-1")


async def whole(preview: Preview) -> bytes:
    """The bytes of a preview."""
    if preview.content is None or isinstance(preview.content, bytes):
        return preview.content or b""
    return b"".join([piece async for piece in preview.content])


def same(preview: Preview, content: bytes, heard: Request) -> None:
    """Hold a preview against what arrived: method, address, headers and every byte of the body."""
    url = urlsplit(preview.url)
    assert (heard.method, heard.path) == (preview.method, unquote(url.path))
    assert heard.query == dict(parse_qsl(url.query))
    foreseen = {name for name in preview.headers if name not in preview.keyed}
    key = {"authorization"} if preview.errand else preview.keyed
    assert heard.headers.keys() - foreseen - ADDED == key
    for name in foreseen - {"content-type"}:
        assert heard.headers[name] == preview.headers[name], name
    kinds = [headers.get("content-type", "") for headers in (heard.headers, preview.headers)]
    assert kinds[0].partition("boundary=")[0] == kinds[1].partition("boundary=")[0]
    assert masked(heard.body, kinds[0]) == masked(content, kinds[1])


def printed(told: Upstream, heard: Request) -> None:
    """Hold what is printed of a body against what arrived."""
    if told.body is None:
        assert heard.body == b""
        return
    if "form" in told.body:
        head = f"content-type: {heard.headers['content-type']}\r\n\r\n".encode()
        parts = BytesParser(policy=HTTP).parsebytes(head + heard.body).iter_parts()
        agree(told.body["form"], [part_shown(part) for part in parts])
    elif "json" in told.body:
        agree(told.body["json"], msgspec.json.decode(heard.body))
    else:
        raise AssertionError(told.body)


def part_shown(part: Any) -> dict[str, str]:
    """A form's part as it should be printed."""
    name, content = part.get_param("name", header="content-disposition"), part.get_payload(decode=True)
    if part.get_filename() is None:
        return {"name": name, "text": content.decode()}
    picture = f"<{part.get_content_type()}, {len(content)} bytes, sha256 {hashlib.sha256(content).hexdigest()}>"
    return {"name": name, "filename": part.get_filename(), "picture": picture}


def agree(told: Any, sent: Any) -> None:
    """Both are the same, but that long base64 is told by its length and digest, and what is drawn is not told."""
    if isinstance(told, dict):
        assert list(told) == list(sent)
        for name in told:
            agree(told[name], sent[name])
    elif isinstance(told, list):
        assert len(told) == len(sent)
        for one, other in zip(told, sent, strict=True):
            agree(one, other)
    elif isinstance(told, str) and "<base64, " in told:
        text = sent.rpartition(",")[2]
        digest = hashlib.sha256(text.encode()).hexdigest()
        assert told == sent.removesuffix(text) + f"<base64, {len(text)} characters, sha256 {digest}>"
    else:
        assert told in (sent, DRAWN)


@pytest.mark.parametrize(("example", "name"), [(name, name) for name in GIVEN], indirect=["example"], ids=list(GIVEN))
def test_what_is_explained_is_what_goes_out(
    example: Example, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For each eligible target the requests foreseen are those that arrive, byte for byte, once those before fail."""
    given = GIVEN[name]
    previews: list[tuple[Preview, bytes]] = []
    plain = Wire.preview

    async def noted(wire: Wire, *arguments: Any, **named: Any) -> Preview:
        preview = await plain(wire, *arguments, **named)
        previews.append((preview, await whole(preview)))
        return preview

    monkeypatch.setattr(Wire, "preview", noted)
    listener = Listener(example)
    environ = needed(EXAMPLES[given["config"]])
    told = explained(question(given), load(tmp_path / "router.yaml", environ))
    assert not any(listener.heard.values())
    before: list[Any] = []
    for member in [member for member in told.chain if member.eligible]:
        for earlier in before:
            example.backends[earlier.target.partition("/")[0]].script(*[Status(503)] * len(earlier.requests))
        listener.forget()
        answer = send(example, question(given))
        assert answer.status_code == 200, answer.text
        heard = [each for each in listener.heard[member.target.partition("/")[0]] if "token" not in each.path]
        for upstream in member.requests:
            preview, content = previews.pop(0)
            arrived = next((each for each in heard if matches(preview, content, each)), heard[0])
            heard.remove(arrived)
            same(preview, content, arrived)
            printed(upstream, arrived)
        before.append(member)
    assert previews == []


def matches(preview: Preview, content: bytes, heard: Request) -> bool:
    """Whether this is the call meant: shards go out side by side, in any order."""
    foreseen = masked(content, preview.headers.get("content-type", ""))
    return masked(heard.body, heard.headers.get("content-type", "")) == foreseen


def send(example: Example, asked: Question) -> httpx.Response:
    """The request for real."""
    key = example.settings.server.keys[-1].key.reveal()
    return httpx.post(
        f"{example.url}/v2/router/images/{PATHS[asked.operation]}",
        json=asked.fields,
        headers={"authorization": f"Bearer {key}", "x-request-id": "explain"},
        timeout=30,
    )


@pytest.mark.parametrize("kind", providers.kinds())
def test_a_kind_polls_where_its_golden_files_do(kind: str) -> None:
    """Whether tickets are polled is read from the code, and is what the recorded conversations show."""
    recorded = any("phase: poll" in file.read_text() for file in (WIRE / kind).glob("*.yaml"))
    assert polls(providers.load(kind)) is recorded

"""Stored pictures over HTTP: what a link opens, for whom, and how a browser is told to treat it."""

import asyncio
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest
import uvicorn
from pictures import png
from serving import _Started
from starlette.applications import Starlette
from starlette.routing import Route

from router.api.files import Files
from router.auth import Caller, Keys
from router.config.model import Store
from router.images.links import FILES_PATH
from router.images.names import MEDIA_TYPES, PictureName
from router.images.store import PictureStore

NOW = 1_700_000_000.0
DATA = png() + bytes(range(256)) * 4000
SIZE = len(DATA)


@dataclass
class Place:
    """A server of stored pictures, its directory, and its clock."""

    store: PictureStore
    directory: Path
    runtime: SimpleNamespace
    url: str = ""
    now: float = NOW

    def put(self, media_type: str = "image/png", owner: str = "studio") -> tuple[PictureName, str]:
        """A picture of `DATA`, and its link."""
        return asyncio.run(self._put(media_type, owner))

    async def _put(self, media_type: str, owner: str) -> tuple[PictureName, str]:
        name = await self.store.put(DATA, media_type, owner)
        return name, await self.store.link(name, self.url)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """The endpoint on a real socket, with two callers."""
    directory = tmp_path_factory.mktemp("pictures")
    store = PictureStore.open(Store(url=str(directory)), lambda: place.now)
    runtime = SimpleNamespace(store=store, keys=Keys([("key-s", Caller("studio")), ("key-c", Caller("ci"))]))
    place = Place(store, directory, runtime)
    app = Starlette(routes=[Route(f"{FILES_PATH}/{{token}}", Files(), methods=["GET"])])
    app.state.service = SimpleNamespace(runtime=runtime)
    serving = _Started(uvicorn.Config(app, port=0, http="httptools", loop="uvloop", lifespan="off", log_config=None))
    thread = threading.Thread(target=serving.run, daemon=True)
    thread.start()
    assert serving.listening.wait(30)
    place.url = f"http://127.0.0.1:{serving.port}"
    yield place
    serving.should_exit = True
    thread.join(30)


@pytest.fixture
def place(server: Place) -> Place:
    """The server, with its clock set back."""
    server.now = NOW
    return server


@pytest.fixture(scope="module")
def browser() -> Iterator[httpx.Client]:
    """A client with no key."""
    with httpx.Client() as client:
        yield client


def code(answer: httpx.Response) -> tuple[int, str]:
    """Status and code of an error, which comes in the contract's envelope."""
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    error = answer.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    return answer.status_code, error["code"]


@pytest.mark.parametrize("media_type", MEDIA_TYPES.values())
def test_a_link_opens_a_picture_and_nothing_else(place, browser, media_type):
    """A link needs no key and gives the picture, whole, with its type and told to be nothing but a picture."""
    name, link = place.put(media_type)
    answer = browser.get(link, headers={"x-request-id": "my-own"})
    assert (answer.status_code, answer.content) == (200, DATA)
    told = dict(answer.headers)
    del told["date"], told["server"]
    assert told == {
        "content-type": media_type,
        "content-length": str(SIZE),
        "content-disposition": f'inline; filename="{name.id}.{name.extension}"',
        "content-security-policy": "sandbox; default-src 'none'",
        "x-content-type-options": "nosniff",
        "cache-control": "private, max-age=3600",
        "etag": f'"{name.id}"',
        "accept-ranges": "bytes",
        "x-request-id": "my-own",
    }


def test_a_head_says_the_same_without_the_picture(place, browser):
    """HEAD has the headers of GET and no body."""
    _, link = place.put()
    whole, head = browser.get(link).headers, browser.head(link)
    assert (head.status_code, head.content) == (200, b"")
    changing = {"date", "x-request-id"}
    assert [each for each in head.headers.items() if each[0] not in changing] == [
        each for each in whole.items() if each[0] not in changing
    ]
    assert browser.head(link, headers={"range": "bytes=0-9"}).status_code == 200


def test_a_link_ends(place, browser):
    """After its time, and the minute by which clocks differ, a link is told to have expired; a cache learns when."""
    _, link = place.put()
    place.now = NOW + 3000
    assert browser.get(link).headers["cache-control"] == "private, max-age=600"
    place.now = NOW + 3660
    assert browser.get(link).headers["cache-control"] == "private, max-age=0"
    place.now = NOW + 3661
    assert code(browser.get(link)) == (410, "link_expired")


def test_an_altered_link_opens_nothing(place, browser):
    """A token with a changed, missing or added character, and any other path, is not found."""
    _, link = place.put()
    start, _, token = link.rpartition("/")
    altered = [token[:-1], token + "A", token.swapcase(), "x", "..%5c..%5cetc", "%00", "%F0%9F%92%A5"]
    altered += [token[:at] + ("B" if token[at] == "A" else "A") + token[at + 1 :] for at in range(0, len(token), 7)]
    for each in altered:
        assert code(browser.get(f"{start}/{each}")) == (404, "not_found"), each


def test_another_callers_key_opens_nothing(place, browser):
    """A key opens only its own caller's pictures; the owner's key, or one that nobody knows, changes nothing."""
    _, link = place.put(owner="studio")
    seen = {
        key: browser.get(link, headers={"authorization": key}).status_code
        for key in ("Bearer key-s", "Bearer key-c", "Bearer nobody's", "Basic abc", "")
    }
    assert seen == {"Bearer key-s": 200, "Bearer key-c": 404, "Bearer nobody's": 200, "Basic abc": 200, "": 200}
    assert code(browser.get(link, headers={"authorization": "bearer key-c"})) == (404, "not_found")


def test_an_open_router_asks_nobody(place, browser, monkeypatch):
    """Where there are no keys every link opens, whatever key a client sends."""
    monkeypatch.setattr(place.runtime, "keys", Keys([]))
    _, link = place.put(owner="studio")
    assert browser.get(link, headers={"authorization": "Bearer key-c"}).status_code == 200


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=10-19", 10, 20),
        ("bytes=300000-700000", 300_000, 700_001),
        ("bytes=1000-", 1000, SIZE),
        ("bytes=0-", 0, SIZE),
        ("bytes=-1", SIZE - 1, SIZE),
        ("bytes=-99999999999", 0, SIZE),
        (f"Bytes={SIZE - 1}-{SIZE + 5}", SIZE - 1, SIZE),
    ],
)
def test_a_part_can_be_asked_for(place, browser, asked, start, end):
    """One range gives that part, with its place in the whole."""
    _, link = place.put()
    answer = browser.get(link, headers={"range": asked})
    assert (answer.status_code, answer.content) == (206, DATA[start:end])
    assert answer.headers["content-range"] == f"bytes {start}-{end - 1}/{SIZE}"
    assert answer.headers["content-length"] == str(end - start)


@pytest.mark.parametrize(
    "asked",
    [
        "bytes=",
        "bytes=-",
        "bytes=9-3",
        "bytes=1-2,4-5",
        "bytes=a-b",
        "bytes=--1",
        "pixels=0-1",
        "bytes 0-1",
        "bytes=1-2-3",
        "bytes=" + "9" * 400 + "-",
        "bytes=\xb2-\xb3",
    ],
)
def test_a_range_that_is_none_is_ignored(place, browser, asked):
    """Nonsense, other units and several ranges at once give the whole picture."""
    _, link = place.put()
    answer = browser.get(link, headers={"range": asked.encode("latin-1")})
    assert (answer.status_code, len(answer.content)) == (200, SIZE)


@pytest.mark.parametrize("asked", [f"bytes={SIZE}-", f"bytes={SIZE + 10}-{SIZE + 20}", "bytes=-0"])
def test_a_part_beyond_the_end_is_refused(place, browser, asked):
    """A range outside the picture is refused, with the picture's size."""
    _, link = place.put()
    answer = browser.get(link, headers={"range": asked})
    assert code(answer) == (416, "range_not_satisfiable")
    assert answer.headers["content-range"] == f"bytes */{SIZE}"


def test_a_part_of_another_version_is_the_whole(place, browser):
    """A range on condition of another picture's tag gives the whole; on condition of this one's, the part."""
    name, link = place.put()
    for tag, status in ((f'"{name.id}"', 206), ('"other"', 200)):
        assert browser.get(link, headers={"range": "bytes=0-9", "if-range": tag}).status_code == status


@pytest.mark.parametrize(
    ("given", "status"), [('"{}"', 304), ('W/"{}"', 304), ("*", 304), ('"a", "{}"', 304), ('"a"', 200), ("{}", 200)]
)
def test_who_has_the_picture_gets_no_copy(place, browser, given, status):
    """A browser that names the picture's tag is told that nothing changed."""
    name, link = place.put()
    answer = browser.get(link, headers={"if-none-match": given.format(name.id)})
    assert (answer.status_code, len(answer.content)) == (status, 0 if status == 304 else SIZE)
    assert answer.headers["etag"] == f'"{name.id}"'


def test_a_deleted_picture_is_not_found(place, browser):
    """A link whose picture is gone before its time says so like any other path of nothing."""
    name, link = place.put()
    (place.directory / str(name)).unlink()
    assert code(browser.get(link)) == (404, "not_found")


def test_a_store_that_fails_is_told(place, browser, monkeypatch):
    """When the disk fails the caller is told to come back, and not where the pictures lie."""
    _, link = place.put()

    def broken(*_: object) -> None:
        raise OSError(5, "Input/output error at /secret/place")

    monkeypatch.setattr("obstore.head_async", broken)
    answer = browser.get(link)
    assert code(answer) == (503, "storage_unavailable")
    assert "secret" not in answer.text


def test_a_picture_that_breaks_off_is_not_taken_for_whole(place, browser, monkeypatch):
    """When the disk fails in the middle, the connection closes before the promised length."""
    _, link = place.put()
    plain = place.store.read

    async def half(name: PictureName, start: int, end: int):
        async for piece in plain(name, start, end):
            yield piece
            (place.directory / str(name)).unlink(missing_ok=True)

    monkeypatch.setattr(place.store, "read", half)
    with pytest.raises(httpx.RemoteProtocolError):
        browser.get(link)

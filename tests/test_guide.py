"""The guide in providers/README.md, tried: a made-up backend written from it alone works as any other does."""

import io
import re
from base64 import b64decode, b64encode
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
import yaml
from backends.ledger import Record
from backends.server import Reply, Request, Server, Status
from pictures import base64_png, png
from PIL import Image
from serving import ROOT, serving
from test_wire import play

import providers
from providers import dialect
from providers.base import Adapter, Phase, Stream
from providers.dialect import Dialect, MaskForm

KIND = "kinds.guided"
GUIDE = (ROOT / "providers/README.md").read_text(encoding="utf-8")

GOLDEN = {
    "every parameter": """
given: {model: oil, prompt: a red kite, params: {size: 1000x500, seed: 7, steps: 90}}
wire:
- phase: submit
  send: POST https://api.atelier.example/jobs
  json: {ratio: '3:2', seed: 7, steps: 40, model: oil, text: a red kite}
  answer: {json: {job: j1}}
- {phase: poll, send: GET https://api.atelier.example/jobs/j1, answer: {json: {state: queued}}}
- phase: poll
  send: GET https://api.atelier.example/jobs/j1
  answer: {json: {state: painted, picture: "https://cdn.atelier.example/1.png", cents: 4}}
result: {images: [{url: "https://cdn.atelier.example/1.png"}], usage: {cost: 0.04}}
warnings:
- 'size: asked 1000x500, sent 3:2: the model takes a ratio of 1:1 3:2 2:3'
- 'steps: asked 90, sent 40: must be 1 to 40'
""",
    "a masked edit": """
given: {operation: edit, model: oil, prompt: a hat, images: [image/png 12 bytes], mask: image/png 9 bytes}
wire:
- phase: submit
  send: POST https://api.atelier.example/jobs
  json: {model: oil, text: a hat, picture: 'data:image/png;base64,<image/png 12 bytes>', area: <image/png 9 bytes>}
  answer: {json: {job: j1}}
- {phase: poll, send: GET https://api.atelier.example/jobs/j1, answer: {json: {state: torn, why: the easel fell}}}
error: {kind: unavailable, outcome: failed, message: the easel fell}
warnings: []
""",
    "a refusal inside a 200": """
given: {model: oil, prompt: a red kite}
wire:
- phase: submit
  send: POST https://api.atelier.example/jobs
  json: {model: oil, text: a red kite}
  answer: {json: {refused: {code: unsafe, words: not that}}}
error: {kind: content_policy, outcome: rejected, code: unsafe, message: not that}
warnings: []
""",
    "an undocumented state": """
given: {model: oil, prompt: a red kite}
wire:
- phase: submit
  send: POST https://api.atelier.example/jobs
  json: {model: oil, text: a red kite}
  answer: {json: {job: j1}}
- {phase: poll, send: GET https://api.atelier.example/jobs/j1, answer: {json: {state: lost}}}
error:
  kind: bad_response
  outcome: ambiguous
  message: "the job is in a state its backend does not document: 'lost'"
warnings: []
""",
}


class Atelier(Server):
    """Paints at `POST /jobs`, tells at `GET /jobs/<name>`; `ends` are the next jobs' and `stumbles` the next polls'."""

    def __init__(self) -> None:
        super().__init__()
        self.polls = 0
        self.ends: deque[str] = deque()
        self.stumbles: deque[int] = deque()
        self._jobs: dict[str, deque[str]] = {}
        self._drawn: dict[str, bytes] = {}

    def answer(self, request: Request) -> Reply:
        """A picture, a job's state, or a job taken or refused."""
        if request.path in self._drawn:
            return Reply(400 if "x-atelier-key" in request.headers else 200, self._drawn[request.path])
        if request.headers.get("x-atelier-key") != "secret-key":
            return Reply(401, self.error(Status(401, "bad_key")))
        return self._told(request.path) if request.method == "GET" else self._taken(request)

    def error(self, failure: Status) -> bytes:
        """Its words."""
        return msgspec.json.encode({"error": {"code": failure.code, "words": failure.message}})

    def _taken(self, request: Request) -> Reply:
        fields = msgspec.json.decode(request.body)
        refused = "forbidden" in fields["text"]
        record = Record(
            path=request.path,
            model=fields["model"],
            n=1,
            fields=fields,
            headers=request.headers,
            status=200,
            billed=not refused,
        )
        if refused:
            said: dict[str, Any] = {"refused": {"code": "unsafe", "words": "not that"}}
        else:
            name = f"j{len(self._jobs)}"
            self._jobs[name] = deque(("queued", "painting", self.ends.popleft() if self.ends else "painted"))
            width, height = {"3:2": (96, 64), "2:3": (64, 96)}.get(fields.get("ratio", ""), (64, 64))
            self._drawn[f"/pictures/{name}"] = png(width, height)
            said = {"job": name}
        return Reply(200, msgspec.json.encode(said), record=record)

    def _told(self, path: str) -> Reply:
        self.polls += 1
        if self.stumbles:
            return Reply(self.stumbles.popleft(), b"<html>busy</html>")
        name = path.rpartition("/")[2]
        states = self._jobs[name]
        state = states.popleft() if len(states) > 1 else states[0]
        ended: dict[str, Any] = {"painted": {"picture": f"{self.origin}/pictures/{name}", "cents": 4}}
        return Reply(200, msgspec.json.encode({"state": state, "why": "the easel fell", **ended.get(state, {})}))


@pytest.fixture
def atelier() -> Iterator[Atelier]:
    """The made-up backend."""
    with Atelier() as backend:
        yield backend


@pytest.fixture
def router(atelier: Atelier, tmp_path: Path) -> Iterator[httpx.Client]:
    """A real router with that backend alone."""
    config = {
        "server": {"store": {"url": str(tmp_path / "store")}},
        "providers": {"atelier": {"kind": KIND, "base_url": atelier.origin, "api_key": "secret-key"}},
        "models": {"oil": {"chain": ["atelier/oil"]}},
    }
    with serving(config, tmp_path) as url, httpx.Client(base_url=f"{url}/v1/images", timeout=30) as client:
        yield client


def asked(router: httpx.Client, operation: str = "generations", **fields: Any) -> httpx.Response:
    """What the router answers to a plain request with these changes."""
    body = {"model": "oil", "prompt": "a red kite", "response_format": "b64_json", **fields}
    return router.post(f"/{operation}", json=body)


def size_of(answer: httpx.Response) -> tuple[int, int]:
    """The size of the one picture of an answer."""
    assert answer.status_code == 200, answer.text
    (item,) = answer.json()["data"]
    with Image.open(io.BytesIO(b64decode(item["b64_json"], validate=True))) as picture:
        return picture.size


@pytest.mark.parametrize("name", GOLDEN)
def test_its_golden_files_hold(name: str) -> None:
    """What the guide says of tables, polls, pictures, refusals and ends is what goes over the wire."""
    written = yaml.safe_load(GOLDEN[name])
    assert play(KIND, written) == written


def test_it_paints(router: httpx.Client, atelier: Atelier) -> None:
    """A job is submitted once, polled through a hiccup to its end, and its picture brought home without the key."""
    atelier.stumbles.extend((503, 429))
    answer = asked(router, size="1536x1024", seed=7)
    assert size_of(answer) == (96, 64)
    (record,) = atelier.ledger.records
    assert record.fields == {"ratio": "3:2", "seed": 7, "model": "oil", "text": "a red kite"}
    assert atelier.polls == 5


def test_it_edits_under_a_mask(router: httpx.Client, atelier: Atelier) -> None:
    """The caller's clear pixels reach the backend as white ones, on a mask as large as the picture."""
    mask = f"data:image/png;base64,{b64encode(png(64, 32, alpha=True)).decode()}"
    picture = f"data:image/png;base64,{base64_png(64, 32)}"
    answer = asked(router, "edits", image=picture, mask=mask)
    assert size_of(answer) == (64, 64)
    (record,) = atelier.ledger.records
    assert record.fields["picture"] == picture
    with Image.open(io.BytesIO(b64decode(record.fields["area"], validate=True))) as area:
        grey = area.convert("L")
    assert (grey.size, grey.getpixel((0, 0)), grey.getpixel((63, 0))) == ((64, 32), 255, 0)


def test_it_refuses(router: httpx.Client, atelier: Atelier) -> None:
    """A refusal inside a 200 is the caller's to mend: told in the backend's words, never tried again."""
    answer = asked(router, prompt="a forbidden thing")
    assert (answer.status_code, answer.json()["error"]["message"]) == (400, "not that")
    assert (len(atelier.ledger), atelier.polls) == (1, 0)


def test_a_job_that_fails_is_not_bought_again(router: httpx.Client, atelier: Atelier) -> None:
    """Work that the backend took, failed at and bills is submitted once, and the caller is told."""
    atelier.ends.append("torn")
    answer = asked(router)
    assert answer.status_code == 502
    assert answer.json()["error"]["code"] == "provider_error"
    assert len(atelier.ledger) == 1


def test_the_guide_names_what_there_is() -> None:
    """Every rule, phase, argument and shared file that an adapter may need stands in the guide."""
    rules = [name for name in dialect.__all__ if "__call__" in getattr(getattr(dialect, name), "__dict__", ())]
    arguments = [*Adapter.__slots__, *Dialect.__slots__, *Stream.__slots__]
    shared = [file.name for file in (ROOT / "providers").glob("[a-z]*.py") if file.stem not in providers.kinds()]
    words = {*rules, *arguments, *shared, *(phase.name for phase in Phase), *(form.name for form in MaskForm)}
    assert sorted(word for word in words if not re.search(rf"`{re.escape(word)}\b", GUIDE)) == []

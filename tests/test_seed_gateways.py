"""A client of another gateway, pointed here: what it sends is served unchanged, and reaches the backend whole."""

import base64
import io
from collections.abc import Iterator
from typing import Any

import httpx
import msgspec
import pytest
from backends import OpenAIBackend
from backends.dashscope import DashScopeBackend
from backends.volcengine import VolcengineBackend
from backends.zhipu import ZhipuBackend
from PIL import Image as Pillow
from seed_requests import (
    CAT,
    EXAMPLES,
    EXTRAS,
    FIELDS,
    FORM_SHAPES,
    HAT,
    JSON_SHAPES,
    PROMPT,
    V1,
    Example,
    data_uri,
    file,
    form,
)
from serving import serving

from router import runtime
from router.wire.fetch import Fetcher

KEY = {"authorization": "Bearer studio-key"}
EDITS = "/v1/images/edits"
Backends = dict[str, Any]
Pictures = tuple[tuple[str, bytes], ...]


class Library(Fetcher):
    """The guarded download, which has tests of its own, with one public address that it knows by heart."""

    async def fetch(self, url: str, **settings: Any) -> bytes:
        """The picture at an address."""
        return CAT if url == "https://pictures.example/cat.png" else await super().fetch(url, **settings)


@pytest.fixture(scope="module")
def running() -> Iterator[Backends]:
    """A backend of each kind that has fields of its own."""
    with (
        OpenAIBackend() as openai,
        DashScopeBackend() as dashscope,
        VolcengineBackend() as volcengine,
        ZhipuBackend() as zhipu,
    ):
        yield {"openai": openai, "dashscope": dashscope, "volcengine": volcengine, "zhipu": zhipu}


@pytest.fixture(scope="module")
def router(running: Backends, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A client with a key of a router in front of them."""
    gpt = {"chain": ["openai/gpt-image-2"]}
    config = {
        "server": {
            "default_model": "gpt-image-2",
            "fetch_images": True,
            "max_image": "64KiB",
            "keys": [{"name": "studio", "key": "studio-key"}],
        },
        "providers": {
            kind: {"kind": kind, "base_url": backend.url, "api_key": "key-of-ours"} for kind, backend in running.items()
        },
        "models": {
            "gpt-image-2": {**gpt, "aliases": ["gpt-4o-mini"]},
            "gpt-image-1.5": {"chain": ["openai/gpt-image-1.5"]},
            "dall-e-2": gpt,
            "dall-e-3": gpt,
            "openai/*": {"chain": ["openai/*"]},
            "qwen": {"chain": ["dashscope/qwen-image-3.0"]},
            "seedream": {"chain": ["volcengine/doubao-seedream-4-0-250828"]},
            "cogview": {"chain": ["zhipu/cogview-4"]},
            "any": {"chain": ["openai/gpt-image-2"], "unconstrained": True},
        },
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runtime, "Fetcher", Library)
        with (
            serving(config, tmp_path_factory.mktemp("router")) as url,
            httpx.Client(base_url=url, timeout=30, headers=KEY) as client,
        ):
            yield client


@pytest.fixture
def backends(running: Backends) -> Backends:
    """Those backends with empty ledgers."""
    for backend in running.values():
        backend.ledger.clear()
    return running


def pictures(answer: httpx.Response) -> list[tuple[int, int]]:
    """The size of each picture of an answer, however it was handed over."""
    assert answer.status_code == 200, answer.text
    return [_size(item) for item in answer.json()["data"]]


def _size(item: dict[str, str]) -> tuple[int, int]:
    text = item.get("b64_json") or item["url"]
    data = httpx.get(text).content if text.startswith("http") else base64.b64decode(text.rpartition(",")[2])
    with Pillow.open(io.BytesIO(data)) as picture:
        return picture.size


def check_files(found: tuple[tuple[str, str, int], ...], wanted: Pictures) -> None:
    """The backend was sent these pictures and no other, in this order, as what they are."""
    assert [(name, size) for name, _, size in found] == [(name, len(picture)) for name, picture in wanted]
    assert {media_type for _, media_type, _ in found} <= {"image/png"}


@pytest.mark.parametrize("example", EXAMPLES, ids=str)
def test_an_example_is_served_unchanged(router: httpx.Client, backends: Backends, example: Example) -> None:
    """Every row of the endpoints: the picture comes, and the backend has all that was asked and nothing beside it."""
    answer = router.post(example.path, **example.body)
    (record,) = backends["openai"].ledger.records
    wanted = {"model": "gpt-image-2", "n": 1, "prompt": example.prompt or record.fields["prompt"], **example.sent}
    assert record.fields == wanted
    assert record.path.endswith("/edits" if example.files else "/generations")
    check_files(record.files, example.files)
    sizes = pictures(answer)
    assert len(sizes) == record.n
    assert {"{}x{}".format(*size) for size in sizes} == {answer.json()["size"]} == {wanted.get("size", "1024x1024")}


@pytest.mark.parametrize("path", [V1, EDITS])
def test_a_stream_as_nex_has_it(router: httpx.Client, backends: Backends, path: str) -> None:
    """`stream` and `partial_images` give events in OpenAI's words, named for what is done."""
    body = {"model": "gpt-image-2", "prompt": PROMPT, "stream": True, "partial_images": 2}
    answer = router.post(path, json=body if path == V1 else {**body, "image": data_uri(CAT)})
    assert answer.headers["content-type"].startswith("text/event-stream")
    events = [msgspec.json.decode(line[6:]) for line in answer.text.splitlines() if line.startswith("data: ")]
    kind = "image_generation" if path == V1 else "image_edit"
    assert [event["type"] for event in events] == [*[f"{kind}.partial_image"] * 2, f"{kind}.completed"]
    assert [_size(event) for event in events] == [(1024, 1024)] * 3
    (record,) = backends["openai"].ledger.records
    assert (record.fields["stream"], record.fields["partial_images"]) == (True, 2)


@pytest.mark.parametrize(("model", "asked", "sent"), FIELDS.values(), ids=FIELDS)
def test_a_field_is_taken_in_json(
    router: httpx.Client,
    backends: Backends,
    model: str,
    asked: dict[str, Any],
    sent: dict[str, Any],
) -> None:
    """Each field of each gateway is served on generations."""
    answer = router.post(V1, json={"model": model, "prompt": PROMPT, **asked})
    (record,) = backends["openai"].ledger.records
    default = {"size": "1024x1024"} if model == "dall-e-3" else {}
    assert record.fields == {"model": "gpt-image-2", "prompt": PROMPT, "n": 1, **default, **sent}
    assert len(pictures(answer)) == record.n


ON_EDITS = {name: case for name, case in FIELDS.items() if case[0] != "dall-e-3"}  # which never had any


@pytest.mark.parametrize(("model", "asked", "sent"), ON_EDITS.values(), ids=ON_EDITS)
def test_a_field_is_taken_in_a_form(
    router: httpx.Client,
    backends: Backends,
    model: str,
    asked: dict[str, Any],
    sent: dict[str, Any],
) -> None:
    """The same on edits in a form, where all is text."""
    fields = {"model": model, "prompt": PROMPT, **asked}
    given = {name: _as_text(value) for name, value in fields.items()}
    answer = router.post(EDITS, **form(given, ("image", file(CAT))))
    (record,) = backends["openai"].ledger.records
    assert record.fields == {"model": "gpt-image-2", "prompt": PROMPT, "n": 1, **sent}
    assert len(pictures(answer)) == record.n


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


@pytest.mark.parametrize(("model", "kind", "asked", "sent"), EXTRAS.values(), ids=EXTRAS)
def test_an_extra_reaches_whom_it_is_for(
    router: httpx.Client,
    backends: Backends,
    model: str,
    kind: str,
    asked: dict[str, Any],
    sent: dict[str, Any],
) -> None:
    """A provider's own field goes to that provider; where it is unknown it is left out, and the answer says so."""
    answer = router.post(V1, json={"model": model, "prompt": PROMPT, **asked})
    assert answer.status_code == 200, answer.text
    (record,) = backends[kind].ledger.records
    found = record.fields.get("parameters", record.fields)
    assert {name: found.get(name) for name in ("watermark", "watermark_enabled", "user_id") if name in found} == sent
    told = answer.headers.get("x-router-dropped-params", "")
    lost = asked.keys() - sent.keys() - {"extra_fields"}
    assert set(filter(None, told.split(","))) == lost


@pytest.mark.parametrize(("model", "kind"), [("qwen", "dashscope"), ("seedream", "volcengine")])
def test_a_switch_of_a_form_is_a_switch(router: httpx.Client, backends: Backends, model: str, kind: str) -> None:
    """`true` in a form is no text for a backend that is sent JSON."""
    given = {"model": model, "prompt": PROMPT, "watermark": "true"}
    assert len(pictures(router.post(EDITS, **form(given, ("image", file(CAT)))))) == 1
    (record,) = backends[kind].ledger.records
    assert record.fields.get("parameters", record.fields)["watermark"] is True


@pytest.mark.parametrize(("shape", "files"), JSON_SHAPES.values(), ids=JSON_SHAPES)
@pytest.mark.parametrize("path", [EDITS, V1, "/v1/edits", "/v2/router/images/edits"])
def test_pictures_in_json(
    router: httpx.Client,
    backends: Backends,
    path: str,
    shape: dict[str, Any],
    files: Pictures,
) -> None:
    """Every shape is read, in its order, as what the bytes are; with a generation it makes an edit of it."""
    answer = router.post(path, json={"model": "gpt-image-2", "prompt": PROMPT, **shape})
    assert len(pictures(answer)) == 1
    (record,) = backends["openai"].ledger.records
    assert record.path == "/v1/images/edits"
    check_files(record.files, files)


@pytest.mark.parametrize(("parts", "files"), FORM_SHAPES.values(), ids=FORM_SHAPES)
@pytest.mark.parametrize("path", [EDITS, V1, "/v1/edits"])
def test_pictures_in_a_form(
    router: httpx.Client,
    backends: Backends,
    path: str,
    parts: list[tuple[str, Any]],
    files: Pictures,
) -> None:
    """The same for forms, where scalars are text."""
    fields = {"model": "gpt-image-2", "prompt": PROMPT, "n": "2", "stream": "false"}
    answer = router.post(path, **form(fields, *parts))
    assert len(pictures(answer)) == 2
    (record,) = backends["openai"].ledger.records
    assert record.path == "/v1/images/edits"
    check_files(record.files, files)


REFUSED: dict[str, tuple[str, dict[str, Any], int, str, str]] = {
    "no picture": (EDITS, {}, 400, "missing_required_parameter", "image is required"),
    "no picture, the old path": ("/v1/edits", {}, 400, "missing_required_parameter", "image is required"),
    "a file kept elsewhere": (EDITS, {"images": [{"file_id": "f"}]}, 400, "unsupported_parameter", "file_id"),
    "pictures that differ": (
        EDITS,
        {"image": data_uri(CAT), "images": [data_uri(HAT)]},
        400,
        "invalid_request_body",
        "image and images hold different pictures",
    ),
    "seventeen": (EDITS, {"image": [data_uri(CAT)] * 17}, 400, "too_many_images", "at most 16"),
    "a large one": (EDITS, {"image": data_uri(CAT + bytes(100_000))}, 413, "file_too_large", "larger than 65536"),
    "an empty prompt": (V1, {"prompt": ""}, 400, "missing_required_parameter", "prompt is required"),
}


@pytest.mark.parametrize(("path", "fields", "status", "code", "words"), REFUSED.values(), ids=REFUSED)
def test_what_no_gateway_takes_is_refused(
    router: httpx.Client,
    backends: Backends,
    path: str,
    fields: dict[str, Any],
    status: int,
    code: str,
    words: str,
) -> None:
    """Beyond the union of all, a 4xx says what is wrong before any backend is called."""
    answer = router.post(path, json={"model": "gpt-image-2", "prompt": PROMPT, **fields})
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (status, code)
    assert words in error["message"]
    assert len(backends["openai"].ledger) == 0


def test_only_a_bearer_opens_the_door(router: httpx.Client, backends: Backends) -> None:
    """A key in `x-api-key` or in the address is none: it is neither heard alone, nor passed on beside a bearer."""
    others = {"headers": {"x-api-key": "studio-key"}, "params": {"key": "studio-key"}}
    answer = router.post(V1, json={"prompt": PROMPT}, **others)
    assert len(pictures(answer)) == 1
    (record,) = backends["openai"].ledger.records
    assert "studio-key" not in str(record.headers) + record.path
    with httpx.Client(base_url=router.base_url) as stranger:
        answer = stranger.post(V1, json={"prompt": PROMPT}, **others)
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "authentication_required")
    assert "Authorization: Bearer" in answer.json()["error"]["message"]

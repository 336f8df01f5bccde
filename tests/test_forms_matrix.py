"""Whoever draws it, a picture has the form asked: every backend, every form, every format, generated and edited."""

import base64
import itertools
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import httpx
import pytest
from backends import OpenAIBackend
from backends.plain import PlainBackend
from pictures import png
from PIL import Image as Pillow
from serving import serving

BACKENDS = ("sketch", "openai", "links", "bytes")
FORMS = ("url", "b64_json")
FORMATS = ("png", "jpeg", "webp")


@pytest.fixture(scope="module")
def router(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A router over four backends of different habits."""
    with OpenAIBackend() as openai, PlainBackend(links=True) as links, PlainBackend() as plain:
        config = {
            "server": {"store": {"url": str(tmp_path_factory.mktemp("store"))}},
            "providers": {
                "sketch": {"kind": "sketch"},
                "openai": {"kind": "openai", "base_url": openai.url, "api_key": "k"},
                "links": {"kind": "kinds.link_only", "base_url": links.origin},
                "bytes": {"kind": "kinds.bytes_only", "base_url": plain.origin},
            },
            "models": {
                "sketch": {"chain": ["sketch/sketch"]},
                "openai": {"chain": ["openai/gpt-image-2"]},
                "links": {"chain": ["links/any"]},
                "bytes": {"chain": ["bytes/any"]},
                "exact": {"chain": ["bytes/any"], "resize": "exact"},
                "cover": {"chain": ["bytes/any"], "resize": "cover"},
            },
        }
        with (
            serving(config, tmp_path_factory.mktemp("router")) as url,
            httpx.Client(base_url=url, timeout=60) as client,
        ):
            yield client


def picture_of(router: httpx.Client, item: dict[str, Any], form: str) -> Pillow.Image:
    """The decoded picture of one item of `data`, which has just the form asked."""
    assert set(item) == {form}
    if form == "b64_json":
        data = base64.b64decode(item["b64_json"], validate=True)
    else:
        assert item["url"].startswith(str(router.base_url))
        answer = httpx.get(item["url"])
        assert answer.status_code == 200
        assert answer.headers["x-content-type-options"] == "nosniff"
        data = answer.content
    picture = Pillow.open(BytesIO(data))
    picture.load()
    return picture


@pytest.mark.parametrize(
    ("backend", "form", "kind", "operation"),
    list(itertools.product(BACKENDS, FORMS, FORMATS, ("generations", "edits"))),
)
def test_every_cell_is_a_true_picture_in_the_form_asked(
    router: httpx.Client,
    backend: str,
    form: str,
    kind: str,
    operation: str,
) -> None:
    """The picture decodes as the format asked, at the size asked, as a link or as bytes."""
    body = {
        "model": backend,
        "prompt": "a house",
        "size": "1024x1024",
        "response_format": form,
        "output_format": kind,
    }
    if operation == "edits":
        body["image"] = "data:image/png;base64," + base64.b64encode(png(64, 64)).decode()
    answer = router.post(f"/v2/router/images/{operation}", json=body)
    assert answer.status_code == 200, answer.text
    (item,) = answer.json()["data"]
    picture = picture_of(router, item, form)
    assert (picture.format, picture.size) == (kind.upper(), (1024, 1024))
    assert answer.json()["output_format"] == kind
    assert answer.json()["size"] == "1024x1024"
    assert "output_format" not in [warning["parameter"] for warning in answer.json()["router"]["warnings"]]


def test_compression_is_given_by_the_router_where_the_backend_has_none(router: httpx.Client) -> None:
    """A lower quality makes a smaller picture, whoever compressed it."""

    def size(quality: int) -> int:
        body = {
            "model": "bytes",
            "prompt": "p",
            "output_format": "jpeg",
            "output_compression": quality,
            "size": "512x512",
        }
        answer = router.post("/v1/images/generations", json={**body, "response_format": "b64_json"})
        assert not answer.json()["router"]["warnings"]
        return len(answer.json()["data"][0]["b64_json"])

    assert size(10) <= size(95)


@pytest.mark.parametrize("model", ["exact", "cover"])
def test_ops_can_demand_the_pixels(model: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    """With `resize`, a backend that draws another size is corrected; without it, the difference is said."""
    with PlainBackend(draw=lambda width, height: png(64, 32)) as plain:
        config = {
            "providers": {"bytes": {"kind": "kinds.bytes_only", "base_url": plain.origin}},
            "models": {
                "corrected": {"chain": ["bytes/any"], "resize": model},
                "as-it-is": {"chain": ["bytes/any"]},
            },
        }
        with serving(config, tmp_path_factory.mktemp("router")) as url:
            body = {"prompt": "p", "size": "48x48", "response_format": "b64_json"}
            corrected = httpx.post(f"{url}/v1/images/generations", json={**body, "model": "corrected"}).json()
            assert (corrected["size"], corrected["router"]["warnings"]) == ("48x48", [])
            told = httpx.post(f"{url}/v1/images/generations", json={**body, "model": "as-it-is"}).json()
            assert told["size"] == "64x32"
            (warning,) = told["router"]["warnings"]
            assert (warning["parameter"], warning["asked"], warning["sent"]) == ("size", "48x48", "64x32")

"""F46: requests made up from the OpenAPI document, good and bad; and the document says all there is and no more."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import httpx
import pytest
from backends import OpenAIBackend
from processes import running
from serving import FORGIVING, serving
from starlette.routing import Route

from router import app
from router.api import openapi
from router.app import IMAGE_PREFIXES, MODEL_PREFIXES
from router.messages.request import MAX_PROMPT, WORDS

KEY = "fuzz-key"
UNDESCRIBED = {"/v1/edits", "/metrics", "/-/reload"}  # an old spelling, and what is for whoever runs the router
SETTINGS = """
[[operations]]
include-path-regex = "(edits|variations)$|^/v2/.*generations$"
phases.coverage.enabled = false
"""  # the edges of their fields are those of a generation's


@pytest.fixture(scope="module")
def backend() -> Iterator[OpenAIBackend]:
    """What draws where a request is right."""
    with OpenAIBackend() as server:
        yield server


@pytest.fixture(scope="module")
def router(backend: OpenAIBackend, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A router that needs a key, with the model of the document's examples."""
    config = {
        "server": {"default_model": "gpt-image-2", "keys": [{"name": "fuzz", "key": KEY, "dry_run": True}]},
        "defaults": {"retry": {"count": 0}, **FORGIVING},
        "providers": {"o": {"kind": "openai", "base_url": backend.url, "api_key": "k"}},
        "models": {"gpt-image-2": {"chain": ["o/gpt-image-2"]}},
    }
    with running(config, tmp_path_factory.mktemp("router")) as router:
        yield router.url


def test_f46_what_the_document_describes_is_what_is_served(router: str, backend: OpenAIBackend, tmp_path: Path) -> None:
    """Every answer has a described status, type, shape and headers; what breaks the schema is refused; never a 500.

    Not asked is whether all that it allows is taken: what a model has, or whether text is a picture, it cannot say.
    """
    (tmp_path / "schemathesis.toml").write_text(SETTINGS)
    done = subprocess.run(
        [
            *(str(Path(sys.executable).with_name("schemathesis")), "run", f"{router}{openapi.PATH}"),
            *("--phases", "examples,coverage,fuzzing", "--max-examples", "10", "--seed", "46"),
            *("--exclude-checks", "positive_data_acceptance", "--exclude-path-regex", "^/v2/.*(edits|variations)$"),
            *("--header", f"Authorization: Bearer {KEY}", "--generation-database", "none"),
            *("--warnings", "off", "--no-color"),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    assert backend.ledger.billed  # it got as far as the backend


@pytest.mark.parametrize("milliseconds", [1e12, 8.1e18, 2**63 - 1])
def test_f46_a_time_beyond_all_bounds_is_no_limit(router: str, backend: OpenAIBackend, milliseconds: float) -> None:
    """However long a caller says that it waits, its picture is drawn once."""
    backend.ledger.clear()
    body = {"prompt": "a kite", "timeout": {"call_timeout": milliseconds}}
    headers = {"authorization": f"Bearer {KEY}"}
    assert httpx.post(f"{router}/v1/images/generations", json=body, headers=headers).status_code == 200
    assert len(backend.ledger) == 1


@pytest.fixture
def document(router: str) -> dict[str, Any]:
    """As anybody gets it: without a key."""
    answer = httpx.get(router + openapi.PATH)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    found: dict[str, Any] = answer.json()
    return found


def test_the_document_names_every_path_and_no_other(document: dict[str, Any]) -> None:
    """A path that is served is described, or under another prefix that the document lists, or not for clients."""
    served = {
        (re.sub(r":path}", "}", route.path), method.lower())
        for route in app._routes(app._operations(Mock()), metrics=True)
        if isinstance(route, Route) and not route.path.startswith("/console")
        for method in route.methods or ()
        if method != "HEAD" or "files" in route.path
    }
    described = {(path, method) for path, item in document["paths"].items() for method in item}
    assert described <= served
    for path, method in served - described:
        assert path in UNDESCRIBED or any(
            (path.replace(prefix, shown, 1), method) in described
            for prefixes, shown in ((IMAGE_PREFIXES, IMAGE_PREFIXES[0]), (MODEL_PREFIXES, MODEL_PREFIXES[0]))
            for prefix in prefixes
            if path.startswith(f"{prefix}/")
        ), path
    assert all(prefix in document["info"]["description"] for prefix in (*IMAGE_PREFIXES, *MODEL_PREFIXES))


def test_the_document_says_whether_a_key_is_needed(document: dict[str, Any], tmp_path: Path) -> None:
    """With keys in the configuration it is, without them it is not."""
    assert document["security"] == [{"key": []}]
    config = {"providers": {"s": {"kind": "sketch"}}, "models": {"m": {"chain": ["s/sketch"]}}}
    with serving(config, tmp_path) as url:
        assert httpx.get(url + openapi.PATH).json()["security"] == []


def test_the_document_has_the_words_and_bounds_of_the_readers(document: dict[str, Any]) -> None:
    """What the router reads by is what it tells, so that neither can be changed alone."""
    content = document["paths"]["/v1/images/generations"]["post"]["requestBody"]["content"]
    properties = content["application/json"]["schema"]["properties"]
    assert {name: properties[name]["enum"] for name in WORDS} == {name: [*words, None] for name, words in WORDS.items()}
    assert properties["prompt"]["maxLength"] == MAX_PROMPT

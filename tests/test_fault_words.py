"""F45: words meant to break out of where they stand: in the model, the prompt, a file's name, a header."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from backends import OpenAIBackend
from hypothesis import example, given, settings, strategies as st
from pictures import png
from serving import FORGIVING, serving

EVIL = "\r\nx-evil: 1\r\n\r\n"
WORDS = st.text(st.characters(), min_size=1, max_size=40) | st.sampled_from(
    [
        EVIL,
        "\x00",
        "a\x00b",
        "\ud800",
        "\udfff\ud800",
        "\u202eevil\u202c",
        "שלום",
        "👩‍👩‍👧",
        "\ufeff",
        '"}',
        "%0d%0a",
        "../../etc",
    ]
)
BOUNDARY = b"b0undary"


@pytest.fixture(scope="module")
def backend() -> Iterator[OpenAIBackend]:
    """Behind the router; it knows what reached it."""
    with OpenAIBackend() as server:
        yield server


@pytest.fixture(scope="module")
def client(backend: OpenAIBackend, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A client of a router with one model."""
    config = {
        "defaults": {"retry": {"count": 0}, **FORGIVING},
        "providers": {"o": {"kind": "openai", "base_url": backend.url, "api_key": "k"}},
        "models": {"m": {"chain": ["o/gpt-image-2"]}},
    }
    with serving(config, tmp_path_factory.mktemp("router")) as url, httpx.Client(base_url=url, timeout=30) as made:
        yield made


def sound(answer: httpx.Response) -> dict[str, Any]:
    """A picture or a refusal in JSON, nothing smuggled into the headers."""
    assert answer.status_code in {200, 400, 404}, answer.text
    assert "x-evil" not in answer.headers
    assert answer.headers["content-type"] == "application/json"
    body: dict[str, Any] = answer.json()
    assert ("data" in body) == (answer.status_code == 200)
    return body


def post(client: httpx.Client, fields: dict[str, Any]) -> httpx.Response:
    """A generation whose JSON escapes what is not ASCII, so that also half of a pair can be said."""
    headers = {"content-type": "application/json"}
    return client.post("/v1/images/generations", content=json.dumps(fields).encode(), headers=headers)


@given(prompt=WORDS)
@example(prompt=EVIL)
@example(prompt="\ud800")
@example(prompt="a\x00b")
@example(prompt="kite " * 200_000)
@settings(max_examples=40, deadline=None)
def test_f45_a_prompt_is_refused_or_reaches_the_backend_as_it_was(
    client: httpx.Client, backend: OpenAIBackend, prompt: str
) -> None:
    """NUL, half a surrogate pair, a megabyte, any script: a 400, or the very same text, never a 500."""
    backend.ledger.clear()
    answer = post(client, {"model": "m", "prompt": prompt})
    sound(answer)
    reached = [record.fields["prompt"] for record in backend.ledger.records]
    assert reached == [prompt] or (answer.status_code == 400 and not backend.ledger.billed)


@given(
    model=WORDS,
    user=WORDS,
    request=st.text(st.characters(codec="latin-1", exclude_categories=["Cc"]), max_size=80).map(str.strip),
)
@example(model=f"m{EVIL}", user=EVIL, request="id; x-evil=1")
@settings(max_examples=40, deadline=None)
def test_f45_no_word_of_a_caller_gets_into_a_header(client: httpx.Client, model: str, user: str, request: str) -> None:
    """A model nobody has is a 404 that quotes it harmlessly; a request's own name is kept only where it is one."""
    fields = {"model": model, "prompt": "p", "user": user, "size": user, "response_format": user}
    content, headers = json.dumps(fields).encode(), {"x-request-id": request.encode("latin-1")}
    answer = client.post("/v1/images/generations", content=content, headers=headers)
    assert "error" in sound(answer)
    assert answer.headers["x-request-id"].isascii()


@given(name=st.binary(max_size=40) | st.sampled_from([b'a"; name="prompt', b"../../x", b"a\x00.png", EVIL.encode()]))
@settings(max_examples=40, deadline=None)
def test_f45_a_files_name_ends_neither_its_quotes_nor_its_part(
    client: httpx.Client, backend: OpenAIBackend, name: bytes
) -> None:
    """Whatever an upload is called, it is a picture like any other or a 400, and the backend is told another name."""
    backend.ledger.clear()
    parts = [
        (b'name="model"', b"m"),
        (b'name="prompt"', b"a kite"),
        (b'name="image"; filename="%b"' % name, png(64, 64)),
    ]
    body = b"".join(
        b"--%b\r\ncontent-disposition: form-data; %b\r\n\r\n%b\r\n" % (BOUNDARY, head, data) for head, data in parts
    )
    headers = {"content-type": f"multipart/form-data; boundary={BOUNDARY.decode()}"}
    answer = client.post("/v1/images/edits", content=body + b"--%b--\r\n" % BOUNDARY, headers=headers)
    sound(answer)
    for record in backend.ledger.records:
        assert record.fields["prompt"] == "a kite"
        pictures = [media for _, media, _ in record.files]
        assert pictures == ["image/png"] or b"\n" in name or b"\r" in name  # the line's end begins the data

"""One edit with fallbacks, retry and balancer, in every encoding that real clients use: the router does the same."""

import base64
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from backends import OpenAIBackend, Status
from pictures import png
from serving import FORGIVING, serving

PICTURE = png(64, 64)
TEXT_PICTURE = "data:image/png;base64," + base64.b64encode(PICTURE).decode()
BALANCER = '{"type":"weight_based","models":[{"model":"one","weight":0.5}]}'
FALLBACKS = '[{"model":"two"}]'
RETRY = '{"count":2.0,"on_codes":[429.0,500.0]}'

Part = tuple[str, str] | tuple[str, str, str] | tuple[str, str, str, bytes]


def multipart(*parts: Part) -> dict[str, Any]:
    """A form as given: (name, text), (name, text, media type) or (name, file name, media type, bytes)."""
    pieces = []
    for part in parts:
        name, *rest = part
        head = f'--B\r\nContent-Disposition: form-data; name="{name}"'
        if len(rest) == 3:
            pieces.append(f'{head}; filename="{rest[0]}"\r\nContent-Type: {rest[1]}\r\n\r\n'.encode() + rest[2])
        else:
            kind = f"\r\nContent-Type: {rest[1]}" if len(rest) == 2 else ""
            pieces.append(f"{head}{kind}\r\n\r\n{rest[0]}".encode())
        pieces.append(b"\r\n")
    return {
        "content": b"".join(pieces) + b"--B--\r\n",
        "headers": {"content-type": "multipart/form-data; boundary=B"},
    }


SCALARS: tuple[Part, ...] = (("model", "one"), ("prompt", "a hat"), ("quality", "high"))
FILE: Part = ("image", "cat.png", "image/png", PICTURE)

ENCODINGS: dict[str, dict[str, Any]] = {
    "JSON": {
        "json": {
            "model": "one",
            "prompt": "a hat",
            "quality": "high",
            "n": 2,
            "image": TEXT_PICTURE,
            "fallbacks": [{"model": "two"}],
            "retry": {"count": 2, "on_codes": [429, 500]},
            "load_balancer": {"type": "weight_based", "models": [{"model": "one", "weight": 0.5}]},
            "fallback_on_codes": [429, 500],
        },
    },
    "orq Python 4.17: JSON parts with their type": multipart(
        *SCALARS,
        ("n", "2.0"),
        ("fallback_on_codes[]", "429"),
        ("fallback_on_codes[]", "500"),
        FILE,
        ("fallbacks", FALLBACKS, "application/json"),
        ("retry", RETRY, "application/json"),
        ("load_balancer", BALANCER, "application/json"),
    ),
    "orq Python 4.2: the picture as text": multipart(
        *SCALARS,
        ("n", "2"),
        ("image", TEXT_PICTURE),
        ("fallbacks", FALLBACKS, "application/json"),
        ("retry", RETRY, "application/json"),
        ("load_balancer", BALANCER, "application/json"),
        ("fallback_on_codes", "[429,500]"),
    ),
    "orq Node: JSON parts without a type": multipart(
        *SCALARS,
        ("n", "2"),
        FILE,
        ("fallbacks", FALLBACKS),
        ("retry", RETRY),
        ("load_balancer", BALANCER),
        ("fallback_on_codes", "429,500"),
    ),
    "OpenAI: brackets": multipart(
        *SCALARS,
        ("n", "2"),
        ("fallbacks[][model]", "two"),
        ("retry[count]", "2"),
        ("retry[on_codes][]", "429"),
        ("retry[on_codes][]", "500"),
        ("load_balancer[type]", "weight_based"),
        ("load_balancer[models][][model]", "one"),
        ("load_balancer[models][][weight]", "0.5"),
        ("fallback_on_codes[]", "429"),
        ("fallback_on_codes[]", "500"),
        ("image[]", "cat.png", "application/octet-stream", PICTURE),
    ),
    "urlencoded": {
        "content": urlencode(
            [
                *((part[0], part[1]) for part in SCALARS),
                ("n", "2.0"),
                ("image", TEXT_PICTURE),
                ("fallbacks", FALLBACKS),
                ("retry", RETRY),
                ("load_balancer", BALANCER),
                ("fallback_on_codes[]", "429"),
                ("fallback_on_codes[]", "500"),
            ],
        ),
        "headers": {"content-type": "application/x-www-form-urlencoded"},
    },
}


@pytest.fixture(scope="module")
def backends() -> Iterator[tuple[OpenAIBackend, OpenAIBackend]]:
    """The primary's backend and the fallback's."""
    with OpenAIBackend() as first, OpenAIBackend() as second:
        yield first, second


@pytest.fixture(scope="module")
def router(backends: tuple[OpenAIBackend, OpenAIBackend], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A router over both."""
    first, second = backends
    config = {
        "defaults": {**FORGIVING, "caller_backoff": "1ms"},
        "providers": {
            "first": {"kind": "openai", "base_url": first.url, "api_key": "k1"},
            "second": {"kind": "openai", "base_url": second.url, "api_key": "k2"},
        },
        "models": {"one": {"chain": ["first/gpt-image-2"]}, "two": {"chain": ["second/gpt-image-1.5"]}},
    }
    with serving(config, tmp_path_factory.mktemp("router")) as url:
        yield url


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_the_encoding_changes_nothing(
    router: str,
    backends: tuple[OpenAIBackend, OpenAIBackend],
    encoding: str,
) -> None:
    """Attempts, what the backends got and what the client gets are the same in every encoding."""
    first, second = backends
    for backend in backends:
        backend.ledger.clear()
    first.script(Status(429, "rate_limit_exceeded"), Status(500, "server_error"), Status(429, "rate_limit_exceeded"))
    answer = httpx.post(f"{router}/v2/router/images/edits", timeout=30, **ENCODINGS[encoding])
    assert answer.status_code == 200, answer.text
    told = [
        (attempt["target"], attempt["number"], attempt.get("error")) for attempt in answer.json()["router"]["attempts"]
    ]
    assert told == [
        ("first/gpt-image-2", 1, "rate_limited"),
        ("first/gpt-image-2", 2, "unavailable"),
        ("first/gpt-image-2", 3, "rate_limited"),
        ("second/gpt-image-1.5", 1, None),
    ]
    assert [(r.status, r.n, r.fields["quality"], r.files) for r in (*first.ledger.records, *second.ledger.records)] == [
        (status, 2, "high", (("image", "image/png", len(PICTURE)),)) for status in (429, 500, 429, 200)
    ]
    assert len(answer.json()["data"]) == 2


def test_a_field_the_client_made_unreadable_is_named(router: str) -> None:
    """`[object Object]`, as a Vercel client writes nested options, is refused with the field and the remedy."""
    body = multipart(*SCALARS, FILE, ("fallbacks", "[object Object]"))
    answer = httpx.post(f"{router}/v2/router/images/edits", timeout=30, **body)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "fallbacks")
    assert "JSON" in answer.json()["error"]["message"]

"""The whole router on a socket: the contract's paths, keys, envelope, headers and fields; its backend checks."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from backends import OpenAIBackend
from pictures import png
from serving import serving

from router.app import IMAGE_PREFIXES, MODEL_PREFIXES

URLENCODED = "application/x-www-form-urlencoded"
KEY = {"authorization": "Bearer studio-key"}
CI_KEY = {"authorization": "Bearer ci-key"}


@pytest.fixture(scope="module")
def backend() -> Iterator[OpenAIBackend]:
    """One scripted backend for the file."""
    with OpenAIBackend() as server:
        yield server


@pytest.fixture(scope="module")
def router(backend: OpenAIBackend, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A client of a router in front of it."""
    config = {
        "server": {
            "default_model": "gpt-image-2",
            "keys": [
                {"name": "studio", "key": "studio-key"},
                {"name": "ci", "key": "ci-key", "models": ["draft", "open*"]},
            ],
        },
        "providers": {
            "openai": {"kind": "openai", "base_url": backend.url, "api_key": "sk-canary-backend"},
            "sketch": {"kind": "sketch"},
        },
        "models": {
            "gpt-image-2": {"chain": ["openai/gpt-image-2"]},
            "gpt-image-1.5": {"chain": ["openai/gpt-image-1.5"]},
            "dall-e-3": {"chain": ["openai/gpt-image-2"]},
            "dall-e-2": {"chain": ["openai/gpt-image-2"]},
            "draft": {"chain": ["sketch/sketch-fast"], "aliases": ["quick"]},
            "openai/*": {"chain": ["openai/*"]},
        },
    }
    with serving(config, tmp_path_factory.mktemp("router")) as url, httpx.Client(base_url=url, timeout=30) as client:
        yield client


@pytest.fixture(autouse=True)
def _clean(backend: OpenAIBackend) -> None:
    backend.ledger.clear()


def generate(client: httpx.Client, path: str = "/v1/images/generations", /, **fields: Any) -> httpx.Response:
    """One generation with the studio's key."""
    return client.post(path, json={"prompt": "a red kite", **fields}, headers=KEY)


@pytest.mark.parametrize("prefix", IMAGE_PREFIXES)
@pytest.mark.parametrize("operation", ["generations", "edits", "variations"])
def test_every_operation_is_served_under_every_prefix(router: httpx.Client, prefix: str, operation: str) -> None:
    """The same handler answers under every prefix, and the picture is a true one."""
    body = {"prompt": "a hat", "model": "gpt-image-2", "image": data_uri(png(64, 64))}
    if operation == "generations":
        body.pop("image")
    answer = router.post(f"{prefix}/images/{operation}", json=body, headers=KEY)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/json"
    assert base64.b64decode(answer.json()["data"][0]["b64_json"]).startswith(b"\x89PNG")


def data_uri(data: bytes) -> str:
    """A picture as clients write it into JSON."""
    return "data:image/png;base64," + base64.b64encode(data).decode()


@pytest.mark.parametrize("prefix", MODEL_PREFIXES)
def test_models_are_listed_and_found_one_by_one(router: httpx.Client, prefix: str) -> None:
    """The list holds what this key may use; an id may hold a slash, escaped or not."""
    listed = router.get(f"{prefix}/models", headers=KEY).json()
    assert listed["object"] == "list"
    assert [model["id"] for model in listed["data"]] == [
        "gpt-image-2",
        "gpt-image-1.5",
        "dall-e-3",
        "dall-e-2",
        "draft",
    ]
    for model in listed["data"]:
        assert model["object"] == "model"
        assert isinstance(model["created"], int)
        assert model["owned_by"]
    assert [m["id"] for m in router.get(f"{prefix}/models", headers=CI_KEY).json()["data"]] == ["draft"]
    for name in ("gpt-image-2", "openai/gpt-image-2", "openai%2Fgpt-image-2"):
        one = router.get(f"{prefix}/models/{name}", headers=KEY).json()
        assert one["image"]["operations"] == ["edit", "generate", "variation"]
    assert router.get(f"{prefix}/models/nothing", headers=KEY).status_code == 404


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({}, 401, "authentication_required"),
        ({"authorization": "studio-key"}, 401, "authentication_required"),
        ({"authorization": "Basic studio-key"}, 401, "authentication_required"),
        ({"authorization": "Bearer nobody"}, 401, "invalid_api_key"),
        ({"authorization": "bearer studio-key"}, 200, None),
        (CI_KEY, 403, "model_not_allowed"),
    ],
)
def test_keys_decide_who_may_use_what(
    router: httpx.Client,
    backend: OpenAIBackend,
    headers: dict[str, str],
    status: int,
    code: str | None,
) -> None:
    """Without a key, with a wrong one, or beyond a key's models, no backend is called."""
    answer = router.post("/v1/images/generations", json={"prompt": "p", "model": "gpt-image-2"}, headers=headers)
    assert answer.status_code == status
    assert len(backend.ledger) == (status == 200)
    if code:
        assert answer.json()["error"]["code"] == code


@pytest.mark.parametrize(
    "control",
    [
        {"fallbacks": [{"model": "gpt-image-2"}]},
        {"load_balancer": {"type": "weight_based", "models": [{"model": "gpt-image-2"}]}},
    ],
)
def test_a_fallback_never_widens_a_key(router: httpx.Client, control: dict[str, Any]) -> None:
    """Every model a request could end at must be open to its key."""
    answer = router.post("/v1/images/generations", json={"prompt": "p", "model": "draft", **control}, headers=CI_KEY)
    assert answer.status_code == 403
    assert answer.json()["error"]["param"].endswith(".model")


BAD_REQUESTS: list[tuple[dict[str, Any], int, str, str | None]] = [
    ({"prompt": None}, 400, "missing_required_parameter", "prompt"),
    ({"prompt": ""}, 400, "missing_required_parameter", "prompt"),
    ({"prompt": 7}, 400, "invalid_type", "prompt"),
    ({"prompt": "x" * 32_001}, 400, "string_above_max_length", "prompt"),
    ({"n": 0}, 400, "invalid_value", "n"),
    ({"n": 11}, 400, "invalid_value", "n"),
    ({"n": 2.5}, 400, "invalid_value", "n"),
    ({"size": "big"}, 400, "invalid_value", "size"),
    ({"size": "100x100"}, 400, "invalid_value", "size"),
    ({"quality": "best"}, 400, "invalid_value", "quality"),
    ({"style": "vivid"}, 400, "unsupported_parameter", "style"),
    ({"response_format": "png"}, 400, "invalid_value", "response_format"),
    ({"background": "transparent", "output_format": "jpeg"}, 400, "invalid_value", "background"),
    ({"output_compression": 101}, 400, "invalid_value", "output_compression"),
    ({"model": "nothing"}, 404, "model_not_found", "model"),
    ({"model": "dall-e-3", "n": 2}, 400, "invalid_value", "n"),
    ({"fallbacks": [{"model": "nothing"}]}, 404, "model_not_found", "fallbacks[0].model"),
    ({"fallbacks": [{}]}, 400, "missing_required_parameter", "fallbacks[0].model"),
    ({"retry": {"count": 6}}, 400, "invalid_value", "retry.count"),
    ({"fallback_on_codes": [200]}, 400, "invalid_value", "fallback_on_codes[0]"),
    ({"timeout": 30}, 400, "invalid_type", "timeout"),
    ({"load_balancer": {"models": []}}, 400, "missing_required_parameter", "load_balancer.type"),
    ({"plugins": [{"id": "pii_redaction"}]}, 400, "unsupported_parameter", "plugins[0]"),
    ({"stream": "yes"}, 400, "invalid_type", "stream"),
    ({"partial_images": 4}, 400, "invalid_value", "partial_images"),
    ({"image": "https://example.com/a.png"}, 400, "invalid_image", "image"),
    ({"metadata": {"a": "x" * 513}}, 400, "invalid_value", "metadata.a"),
    ({"cache": {"type": "semantic"}}, 400, "invalid_value", "cache.type"),
]


@pytest.mark.parametrize(("fields", "status", "code", "param"), BAD_REQUESTS, ids=lambda value: str(value)[:40])
def test_bad_input_is_refused_by_name_before_any_call(
    router: httpx.Client,
    backend: OpenAIBackend,
    fields: dict[str, Any],
    status: int,
    code: str,
    param: str | None,
) -> None:
    """A refusal names the field in the envelope, and nothing was spent."""
    answer = generate(router, **fields)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"]) == (status, code, param)
    assert set(error) == {"message", "type", "param", "code"}
    assert answer.headers["x-should-retry"] == "false"
    assert answer.headers["x-request-id"]
    assert len(backend.ledger) == 0


@pytest.mark.parametrize(
    ("method", "path", "body", "content_type", "status", "code"),
    [
        ("GET", "/nowhere", b"", None, 404, "not_found"),
        ("POST", "/v1/chat/completions", b"{}", "application/json", 404, "not_found"),
        ("GET", "/v1/images/generations", b"", None, 405, "method_not_allowed"),
        ("POST", "/v1/images/generations", b"{", "application/json", 400, "invalid_request_body"),
        ("POST", "/v1/images/generations", b"[]", "application/json", 400, "invalid_request_body"),
        ("POST", "/v1/images/generations", b"\xff\xfe", "application/json", 400, "invalid_request_body"),
        ("POST", "/v1/images/generations", b"x", "text/plain", 415, "unsupported_media_type"),
        ("POST", "/v1/images/edits", b"x", "multipart/form-data", 400, "invalid_request_body"),
        ("POST", "/v1/images/edits", b"--B\r\nx", "multipart/form-data; boundary=B", 400, "invalid_request_body"),
        ("POST", "/v1/images/edits", b"prompt=hat&n=1.0", URLENCODED, 400, "missing_required_parameter"),
    ],
)
def test_every_error_has_the_envelope(
    router: httpx.Client,
    method: str,
    path: str,
    body: bytes,
    content_type: str | None,
    status: int,
    code: str,
) -> None:
    """Paths, methods and bodies nobody can read are answered like any other error."""
    headers = {**KEY, **({"content-type": content_type} if content_type else {})}
    answer = router.request(method, path, content=body, headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-request-id"]


def test_a_success_says_all_the_contract_promises(router: httpx.Client) -> None:
    """The body has pictures, facts and complete usage, with nothing null; the headers say who drew it."""
    answer = generate(router, model="gpt-image-2", n=2, size="1536x1024", quality="high", output_format="webp")
    body = answer.json()
    assert len(body["data"]) == 2
    assert {key: body[key] for key in ("output_format", "size", "quality", "background")} == {
        "output_format": "webp",
        "size": "1536x1024",
        "quality": "high",
        "background": "opaque",
    }
    usage = body["usage"]
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]
    assert usage["image_tokens"] == usage["output_image_tokens"] == usage["output_tokens_details"]["image_tokens"]
    assert usage["prompt_tokens"] == usage["input_tokens"]
    assert (usage["width"], usage["height"], usage["image_count"]) == (1536, 1024, 2)
    expected = (usage["input_tokens"] * 5 + usage["output_tokens"] * 30) / 1e6
    assert usage["cost"] == pytest.approx(expected)
    assert float(answer.headers["x-router-cost-usd"]) == pytest.approx(expected, abs=1e-6)
    assert answer.headers["x-router-model"] == "openai/gpt-image-2"
    assert answer.headers["x-router-provider"] == "openai"
    assert answer.headers["x-router-attempts"] == "1"
    assert answer.headers["x-router-fallback-index"] == "0"
    assert b"null" not in answer.content.split(b'"router"')[0]
    assert body["router"]["request_id"] == answer.headers["x-request-id"]


def test_a_request_id_is_kept_where_it_is_sound(router: httpx.Client) -> None:
    """A client's own id comes back; one that could break a header or a log does not."""
    for given, kept in (("abc-1", True), ("x" * 129, False), ("a b", False)):
        answer = router.post("/v1/images/generations", json={}, headers={**KEY, "x-request-id": given})
        assert (answer.headers["x-request-id"] == given) is kept


def test_a_client_written_for_dall_e_3_is_served_by_a_living_model(
    router: httpx.Client, backend: OpenAIBackend
) -> None:
    """`hd`, `vivid`, 1792x1024 and links work on gpt-image-2, which gets only what it accepts."""
    answer = generate(router, model="dall-e-3", quality="hd", style="vivid", size="1792x1024")
    assert answer.status_code == 200, answer.text
    sent = backend.ledger.records[0]
    assert {name: sent.fields[name] for name in sent.fields if name != "prompt"} == {
        "model": "gpt-image-2",
        "n": 1,
        "size": "1792x1024",
        "quality": "high",
    }
    assert httpx.get(answer.json()["data"][0]["url"]).content.startswith(b"\x89PNG")
    assert answer.headers["x-router-adjusted-params"] == "quality"
    assert answer.headers["x-router-dropped-params"] == "style"


def test_names_have_a_bare_and_a_prefixed_spelling_and_wildcards(router: httpx.Client, backend: OpenAIBackend) -> None:
    """`gpt-image-2` and `openai/gpt-image-2` are one model; aliases are other names; `openai/*` is any model."""
    for name in ("gpt-image-2", "openai/gpt-image-2", "quick"):
        assert generate(router, model=name).status_code == 200
    assert generate(router, model="openai/gpt-image-2.5-flare").status_code == 200
    assert backend.ledger.records[-1].model == "gpt-image-2.5-flare"
    assert "gpt-image-2" in generate(router).headers["x-router-model"]
    missing = generate(router, "/v2/router/images/generations")
    assert missing.json()["error"]["code"] == "missing_required_parameter"


def test_unknown_fields_are_dropped_by_name(router: httpx.Client, backend: OpenAIBackend) -> None:
    """A field nobody knows is no error, never reaches a backend that would refuse it, and is named."""
    answer = generate(router, model="gpt-image-2", future_field={"a": 1}, user="u-1")
    assert answer.status_code == 200
    assert "future_field" in answer.headers["x-router-dropped-params"]
    assert "future_field" not in backend.ledger.records[0].fields


def test_what_is_for_the_router_never_reaches_a_provider(router: httpx.Client, backend: OpenAIBackend) -> None:
    """Controls, identity, metadata, names and headers of the client stay here."""
    controls = {
        "retry": {"count": 1},
        "fallbacks": ["gpt-image-1.5"],
        "metadata": {"team": "x"},
        "name": "trace",
        "identity": {"id": "u"},
        "orq": {"name": "n"},
        "timeout": {"call_timeout": 5000},
        "cache": {"type": "exact_match"},
        "models": ["draft"],
        "num_retries": 1,
    }
    answer = router.post(
        "/v1/images/generations",
        json={"prompt": "p", "model": "gpt-image-2", **controls},
        headers={**KEY, "x-secret-header": "s", "cookie": "c=1"},
    )
    assert answer.status_code == 200
    assert answer.headers["x-router-cache"] == "MISS"
    record = backend.ledger.records[0]
    assert set(record.fields) == {"model", "prompt", "n"}
    assert not {"x-secret-header", "cookie"} & set(record.headers)
    assert "studio-key" not in json.dumps(dict(record.headers))


def test_an_edit_sends_its_pictures_in_order_with_their_mask(router: httpx.Client, backend: OpenAIBackend) -> None:
    """Several pictures arrive as `image[]` in the order sent, each with its true type; one alone as `image`."""
    files = [
        ("image[]", ("a.bin", png(32, 32))),
        ("image[]", ("b", png(16, 16))),
        ("mask", ("m", png(32, 32, alpha=True))),
    ]
    answer = router.post("/v1/images/edits", data={"prompt": "hat", "model": "gpt-image-2"}, files=files, headers=KEY)
    assert answer.status_code == 200, answer.text
    names = [(name, kind) for name, kind, _ in backend.ledger.records[0].files]
    assert names == [("image[]", "image/png"), ("image[]", "image/png"), ("mask", "image/png")]
    assert backend.ledger.records[0].files[0][2] == len(png(32, 32))


def test_a_variation_is_made_by_an_edit_and_says_so(router: httpx.Client, backend: OpenAIBackend) -> None:
    """A model without variations makes one by an edit; the warning names it."""
    fields = {"model": "dall-e-2", "response_format": "b64_json", "size": "1024x1024"}
    answer = router.post("/v1/images/variations", data=fields, files={"image": png(64, 64)}, headers=KEY)
    assert answer.status_code == 200, answer.text
    assert backend.ledger.records[0].path.endswith("/images/edits")
    assert "operation" in [warning["parameter"] for warning in answer.json()["router"]["warnings"]]


def test_options_aimed_at_a_kind_reach_its_body_as_given(router: httpx.Client, backend: OpenAIBackend) -> None:
    """`router.options` is the way to a backend's own extras; other kinds do not see them."""
    answer = generate(
        router, model="gpt-image-2", router={"options": {"openai": {"moderation": "low"}, "bfl": {"x": 1}}}
    )
    assert answer.status_code == 200, answer.text
    assert backend.ledger.records[0].fields["moderation"] == "low"
    assert "x" not in backend.ledger.records[0].fields


def test_strict_callers_get_a_400_instead_of_an_adaptation(router: httpx.Client, backend: OpenAIBackend) -> None:
    """`unsupported: error` rules out whatever is inexact, and says which target lacks what."""
    answer = generate(router, model="dall-e-3", quality="hd", router={"unsupported": "error"})
    assert answer.json()["error"]["code"] == "unsupported_parameter"
    assert "openai/gpt-image-2: quality" in answer.json()["error"]["message"]
    assert answer.json()["error"]["failures"][0]["attempt"] == 0
    assert len(backend.ledger) == 0


def test_metrics_count_what_happened_under_names_of_the_config(router: httpx.Client) -> None:
    """Requests, attempts, pictures, tokens and cost are counted; a caller's model name never becomes a label."""
    generate(router, model="gpt-image-2", n=2)
    generate(router, model="made-up-name")
    text = "\n".join(line for line in router.get("/metrics").text.splitlines() if not line.endswith(" 0.0"))
    assert 'image_router_requests_total{model="gpt-image-2",operation="generate",status="200"}' in text
    assert 'image_router_requests_total{model="_other",operation="generate",status="404"}' in text
    assert 'image_router_attempts_total{outcome="succeeded",target="openai/gpt-image-2"}' in text
    assert 'image_router_cost_usd_total{group="studio",model="gpt-image-2",target="openai/gpt-image-2"}' in text
    assert "made-up-name" not in text


def test_alive_and_ready_say_so_without_a_key(router: httpx.Client) -> None:
    """Probes need no key, and readiness names the config's version."""
    assert router.get("/livez").status_code == 200
    assert len(router.get("/readyz").json()["config"]) == 64


def test_no_answer_names_a_target_where_ops_keep_it_quiet(backend: OpenAIBackend, tmp_path: Path) -> None:
    """With `disclose: false` neither body nor headers say who drew the picture, nor who failed."""
    config = {
        "server": {"disclose": False},
        "providers": {"quiet": {"kind": "openai", "base_url": backend.url, "api_key": "k"}},
        "models": {"m": {"chain": ["quiet/gpt-image-2"]}, "bad": {"chain": ["quiet/gone"]}},
    }
    with serving(config, tmp_path) as url:
        for model, status in (("m", 200), ("bad", 404)):
            answer = httpx.post(f"{url}/v1/images/generations", json={"prompt": "p", "model": model})
            assert answer.status_code == status
            assert "quiet" not in answer.text + str(dict(answer.headers))

"""The official JavaScript clients, unchanged, against a real router: openai and @orq-ai/node."""

import base64
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from backends import OpenAIBackend
from client_scenarios import (
    CAT,
    CHAINS,
    DALLE_2,
    DALLE_3,
    DOG,
    EXHAUSTED,
    FIRST,
    GPT,
    MASK,
    NEVER,
    ON_CODES,
    OPERATIONS,
    ROUTINGS,
    SECOND,
    Routing,
    is_link_to_png,
    is_png,
    routed,
)
from conftest import needs
from node_clients import Failure, Node, ask, file

CLIENTS = ("openai", "orq")
ROUTED = [
    *(pytest.param(client, routing, id=f"{client}-{name}") for client in CLIENTS for name, routing in ROUTINGS.items()),
    pytest.param("openai", ON_CODES, id="openai-only the listed statuses fall back"),  # orq's client cannot say that
]

pytestmark = [
    needs("node", "make system-packages"),
    needs("tests/clients/js/node_modules/openai", "make test"),
    needs("tests/clients/js/node_modules/@orq-ai/node", "make test"),
]


@pytest.fixture(scope="module")
def router(tmp_path_factory) -> Iterator[tuple[Node, OpenAIBackend]]:
    """One router, its backend and one Node for all tests here."""
    with routed(tmp_path_factory.mktemp("router")) as (url, backend):
        node = Node(url)
        try:
            yield node, backend
        finally:
            node.close()


@pytest.fixture
def node(router) -> Node:
    """The runner."""
    return router[0]


@pytest.fixture
def backend(router) -> OpenAIBackend:
    """The backend, with an empty ledger."""
    router[1].ledger.clear()
    return router[1]


def sent(backend: OpenAIBackend) -> list[dict[str, str]]:
    """The fields of every call the backend got, as text."""
    return [{name: str(value) for name, value in record.fields.items()} for record in backend.ledger.records]


@pytest.mark.parametrize(
    ("client", "prefix", "named"),
    [("openai", "/v2/router", {"model": GPT}), ("openai", "/v1", {}), ("orq", "", {"model": GPT})],
)
def test_a_client_generates_with_the_least_it_can_say(node, backend, client: str, prefix: str, named: dict[str, str]):
    """A prompt is enough where the prefix has a default model; the client's own validation takes the answer."""
    answer, headers = ask(node, client, "generate", named, prefix=prefix)
    names = ("b64_json", "total_tokens") if client == "openai" else ("b64Json", "totalTokens")
    assert [is_png(image[names[0]]) for image in answer["data"]] == [True]
    assert answer["usage"][names[1]] > 0
    assert headers["x-request-id"]
    assert sent(backend) == [{"model": "gpt-image-2", "prompt": "a cat", "n": "1"}]


def test_openai_generates_with_all_it_can_say(node, backend):
    """Every parameter of a GPT image model arrives at the backend as the client meant it."""
    kept = {
        "background": "transparent",
        "moderation": "low",
        "n": 2,
        "output_compression": 80,
        "output_format": "webp",
        "quality": "high",
        "size": "1536x1024",
    }
    others = {"partial_images": 0, "response_format": "b64_json", "stream": False, "user": "u1"}
    answer, _ = ask(node, "openai", "generate", {"model": GPT, **kept, **others})
    assert (answer["output_format"], answer["size"], len(answer["data"])) == ("webp", "1536x1024", 2)
    known = {name: str(value) for name, value in kept.items()}
    assert sent(backend) == [{"model": "gpt-image-2", "prompt": "a cat", **known, "safety_identifier": "u1"}]


def test_orq_generates_with_all_it_can_say(node, backend):
    """Every parameter and control is read; those of the picture arrive at the backend, the others do not."""
    kept = {
        "background": "transparent",
        "moderation": "low",
        "n": 2,
        "output_compression": 80,
        "output_format": "webp",
        "quality": "high",
        "size": "1024x1024",
    }
    others = {
        "response_format": "b64_json",
        "style": "vivid",
        "metadata": {"team": "x"},
        "name": "trace-1",
        "fallbacks": [{"model": DALLE_3}],
        "retry": {"count": 2, "on_codes": [429, 500]},
        "cache": {"type": "exact_match"},
        "load_balancer": {"type": "weight_based", "models": [{"model": SECOND}]},
        "timeout": {"call_timeout": 30_000},
        "plugins": [{"id": "pii_redaction", "language": "en", "on_failure": "passthrough"}],
        "orq": {
            "name": "n2",
            "retry": {"count": 3, "on_codes": [500]},
            "fallbacks": [{"model": NEVER}],
            "identity": {"id": "u1", "display_name": "U", "metadata": [{"k": 1}], "tags": ["a"]},
            "cache": {"type": "exact_match", "ttl": 60},
            "load_balancer": {"type": "weight_based", "models": [{"model": NEVER, "weight": 1}]},
            "timeout": {"call_timeout": 5},
        },
    }
    answer, _ = ask(node, "orq", "generate", {"model": SECOND, **kept, **others})
    assert [image["b64Json"][:4] for image in answer["data"]] == ["UklG", "UklG"]
    known = {name: str(value) for name, value in kept.items()}
    assert sent(backend) == [{"model": "gpt-image-2", "prompt": "a cat", **known}]


@pytest.mark.parametrize("client", CLIENTS)
def test_a_client_keeps_the_words_of_a_retired_model(node, backend, client: str):
    """A client written for dall-e-3 still gets a link and its size, from a live model that is asked for its best."""
    fields = {
        "model": DALLE_3,
        "quality": "hd",
        "style": "vivid",
        "size": "1792x1024",
        "response_format": "url",
    }
    answer, headers = ask(node, client, "generate", fields)
    assert [is_link_to_png(image["url"]) for image in answer["data"]] == [True]
    assert headers["x-router-dropped-params"] == "style"
    assert [(fields["quality"], fields["size"]) for fields in sent(backend)] == [("high", "1792x1024")]


@pytest.mark.parametrize(
    ("image", "files"),
    [
        (file(CAT), [("image", CAT)]),
        ([file(CAT)], [("image", CAT)]),
        ([file(CAT), file(DOG, "dog.png")], [("image[]", CAT), ("image[]", DOG)]),
    ],
    ids=["a file", "a list of one", "several"],
)
def test_openai_edits_however_it_is_given_images(node, backend, image: Any, files: list[tuple[str, bytes]]):
    """A file, a list of one and of several reach the backend in order."""
    answer, _ = ask(node, "openai", "edit", {"model": GPT, "image": image})
    assert [is_png(made["b64_json"]) for made in answer["data"]] == [True]
    assert backend.ledger.records[0].path == "/v1/images/edits"
    assert backend.ledger.records[0].files == tuple((name, "image/png", len(data)) for name, data in files)


def test_openai_edits_with_all_it_can_say(node, backend):
    """Several images, a mask and every parameter of an edit arrive at the backend as the client meant them."""
    kept = {
        "background": "opaque",
        "input_fidelity": "high",
        "n": 2,
        "output_compression": 70,
        "output_format": "jpeg",
        "quality": "low",
        "size": "1024x1536",
    }
    pictures = {"image": [file(CAT), file(DOG, "dog.png")], "mask": file(MASK, "mask.png")}
    others = {"partial_images": 0, "response_format": "b64_json", "stream": False, "user": "u1"}
    answer, _ = ask(node, "openai", "edit", {"model": FIRST, **pictures, **kept, **others})
    assert (answer["output_format"], answer["size"], len(answer["data"])) == ("jpeg", "1024x1536", 2)
    known = {name: str(value) for name, value in kept.items()}
    assert sent(backend) == [{"model": "gpt-image-1.5", "prompt": "a hat", **known, "safety_identifier": "u1"}]
    files = [(name, size) for name, _, size in backend.ledger.records[0].files]
    assert files == [("image[]", len(CAT)), ("image[]", len(DOG)), ("mask", len(MASK))]


@pytest.mark.parametrize(
    ("image", "user"),  # another user each, as the second would be answered from the cache
    [(file(CAT), "u1"), ({"file_name": "cat.png", "content": {"$bytes": base64.b64encode(CAT).decode()}}, "u2")],
    ids=["a file", "a name and bytes"],
)
def test_orq_edits_with_all_it_can_say(node, backend, image: dict[str, Any], user: str):
    """The client's form, with a JSON text for every control, is read like its JSON."""
    fields = {
        "model": GPT,
        "image": image,
        "n": 2,
        "size": "1536x1024",
        "quality": "low",
        "response_format": "b64_json",
        "user": user,
        "name": "trace-1",
        "fallbacks": [{"model": DALLE_2}],
        "retry": {"count": 2, "on_codes": [429, 500]},
        "cache": {"type": "exact_match"},
        "load_balancer": {"type": "weight_based", "models": [{"model": GPT}]},
        "timeout": {"call_timeout": 30_000},
        "orq": {"name": "n2", "identity": {"id": "u1"}, "retry": {"count": 1}, "timeout": {"call_timeout": 5}},
    }
    answer, _ = ask(node, "orq", "edit", fields)
    assert [is_png(made["b64Json"]) for made in answer["data"]] == [True, True]
    assert backend.ledger.records[0].files == (("image", "image/png", len(CAT)),)
    assert sent(backend) == [
        {
            "model": "gpt-image-2",
            "prompt": "a hat",
            "n": "2",
            "size": "1536x1024",
            "quality": "low",
            "safety_identifier": user,
        },
    ]


@pytest.mark.parametrize("client", CLIENTS)
def test_a_client_varies_by_an_edit(node, backend, client: str):
    """No live model has variations, so one is made by an edit; as a link, which is what the old model gave."""
    answer, headers = ask(node, client, "variation", {"model": DALLE_2})
    assert [is_link_to_png(image["url"]) for image in answer["data"]] == [True]
    assert headers["x-router-adjusted-params"].split(",")[0] == "operation"
    if client == "openai":
        warnings = answer["router"]["warnings"]
        assert [warning["sent"] for warning in warnings if warning["parameter"] == "operation"] == ["edit"]
    assert [record.path for record in backend.ledger.records] == ["/v1/images/edits"]


@pytest.mark.parametrize(("client", "prefix"), [("openai", "/v1"), ("openai", "/v2/router"), ("orq", "")])
def test_a_client_lists_models(node, client: str, prefix: str):
    """Every model is listed."""
    answer, _ = ask(node, client, "models", {}, prefix=prefix)
    assert [model["id"] for model in (answer if client == "openai" else answer["data"])] == list(CHAINS)


@pytest.mark.parametrize("prefix", ["/v1", "/v2/router", "/v3/router"])
def test_openai_finds_a_model(node, prefix: str):
    """A model is found by its name, slash and all; an unknown one is the client's own 404."""
    assert node.call("openai", "models.retrieve", GPT, prefix=prefix)[0]["id"] == GPT
    with pytest.raises(Failure) as caught:
        node.call("openai", "models.retrieve", "openai/no-such-model", prefix=prefix)
    assert (caught.value.told["failure"], caught.value.told["code"]) == ("NotFoundError", "model_not_found")


@pytest.mark.parametrize(
    ("client", "key", "code"),
    [
        ("openai", "wrong", "invalid_api_key"),
        ("orq", "wrong", "invalid_api_key"),
        ("orq", None, "authentication_required"),
    ],
)
@pytest.mark.parametrize("operation", [*OPERATIONS, "models"])
def test_a_client_tells_a_wrong_or_missing_key(node, backend, operation: str, client: str, key: str | None, code: str):
    """A 401 is the client's own class of error, with the code, and nothing is called."""
    with pytest.raises(Failure) as caught:
        ask(node, client, operation, {"model": GPT}, key=key)
    told = caught.value.told
    error = told["body"] if client == "openai" else msgspec.json.decode(told["body"])["error"]
    assert (told["status"], error["code"], error["type"]) == (401, code, "authentication_error")
    assert told["failure"] == {"openai": "AuthenticationError", "orq": "APIError"}[client]
    assert not backend.ledger.records


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize(("client", "routing"), ROUTED)
def test_a_client_is_routed_as_it_asks(node, backend, client: str, routing: Routing, operation: str):
    """Retries, fallbacks and balancer as the client sends them, as JSON or in a form: the contract's calls in order."""
    backend.script(*routing.steps)
    _, headers = ask(node, client, operation, {"model": routing.model, **routing.controls})
    routing.check(headers, backend.ledger)


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("client", CLIENTS)
def test_a_client_does_not_begin_anew_when_the_router_gave_up(node, backend, client: str, operation: str):
    """Once retries and fallbacks are used up, the client reports the last status and makes no retries of its own."""
    backend.script(*EXHAUSTED.steps)
    with pytest.raises(Failure) as caught:
        ask(node, client, operation, {"model": EXHAUSTED.model, **EXHAUSTED.controls})
    told = caught.value.told
    EXHAUSTED.check(told["headers"], backend.ledger)
    assert told["headers"]["x-should-retry"] == "false"
    assert told["status"] == 429
    assert told["failure"] == {"openai": "RateLimitError", "orq": "APIError"}[client]

"""The official OpenAI client for Python, unchanged, against a real router."""

import asyncio
import os
from collections.abc import Iterator, Mapping
from typing import Any

import openai
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
    KEY,
    MASK,
    ON_CODES,
    OPERATIONS,
    ROUTINGS,
    Routing,
    is_link_to_png,
    is_png,
    routed,
)

ALL_ROUTINGS = {**ROUTINGS, "only the listed statuses fall back": ON_CODES}


@pytest.fixture(scope="module")
def router(tmp_path_factory) -> Iterator[tuple[str, OpenAIBackend]]:
    """One router and its backend for all tests here."""
    with routed(tmp_path_factory.mktemp("router")) as found:
        yield found


@pytest.fixture
def url(router) -> str:
    """The router's address."""
    return router[0]


@pytest.fixture
def backend(router) -> OpenAIBackend:
    """The backend, with an empty ledger."""
    router[1].ledger.clear()
    return router[1]


@pytest.fixture(autouse=True)
def _own_surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep what the machine's owner set for this client, and any proxy, away from it."""
    for name in [name for name in os.environ if name.startswith("OPENAI_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def client_of(url: str, prefix: str = "/v2/router", key: str = KEY) -> openai.OpenAI:
    """The client as anyone would make it, but strict about the types of every answer; it retries twice, as ever."""
    return openai.OpenAI(base_url=url + prefix, api_key=key, _strict_response_validation=True)


@pytest.fixture
def client(url) -> Iterator[openai.OpenAI]:
    """The client, until the test ends."""
    with client_of(url) as found:
        yield found


@pytest.mark.parametrize(("prefix", "named"), [("/v2/router", {"model": GPT}), ("/v1", {})])
def test_generates_with_the_least_it_can_say(url, backend, prefix: str, named: Mapping[str, Any]):
    """A prompt is enough where the prefix has a default model; the client accepts every type of the answer."""
    with client_of(url, prefix) as client:
        answer = client.images.generate(prompt="a cat", **named)
    assert [is_png(image.b64_json) for image in answer.data] == [True]
    assert answer.usage.total_tokens == answer.usage.input_tokens + answer.usage.output_tokens > 0
    assert answer._request_id
    assert [record.fields for record in backend.ledger.records] == [{"model": "gpt-image-2", "prompt": "a cat", "n": 1}]


def test_generates_with_all_it_can_say(client, backend):
    """Every parameter of a GPT image model arrives at the backend as the client meant it."""
    answer = client.images.generate(
        prompt="a cat",
        model=GPT,
        background="transparent",
        moderation="low",
        n=2,
        output_compression=80,
        output_format="webp",
        partial_images=0,
        quality="high",
        response_format="b64_json",
        safety_identifier="s1",
        size="1536x1024",
        stream=False,
        user="u1",
    )
    assert (answer.output_format, answer.quality, answer.size) == ("webp", "high", "1536x1024")
    assert (answer.background, len(answer.data)) == ("transparent", 2)
    [record] = backend.ledger.records
    assert record.fields == {
        "model": "gpt-image-2",
        "prompt": "a cat",
        "background": "transparent",
        "moderation": "low",
        "n": 2,
        "output_compression": 80,
        "output_format": "webp",
        "quality": "high",
        "safety_identifier": "s1",
        "size": "1536x1024",
    }


def test_keeps_the_words_of_a_retired_model(client, backend):
    """A client written for dall-e-3 still gets a link and its size, from a live model that is asked for its best."""
    raw = client.images.with_raw_response.generate(
        prompt="a cat", model=DALLE_3, quality="hd", style="vivid", size="1792x1024", response_format="url"
    )
    assert [is_link_to_png(image.url) for image in raw.parse().data] == [True]
    assert raw.headers["x-router-dropped-params"] == "style"
    [record] = backend.ledger.records
    assert (record.fields["quality"], record.fields["size"]) == ("high", "1792x1024")


@pytest.mark.parametrize(
    ("image", "files"),
    [
        (("cat.png", CAT, "image/png"), [("image", CAT)]),
        (CAT, [("image", CAT)]),
        ([("cat.png", CAT, "image/png")], [("image", CAT)]),
        ([("cat.png", CAT, "image/png"), ("dog.png", DOG, "image/png")], [("image[]", CAT), ("image[]", DOG)]),
    ],
    ids=["a file", "bytes", "a list of one", "several"],
)
def test_edits_however_it_is_given_images(client, backend, image: Any, files: list[tuple[str, bytes]]):
    """A file, bare bytes, a list of one and of several reach the backend in order, with the type of their bytes."""
    answer = client.images.edit(image=image, prompt="a hat", model=GPT)
    assert [is_png(made.b64_json) for made in answer.data] == [True]
    [record] = backend.ledger.records
    assert record.path == "/v1/images/edits"
    assert record.files == tuple((name, "image/png", len(data)) for name, data in files)


def test_edits_with_all_it_can_say(client, backend, tmp_path):
    """Open files, a mask and every parameter of an edit arrive at the backend as the client meant them."""
    (tmp_path / "cat.png").write_bytes(CAT)
    with (tmp_path / "cat.png").open("rb") as cat:
        answer = client.images.edit(
            image=[cat, ("dog.png", DOG)],
            mask=("mask.png", MASK),
            prompt="a hat",
            model=FIRST,
            background="opaque",
            input_fidelity="high",
            n=2,
            output_compression=70,
            output_format="jpeg",
            partial_images=0,
            quality="low",
            response_format="b64_json",
            safety_identifier="s1",
            size="1024x1536",
            stream=False,
            user="u1",
        )
    assert (answer.output_format, answer.size, len(answer.data)) == ("jpeg", "1024x1536", 2)
    [record] = backend.ledger.records
    assert [(name, size) for name, _, size in record.files] == [
        *(("image[]", len(CAT)), ("image[]", len(DOG))),
        ("mask", len(MASK)),
    ]
    assert {name: str(value) for name, value in record.fields.items()} == {
        "model": "gpt-image-1.5",
        "prompt": "a hat",
        "background": "opaque",
        "input_fidelity": "high",
        "n": "2",
        "output_compression": "70",
        "output_format": "jpeg",
        "quality": "low",
        "safety_identifier": "s1",
        "size": "1024x1536",
    }


@pytest.mark.parametrize("said", [{}, {"n": 2, "response_format": "b64_json", "size": "1024x1024", "user": "u1"}])
def test_varies_by_an_edit(client, backend, said: Mapping[str, Any]):
    """No live model has variations, so one is made by an edit, and the answer says so."""
    with pytest.deprecated_call():
        answer = client.images.create_variation(image=("cat.png", CAT), model=DALLE_2, **said)
    if said:
        assert [is_png(image.b64_json) for image in answer.data] == [True, True]
    else:
        assert [is_link_to_png(image.url) for image in answer.data] == [True]
    assert [warning["sent"] for warning in answer.router["warnings"] if warning["parameter"] == "operation"] == ["edit"]
    assert [record.path for record in backend.ledger.records] == ["/v1/images/edits"]


@pytest.mark.parametrize("prefix", ["/v1", "/v2/router", "/v3/router"])
def test_lists_and_finds_models(url, prefix: str):
    """Every model is listed and found by its name, slash and all; an unknown one is the client's own 404."""
    with client_of(url, prefix) as client:
        listed = list(client.models.list())
        assert [model.id for model in listed] == list(CHAINS)
        assert [client.models.retrieve(model.id) for model in listed] == listed
        assert {(model.id, model.owned_by) for model in listed} >= {(GPT, "openai"), (DALLE_2, "openai")}
        with pytest.raises(openai.NotFoundError) as caught:
            client.models.retrieve("openai/no-such-model")
    assert caught.value.code == "model_not_found"


@pytest.mark.parametrize("operation", [*OPERATIONS, "models"])
def test_tells_a_wrong_key(url, backend, operation: str):
    """A wrong key is the client's own authentication error, and nothing is called."""
    with client_of(url, key="wrong") as client, pytest.raises(openai.AuthenticationError) as caught:
        client.models.list() if operation == "models" else ask(client, operation, GPT, {})
    assert (caught.value.status_code, caught.value.code) == (401, "invalid_api_key")
    assert (caught.value.type, caught.value.param) == ("authentication_error", None)
    assert caught.value.request_id
    assert not backend.ledger.records


def ask(client: openai.OpenAI, operation: str, model: str, controls: Mapping[str, Any]) -> Mapping[str, str]:
    """The headers of one call, with routing controls in the way that this client has for them."""
    images, extra = client.images.with_raw_response, {"model": model, "extra_body": dict(controls)}
    match operation:
        case "generate":
            raw = images.generate(prompt="a cat", **extra)
        case "edit":
            raw = images.edit(prompt="a hat", image=("cat.png", CAT), **extra)
        case _:
            with pytest.deprecated_call():
                raw = images.create_variation(image=("cat.png", CAT), **extra)
    assert len(raw.parse().data) == 1
    return raw.headers


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("routing", ALL_ROUTINGS.values(), ids=ALL_ROUTINGS)
def test_is_routed_as_it_asks(client, backend, routing: Routing, operation: str):
    """Retries, fallbacks and balancer in `extra_body`, as JSON or in a form: the contract's calls, in its order."""
    backend.script(*routing.steps)
    headers = ask(client, operation, routing.model, routing.controls)
    routing.check(headers, backend.ledger)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_does_not_begin_anew_when_the_router_gave_up(client, backend, operation: str):
    """Once retries and fallbacks are used up, the client's own two retries cost nothing: it makes none."""
    backend.script(*EXHAUSTED.steps)
    with pytest.raises(openai.RateLimitError) as caught:
        ask(client, operation, EXHAUSTED.model, EXHAUSTED.controls)
    headers = caught.value.response.headers
    EXHAUSTED.check(headers, backend.ledger)
    assert headers["x-should-retry"] == "false"
    assert caught.value.code == "rate_limit_exceeded"
    assert [(failure["model"], failure["status"]) for failure in caught.value.body["failures"]] == [
        (f"openai/{model}", status) for model, status in EXHAUSTED.calls
    ]


def test_works_asynchronously(url, backend):
    """The asynchronous client, which has a transport of its own, makes and edits."""

    async def work() -> list[openai.types.ImagesResponse]:
        base = f"{url}/v2/router"
        async with openai.AsyncOpenAI(base_url=base, api_key=KEY, _strict_response_validation=True) as client:
            return [
                await client.images.generate(prompt="a cat", model=GPT),
                await client.images.edit(prompt="a hat", model=GPT, image=("cat.png", CAT), mask=("m.png", MASK)),
            ]

    assert [is_png(answer.data[0].b64_json) for answer in asyncio.run(work())] == [True, True]
    assert len(backend.ledger) == 2

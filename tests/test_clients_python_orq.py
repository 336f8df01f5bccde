"""The official orq client for Python, unchanged, against a real router."""

import asyncio
from collections.abc import Iterator, Mapping
from typing import Any, Self

import httpx
import orq_ai_sdk
import pytest
from backends import OpenAIBackend
from client_scenarios import (
    CAT,
    CHAINS,
    DALLE_2,
    DALLE_3,
    EXHAUSTED,
    GPT,
    KEY,
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
from orq_ai_sdk.models import APIDefaultError, APIErrorResponse

ALL_ROUTINGS = {**ROUTINGS, "only the listed statuses fall back": ON_CODES}
IMAGE = {"file_name": "cat.png", "content": CAT, "content_type": "image/png"}


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
    """Keep the key that the machine's owner set for this client, and any proxy, away from it."""
    monkeypatch.delenv("ORQ_API_KEY", raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


class Orq:
    """An orq client and the responses it got."""

    def __init__(self, url: str, key: str | None = KEY) -> None:
        self.responses: list[httpx.Response] = []
        self._http = httpx.Client(event_hooks={"response": [self.responses.append]})
        self.sdk = orq_ai_sdk.Orq(server_url=url, api_key=key, client=self._http)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()
        asyncio.run(self.sdk.sdk_configuration.async_client.aclose())


@pytest.fixture
def orq(url) -> Iterator[Orq]:
    """The orq client."""
    with Orq(url) as client:
        yield client


def test_generates_with_the_least_it_can_say(orq, backend):
    """A prompt and a model are enough, and the client's own models take the answer."""
    answer = orq.sdk.router.images.generations.create(prompt="a cat", model=GPT)
    assert [is_png(image.b64_json) for image in answer.data] == [True]
    assert answer.usage.total_tokens == answer.usage.input_tokens + answer.usage.output_tokens > 0
    assert [record.fields for record in backend.ledger.records] == [{"model": "gpt-image-2", "prompt": "a cat", "n": 1}]


def test_generates_with_nulls(orq, backend):
    """The explicit nulls that this client can send mean nothing."""
    answer = orq.sdk.router.images.generations.create(
        prompt="a cat", model=GPT, n=None, quality=None, size=None, background=None, style=None, output_format=None
    )
    assert len(answer.data) == 1
    assert [record.fields for record in backend.ledger.records] == [{"model": "gpt-image-2", "prompt": "a cat", "n": 1}]


def test_generates_with_all_it_can_say(orq, backend):
    """Every parameter and control is read; those of the picture arrive at the backend, the others do not."""
    answer = orq.sdk.router.images.generations.create(
        prompt="a cat",
        model=SECOND,
        background="transparent",
        moderation="low",
        n=2,
        output_compression=80,
        output_format="webp",
        quality="high",
        response_format="b64_json",
        size="1024x1024",
        style="vivid",
        metadata={"team": "x"},
        name="trace-1",
        fallback_on_codes=[429, 503],
        fallbacks=[{"model": DALLE_3}],
        retry={"count": 2, "on_codes": [429, 500]},
        cache={"type": "exact_match"},
        load_balancer={"type": "weight_based", "models": [{"model": SECOND}]},
        timeout={"call_timeout": 30_000},
        plugins=[{"id": "pii_redaction", "language": "en", "on_failure": "passthrough"}],
        orq={
            "name": "n2",
            "retry": {"count": 3, "on_codes": [500]},
            "fallback_on_codes": [500],
            "fallbacks": [{"model": NEVER}],
            "identity": {"id": "u1", "metadata": [{"k": 1}], "tags": ["a"]},
            "cache": {"type": "exact_match", "ttl": 60},
            "load_balancer": {"type": "weight_based", "models": [{"model": NEVER, "weight": 1}]},
            "timeout": {"call_timeout": 5},
        },
        http_headers={"contactid": "c1"},
    )
    assert [image.b64_json[:4] for image in answer.data] == ["UklG", "UklG"]
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
        "size": "1024x1024",
    }


def test_edits_with_all_it_can_say(orq, backend):
    """The client's form, with a JSON text for every control, is read like its JSON."""
    answer = orq.sdk.router.images.edits.create(
        model=GPT,
        prompt="a hat",
        image=IMAGE,
        n=2,
        size="1536x1024",
        quality="low",
        response_format="b64_json",
        user="u1",
        name="trace-1",
        fallback_on_codes=[429, 503],
        fallbacks=[{"model": DALLE_2}],
        retry={"count": 2, "on_codes": [429, 500]},
        cache={"type": "exact_match"},
        load_balancer={"type": "weight_based", "models": [{"model": GPT}]},
        timeout={"call_timeout": 30_000},
        orq={"name": "n2", "identity": {"id": "u1"}, "retry": {"count": 1}, "timeout": {"call_timeout": 5}},
    )
    assert [is_png(image.b64_json) for image in answer.data] == [True, True]
    [record] = backend.ledger.records
    assert record.files == (("image", "image/png", len(CAT)),)
    assert {name: str(value) for name, value in record.fields.items()} == {
        "model": "gpt-image-2",
        "prompt": "a hat",
        "n": "2",
        "quality": "low",
        "safety_identifier": "u1",
        "size": "1536x1024",
    }


def test_is_told_of_an_image_it_forgot(orq, backend):
    """Without an image this client sends another kind of body; the answer still says what is missing."""
    with pytest.raises(APIDefaultError) as caught:
        orq.sdk.router.images.edits.create(model=GPT, prompt="a hat")
    error = caught.value.raw_response.json()["error"]
    assert (caught.value.status_code, error["code"], error["param"]) == (400, "missing_required_parameter", "image")
    assert not backend.ledger.records


def test_varies_by_an_edit(orq, backend):
    """The client asks for a link, size and one picture on its own account, and gets them from an edit."""
    answer = orq.sdk.router.images.variations.create(model=DALLE_2, image=IMAGE)
    assert [is_link_to_png(image.url) for image in answer.data] == [True]
    warnings = orq.responses[0].json()["router"]["warnings"]
    assert [warning["sent"] for warning in warnings if warning["parameter"] == "operation"] == ["edit"]
    assert [record.path for record in backend.ledger.records] == ["/v1/images/edits"]


def test_lists_models(orq):
    """Every model is listed, in the client's own types."""
    assert [model.id for model in orq.sdk.models.list().data] == list(CHAINS)


@pytest.mark.parametrize(("key", "code"), [("wrong", "invalid_api_key"), (None, "authentication_required")])
@pytest.mark.parametrize("operation", [*OPERATIONS, "models"])
def test_tells_a_wrong_or_missing_key(url, backend, operation: str, key: str | None, code: str):
    """This client reads the body of a 401 with a strict model of its own, and nothing is called."""
    with Orq(url, key) as orq, pytest.raises(APIErrorResponse) as caught:
        orq.sdk.models.list() if operation == "models" else ask(orq, operation, GPT, {})
    assert caught.value.status_code == 401
    assert caught.value.data.error.code == code
    assert caught.value.data.error.type == "authentication_error"
    assert not backend.ledger.records


def ask(orq: Orq, operation: str, model: str, controls: Mapping[str, Any]) -> httpx.Headers:
    """The headers of one call, with routing controls as this client's own parameters."""
    images, image = orq.sdk.router.images, IMAGE
    match operation:
        case "generate":
            answer = images.generations.create(prompt="a cat", model=model, **controls)
        case "edit":
            answer = images.edits.create(prompt="a hat", model=model, image=image, **controls)
        case _:
            answer = images.variations.create(model=model, image=image, **controls)
    assert len(answer.data) == 1
    return orq.responses[-1].headers


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("routing", ALL_ROUTINGS.values(), ids=ALL_ROUTINGS)
def test_is_routed_as_it_asks(orq, backend, routing: Routing, operation: str):
    """Retries, fallbacks and balancer as typed parameters, in JSON or in a form: the contract's calls, in its order."""
    backend.script(*routing.steps)
    headers = ask(orq, operation, routing.model, routing.controls)
    routing.check(headers, backend.ledger)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_is_routed_by_its_older_place(orq, backend, operation: str):
    """The same controls inside `orq`, where older programs have them, make the same calls."""
    routing = ROUTINGS["all retries, then the fallbacks in their order"]
    backend.script(*routing.steps)
    headers = ask(orq, operation, routing.model, {"orq": routing.controls})
    routing.check(headers, backend.ledger)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_is_told_when_the_router_gave_up(orq, backend, operation: str):
    """Once retries and fallbacks are used up, the client's own error has the last one's status and every failure."""
    backend.script(*EXHAUSTED.steps)
    with pytest.raises(APIDefaultError) as caught:
        ask(orq, operation, EXHAUSTED.model, EXHAUSTED.controls)
    EXHAUSTED.check(caught.value.headers, backend.ledger)
    assert caught.value.status_code == 429
    assert len(caught.value.raw_response.json()["error"]["failures"]) == len(EXHAUSTED.calls)


def test_works_asynchronously(url, backend):
    """The asynchronous half of the client makes and edits."""
    cat = IMAGE

    async def work() -> list[Any]:
        async with orq_ai_sdk.Orq(server_url=url, api_key=KEY) as sdk:
            with sdk:
                images = sdk.router.images
                return [
                    await images.generations.create_async(prompt="a cat", model=GPT),
                    await images.edits.create_async(prompt="a hat", model=GPT, image=cat),
                ]

    assert [is_png(answer.data[0].b64_json) for answer in asyncio.run(work())] == [True, True]
    assert len(backend.ledger) == 2

"""Chains of two over real sockets: the exact calls made, and what the client is told, for each way the first fails."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from backends import Close, Cut, Empty, Hang, OpenAIBackend, Raw, Reset, Status, Step
from pictures import base64_png
from serving import FORGIVING, serving

MODERATED = Status(400, "moderation_blocked", "image_generation_user_error", "refused")
LIMITED = Status(429, "rate_limit_exceeded", headers={"retry-after": "3"})


@pytest.fixture(scope="module")
def backends() -> Iterator[tuple[OpenAIBackend, OpenAIBackend]]:
    """The first and the second member of every chain."""
    with OpenAIBackend() as first, OpenAIBackend() as second:
        yield first, second


@pytest.fixture(scope="module")
def router(backends: tuple[OpenAIBackend, OpenAIBackend], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A router whose pauses are too short to notice."""
    first, second = backends
    config = {
        "defaults": {"retry": {"backoff": "1ms", "backoff_max": "1ms"}, "caller_backoff": "1ms", **FORGIVING},
        "providers": {
            "first": {"kind": "openai", "base_url": first.url, "api_key": "k1"},
            "second": {"kind": "openai", "base_url": second.url, "api_key": "k2"},
            "refused": {"kind": "openai", "base_url": first.url, "api_key": "bad-key"},
        },
        "models": {
            "pair": {"chain": ["first/gpt-image-2", "second/gpt-image-2"], "attempt_timeout": "300ms"},
            "one": {"chain": ["first/gpt-image-2"], "attempt_timeout": "300ms"},
            "two": {"chain": ["second/gpt-image-2"]},
            "unauthorised": {"chain": ["refused/gpt-image-2", "second/gpt-image-2"]},
            "unauthorised-alone": {"chain": ["refused/gpt-image-2"]},
        },
    }
    with serving(config, tmp_path_factory.mktemp("router")) as url:
        yield url


@pytest.fixture(autouse=True)
def _clean(backends: tuple[OpenAIBackend, OpenAIBackend]) -> None:
    for backend in backends:
        backend.ledger.clear()


def ask(router: str, model: str, **fields: Any) -> httpx.Response:
    """One generation."""
    body = {"model": model, "prompt": "a red kite", **fields}
    return httpx.post(f"{router}/v2/router/images/generations", json=body, timeout=30)


FAULTS = {
    # what the first does: how often alone it is called, and the status, code and advice when it is the only one
    "429": ([LIMITED] * 2, 2, 429, "rate_limit_exceeded", "false"),
    "503": ([Status(503, "server_is_overloaded")] * 2, 2, 503, "provider_overloaded", "false"),
    "529": ([Status(529)] * 2, 2, 503, "provider_overloaded", "false"),
    "500": ([Status(500, "server_error")], 1, 502, "provider_error", "true"),
    "a gateway's 502": ([Raw(502, b"<html>")], 1, 502, "provider_error", "false"),
    "a gateway's 504": ([Raw(504, b"")], 1, 504, "provider_timeout", "false"),
    "a reset": ([Reset()], 1, 502, "provider_error", "false"),
    "a close": ([Close()], 1, 502, "provider_error", "false"),
    "a cut answer": ([Cut()], 1, 502, "provider_error", "false"),
    "a time-out": ([Hang()], 1, 408, "request_timeout", "false"),
    "an empty list": ([Empty()], 1, 502, "provider_error", "false"),
    "no JSON": ([Raw(200, b"<html>")], 1, 502, "provider_error", "false"),
    "no picture": ([Raw(200, b'{"data":[{"b64_json":"aGVsbG8="}]}')], 1, 502, "provider_error", "false"),
    "half a picture": (
        [Raw(200, b'{"data":[{"b64_json":"%b"}]}' % base64_png(64, 64)[:80].encode())],
        1,
        502,
        "provider_error",
        "false",
    ),
    "a gone model": ([Status(404, "model_not_found")], 1, 404, "model_not_found", "false"),
}


@pytest.mark.parametrize(("steps", "alone", "status", "code", "again"), FAULTS.values(), ids=FAULTS)
def test_a_fault_of_the_first_is_made_good_by_the_second(
    router: str,
    backends: tuple[OpenAIBackend, OpenAIBackend],
    steps: list[Step],
    alone: int,
    status: int,
    code: str,
    again: str,
) -> None:
    """One call to each, a picture for the client, and no advice to ask again."""
    first, second = backends
    first.script(steps[0])
    answer = ask(router, "pair")
    assert answer.status_code == 200, answer.text
    assert (len(first.ledger), len(second.ledger)) == (1, 1)
    assert answer.headers["x-router-model"] == "second/gpt-image-2"
    assert answer.headers["x-router-attempts"] == "2"


@pytest.mark.parametrize(("steps", "alone", "status", "code", "again"), FAULTS.values(), ids=FAULTS)
def test_a_fault_nobody_makes_good_is_told_with_the_advice_whether_to_ask_again(
    router: str,
    backends: tuple[OpenAIBackend, OpenAIBackend],
    steps: list[Step],
    alone: int,
    status: int,
    code: str,
    again: str,
) -> None:
    """What may have been billed is sent once and not to be repeated; what did no work is tried once more."""
    first, _ = backends
    first.script(*steps)
    answer = ask(router, "one")
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], answer.headers["x-should-retry"]) == (status, code, again)
    assert len(first.ledger) == alone
    assert len(error["failures"]) == alone
    assert error["failures"][0]["model"] == "first/gpt-image-2"


def test_an_unpaid_or_limited_chain_says_when_to_come_back(
    router: str,
    backends: tuple[OpenAIBackend, OpenAIBackend],
) -> None:
    """A 429 that ends the chain keeps the backend's Retry-After."""
    first, second = backends
    first.script(LIMITED)
    second.script(Status(429, "rate_limit_exceeded", headers={"retry-after": "20"}))
    answer = ask(router, "pair")
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "20")


def test_a_refused_key_of_ours_is_never_the_callers_401(
    router: str,
    backends: tuple[OpenAIBackend, OpenAIBackend],
) -> None:
    """A 401 from a provider falls back at once; alone it is a 422 in our own words, which never quote a key."""
    first, second = backends
    assert ask(router, "unauthorised").status_code == 200
    assert (len(first.ledger), len(second.ledger)) == (1, 1)
    answer = ask(router, "unauthorised-alone")
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], answer.headers["x-should-retry"]) == (
        422,
        "provider_credential_invalid",
        "false",
    )
    assert len(first.ledger) == 2
    assert "bad-key" not in answer.text


def test_a_refused_prompt_is_not_asked_of_another_backend(
    router: str,
    backends: tuple[OpenAIBackend, OpenAIBackend],
) -> None:
    """A refusal by policy ends the request with the backend's own pair; the caller may list 400 to go on."""
    first, second = backends
    first.script(MODERATED)
    answer = ask(router, "pair")
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["type"]) == (
        400,
        "moderation_blocked",
        "image_generation_user_error",
    )
    assert answer.headers["x-should-retry"] == "false"
    assert (len(first.ledger), len(second.ledger)) == (1, 0)
    first.script(MODERATED)
    assert ask(router, "one", fallbacks=["two"], fallback_on_codes=[400]).status_code == 200
    assert (len(first.ledger), len(second.ledger)) == (2, 1)


def test_a_second_possibly_billed_end_is_the_last(
    router: str,
    backends: tuple[OpenAIBackend, OpenAIBackend],
) -> None:
    """After two ambiguous ends no third target is asked: what may have been paid is bounded."""
    first, second = backends
    first.script(Reset())
    second.script(Reset())
    answer = ask(router, "pair", fallbacks=["one"])
    assert answer.status_code == 502
    assert (len(first.ledger), len(second.ledger)) == (1, 1)
    assert answer.headers["x-should-retry"] == "false"
    assert len(answer.json()["error"]["failures"]) == 2


def test_the_callers_retry_and_fallback_are_done_as_told(
    router: str,
    backends: tuple[OpenAIBackend, OpenAIBackend],
) -> None:
    """Retries of the primary first, then the fallback; the headers and the story agree with the ledger."""
    first, second = backends
    first.script(*[Status(500, "server_error")] * 3)
    answer = ask(router, "one", retry={"count": 2, "on_codes": [500]}, fallbacks=[{"model": "two"}])
    assert answer.status_code == 200
    assert (len(first.ledger), len(second.ledger)) == (3, 1)
    assert answer.headers["x-router-attempts"] == "4"
    assert answer.headers["x-router-fallback-index"] == "1"
    told = [(attempt["target"], attempt["number"]) for attempt in answer.json()["router"]["attempts"]]
    assert told == [
        ("first/gpt-image-2", 1),
        ("first/gpt-image-2", 2),
        ("first/gpt-image-2", 3),
        ("second/gpt-image-2", 1),
    ]


def test_a_call_timeout_ends_each_call(router: str, backends: tuple[OpenAIBackend, OpenAIBackend]) -> None:
    """`timeout.call_timeout` bounds one call; when nothing is left the client gets 408."""
    first, second = backends
    first.script(Hang())
    second.script(Hang())
    answer = ask(router, "one", timeout={"call_timeout": 100}, fallbacks=["two"])
    assert (answer.status_code, answer.json()["error"]["code"]) == (408, "request_timeout")
    assert (len(first.ledger), len(second.ledger)) == (1, 1)


def test_a_balancer_draws_by_weight_and_takes_turns(
    router: str,
    backends: tuple[OpenAIBackend, OpenAIBackend],
) -> None:
    """`model` is not the target while a balancer is there; members share by weight, or in turn."""
    first, second = backends
    members = [{"model": "one", "weight": 0.9}, {"model": "two", "weight": 0.1}]
    for _ in range(60):
        ask(router, "pair", load_balancer={"type": "weight_based", "models": members})
    assert len(first.ledger) + len(second.ledger) == 60
    assert 40 <= len(first.ledger) < 60
    first.ledger.clear()
    second.ledger.clear()
    for _ in range(6):
        ask(router, "pair", load_balancer={"type": "round_robin", "models": members})
    assert (len(first.ledger), len(second.ledger)) == (3, 3)


def test_a_balancers_other_members_are_no_fallbacks(
    router: str,
    backends: tuple[OpenAIBackend, OpenAIBackend],
) -> None:
    """The drawn model is the primary; when it fails only `fallbacks` are asked."""
    first, second = backends
    first.script(Status(500, "server_error"))
    balancer = {"type": "latency_based", "models": [{"model": "one"}]}
    assert ask(router, "pair", load_balancer=balancer).status_code == 502
    assert (len(first.ledger), len(second.ledger)) == (1, 0)


def test_an_error_that_quotes_a_key_is_told_without_it(
    router: str,
    backends: tuple[OpenAIBackend, OpenAIBackend],
) -> None:
    """A backend's words reach the client without whatever looks like a credential."""
    first, _ = backends
    first.script(Status(400, "invalid_value", message="bad: sk-proj-abcdefghijklmnop", param="size"))
    answer = ask(router, "one")
    assert answer.status_code == 400
    assert "abcdefghijklmnop" not in answer.text

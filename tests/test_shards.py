"""`n` pictures from backends that make one a call: calls side by side, and a bill both sides agree on."""

from collections.abc import Iterator

import httpx
import pytest
from backends import Reset, Status
from backends.plain import PlainBackend
from serving import FORGIVING, serving

FIRST = {"target": "first/a", "price": {"image": 0.04}}


@pytest.fixture(scope="module")
def backends() -> Iterator[tuple[PlainBackend, PlainBackend]]:
    """Two backends of one picture per call."""
    with PlainBackend() as first, PlainBackend() as second:
        yield first, second


@pytest.fixture(scope="module")
def router(backends: tuple[PlainBackend, PlainBackend], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A router over both."""
    first, second = backends
    config = {
        "defaults": {"retry": {"backoff": "1ms", "backoff_max": "1ms"}, "caller_backoff": "1ms", **FORGIVING},
        "providers": {
            "first": {"kind": "kinds.bytes_only", "base_url": first.origin},
            "second": {"kind": "kinds.bytes_only", "base_url": second.origin},
        },
        "models": {
            "both": {
                "chain": [
                    {"target": "first/a", "price": {"image": 0.04}},
                    {"target": "second/b", "price": {"image": 0.05}},
                ]
            },
            "one": {"chain": [{"target": "first/a", "price": {"image": 0.04}}]},
            "all-or-nothing": {"chain": ["first/a"], "partial": "fail"},
        },
    }
    with serving(config, tmp_path_factory.mktemp("router")) as url:
        yield url


@pytest.fixture(autouse=True)
def _clean(backends: tuple[PlainBackend, PlainBackend]) -> None:
    for backend in backends:
        backend.ledger.clear()


def ask(router: str, model: str, **more: object) -> httpx.Response:
    """Four pictures."""
    body = {"model": model, "prompt": "p", "n": 4, "size": "64x64", "response_format": "b64_json", **more}
    return httpx.post(f"{router}/v1/images/generations", json=body, timeout=30)


def test_four_pictures_are_four_calls(router: str, backends: tuple[PlainBackend, PlainBackend]) -> None:
    """Each call makes one, each picture says where it came from, and the cost is theirs together."""
    answer = ask(router, "both").json()
    assert len(answer["data"]) == len(backends[0].ledger) == 4
    assert len(backends[1].ledger) == 0
    assert answer["router"]["images"] == [{"target": "first/a", "attempt": 1}] * 4
    assert (answer["usage"]["image_count"], answer["usage"]["cost"]) == (4, pytest.approx(0.16))


def test_the_missing_one_comes_from_the_next_target(
    router: str,
    backends: tuple[PlainBackend, PlainBackend],
) -> None:
    """When one of four fails twice, the next target is asked for that one; both ledgers agree on the bill."""
    first, second = backends
    first.script(Status(500, billed=False))
    retry = {"count": 1, "on_codes": [500]}
    first.script(*[Status(500, billed=False)] * 7)
    answer = ask(router, "both", retry=retry).json()
    assert len(answer["data"]) == 4
    assert len(first.ledger) == 8
    assert len(second.ledger) == 4
    made = [image["target"] for image in answer["router"]["images"]]
    assert made == ["second/b"] * 4
    assert first.ledger.pictures + second.ledger.pictures == answer["usage"]["image_count"]
    assert answer["usage"]["cost"] == pytest.approx(0.20)


def test_pictures_in_hand_are_kept(router: str, backends: tuple[PlainBackend, PlainBackend]) -> None:
    """Three of four are made by the first target; only the fourth is asked of the second, and paid there."""
    first, second = backends
    first.script(Reset(billed=False))
    answer = ask(router, "both").json()
    assert len(answer["data"]) == 4
    assert (len(first.ledger), len(second.ledger)) == (4, 1)
    assert sorted(image["target"] for image in answer["router"]["images"]) == ["first/a"] * 3 + ["second/b"]
    assert first.ledger.pictures + second.ledger.pictures == 4
    assert answer["usage"]["cost"] == pytest.approx(3 * 0.04 + 0.05)


def test_a_short_result_is_handed_over_or_not_as_ops_say(
    router: str,
    backends: tuple[PlainBackend, PlainBackend],
) -> None:
    """`partial: allow` gives what there is with a warning; `fail` makes it the error that stopped it."""
    first, _ = backends
    first.script(Reset())
    short = ask(router, "one").json()
    assert len(short["data"]) == 3
    assert ("n", "4", "3") in [(w["parameter"], w["asked"], w["sent"]) for w in short["router"]["warnings"]]
    first.script(Reset())
    assert ask(router, "all-or-nothing").status_code == 502

"""Who is asked first: by weight, in turn, the fastest, or the second target now and then; and keys that take turns."""

import random
from collections import Counter
from dataclasses import replace

import pytest

import providers
from router.config.balance import Order
from router.engine.balance import Balance
from router.engine.route import Policy, Provider, Route, Target

ADAPTER = providers.load("openai")


def target(name: str, weight: float = 1.0, number: int = 0) -> Target:
    """A target; `number` is its account's."""
    provider = Provider(name=name, number=number, kind="openai", adapter=ADAPTER, send=None)
    dialect = ADAPTER.dialect("m")
    return Target(name=f"{name}/m", provider=provider, model="m", dialect=dialect, policy=Policy(), weight=weight)


A, B, C = target("a", 1), target("b", 3), target("c", 4)
ROUTE = Route(name="r", targets=(A, B, C), policy=Policy())


def firsts(route: Route, times: int, balance: Balance | None = None) -> Counter[str]:
    """How often each target is asked first."""
    balance = balance or Balance(random.Random(1))
    return Counter(balance.arranged(route)[0].provider.name for _ in range(times))


def test_as_written_is_as_written() -> None:
    """Without an order, nothing is drawn and nothing is copied."""
    assert Balance(random.Random(1)).arranged(ROUTE) is ROUTE.targets


def test_weights_are_shares_of_who_is_first() -> None:
    """1 to 3 to 4: an eighth, three eighths and a half of the requests begin there; the others follow as written."""
    route = replace(ROUTE, order=Order.WEIGHT_BASED)
    found = firsts(route, 8000)
    assert found["a"] == pytest.approx(1000, rel=0.1)
    assert found["b"] == pytest.approx(3000, rel=0.1)
    assert found["c"] == pytest.approx(4000, rel=0.1)
    balance = Balance(random.Random(1))
    for _ in range(50):
        first, *rest = balance.arranged(route)
        assert rest == [each for each in (A, B, C) if each is not first]


def test_turns_are_taken() -> None:
    """Each target begins every third request."""
    assert firsts(replace(ROUTE, order=Order.ROUND_ROBIN), 30) == {"a": 10, "b": 10, "c": 10}


def test_the_fastest_of_late_is_first_once_all_are_known() -> None:
    """Who was never asked is asked; then the quickest by its moving average."""
    balance = Balance(random.Random(1))
    route = replace(ROUTE, order=Order.LATENCY_BASED)
    balance.drew(A, 3)
    balance.drew(C, 2)
    assert balance.arranged(route)[0] is B
    balance.drew(B, 9)
    assert balance.arranged(route)[0] is C
    for _ in range(10):
        balance.drew(C, 20)
    assert balance.arranged(route)[0] is A


def test_the_second_target_is_exercised() -> None:
    """A share of the requests asks it first, so that a fallback is known to work before it is needed."""
    found = firsts(replace(ROUTE, exercise=0.05), 4000)
    assert found["b"] == pytest.approx(200, rel=0.25)
    assert found["c"] == 0


def test_keys_of_one_provider_take_turns() -> None:
    """The same target at each of its accounts, one after the other first; the chain's order stays."""
    accounts = tuple(target("a", number=number) for number in (1, 2, 3))
    route = replace(ROUTE, targets=(*accounts, B), accounts=True)
    balance = Balance(random.Random(1))
    seen = [[each.key for each in balance.arranged(route)] for _ in range(4)]
    assert seen == [
        ["a/m#1", "a/m#2", "a/m#3", "b/m"],
        ["a/m#2", "a/m#3", "a/m#1", "b/m"],
        ["a/m#3", "a/m#1", "a/m#2", "b/m"],
        ["a/m#1", "a/m#2", "a/m#3", "b/m"],
    ]

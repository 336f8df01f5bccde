"""Circuits, cooldowns and retry budgets by the clock: who is left out, for how long, and who comes back how."""

import random

import pytest

from providers.base import ErrorKind, OutcomeClass, ProviderError
from router.health.book import CIRCUIT, Health, Notice, Place, Rules, State
from router.health.budget import BudgetRules

A, B = "acme/draw", "acme/paint"
ACME = "acme"
BROKEN = ProviderError(ErrorKind.UNAVAILABLE, "broken", outcome=OutcomeClass.FAILED, status=500)


class Clock:
    """A clock that is told the time."""

    now = 1000.0

    def __call__(self) -> float:
        """Seconds, as told."""
        return self.now


@pytest.fixture
def clock() -> Clock:
    """The book's clock."""
    return Clock()


@pytest.fixture
def told() -> dict[str, Notice | None]:
    """What other workers would be told, by name."""
    return {}


@pytest.fixture
def health(clock: Clock, told: dict[str, Notice | None]) -> Health:
    """A book of two targets of one account."""
    book = Health(clock, random.Random(1), told.__setitem__)
    book.follow({A: Rules(), B: Rules()}, {ACME: BudgetRules()})
    return book


def limited(retry_after: float | None = None) -> ProviderError:
    """A 429."""
    return ProviderError(
        ErrorKind.RATE_LIMITED, "slow down", outcome=OutcomeClass.REJECTED, status=429, retry_after=retry_after
    )


def fail(health: Health, error: ProviderError = BROKEN, times: int = 1, target: str = A) -> None:
    """Calls that end badly."""
    for _ in range(times):
        place = health.enter(target, ACME)
        assert place is not None
        health.failed(place, error)
        health.leave(place)


def succeed(health: Health, target: str = A) -> None:
    """A call that ends well."""
    place = health.enter(target, ACME)
    assert place is not None
    health.succeeded(place)
    health.leave(place)


def test_five_failures_in_a_row_open_a_circuit(health: Health, clock: Clock) -> None:
    """The fifth failure leaves the target out for about thirty seconds, and no other target with it."""
    fail(health, times=4)
    assert health.standing(A, ACME).state is State.HEALTHY
    fail(health)
    standing = health.standing(A, ACME)
    assert (standing.state, standing.reason) == (State.OPEN, CIRCUIT)
    assert 27 <= standing.until - clock.now <= 33
    assert health.enter(A, ACME) is None
    assert health.standing(B, ACME).state is State.HEALTHY


def test_a_success_between_failures_keeps_the_circuit_closed(health: Health) -> None:
    """Failures count in a row; where fewer than half of the calls fail, nothing opens."""
    for _ in range(20):
        fail(health)
        succeed(health)
        succeed(health)
    assert health.standing(A, ACME).state is State.HEALTHY


def test_half_of_eight_calls_within_a_minute_open_a_circuit(health: Health, clock: Clock) -> None:
    """A target that fails every other call is left out once there are enough calls to tell; old ones do not count."""
    for _ in range(3):
        fail(health)
        succeed(health)
    clock.now += 61
    fail(health)
    succeed(health)
    assert health.standing(A, ACME).state is State.HEALTHY
    for _ in range(3):
        succeed(health)
        fail(health)
    assert health.standing(A, ACME).state is State.OPEN


def test_one_probe_then_a_ramp(health: Health, clock: Clock) -> None:
    """An open circuit lets one call through when its time is over; each success then doubles how many may run."""
    fail(health, times=5)
    clock.now = health.standing(A, ACME).until
    assert health.due(A)
    probe = health.enter(A, ACME)
    assert probe is not None
    assert health.enter(A, ACME) is None
    assert not health.due(A)
    width = 1
    places = [probe]
    while health.standing(A, ACME).state is State.RECOVERING:
        health.succeeded(places[0])
        for place in places:
            health.leave(place)
        width *= 2
        places = [place for _ in range(40) if (place := health.enter(A, ACME)) is not None]
        assert len(places) == (width if width < 32 else 40)
    assert width == 32


def test_a_failed_probe_opens_for_longer(health: Health, clock: Clock) -> None:
    """Each opening lasts longer than the last, up to five minutes."""
    fail(health, times=5)
    lasted = []
    for _ in range(12):
        lasted.append(health.standing(A, ACME).until - clock.now)
        clock.now = health.standing(A, ACME).until
        fail(health)
    assert lasted[1] > 1.5 * lasted[0]
    assert lasted[2] > lasted[1]
    assert 270 <= lasted[-1] <= 330


def test_a_late_answer_of_before_does_not_judge_the_recovery(health: Health, clock: Clock) -> None:
    """What was sent before a circuit opened says nothing of the target that recovers."""
    old = health.enter(A, ACME)
    assert old is not None
    fail(health, times=5)
    clock.now = health.standing(A, ACME).until
    probe = health.enter(A, ACME)
    assert probe is not None
    health.failed(old, BROKEN)
    assert health.standing(A, ACME).state is State.RECOVERING
    health.leave(old)
    assert health.enter(A, ACME) is None, "the probe's place is still taken"


@pytest.mark.parametrize("kind", [ErrorKind.INVALID_REQUEST, ErrorKind.CONTENT_POLICY])
def test_what_is_the_callers_fault_leaves_nobody_out(health: Health, kind: ErrorKind) -> None:
    """A refused prompt, however often and whatever it says of waiting, changes nothing for others."""
    fail(health, ProviderError(kind, "no", outcome=OutcomeClass.REJECTED, status=400, retry_after=60), times=100)
    assert health.standing(A, ACME).state is State.HEALTHY


@pytest.mark.parametrize("kind", [ErrorKind.AUTHENTICATION, ErrorKind.QUOTA])
def test_an_account_in_trouble_is_left_out_whole(health: Health, clock: Clock, kind: ErrorKind) -> None:
    """A refused key or an unpaid bill cools every target of the account for five minutes."""
    fail(health, ProviderError(kind, "no", outcome=OutcomeClass.REJECTED, status=401))
    standing = health.standing(B, ACME)
    assert (standing.state, standing.reason, standing.until) == (State.COOLING, kind, clock.now + 300)
    assert health.standing("other/draw", "other").state is State.HEALTHY


@pytest.mark.parametrize(("status", "state"), [(404, State.COOLING), (410, State.COOLING), (400, State.HEALTHY)])
def test_a_model_that_is_gone_is_left_out_alone(health: Health, status: int, state: State) -> None:
    """Only a status that says so means that the model is gone, and only that model."""
    fail(health, ProviderError(ErrorKind.UNSUPPORTED, "no", outcome=OutcomeClass.REJECTED, status=status))
    assert health.standing(A, ACME).state is state
    assert health.standing(B, ACME).state is State.HEALTHY


@pytest.mark.parametrize(("asked", "lasts"), [(0.5, 0.5), (7, 7), (300, 300), (1e9, 300)])
def test_a_backend_is_left_alone_for_as_long_as_it_says(
    health: Health, clock: Clock, asked: float, lasts: float
) -> None:
    """Never called earlier than its Retry-After, which is believed up to five minutes."""
    fail(health, limited(asked))
    assert health.standing(A, ACME).until == clock.now + lasts
    clock.now += lasts
    assert health.standing(A, ACME).state is State.HEALTHY


def test_a_limit_without_a_time_doubles(health: Health, clock: Clock) -> None:
    """5, 10, 20, 40, then 60 seconds; a success begins anew."""
    waits = []
    for _ in range(6):
        fail(health, limited())
        waits.append(health.standing(A, ACME).until - clock.now)
        clock.now = health.standing(A, ACME).until
    assert waits == [5, 10, 20, 40, 60, 60]
    succeed(health)
    fail(health, limited())
    assert health.standing(A, ACME).until - clock.now == 5


def test_a_failure_that_asks_for_time_gets_it(health: Health, clock: Clock) -> None:
    """Also a 503 with a Retry-After is not asked again before."""
    error = ProviderError(ErrorKind.UNAVAILABLE, "later", outcome=OutcomeClass.REJECTED, status=503, retry_after=12)
    fail(health, error)
    assert health.standing(A, ACME).until == clock.now + 12


def test_retries_are_a_fifth_of_the_requests(health: Health, clock: Clock) -> None:
    """Once what was saved up is spent, five requests pay for one retry; one in ten seconds is always possible."""
    while health.may_retry(ACME):
        pass
    paid = 0
    for _ in range(1000):
        health.requested(ACME)
        paid += health.may_retry(ACME)
    assert 195 <= paid <= 201
    while health.may_retry(ACME):
        pass
    clock.now += 10
    assert [health.may_retry(ACME), health.may_retry(ACME)] == [True, False]


def test_another_worker_learns_what_one_learned(health: Health, clock: Clock, told: dict[str, Notice | None]) -> None:
    """What one worker tells leaves the target out at all others; its recovery begins the ramp there too."""
    fail(health, times=5)
    fail(health, limited(20), target=B)
    notices = {name: notice for name, notice in told.items() if notice is not None}
    assert notices.keys() == {A, B}
    other = Health(clock, random.Random(2))
    other.follow({A: Rules(), B: Rules()}, {ACME: BudgetRules()})
    other.heard(notices)
    assert [other.standing(name, ACME).state for name in (A, B)] == [State.OPEN, State.COOLING]
    other.heard({})
    assert other.standing(A, ACME).state is State.RECOVERING


def test_a_new_config_keeps_what_did_not_change(health: Health, clock: Clock) -> None:
    """A reload forgets targets that are gone and keeps the state of those that stay."""
    fail(health, times=5)
    fail(health, limited(), target=B)
    health.follow({A: Rules()}, {ACME: BudgetRules()})
    assert health.standing(A, ACME).state is State.OPEN
    assert health.targets() == (A,)
    health.follow({A: Rules(), B: Rules()}, {ACME: BudgetRules()})
    assert health.standing(B, ACME).state is State.HEALTHY


def test_an_unknown_target_is_left_to_itself(health: Health) -> None:
    """A request that began with an older config goes on: its targets are healthy, and nothing is kept of them."""
    place = health.enter("gone/model", "gone")
    assert place == Place("gone/model", "gone", 0)
    health.failed(place, BROKEN)
    health.succeeded(place)
    health.leave(place)
    assert health.standing("gone/model", "gone").state is State.HEALTHY

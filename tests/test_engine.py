"""The engine over scripted targets in virtual time: which calls are made, when, and how a request ends."""

import asyncio
import gc
import itertools
import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec
import pytest
from pictures import base64_png
from virtual_time import run

import providers
from providers.base import Answer, Call, ErrorKind, Operation, OutcomeClass, ProviderError, Upload
from providers.dialect import Shape, Strictness
from router.config.model import Store
from router.engine.handover import Handover
from router.engine.ledger import Ledger
from router.engine.plan import plan
from router.engine.record import Outcome
from router.engine.request import Controls, ImageRequest, Retry
from router.engine.route import Backoff, Policy, Provider, Route, Target
from router.engine.serve import serve
from router.engine.setting import Setting
from router.images.pixels import Picture
from router.images.store import PictureStore
from router.observe.metrics import Metrics
from router.state.memory import MemoryStore
from router.wire.fetch import Fetcher

PICTURE = base64_png()
RESET = ProviderError(ErrorKind.UNAVAILABLE, "the connection was reset", outcome=OutcomeClass.AMBIGUOUS)
REFUSED = ProviderError(ErrorKind.UNAVAILABLE, "the connection was refused", outcome=OutcomeClass.NOT_SENT)
HANG = "hang"
HANDOVER = Handover(Fetcher(), PictureStore.open(Store()), 3600)


@dataclass
class Scripted:
    """A provider that answers as told and keeps its own ledger of (seconds, pictures asked)."""

    name: str
    script: list[Any] = field(default_factory=list)
    ledger: list[tuple[float, int]] = field(default_factory=list)
    seeds: list[Any] = field(default_factory=list)

    async def send(self, call: Call) -> Answer:
        """Answer with the next step of the script: pictures once it is over."""
        n = (call.json or {}).get("n", 1)
        self.seeds.append((call.json or {}).get("seed"))
        self.ledger.append((round(asyncio.get_running_loop().time(), 3), n))
        step = self.script.pop(0) if self.script else 200
        if step == HANG:
            await asyncio.Event().wait()
        if isinstance(step, ProviderError):
            raise step
        status, headers, made = step if isinstance(step, tuple) else (step, {}, n)
        if status != 200:
            body = {"error": {"message": "no", "code": headers.pop("code", None)}}
            return Answer(status, headers, msgspec.json.encode(body))
        return Answer(200, {}, msgspec.json.encode({"created": 7, "data": [{"b64_json": PICTURE}] * made}))

    def target(self, model: str = "gpt-image-2", **changes: Any) -> Target:
        """A target at this provider."""
        adapter = providers.load("openai")
        provider = Provider(name=self.name, kind="openai", adapter=adapter, send=self.send)
        dialect = next(d for pattern, d in adapter.dialects.items() if pattern == "*")
        policy = changes.pop("policy", Policy(attempt_timeout=100))
        made = Target(name=f"{self.name}/{model}", provider=provider, model=model, dialect=dialect, policy=policy)
        return replace(made, **changes)


def route(*targets: Target, **policy: Any) -> Route:
    """A route over these targets."""
    return Route(name="m", targets=targets, policy=Policy(attempt_timeout=100, **policy))


def ask(**changes: Any) -> ImageRequest:
    """A plain request."""
    return replace(ImageRequest(id="r", operation=Operation.GENERATE, model="m", prompt="p"), **changes)


def outcome_of(request: ImageRequest, *routes: Route, timeout: float = 600) -> Outcome:
    """The end of a request, in virtual time."""

    async def work() -> Outcome:
        deadline = asyncio.get_running_loop().time() + timeout
        ledger = Ledger(MemoryStore(), "here")
        setting = Setting(handover=HANDOVER, observer=Metrics(), rng=random.Random(1), deadline=deadline, ledger=ledger)
        return await serve(request, routes, setting)

    return run(work())


def calls(*backends: Scripted) -> list[int]:
    """How often each was called."""
    return [len(backend.ledger) for backend in backends]


@pytest.mark.parametrize(
    ("step", "kind"),
    [
        (429, ErrorKind.RATE_LIMITED),
        (503, ErrorKind.UNAVAILABLE),
        (529, ErrorKind.UNAVAILABLE),
        (500, ErrorKind.UNAVAILABLE),
        (502, ErrorKind.UNAVAILABLE),
        (401, ErrorKind.AUTHENTICATION),
        (404, ErrorKind.UNSUPPORTED),
        (RESET, ErrorKind.UNAVAILABLE),
        (REFUSED, ErrorKind.UNAVAILABLE),
        (HANG, ErrorKind.TIMEOUT),
        ((200, {}, 0), ErrorKind.BAD_RESPONSE),
    ],
    ids=str,
)
def test_a_failing_target_is_left_for_the_next_after_one_call(step: Any, kind: ErrorKind) -> None:
    """Fail over first: while another target can serve, the failing one gets no second call."""
    first, second = Scripted("a", [step]), Scripted("b")
    outcome = outcome_of(ask(), route(first.target(), second.target()))
    assert calls(first, second) == [1, 1]
    assert [a.error.kind if a.error else None for a in outcome.attempts] == [kind, None]
    assert len(outcome.deliveries) == 1


@pytest.mark.parametrize(("status", "code"), [(400, None), (422, None), (400, "moderation_blocked")])
def test_what_is_the_callers_fault_goes_nowhere_else(status: int, code: str | None) -> None:
    """A refused request or prompt ends at the backend that refused it."""
    first, second = Scripted("a", [(status, {"code": code} if code else {}, 0)]), Scripted("b")
    outcome = outcome_of(ask(), route(first.target(), second.target()))
    assert calls(first, second) == [1, 0]
    assert outcome.error is not None
    assert not outcome.deliveries


def test_the_last_target_is_waited_for() -> None:
    """Wait last: the chain's end is tried again after a pause, the others are not."""
    first, second = Scripted("a", [503, 503]), Scripted("b", [503])
    outcome = outcome_of(ask(), route(first.target(), second.target()))
    assert calls(first, second) == [1, 2]
    assert len(outcome.deliveries) == 1


@pytest.mark.parametrize("step", [RESET, HANG, 502, 504, (200, {}, 0), 500])
def test_what_may_have_been_billed_is_never_repeated_on_our_own_account(step: Any) -> None:
    """After an ambiguous end, or work that failed, the same target is not asked again."""
    only = Scripted("a", [step])
    outcome = outcome_of(ask(), route(only.target()))
    assert calls(only) == [1]
    assert outcome.error is not None


def test_no_request_may_be_billed_more_often_than_the_route_allows() -> None:
    """Two ambiguous ends stop the chain; with a limit of one, the first does."""
    for limit, expected in ((2, [1, 1, 0]), (1, [1, 0, 0]), (3, [1, 1, 1])):
        backends = [Scripted("a", [RESET]), Scripted("b", [HANG]), Scripted("c", [502])]
        outcome_of(ask(), route(*(b.target() for b in backends), max_billable_attempts=limit))
        assert calls(*backends) == expected


def test_the_callers_retries_come_before_the_callers_fallbacks() -> None:
    """With a retry in the request, its count is used up on a model before the next model is asked."""
    first, second = Scripted("a", [429, 429, 429]), Scripted("b")
    controls = Controls(retry=Retry(2, frozenset({429})), fallbacks=("n",))
    outcome = outcome_of(ask(controls=controls), route(first.target()), route(second.target()))
    assert calls(first, second) == [3, 1]
    assert [attempt.fallback_index for attempt in outcome.attempts] == [0, 0, 0, 1]


def test_the_callers_pauses_double_from_one_second() -> None:
    """Before retry k of the caller's come 2^(k-1) seconds, within a quarter either way."""
    only = Scripted("a", [429] * 5)
    controls = Controls(retry=Retry(5, frozenset({429})))
    outcome_of(ask(controls=controls), route(only.target()))
    times = [at for at, _ in only.ledger]
    for pause, wanted in zip((b - a for a, b in itertools.pairwise(times)), (1, 2, 4, 8, 16), strict=True):
        assert 0.75 * wanted <= pause <= 1.25 * wanted + 0.01


def test_retry_after_is_obeyed_to_the_second() -> None:
    """A backend that says when is not asked earlier."""
    only = Scripted("a", [(429, {"retry-after": "7"}, 0)])
    outcome_of(ask(controls=Controls(retry=Retry(1, frozenset({429})))), route(only.target()))
    assert [at for at, _ in only.ledger] == [0, 7]


@pytest.mark.parametrize(("retry", "after"), [(Retry(3, frozenset({429})), "61"), (None, "11")])
def test_a_retry_after_beyond_patience_ends_the_tries(retry: Retry | None, after: str) -> None:
    """The caller's retries wait 60 s at most, the router's own 10 s."""
    only = Scripted("a", [(429, {"retry-after": after}, 0)])
    outcome = outcome_of(ask(controls=Controls(retry=retry)), route(only.target()))
    assert calls(only) == [1]
    assert outcome.error is not None
    assert outcome.error.retry_after == float(after)


def test_a_call_timeout_is_retried_for_the_caller_whatever_the_codes() -> None:
    """With a retry in the request, our own time-out is retried, and billed at most as often as allowed."""
    only = Scripted("a", [HANG, HANG, HANG])
    controls = Controls(retry=Retry(3, frozenset({429})), call_timeout=2)
    outcome = outcome_of(ask(controls=controls), route(only.target()))
    assert calls(only) == [2]
    assert outcome.error is not None
    assert outcome.error.kind is ErrorKind.TIMEOUT


def test_the_callers_codes_decide_its_fallbacks() -> None:
    """A listed status falls back, one that is not listed does not; silence means the default list."""
    for codes, status, expected in (
        (None, 503, 1),
        (None, 400, 0),
        (frozenset({400}), 400, 1),
        (frozenset({429}), 503, 0),
        (None, 401, 1),
        (frozenset({503}), 401, 0),
    ):
        first, second = Scripted("a", [status] * 2), Scripted("b")
        controls = Controls(fallbacks=("n",), fallback_on_codes=codes)
        outcome_of(ask(controls=controls), route(first.target()), route(second.target()))
        assert len(second.ledger) == expected, (codes, status)


def test_the_deadline_ends_everything() -> None:
    """No answer comes later than the request's time, whatever the backends do."""
    first, second = Scripted("a", [HANG]), Scripted("b", [HANG])
    outcome = outcome_of(ask(), route(first.target(), second.target()), timeout=130)
    assert calls(first, second) == [1, 1]
    assert outcome.error is not None
    assert outcome.error.kind is ErrorKind.TIMEOUT
    assert [a.outcome for a in outcome.attempts] == [OutcomeClass.AMBIGUOUS] * 2
    assert sum(a.seconds for a in outcome.attempts) == pytest.approx(130)


def test_no_attempt_starts_that_cannot_finish() -> None:
    """With a twentieth of the wait left, another paid attempt is not begun."""
    first, second = Scripted("a", [HANG]), Scripted("b")
    outcome_of(ask(), route(first.target(policy=Policy(attempt_timeout=96)), second.target()), timeout=100)
    assert calls(first, second) == [1, 0]


def test_n_is_split_where_a_call_makes_fewer() -> None:
    """Shards run side by side and add up to what was asked."""
    only = Scripted("a")
    target = only.target()
    target = replace(target, dialect=replace(target.dialect, max_n=2))
    outcome = outcome_of(ask(n=5), route(target))
    assert sorted(n for _, n in only.ledger) == [1, 2, 2]
    assert len(outcome.deliveries) == 5


def test_what_is_missing_is_asked_of_the_next_target() -> None:
    """Pictures in hand are kept; the next target is asked only for the rest."""
    first, second = Scripted("a", [(200, {}, 1)]), Scripted("b")
    outcome = outcome_of(ask(n=3), route(first.target(), second.target()))
    assert [n for _, n in second.ledger] == [2]
    assert [d.target.provider.name for d in outcome.deliveries] == ["a", "b", "b"]


def test_a_short_result_is_still_a_result() -> None:
    """When the chain ends short, the caller gets what there is."""
    only = Scripted("a", [(200, {}, 1)])
    outcome = outcome_of(ask(n=3), route(only.target()))
    assert len(outcome.deliveries) == 1
    assert outcome.missing == (1, 2)
    assert "n" in [warning.parameter for warning in outcome.warnings]


def test_more_pictures_than_asked_are_not_handed_over() -> None:
    """A backend that gives too many does not change what the caller gets."""
    only = Scripted("a", [(200, {}, 4)])
    assert len(outcome_of(ask(n=2), route(only.target())).deliveries) == 2


def test_a_missing_picture_keeps_its_own_seed() -> None:
    """When one shard of four fails, the next target draws that one, not a second of another."""
    first, second = Scripted("a", [200, 500, 200, 200]), Scripted("b")
    limited = first.target()
    limited = replace(limited, dialect=replace(limited.dialect, max_n=1))
    outcome = outcome_of(ask(n=4, asked={"seed": 7}), route(limited, second.target()))
    assert calls(first, second) == [4, 1]
    assert [d.place for d in outcome.deliveries] == [0, 1, 2, 3]
    assert second.seeds == [8]


def test_shards_run_no_more_at_once_than_the_policy_says() -> None:
    """A target that makes one picture a call gets at most so many of a request's calls at a time."""
    only = Scripted("a", [HANG] * 8)
    target = only.target(policy=Policy(attempt_timeout=100, side_by_side=3))
    target = replace(target, dialect=replace(target.dialect, max_n=1))
    outcome_of(ask(n=8), route(target))
    assert [at for at, _ in only.ledger] == [0, 0, 0, 100, 100, 100, 200, 200]


def test_a_picture_that_was_made_is_kept_when_time_runs_out() -> None:
    """A shard that never ends takes no other shard's picture with it."""
    only = Scripted("a", [200, HANG])
    target = only.target(policy=Policy(attempt_timeout=1000))
    target = replace(target, dialect=replace(target.dialect, max_n=1))
    outcome = outcome_of(ask(n=2), route(target), timeout=50)
    assert [d.place for d in outcome.deliveries] == [0]
    assert outcome.error is not None


def test_shards_have_their_own_seeds() -> None:
    """A seed moves on with each shard, or the shards would be the same picture."""
    target = Scripted("a").target()
    target = replace(target, dialect=replace(target.dialect, max_n=1))
    planned = plan(ask(n=3, asked={"seed": 7}), {}, target)
    assert [shard.job.params["seed"] for shard in planned.shards] == [7, 8, 9]
    assert len({shard.job.id for shard in planned.shards}) == 3


@pytest.mark.parametrize(
    ("request_", "dialect", "reason"),
    [
        (ask(mask=Upload.of(b"x"), images=(Upload.of(b"x"),), operation=Operation.EDIT), {"mask": None}, "mask"),
        (ask(images=(Upload.of(b"x"),) * 2, operation=Operation.EDIT), {"max_images": 1}, "image"),
        (ask(operation=Operation.EDIT), {"operations": frozenset({Operation.GENERATE})}, "operation"),
        (ask(images=(Upload.of(b"x", "image/tiff"),), operation=Operation.EDIT), {}, "image/tiff"),
        (ask(asked={"background": "transparent"}), {"params": {}}, "background"),
        (ask(asked={"style": "vivid"}, strictness=Strictness.ERROR), {"params": {}}, "style"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_target_that_cannot_meet_a_requirement_is_skipped_with_the_reason(
    request_: ImageRequest,
    dialect: dict[str, Any],
    reason: str,
) -> None:
    """A skip is no attempt: nothing is sent, the next target serves, and the reason is kept."""
    first, second = Scripted("a"), Scripted("b")
    cannot = first.target()
    cannot = replace(cannot, dialect=replace(cannot.dialect, **dialect))
    outcome = outcome_of(request_, route(cannot, second.target()))
    assert calls(first, second) == [0, 1 if len(outcome.skips) == 1 else 0]
    assert outcome.skips[0].target is cannot
    assert reason in outcome.skips[0].reason


def test_when_every_target_is_skipped_nothing_was_tried() -> None:
    """A request no target can serve ends without an attempt and without an error of a backend."""
    target = Scripted("a").target()
    target = replace(target, dialect=replace(target.dialect, operations=frozenset()))
    outcome = outcome_of(ask(), route(target))
    assert (outcome.attempts, outcome.error, len(outcome.skips)) == ([], None, 1)


def test_preferences_adapt_and_say_so() -> None:
    """Size and quality are sent as the nearest the backend can do, with a warning each."""
    adapter = providers.load("openai")
    target = replace(Scripted("a").target(), dialect=adapter.dialects["gpt-image-2*"])
    planned = plan(ask(asked={"shape": Shape(1000, 1000), "quality": "hd", "style": "vivid"}), {}, target)
    assert dict(planned.shards[0].job.params) == {"size": "1008x1008", "quality": "high"}
    assert {warning.parameter for warning in planned.warnings} == {"size", "quality", "style"}


def test_the_routes_parameters_fill_in_only_what_the_caller_left_out() -> None:
    """A model's own defaults never outrank the caller."""
    target = Scripted("a").target()
    planned = plan(ask(asked={"quality": "low"}), {"quality": "high", "seed": 3}, target)
    assert dict(planned.shards[0].job.params) == {"quality": "low", "seed": 3}


def test_own_retries_follow_the_routes_codes() -> None:
    """A status ops list is retried where nobody else can serve, within the count."""
    policy = Policy(attempt_timeout=100, retry=Backoff(count=2, on_codes=frozenset({500})))
    only = Scripted("a", [500, 500, 500])
    outcome_of(ask(), route(only.target(policy=policy)))
    assert calls(only) == [3]


def test_a_served_request_leaves_no_picture_behind() -> None:
    """What a request made is freed with it, not at the next collection: megabytes in cycles are a leak."""
    gc.collect()
    gc.disable()
    try:
        for step in (200, 429, RESET):
            outcome = outcome_of(ask(n=2), route(Scripted("a", [step]).target(), Scripted("b").target()))
            assert outcome.deliveries
            del outcome
            assert not [kept for kept in gc.get_objects() if isinstance(kept, Picture)]
    finally:
        gc.enable()


def test_every_attempt_is_recorded_as_the_backend_saw_it() -> None:
    """The outcome's attempts and the backends' ledgers agree, whatever happens."""
    rng = random.Random(5)
    steps: Sequence[Any] = (200, 429, 503, 500, 502, 401, 400, RESET, REFUSED, (200, {}, 0), (200, {}, 1), HANG)
    for _ in range(300):
        backends = [Scripted(name, [rng.choice(steps) for _ in range(3)]) for name in "abc"]
        retry = Retry(rng.randint(0, 3), frozenset({429, 500, 502})) if rng.random() < 0.5 else None
        controls = Controls(retry=retry, fallbacks=("n", "o"), call_timeout=rng.choice([None, 5]))
        outcome = outcome_of(ask(n=rng.randint(1, 3), controls=controls), *(route(b.target()) for b in backends))
        assert len(outcome.attempts) == sum(calls(*backends))
        assert bool(outcome.deliveries) or outcome.error is not None
        assert sum(a.outcome is OutcomeClass.AMBIGUOUS for a in outcome.attempts) <= 2

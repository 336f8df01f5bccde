"""Random stories of faults, requests, reloads, lost stores and jumps of time, held against a plain model."""

import asyncio
import random
from collections.abc import Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import combinations, permutations
from typing import Any

import msgspec
from hypothesis import HealthCheck, settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from pictures import base64_png
from virtual_time import VirtualLoop

import providers
from providers.base import Answer, Call, ErrorKind, Operation, OutcomeClass, ProviderError
from router.config.model import Store
from router.engine.guard import Guard
from router.engine.handover import Handover
from router.engine.ledger import Ledger
from router.engine.record import Attempt
from router.engine.request import Controls, ImageRequest, Retry
from router.engine.route import Policy, Provider, Route, Target
from router.engine.serve import serve
from router.engine.setting import Setting
from router.engine.sharing import Sharing
from router.health.book import Health, Rules
from router.health.budget import BudgetRules
from router.images.store import PictureStore
from router.state.base import StateLost
from router.state.memory import MemoryStore
from router.wire.fetch import Fetcher

STORIES = 10_000
LENGTH = 7
PICTURE = base64_png()
HANDOVER = Handover(Fetcher(), PictureStore.open(Store()), 3600)
NAMES = ("north", "south", "east")
DEADLINE = 60.0
"""Of every request, in seconds."""

ATTEMPT = 20.0
MOST_BILLED = 2

FAULTS = ("ok", "reset", "refused", "hang", "429", "429 in 7", "429 in 120", "500", "503", "401", "402", "404", "400")
AMBIGUOUS = {"reset", "hang"}
"""Faults after which nobody knows whether the picture was paid for."""


# One draw for each: hypothesis takes longer over a list of names, or a choice of strategies, than the router over it.
any_order = st.sampled_from(list(permutations(NAMES)))
any_names = st.sampled_from([names for count in range(len(NAMES) + 1) for names in combinations(NAMES, count)])
any_retry = st.sampled_from([None] * 3 + [Retry(count, frozenset({429})) for count in (1, 2, 3)])


class Flaky(MemoryStore):
    """A store that can be lost."""

    lost = False

    async def get(self, key: str) -> bytes | None:
        """An entry, unless the store is lost."""
        self._check()
        return await super().get(key)

    async def put(self, key: str, value: bytes, ttl: float) -> None:
        """Write, unless the store is lost."""
        self._check()
        await super().put(key, value, ttl)

    async def claim(self, key: str, value: bytes, ttl: float) -> bytes | None:
        """Claim, unless the store is lost."""
        self._check()
        return await super().claim(key, value, ttl)

    async def delete(self, key: str) -> None:
        """Forget, unless the store is lost."""
        self._check()
        await super().delete(key)

    async def entries(self, prefix: str) -> Mapping[str, bytes]:
        """List, unless the store is lost."""
        self._check()
        return await super().entries(prefix)

    def _check(self) -> None:
        if self.lost:
            raise StateLost("lost")


@dataclass
class Backend:
    """A backend in one mood, with its own ledger: (time, request's name, the mood it was in)."""

    name: str
    mood: str = "ok"
    ledger: list[tuple[float, str, str]] = field(default_factory=list)

    async def send(self, call: Call) -> Answer:
        """Answer in the mood of the day."""
        now, body = asyncio.get_running_loop().time(), call.json
        assert isinstance(body, dict)
        mood = self.mood
        self.ledger.append((now, body["prompt"], mood))
        match mood:
            case "ok":
                await asyncio.sleep(1)
                return Answer(200, {}, msgspec.json.encode({"created": 7, "data": [{"b64_json": PICTURE}]}))
            case "hang":
                await asyncio.Event().wait()
            case "reset":
                raise ProviderError(ErrorKind.UNAVAILABLE, "reset", outcome=OutcomeClass.AMBIGUOUS)
            case "refused":
                raise ProviderError(ErrorKind.UNAVAILABLE, "refused", outcome=OutcomeClass.NOT_SENT)
        status, _, wait = mood.partition(" in ")
        return Answer(int(status), {"retry-after": wait} if wait else {}, b'{"error": {"message": "no"}}')


class Quiet:
    """An observer that counts what is under way."""

    def __init__(self) -> None:
        self.under_way = 0
        self.ended: list[Attempt] = []

    def attempt_started(self, target: Target) -> None:
        """One more."""
        self.under_way += 1

    def attempt_ended(self, attempt: Attempt) -> None:
        """One less."""
        self.under_way -= 1
        self.ended.append(attempt)


class Stories(RuleBasedStateMachine):
    """One worker, three targets of three accounts, one chain through all."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = VirtualLoop()
        self.backends = {name: Backend(name) for name in NAMES}
        self.observer = Quiet()
        self.state = Flaky(clock=self.loop.time)
        self.health = Health(self.loop.time, random.Random(1))
        self.sharing = Sharing(self.health, self.state, "here")
        self.guard = Guard(self.health, leases=self.sharing)
        self.ledger = Ledger(self.state, "here", self.loop.time)
        self.asked = 0
        self.not_before: dict[str, float] = {}

    @initialize(order=any_order)
    def chain(self, order: tuple[str, ...]) -> None:
        """The chain's order."""
        adapter = providers.load("openai")
        targets = []
        for name in order:
            provider = Provider(name=name, kind="openai", adapter=adapter, send=self.backends[name].send)
            policy = Policy(attempt_timeout=ATTEMPT)
            dialect = adapter.dialect("m")
            targets.append(Target(name=f"{name}/m", provider=provider, model="m", dialect=dialect, policy=policy))
        policy = Policy(max_billable_attempts=MOST_BILLED)
        self.route = Route(name="m", targets=tuple(targets), policy=policy)
        self.reload(keep=NAMES)

    @rule(name=st.sampled_from(NAMES), mood=st.sampled_from(FAULTS))
    def mood(self, name: str, mood: str) -> None:
        """A backend changes its mood."""
        self.backends[name].mood = mood

    @rule(together=st.integers(1, 6), retry=any_retry)
    def requests(self, together: int, retry: Retry | None) -> None:
        """Some requests at once."""

        async def all_of_them() -> None:
            await asyncio.gather(*(self._one(f"prompt {self.asked + at}", retry) for at in range(together)))

        self._run(all_of_them())
        self.asked += together

    @rule(name=st.sampled_from(NAMES), mood=st.sampled_from(FAULTS[5:7]), retry=st.none())
    def limits(self, name: str, mood: str, retry: None) -> None:
        """A backend limits us and says for how long; more requests come at once."""
        self.mood(name, mood)
        self.requests(2, retry)
        self.requests(1, retry)

    @rule(seconds=st.sampled_from([0.1, 3.0, 10.0, 31.0, 400.0]))
    def time_passes(self, seconds: float) -> None:
        """Nothing happens for a while."""
        self._run(asyncio.sleep(seconds))

    @rule(lost=st.booleans())
    def store(self, lost: bool) -> None:  # noqa: FBT001 - drawn
        """The store goes, or comes back."""
        self.state.lost = lost

    @rule()
    def share(self) -> None:
        """An exchange with the other workers, as there is twice a second."""

        async def once() -> None:
            with suppress(StateLost):
                await self.sharing.once()

        self._run(once())

    @rule(keep=any_names)
    def reload(self, keep: tuple[str, ...]) -> None:
        """A new config: the rules of some targets are new, so their circuits begin anew; the others' stay."""
        rules = {f"{name}/m": Rules() for name in NAMES}
        self.health.follow({target: rules[target] for target in (f"{name}/m" for name in keep)}, {})
        self.health.follow(rules, {name: BudgetRules() for name in NAMES})
        for name in set(NAMES) - set(keep):
            self.not_before.pop(name, None)

    @invariant()
    def nothing_is_left_under_way(self) -> None:
        """Every attempt that was begun has ended, at the gauge, the slots and the backends."""
        assert self.observer.under_way == 0
        assert all(self.guard.slots.in_use(f"{name}/m") == 0 for name in NAMES)
        assert len(self.observer.ended) == sum(len(backend.ledger) for backend in self.backends.values())

    async def _one(self, prompt: str, retry: Retry | None) -> None:
        loop = asyncio.get_running_loop()
        begun = loop.time()
        blocked = {name: until for name, until in self.not_before.items() if until > begun}
        request = replace(
            ImageRequest(id=prompt, operation=Operation.GENERATE, model="m", prompt=prompt),
            controls=Controls(retry=retry),
        )
        setting = Setting(
            handover=HANDOVER,
            observer=self.observer,
            rng=random.Random(2),
            deadline=begun + DEADLINE,
            ledger=self.ledger,
            guard=self.guard,
        )
        outcome = await serve(request, [self.route], setting)
        assert loop.time() <= begun + DEADLINE + 0.25, "answered late"
        assert outcome.deliveries or outcome.error is not None
        self._judge(prompt, blocked, callers_retry=retry is not None)

    def _judge(self, prompt: str, blocked: Mapping[str, float], *, callers_retry: bool) -> None:
        """One request's calls, as the backends saw them, against the rules."""
        calls = sorted(
            (when, backend.name, mood)
            for backend in self.backends.values()
            for when, who, mood in backend.ledger
            if who == prompt
        )
        assert sum(mood in AMBIGUOUS for _, _, mood in calls) <= MOST_BILLED
        unsure: set[str] = set()
        for when, name, mood in calls:
            assert name not in unsure, "sent again to a target that may have done the work"
            assert when >= blocked.get(name, 0.0), "called before its Retry-After"
            if mood in AMBIGUOUS and not (callers_retry and mood == "hang"):  # its own time-outs it may repeat
                unsure.add(name)
            if " in " in mood:
                wait = float(mood.partition(" in ")[2])
                self.not_before[name] = max(self.not_before.get(name, 0.0), when + wait)

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        self.loop.run_until_complete(work)

    def teardown(self) -> None:
        """Close the loop."""
        self.loop.close()


class Fifth(Stories.TestCase):  # type: ignore[name-defined,misc]
    """A fifth of all stories: each part ends well within the time that one test may take."""

    settings = settings(
        max_examples=STORIES // 5,
        stateful_step_count=LENGTH,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )


TestFirst, TestSecond, TestThird, TestFourth, TestLast = (type(f"Part{part}", (Fifth,), {}) for part in range(5))
del Fifth

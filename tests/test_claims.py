"""Who holds an Idempotency-Key may send, nobody else: the entry in the state, without a router around it."""

import pytest

from providers.base import Answer, OutcomeClass, ProviderError
from router.config.replay import Idempotency
from router.engine.follow import Accepted
from router.images.store import StoreFailed
from router.messages.errors import Refused
from router.messages.response import Rendered
from router.replay.claim import Claim
from router.replay.idempotency import Keys
from router.replay.lease import Lease
from router.state.memory import MemoryStore

pytestmark = pytest.mark.anyio
SETTINGS = Idempotency()
WORK = Accepted(target="fal/dev", model="dev", places=(0,), answers=(Answer(200, {"a": "b"}, b"\xff{}"),))


class Workers:
    """Two workers on one state, whose leases end by a clock that the test sets."""

    def __init__(self) -> None:
        self.now = 0.0
        self.state = MemoryStore(lambda: self.now)
        self.results: list[str] = []
        self.one, self.other = (
            Keys(self.state, Lease(self.state, name, lambda: self.now), self.results.append) for name in "ab"
        )

    async def claim(self, keys: Keys) -> Claim:
        """The claim of a worker to the one key of a test."""
        claim = await keys.begin("key", "print", SETTINGS)
        assert isinstance(claim, Claim)
        return claim

    async def refused(self, keys: Keys) -> str | None:
        """Why a worker does not get it."""
        with pytest.raises(Refused) as raised:
            await keys.begin("key", "print", SETTINGS)
        return raised.value.code


@pytest.fixture
def workers() -> Workers:
    """Two that begin."""
    return Workers()


async def test_a_lease_of_a_living_worker_is_kept(workers: Workers) -> None:
    """While its worker lives a key is in progress; once that is silent for ten seconds it is anybody's."""
    await workers.claim(workers.one)
    workers.now = 9.0
    assert await workers.refused(workers.other) == "idempotency_in_progress"
    workers.now = 11.0
    await workers.claim(workers.other)
    assert workers.results == ["new", "in_progress", "new"]


async def test_a_worker_that_was_relieved_sends_nothing(workers: Workers) -> None:
    """Who slept through its lease finds the key taken before anything goes out, not after."""
    first = await workers.claim(workers.one)
    workers.now = 11.0
    second = await workers.claim(workers.other)
    with pytest.raises(ProviderError) as raised:
        await first.sent("row-1")
    assert raised.value.outcome is OutcomeClass.NOT_SENT
    await second.sent("row-2")


async def test_what_may_be_billed_is_not_sent_again(workers: Workers) -> None:
    """A submit that was neither taken nor given back holds the key when its worker dies."""
    claim = await workers.claim(workers.one)
    await claim.sent("row-1")
    workers.now = 11.0
    assert await workers.refused(workers.other) == "idempotency_outcome_unknown"
    await claim.ended("row-1", OutcomeClass.REJECTED)  # it was only late
    await workers.claim(workers.other)


async def test_accepted_work_is_followed_up_and_nothing_else_is_sent(workers: Workers) -> None:
    """The next worker gets every answer the backend gave, byte for byte, and may only go on from there."""
    claim = await workers.claim(workers.one)
    await claim.sent("row-1")
    await claim.ended("row-1", OutcomeClass.AMBIGUOUS)
    await claim.sent("row-2")
    await claim.accepted("row-2", WORK)
    workers.now = 11.0
    follower = await workers.claim(workers.other)
    assert follower.left == (WORK,)
    with pytest.raises(ProviderError):
        await follower.sent("row-3")


async def test_a_job_that_outlasts_its_request_is_followed_up_by_the_next(workers: Workers) -> None:
    """An end in doubt leaves accepted work to whoever asks next, at once and as often as it takes."""
    claim = await workers.claim(workers.one)
    await claim.sent("row-1")
    await claim.accepted("row-1", WORK)
    await claim.ended("row-1", OutcomeClass.AMBIGUOUS)
    await claim.hold()
    for keys in (workers.other, workers.one):
        follower = await workers.claim(keys)
        assert follower.left == (WORK,)
        await follower.hold()


async def test_an_emptied_state_fails_no_request(workers: Workers) -> None:
    """Who holds a key that the state has forgotten goes on, and the key is held again."""
    claim = await workers.claim(workers.one)
    await workers.state.delete("idempotency/key")
    await claim.sent("row-1")
    assert await workers.refused(workers.one) == "idempotency_in_progress"


class FullStore:
    """A store without room."""

    async def keep(self, data: object, seconds: float) -> str:
        """Nothing is kept."""
        raise StoreFailed("it is full")


async def test_an_answer_that_cannot_be_kept_still_holds_its_key(workers: Workers) -> None:
    """Without room for the result the key is in doubt: it is paid for, and not made again."""
    claim = await workers.claim(workers.one)
    await claim.sent("row-1")
    with pytest.raises(StoreFailed):
        await claim.close(Rendered(200, (bytes(9000),), {}), None, FullStore())
    assert await workers.refused(workers.one) == "idempotency_outcome_unknown"

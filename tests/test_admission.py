"""How much the router takes on: places, the queue before them, and bytes in memory, in virtual time."""

import asyncio

import pytest
from virtual_time import run

from router.admission.draining import Drain
from router.admission.gate import Gate, Left, Reason, Shed
from router.admission.memory import STALL, Memory, current
from router.config.admission import Admission

LIMITS = Admission(max_in_flight=2, max_queue=3, queue_wait="5s", max_bytes_in_flight="1000B")


def gate(drain=None, **changed):
    """A gate with two places, three in the queue and a thousand bytes."""
    return Gate(LIMITS.model_copy(update=changed), drain or Drain())


async def settle():
    """Let everything that can happen now happen."""
    for _ in range(10):
        await asyncio.sleep(0)


async def shed(entering):
    """Why a request is not taken, and when that is known."""
    with pytest.raises(Shed) as raised:
        await entering
    return raised.value.reason, asyncio.get_running_loop().time()


def test_places_then_the_queue_then_refusal():
    """Two go in, three wait, the next is refused at once, and those that wait are after their time."""

    async def scenario():
        door = gate()
        inside = [await door.enter(), await door.enter()]
        waiting = [asyncio.create_task(shed(door.enter())) for _ in range(3)]
        await settle()
        assert (door.taken, door.queued) == (2, 3)
        assert await shed(door.enter()) == (Reason.QUEUE_FULL, 0)
        assert await asyncio.gather(*waiting) == [(Reason.QUEUE_WAIT, 5)] * 3
        for place in inside:
            door.leave(place)
        assert (door.taken, door.queued, door.memory.used) == (0, 0, 0)

    run(scenario())


def test_a_place_without_a_wait_does_not_suspend():
    """Where there is room, entering is one step of the caller: nothing else runs in between."""
    door = gate()
    with pytest.raises(StopIteration) as ended:
        door.enter(10).send(None)
    door.leave(ended.value.value)
    assert (door.taken, door.memory.used) == (0, 0)


def test_first_come_first_served():
    """Places go to those that wait, in the order in which they came, and none passes them."""

    async def scenario():
        door = gate(max_in_flight=1)
        order = []

        async def request(name):
            place = await door.enter()
            order.append(name)
            await asyncio.sleep(1)
            door.leave(place)

        await asyncio.gather(*(request(name) for name in "abc"))
        assert order == ["a", "b", "c"]
        assert door.taken == 0

    run(scenario())


def test_who_leaves_the_queue_frees_its_place():
    """A client that goes away while it waits lets the next one wait, and never gets a place."""

    async def scenario():
        door = gate(max_in_flight=1, max_queue=1)
        inside = await door.enter()
        gone = asyncio.Event()
        leaving = asyncio.create_task(door.enter(left=gone.wait))
        await settle()
        assert (await shed(door.enter()))[0] is Reason.QUEUE_FULL
        gone.set()
        with pytest.raises(Left):
            await leaving
        next_one = asyncio.create_task(door.enter())
        await settle()
        door.leave(inside)
        door.leave(await next_one)
        assert (door.taken, door.queued) == (0, 0)

    run(scenario())


@pytest.mark.parametrize("granted", [False, True])
def test_a_cancelled_wait_costs_nothing(granted):
    """A request that is cancelled in the queue, or in the moment its turn comes, leaves no place taken."""

    async def scenario():
        door = gate(max_in_flight=1)
        inside = await door.enter()
        waiting = asyncio.create_task(door.enter(500))
        await settle()
        if granted:
            door.leave(inside)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        if not granted:
            door.leave(inside)
        assert (door.taken, door.queued, door.memory.used) == (0, 0, 0)

    run(scenario())


def test_a_large_request_waits_for_memory_and_none_passes_it():
    """What does not fit into memory waits at the head of the queue; when it has given up, the next goes in."""

    async def scenario():
        door = gate(max_in_flight=10)
        first = await door.enter(900)
        large = asyncio.create_task(shed(door.enter(200)))
        await asyncio.sleep(1)
        small = asyncio.create_task(door.enter(50))
        await settle()
        assert not small.done()
        assert await large == (Reason.MEMORY, 5)
        await settle()
        assert small.done()
        door.leave(first)
        door.leave(await small)
        assert door.memory.used == 0

    run(scenario())


def test_one_request_larger_than_the_budget_goes_in_alone():
    """A budget smaller than one request does not shut it out for ever."""

    async def scenario():
        door = gate()
        place = await door.enter(5000)
        waiting = asyncio.create_task(door.enter(1))
        await settle()
        assert not waiting.done()
        door.leave(place)
        door.leave(await waiting)

    run(scenario())


def test_draining_refuses_at_once_and_also_those_whose_turn_comes():
    """Once the router stops nobody goes in any more, waiting or not."""

    async def scenario():
        drain = Drain()
        door = gate(drain, max_in_flight=1)
        inside = await door.enter()
        waiting = asyncio.create_task(shed(door.enter()))
        await settle()
        drain.begin(asyncio.get_running_loop(), 60)
        assert await shed(door.enter()) == (Reason.DRAINING, 0)
        door.leave(inside)
        assert await waiting == (Reason.DRAINING, 0)
        assert door.taken == 0

    run(scenario())


def test_wider_limits_let_those_in_who_wait():
    """New limits hold at once, for those in the queue too."""

    async def scenario():
        door = gate(max_in_flight=1)
        await door.enter()
        waiting = asyncio.create_task(door.enter())
        await settle()
        door.follow(LIMITS)
        await waiting
        assert door.taken == 2

    run(scenario())


def test_work_that_outlives_its_request_keeps_the_place():
    """A place is free when the request and all work that it started have ended, in whatever order."""

    async def scenario():
        door = gate()
        place = await door.enter(100)
        token = current.set(place)
        let_go = door.stay()
        door.leave(place)
        assert (door.taken, door.memory.used) == (1, 100)
        let_go(None)
        assert (door.taken, door.memory.used) == (0, 0)
        door.stay()(None)
        current.reset(token)
        door.stay()(None)
        assert door.taken == 0

    run(scenario())


async def read(memory, size, piece=100, pause=0.0, stall_after=None):
    """A request that reads an answer in pieces, and the most that all held meanwhile; then it ends."""
    holding = memory.holding()
    most = 0
    try:
        for at in range(0, size, piece):
            if at == stall_after:
                await asyncio.get_running_loop().create_future()
            await asyncio.sleep(pause)
            going = holding.add(piece)
            most = max(most, memory.used)
            if not going:
                await holding.room()
    finally:
        holding.close()
    return most


def test_answers_beyond_the_budget_wait_and_all_arrive():
    """However little memory there is, the oldest goes on: all end, and never more than one is beyond the budget."""

    async def scenario():
        memory = Memory(1000)
        most = await asyncio.gather(*(read(memory, 900, pause=0.01) for _ in range(20)))
        assert max(most) <= 1000 + 900 + 20 * 100
        assert memory.used == 0
        return asyncio.get_running_loop().time()

    assert run(scenario()) < STALL


def test_one_answer_larger_than_the_budget_arrives():
    """An answer that alone exceeds the budget is read to its end beside others."""

    async def scenario():
        memory = Memory(1000)
        await asyncio.gather(read(memory, 5000), read(memory, 5000), read(memory, 100))
        assert memory.used == 0

    run(scenario())


def test_a_backend_that_stalls_does_not_hold_up_the_others():
    """When the one that may go on gets no further, another may after a while; each is cut off by its own deadline."""

    async def scenario():
        memory = Memory(1000)
        stuck = [asyncio.create_task(read(memory, 2000, stall_after=1200)) for _ in range(2)]
        await settle()
        assert memory.used > memory.most
        await asyncio.gather(*(read(memory, 900) for _ in range(5)))
        assert asyncio.get_running_loop().time() <= 4 * STALL
        for task in stuck:
            task.cancel()
        await asyncio.gather(*stuck, return_exceptions=True)
        assert memory.used == 0

    run(scenario())


def test_a_request_reads_side_by_side_when_its_turn_comes():
    """All answers of one request go on with it, without a further wait."""

    async def scenario():
        memory = Memory(100)
        first, second = memory.holding(200), memory.holding()
        first.add(1)
        await first.room()
        second.add(1)
        shards = asyncio.gather(second.room(), second.room(), second.room())
        await settle()
        second.add(200)
        first.close()
        await shards
        assert asyncio.get_running_loop().time() == 0

    run(scenario())


def test_a_reader_that_is_cancelled_makes_room():
    """A wait for memory that is cut off leaves nothing behind, and the next goes on."""

    async def scenario():
        memory = Memory(100)
        first = memory.holding(500)
        assert not first.add(1)
        await first.room()
        second, third = memory.holding(), memory.holding()
        second.add(1)
        third.add(1)
        waiting = [asyncio.create_task(second.room()), asyncio.create_task(third.room())]
        await settle()
        waiting[0].cancel()
        await settle()
        second.close()
        first.close()
        await waiting[1]
        third.drop_all()
        assert memory.used == 0
        third.close()
        assert third.add(5)
        assert memory.used == 0

    run(scenario())


def test_time_does_not_jump_to_what_was_cancelled():
    """The virtual clock passes over timers that nobody waits for any more."""

    async def scenario():
        loop = asyncio.get_running_loop()
        loop.call_later(1000, print).cancel()
        await asyncio.sleep(1)
        async with asyncio.timeout(500):
            await asyncio.sleep(1)
        await asyncio.sleep(1)
        return loop.time()

    assert run(scenario()) == 3

"""What a process wrote while its shared store was lost, and when it is carried over: in virtual time."""

import asyncio
import math

import pytest
import virtual_time
from test_state_degrading import HOUR, WAIT, Changes

from router.state import degrading as module
from router.state.base import StateLost
from router.state.degrading import DegradingStore
from router.state.memory import MemoryStore


class Unsteady(MemoryStore):
    """A shared store that is lost when the test says: at once, by silence as long as the protocol allows, or later."""

    def __init__(self) -> None:
        self.lost = False
        self.hangs = False
        self.calls = 0
        self.patience = math.inf
        super().__init__(lambda: asyncio.get_running_loop().time())

    def __getattribute__(self, name: str) -> object:
        found = super().__getattribute__(name)
        if name not in {"get", "put", "claim", "replace", "delete", "add", "entries"}:
            return found

        async def asked(*args: object) -> object:
            self.calls += 1
            self.patience -= 1
            if self.hangs:
                await asyncio.sleep(WAIT)
                raise StateLost("The test keeps it silent.")
            if self.lost or self.patience < 0:
                raise StateLost("The test took it away.")
            return await found(*args)

        return asked


def degrading() -> tuple[Unsteady, DegradingStore, Changes]:
    """A store over an unsteady one, in the time of the running loop."""
    shared, changes = Unsteady(), Changes()
    return shared, DegradingStore(shared, changes, asyncio.get_running_loop().time), changes


def test_a_silent_store_is_asked_once_and_then_every_second() -> None:
    """One call waits a fifth of a second; a hundred after it ask nobody; the probe finds the store within a second."""

    async def scene() -> None:
        shared, store, changes = degrading()
        loop = asyncio.get_running_loop()
        shared.hangs = True
        await store.put("key", b"value", HOUR)
        assert loop.time() == pytest.approx(WAIT)
        for _ in range(100):
            assert await store.get("key") == b"value"
        assert shared.calls == 1
        await asyncio.sleep(4)
        assert shared.calls == 1 + 3  # each probe waits its fifth, too
        shared.hangs = False
        healed = loop.time()
        await changes.back()
        assert loop.time() - healed <= 1.0
        assert MemoryStore.read(shared, "key") == b"value"
        await store.aclose()

    virtual_time.run(scene())


def test_what_others_changed_meanwhile_stays() -> None:
    """Of two that changed one entry, who knew it longer gives way; a plain write is the last word."""

    async def scene() -> None:
        shared, store, changes = degrading()
        await store.put("lease", b"old", HOUR)
        await store.put("gone", b"old", HOUR)
        shared.lost = True
        assert await store.replace("lease", b"old", b"ours", HOUR)
        assert await store.replace("gone", b"old", None, HOUR)
        assert await store.claim("new", b"ours", HOUR) is None
        await store.put("said", b"ours", HOUR)
        await store.delete("deleted")
        shared.write("lease", b"theirs", HOUR)
        shared.write("new", b"theirs", HOUR)
        shared.write("said", b"theirs", HOUR)
        shared.write("deleted", b"theirs", HOUR)
        shared.lost = False
        await changes.back()
        assert dict(await store.entries("")) == {
            "lease": b"theirs",
            "new": b"theirs",
            "said": b"ours",
            "state:probe": b"",
        }
        shared.lost = True
        assert await store.get("lease") is None  # ours was not taken, and theirs was never ours to remember
        await store.aclose()

    virtual_time.run(scene())


def test_what_was_carried_keeps_its_end() -> None:
    """Entries and counters written while the store was lost end when they would have, and what has ended is left."""

    async def scene() -> None:
        shared, store, changes = degrading()
        shared.hangs = True
        await store.claim("long", b"", 10)
        await store.add("counter", 2, 10)
        await store.claim("short", b"", 3)
        await store.add("brief", 2, 3)
        await asyncio.sleep(5)
        shared.hangs = False
        await changes.back()
        assert await shared.get("short") is None
        assert shared.count("brief") == 0
        assert shared.count("counter") == 2
        held = shared.look("long")
        assert held is not None
        assert held.ttl == pytest.approx(WAIT + 10 - asyncio.get_running_loop().time())
        await store.aclose()

    virtual_time.run(scene())


def test_a_store_lost_again_while_it_comes_back_loses_nothing() -> None:
    """What could not be carried over the first time is carried over the next, once."""

    async def scene() -> None:
        shared, store, changes = degrading()
        shared.lost = True
        for number in range(5):
            await store.claim(f"{number}", b"first", HOUR)
            await store.replace(f"{number}", b"first", b"second", HOUR)
            await store.add("sum", 1, HOUR)
            await store.add(f"sum:{number}", 1, HOUR)
        shared.lost = False
        for calls in (4, 7):
            shared.patience = calls
            await asyncio.sleep(1.1)
            assert not store.up
        shared.patience = math.inf
        await changes.back()
        assert {await shared.get(f"{number}") for number in range(5)} == {b"second"}
        assert shared.count("sum") == 5
        assert changes.ups == [False, True]
        await store.aclose()

    virtual_time.run(scene())


def test_others_are_believed_while_the_store_is_up() -> None:
    """This process does not remember an entry that it has seen changed or gone."""

    async def scene() -> None:
        shared, store, _ = degrading()
        for key in ("read", "claimed", "replaced", "kept"):
            await store.put(key, b"ours", HOUR)
            shared.write(key, b"ours" if key == "kept" else b"theirs", HOUR)
        assert await store.get("read") == b"theirs"
        assert await store.claim("claimed", b"ours", HOUR) == b"theirs"
        assert not await store.replace("replaced", b"ours", b"new", HOUR)
        shared.lost = True
        assert dict(await store.entries("")) == {"kept": b"ours"}
        await store.aclose()

    virtual_time.run(scene())


def test_a_long_loss_is_remembered_in_part(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory stays bounded, and what had to make room leaves the shared store as it is."""
    monkeypatch.setattr(module, "_MOST", 10)

    async def scene() -> None:
        shared, store, changes = degrading()
        await store.put("first", b"shared", HOUR)
        shared.lost = True
        assert await store.replace("first", b"shared", b"ours", HOUR)
        for number in range(9):
            await store.put(f"{number}", b"ours", HOUR)
        for number in range(100):
            await store.claim(f"late:{number}", b"ours", HOUR)
            await store.add(f"sum:{number}", 1, HOUR)
        assert len(store._changes) == len(store._amounts) == len(store._own._entries) == 10
        shared.lost = False
        await changes.back()
        assert await shared.get("first") == b"shared"
        assert len(await shared.entries("late:")) == 10
        assert await shared.entries("late:99") == {"late:99": b"ours"}
        await store.aclose()

    virtual_time.run(scene())

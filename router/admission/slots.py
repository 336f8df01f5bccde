"""Places for attempts at each target: so many side by side, and a short queue in the order of coming."""

import asyncio
from collections import deque
from dataclasses import dataclass, field


@dataclass(slots=True)
class _Gate:
    taken: int = 0
    waiting: deque[asyncio.Future[None]] = field(default_factory=deque)


class Slots:
    """The attempts under way in this process, by target. A sick target fills its own places, not those of others."""

    def __init__(self) -> None:
        self._gates: dict[str, _Gate] = {}

    def full(self, target: str, most: int) -> bool:
        """Whether an attempt would have to wait."""
        gate = self._gates.get(target)
        return gate is not None and gate.taken >= most

    async def enter(self, target: str, most: int, patience: float) -> bool:
        """Take a place, waiting up to `patience` seconds for one; False where none came free in that time."""
        gate = self._gates.setdefault(target, _Gate())
        if gate.taken < most:
            gate.taken += 1
            return True
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        gate.waiting.append(turn)
        try:
            async with asyncio.timeout(patience):
                await turn
        except TimeoutError:
            return self._given_up(gate, turn)
        except asyncio.CancelledError:
            if self._given_up(gate, turn):
                self._next(gate)
            raise
        return True

    def leave(self, target: str) -> None:
        """Give a place back: to whoever has waited longest, if anyone has."""
        self._next(self._gates[target])

    def in_use(self, target: str) -> int:
        """How many places are taken."""
        gate = self._gates.get(target)
        return gate.taken if gate is not None else 0

    def _given_up(self, gate: _Gate, turn: asyncio.Future[None]) -> bool:
        """Whether the place came after all, in the very moment that its waiter gave up."""
        if turn.done() and not turn.cancelled():
            return True
        if turn in gate.waiting:
            gate.waiting.remove(turn)
        return False

    def _next(self, gate: _Gate) -> None:
        while gate.waiting:
            turn = gate.waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        gate.taken -= 1

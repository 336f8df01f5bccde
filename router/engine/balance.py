"""Draws the primary of a balanced request: by weight, in turn, or the one that has been fastest."""

import random
from collections.abc import Sequence

from router.engine.request import Balancer, BalancerType
from router.engine.route import Route

_NEWEST = 0.3  # weight of the newest time in the moving average
_MOST_TURNS = 10_000  # member lists remembered for taking turns; callers make them up, so they are bounded


class Balance:
    """What a balancer remembers between requests: whose turn it is, and how long each route takes."""

    def __init__(self, rng: random.Random) -> None:
        self._random = rng
        self._turns: dict[tuple[str, ...], int] = {}
        self._seconds: dict[str, float] = {}

    def draw(self, balancer: Balancer, routes: Sequence[Route]) -> int:
        """The index of the member that serves this request first; `routes` are the members' in the same order."""
        if balancer.type is BalancerType.ROUND_ROBIN:
            return self._turn(tuple(route.name for route in routes))
        if balancer.type is BalancerType.LATENCY_BASED:
            return min(range(len(routes)), key=lambda at: self._seconds.get(routes[at].name, 0.0))
        return self._random.choices(range(len(routes)), [member.weight for member in balancer.members])[0]

    def served(self, route: Route, seconds: float) -> None:
        """Learn how long an attempt of a route took that succeeded."""
        before = self._seconds.get(route.name, seconds)
        self._seconds[route.name] = before + _NEWEST * (seconds - before)

    def _turn(self, models: tuple[str, ...]) -> int:
        turn = self._turns.pop(models, 0)
        if len(self._turns) >= _MOST_TURNS:
            self._turns.pop(next(iter(self._turns)))
        self._turns[models] = (turn + 1) % len(models)
        return turn

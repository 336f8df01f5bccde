"""Who is asked first: the member of a caller's balancer, the target of a chain. By weight, in turn, or the fastest."""

import random
from collections.abc import Sequence
from itertools import groupby

from router.config.balance import Order
from router.engine.request import Balancer, BalancerType
from router.engine.route import Route, Target

_NEWEST = 0.3  # weight of the newest time in the moving average
_MOST_TURNS = 10_000  # lists remembered for taking turns; callers make them up, so they are bounded


class Balance:
    """What a balancer remembers between requests: whose turn it is, and how long each route and target takes."""

    def __init__(self, rng: random.Random) -> None:
        self._random = rng
        self._turns: dict[tuple[str, ...], int] = {}
        self._seconds: dict[str, float] = {}

    def draw(self, balancer: Balancer, routes: Sequence[Route]) -> int:
        """The index of the member that serves this request first; `routes` are the members' in the same order."""
        names = [route.name for route in routes]
        if balancer.type is BalancerType.ROUND_ROBIN:
            return self._turn(tuple(names))
        if balancer.type is BalancerType.LATENCY_BASED:
            return self._fastest(names)
        return self._random.choices(range(len(routes)), [member.weight for member in balancer.members])[0]

    def arranged(self, route: Route) -> Sequence[Target]:
        """A route's targets in the order in which this request asks them."""
        if route.order is Order.AS_WRITTEN and not route.exercise and not route.accounts:
            return route.targets
        members = [tuple(same) for _, same in groupby(route.targets, key=lambda target: target.name)]
        first = self._first(route, members)
        if first == 0 and len(members) > 1 and self._random.random() < route.exercise:
            first = 1
        members.insert(0, members.pop(first))
        return [target for member in members for target in self._accounts(member)]

    def served(self, route: Route, seconds: float) -> None:
        """Learn how long an attempt of a route took that succeeded."""
        self._learn(route.name, seconds)

    def drew(self, target: Target, seconds: float) -> None:
        """Learn how long a target took."""
        self._learn(target.key, seconds)

    def _first(self, route: Route, members: Sequence[Sequence[Target]]) -> int:
        match route.order:
            case Order.WEIGHT_BASED:
                weights = [member[0].weight for member in members]
                return self._random.choices(range(len(members)), weights)[0]
            case Order.ROUND_ROBIN:
                return self._turn((route.name, *(member[0].name for member in members)), len(members))
            case Order.LATENCY_BASED:
                return self._fastest([member[0].key for member in members])
            case Order.AS_WRITTEN:
                return 0

    def _accounts(self, member: tuple[Target, ...]) -> tuple[Target, ...]:
        """The same target at each of its accounts: they take turns."""
        if len(member) == 1:
            return member
        turn = self._turn(tuple(target.key for target in member))
        return member[turn:] + member[:turn]

    def _fastest(self, names: Sequence[str]) -> int:
        return min(range(len(names)), key=lambda at: self._seconds.get(names[at], 0.0))

    def _learn(self, name: str, seconds: float) -> None:
        before = self._seconds.get(name, seconds)
        self._seconds[name] = before + _NEWEST * (seconds - before)

    def _turn(self, names: tuple[str, ...], among: int | None = None) -> int:
        turn = self._turns.pop(names, 0)
        if len(self._turns) >= _MOST_TURNS:
            self._turns.pop(next(iter(self._turns)))
        self._turns[names] = (turn + 1) % (among or len(names))
        return turn

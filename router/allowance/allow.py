"""Whether a caller may have what it asks for now: limits by the minute, and a budget that is reserved before the work.

What is over a limit may be asked again, and is told when. A spent budget is 429 until it renews, and 402 where it
never does. Callers without limits and budget cost nothing here.
"""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NoReturn, Protocol

from router.allowance.purse import Purse, Reserve, Spent, micros
from router.allowance.quote import Quotes
from router.allowance.windows import Full, Windows
from router.auth import Caller
from router.config.allowance import Budget
from router.engine.record import Attempt
from router.engine.request import ImageRequest
from router.engine.route import Route
from router.messages.errors import Refused
from router.state.base import StateStore

_MEGA = 1_000_000
_PIXELS = 1024 * 1024  # of a picture whose size nobody gave


class Told(Protocol):
    """Who is told of what callers may still do; `group` is a key's name in the config."""

    def rate_limited(self, group: str) -> None:
        """A request was over a limit."""

    def budget_remaining(self, group: str, usd: float) -> None:
        """What is left of a budget."""


@dataclass(slots=True)
class _Taken:
    """What one request took: amounts by counter, and money."""

    counted: dict[str, int] = field(default_factory=dict)
    quotes: Quotes | None = None
    reserve: Reserve | None = None


class Allowance:
    """The limits and budgets of all callers, counted in the shared state."""

    def __init__(self, state: StateStore, told: Told, clock: Callable[[], float] = time.time) -> None:
        """`clock` is the wall's: who share the state share its minutes and days."""
        self._windows = Windows(state, clock)
        self._purse = Purse(state, clock)
        self._told = told

    async def admit(self, caller: Caller) -> None:
        """Count a request, whatever comes of it.

        Raises:
            Refused: 429, it is one too many.
        """
        limit = caller.limits.requests_per_minute
        if limit is not None:
            await self._take(caller, "requests", limit, 1)

    @staticmethod
    def counts(caller: Caller) -> bool:
        """Whether it matters what a caller's requests ask for and cost."""
        limits = caller.limits
        return (
            caller.budget is not None
            or limits.images_per_minute is not None
            or limits.megapixels_per_minute is not None
        )

    @asynccontextmanager
    async def spend(
        self,
        caller: Caller,
        request: ImageRequest,
        routes: Sequence[Route],
        attempts: Sequence[Attempt],
    ) -> AsyncIterator[None]:
        """While a request is served: its pictures and pixels are counted, and the worst it may cost is set aside.

        However that ends, it then pays for what `attempts` holds; without any, it gets everything back. To be entered
        where `counts` says so.

        Raises:
            Refused: 429 over a limit; 429 or 402 where the budget has no room for it.
        """
        taken = _Taken()
        # A client may leave at any moment: what was taken is known, and given back, all the same.
        opening = asyncio.ensure_future(self._open(caller, request, routes, taken))
        try:
            await asyncio.shield(opening)
            yield
        finally:
            await asyncio.shield(self._close(caller, opening, taken, attempts))

    async def _open(self, caller: Caller, request: ImageRequest, routes: Sequence[Route], taken: _Taken) -> None:
        limits = caller.limits
        if limits.images_per_minute is not None:
            counter = await self._take(caller, "pictures", limits.images_per_minute, request.n)
            taken.counted[counter] = request.n
        if limits.megapixels_per_minute is not None:
            asked = request.n * max(_pixels(request, route) for route in routes)
            counter = await self._take(caller, "pixels", math.floor(limits.megapixels_per_minute * _MEGA), asked)
            taken.counted[counter] = asked
        if caller.budget is not None:
            taken.quotes = Quotes(request, routes, caller.budget)
            await self._reserve(caller, caller.budget, taken.quotes.worst, taken)

    async def _close(
        self,
        caller: Caller,
        opening: asyncio.Future[None],
        taken: _Taken,
        attempts: Sequence[Attempt],
    ) -> None:
        await asyncio.wait({opening})
        if not attempts:
            for counter, amount in taken.counted.items():
                await self._windows.adjust(counter, -amount)
        if caller.budget is not None and taken.reserve is not None and taken.quotes is not None:
            total = await self._purse.settle(taken.reserve, taken.quotes.spent(attempts))
            self._told.budget_remaining(caller.name, max(0, micros(caller.budget.usd) - total) / _MEGA)

    async def _take(self, caller: Caller, what: str, limit: int, amount: int) -> str:
        try:
            return await self._windows.take(f"{what}/{caller.name}", limit, amount)
        except Full as full:
            self._told.rate_limited(caller.name)
            shown = f"{limit / _MEGA:g} megapixels" if what == "pixels" else f"{limit} {what}"
            if full.wait is None:
                words = f"this key may ask for {shown} a minute, and this request alone asks for more: ask for less"
            else:
                words = (
                    f"this key may ask for {shown} a minute: ask again in {math.ceil(full.wait)} s, "
                    "or ask who runs this router for more"
                )
            again = full.wait is not None
            raise Refused(429, "rate_limit_exceeded", words, retry_after=full.wait, should_retry=again) from None

    async def _reserve(self, caller: Caller, budget: Budget, amount: int, taken: _Taken) -> None:
        try:
            taken.reserve, left = await self._purse.reserve(caller.name, budget, amount)
        except Spent as spent:
            _refuse(spent, budget)
        self._told.budget_remaining(caller.name, left / _MEGA)


def _refuse(spent: Spent, budget: Budget) -> NoReturn:
    """The budget has no room: it says so, and what may be done.

    Raises:
        Refused: 429 where it renews, else 402.
    """
    if spent.renewed is None:
        words = (
            f"the budget of this key, {budget.usd:g} US dollars, has no room left for this request: "
            "ask who runs this router to raise it"
        )
        raise Refused(402, "quota_exceeded", words)
    words = (
        f"the budget of this key, {budget.usd:g} US dollars a {budget.per}, has no room left for this request: "
        f"wait until {datetime.fromtimestamp(spent.renewed, UTC):%Y-%m-%dT%H:%MZ}, when it renews, "
        "or ask who runs this router to raise it"
    )
    raise Refused(429, "rate_limit_exceeded", words, retry_after=spent.wait)


def _pixels(request: ImageRequest, route: Route) -> int:
    """How large a picture is asked for; where nobody says, the largest that the model lists."""
    shape = request.asked.get("shape") or route.params.get("shape")
    if shape is not None and shape.height:
        return int(shape.width * shape.height)
    listed = (size.split("x") for size in (route.entry.sizes if route.entry is not None else ()) if size != "auto")
    return max((int(width) * int(height) for width, height in listed), default=_PIXELS)

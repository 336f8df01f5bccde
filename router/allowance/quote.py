"""What a request may cost at worst, and what it did cost: in millionths of a dollar."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from providers.base import OutcomeClass
from providers.dialect import Shape, Unsupported
from router.allowance.purse import micros
from router.catalog import Price
from router.config.allowance import Budget
from router.engine.plan import Plan, plan
from router.engine.record import Attempt
from router.engine.request import ImageRequest
from router.engine.route import Route, Target

# The backends that count tokens take no more than this for a picture of the best quality.
_PIXELS_PER_TOKEN = 250
_PIXELS = 1536 * 1024  # of a picture whose size nobody gave


@dataclass(frozen=True, slots=True)
class Quote:
    """The worst price of a request at one target: each of `calls` costs `call`, each of its pictures `picture`.

    `most` is how many pictures a call makes at most; `times` how often the request may be billed there.
    """

    call: int
    picture: int
    calls: int
    most: int
    times: int

    def of(self, pictures: int, calls: int = 1) -> int:
        """The price of some pictures."""
        return calls * self.call + pictures * self.picture


@dataclass(frozen=True, slots=True)
class _Look:
    """How a picture will be drawn: None where that is the backend's choice; of `pixels` at most."""

    quality: str | None
    size: str | None
    pixels: int


class Quotes:
    """The quotes of one request, by target."""

    def __init__(self, request: ImageRequest, routes: Sequence[Route], budget: Budget) -> None:
        self._n = request.n
        self._times = routes[0].policy.max_billable_attempts
        self._all: list[Quote] = []
        self._by_target: dict[tuple[str, str], Quote] = {}
        for route in routes:
            for target in route.targets:
                try:
                    planned = plan(request, route.params, target)
                except Unsupported:
                    continue  # it is not asked
                quote = _quote(planned, request, {**route.params, **request.asked}.get("shape"), budget)
                self._all.append(quote)
                known = self._by_target.get(_name(target), quote)
                self._by_target[_name(target)] = max(known, quote, key=lambda each: each.of(self._n, each.calls))

    @property
    def worst(self) -> int:
        """The most that the request can come to: as often as it may be billed, where that costs most."""
        prices = [q.of(self._n, q.calls) for q in self._all for _ in range(q.times)]
        return sum(sorted(prices, reverse=True)[: self._times])

    def spent(self, attempts: Sequence[Attempt]) -> int:
        """What it came to: what may have been billed counts in full."""
        return sum(self._price(attempt) for attempt in attempts)

    def _price(self, attempt: Attempt) -> int:
        quote = self._by_target.get(_name(attempt.target))
        if attempt.cost is not None:
            return micros(attempt.cost)
        if quote is None:
            return 0
        if attempt.outcome is OutcomeClass.SUCCEEDED:
            return quote.of(attempt.pictures)
        failed_for_money = attempt.outcome is OutcomeClass.FAILED and attempt.target.provider.adapter.failed_is_billed
        return quote.of(quote.most) if attempt.outcome is OutcomeClass.AMBIGUOUS or failed_for_money else 0


def _name(target: Target) -> tuple[str, str]:
    """A wildcard's targets share a name."""
    return target.name, target.model


def _quote(planned: Plan, request: ImageRequest, shape: Shape | None, budget: Budget) -> Quote:
    target, quality = planned.target, planned.shards[0].job.params.get("quality")
    asked = shape.width * shape.height if shape is not None else 0
    exact = asked > 0 and all(warning.parameter != "size" for warning in planned.warnings)
    size, pixels = (str(shape), asked) if exact else (None, max(asked, _PIXELS))
    call, picture = _worst(target, request, _Look(quality, size, pixels), budget)
    return Quote(
        call=micros(call),
        picture=micros(picture),
        calls=len(planned.shards),
        most=max(len(shard.places) for shard in planned.shards),
        times=_times(target, request),
    )


def _times(target: Target, request: ImageRequest) -> int:
    """How often one target may bill a request: again only where the caller asks for it, or failures are billed."""
    if request.controls.retry is not None:
        return 1 + request.controls.retry.count
    return 1 + target.policy.retry.count if target.provider.adapter.failed_is_billed else 1


def _worst(target: Target, request: ImageRequest, look: _Look, budget: Budget) -> tuple[float, float]:
    """Dollars for a call, its input, and for a picture."""
    if target.provider.adapter.local is not None:
        return 0.0, 0.0
    price = target.price or Price()
    tiers = _tiers(price, look)
    if price.tokens is None:
        return 0.0, max(tiers, default=budget.unknown_price)
    pictures = len(request.images) + (request.mask is not None)
    # A token is at least a byte.
    text, drawn = len(request.prompt.encode("utf-8", "replace")), pictures * _tokens(_PIXELS)
    call = (text * price.tokens.text_in + drawn * price.tokens.image_in) / 1_000_000
    return call, max(
        tiers, default=_tokens(look.pixels) * max(price.tokens.image_out, price.tokens.text_out) / 1_000_000
    )


def _tiers(price: Price, look: _Look) -> list[float]:
    """What a picture may cost: of the tiers that could be meant, or of all where none is."""
    fit = [
        tier.usd
        for tier in price.images
        if (look.quality in (None, "auto") or tier.quality in (None, look.quality))
        and (look.size is None or tier.size in (None, look.size))
    ]
    return fit or ([] if price.tokens is not None else [tier.usd for tier in price.images])


def _tokens(pixels: int) -> int:
    return math.ceil(pixels / _PIXELS_PER_TOKEN)

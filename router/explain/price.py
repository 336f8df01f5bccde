"""What a request would cost, as far as it can be told before it is made. Unknown stays unknown."""

import re
from collections.abc import Sequence

from providers.dialect import Shape
from router import usage
from router.engine.plan import Plan
from router.engine.request import ImageRequest
from router.engine.route import Route
from router.explain.explanation import Estimate, Member
from router.images.pixels import Picture

_PIXELS = re.compile(r"(\d{2,5})[x*](\d{2,5})")


def estimate(planned: Plan, request: ImageRequest, route: Route) -> Estimate:
    """The price of all pictures at one target."""
    target = planned.target
    if target.price is None:
        if target.provider.adapter.local is not None:
            return Estimate(usd=0.0, why="it is drawn within the router")
        return Estimate(usd=None, why="the catalogue knows no price")
    width, height = _expected(planned, request, route)
    quality = planned.shards[0].job.params.get("quality")
    one = usage.cost(target.price, None, [Picture(width=width, height=height)], quality)
    if one is not None:
        return Estimate(usd=round(one * request.n, 9), why=f"{_counted(request.n)} at {one:g} dollars")
    if target.price.tokens is not None:
        return Estimate(usd=None, why="by the tokens that the backend will count")
    return Estimate(usd=None, why="the catalogue has no price for this size and quality")


def whole(chain: Sequence[Member]) -> Estimate:
    """The price where the first eligible target serves."""
    first = next((member for member in chain if member.eligible), None)
    if first is None:
        return Estimate(usd=0.0, why="nothing would be sent")
    return Estimate(usd=first.price.usd, why=f"at {first.target}: {first.price.why}")


def dearest(chain: Sequence[Member], times: int) -> Estimate:
    """The price where every attempt that may be billed is billed, at whoever is dearest."""
    eligible = [member for member in chain if member.eligible]
    if not eligible:
        return Estimate(usd=0.0, why="nothing would be sent")
    known = [member.price.usd for member in eligible if member.price.usd is not None]
    unknown = [member.target for member in eligible if member.price.usd is None]
    if unknown:
        return Estimate(usd=None, why=f"not all prices are known: {', '.join(dict.fromkeys(unknown))}")
    return Estimate(usd=round(times * max(known), 9), why=f"{times} billable at the dearest target")


def _expected(planned: Plan, request: ImageRequest, route: Route) -> tuple[int, int]:
    """The pixels that will probably be delivered; 0 where the backend chooses."""
    for warning in planned.warnings:
        if warning.parameter == "size":
            sent = _PIXELS.fullmatch(warning.sent or "")
            return (int(sent[1]), int(sent[2])) if sent is not None else (0, 0)
    shape = request.asked.get("shape", route.params.get("shape"))
    return (shape.width, shape.height) if isinstance(shape, Shape) and shape.height else (0, 0)


def _counted(pictures: int) -> str:
    return "1 picture" if pictures == 1 else f"{pictures} pictures"

"""Which series are there at 0 before anything happens: as many of those to come as are sure, or likely and few.

Prometheus tells growth from two values: a counter that begins with its first event hides that event.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import product

from providers.base import ErrorKind, Operation
from router.auth import Caller
from router.config.allowance import Limits
from router.engine.route import Policy, Route
from router.health.book import CIRCUIT
from router.health.effects import EFFECTS
from router.observe.families import Labels
from router.observe.labels import OTHER

COOLS = (*(kind for kind, effect in EFFECTS.items() if effect.cools is not None), CIRCUIT)
"""Why a target is mostly left out."""

RETRIED = (ErrorKind.RATE_LIMITED, ErrorKind.UNAVAILABLE, ErrorKind.TIMEOUT)
"""What the router itself tries again."""

CACHED = ("hit", "miss", "bypass")
"""What comes of a request that agrees to a cached answer."""

KEYED = ("new", "replayed", "resumed", "in_progress", "reused", "unknown", "unavailable")
"""What comes of a request with an Idempotency-Key."""

_LEFT = [kind for kind in ErrorKind if kind in Policy().fallback_on]
_MOST_COSTS = 1000  # many keys by many targets are many series that most keys never need
_OPERATIONS = (Operation.GENERATE, Operation.EDIT)
_STATUSES = ("200", "400", "408", "429", "500", "502", "503", "504")
_REFUSED = (
    "content_policy_violation",
    "moderation_blocked",
    "quota_exceeded",
    "rate_limit_exceeded",
    "request_timeout",
)
_OF_NO_MODEL = ("400", "401", "404", "429", "503")
_REFUSED_AT_ONCE = ("invalid_request", "invalid_api_key", "model_not_found", "rate_limit_exceeded")
_SIZES = ("<=1MP", "<=2MP")
_QUALITIES = ("auto", "low", "medium", "high")


def operations(route: Route) -> Sequence[str]:
    """What a model is mostly asked for."""
    return [each.value for each in _OPERATIONS if any(target.can(each) for target in route.targets)]


def requests(routes: Iterable[Route]) -> Iterator[Labels]:
    """Operation, model, status; of no model what is told those who name none that there is, or are not read."""
    for route in routes:
        yield from product(operations(route), (route.name,), _STATUSES)
    yield from product((each.value for each in _OPERATIONS), (OTHER,), _OF_NO_MODEL)


def refusals(routes: Iterable[Route]) -> Iterator[Labels]:
    """Model, reason."""
    yield from product((route.name for route in routes), _REFUSED)
    yield from product((OTHER,), _REFUSED_AT_ONCE)


def asked(routes: Iterable[Route]) -> Iterator[Labels]:
    """Operation, model, size, quality."""
    for route in routes:
        yield from product(operations(route)[:1], (route.name,), ("auto", *_SIZES), _QUALITIES)


def images(routes: Iterable[Route]) -> Iterator[Labels]:
    """Operation, model, target, size, quality."""
    for route in routes:
        names = {target.name for target in route.targets}
        yield from product(operations(route)[:1], (route.name,), names, _SIZES, _QUALITIES)


def worth(routes: Iterable[Route]) -> Iterator[Labels]:
    """Model, size, quality."""
    yield from product((route.name for route in routes), _SIZES, _QUALITIES)


def fallbacks(routes: Iterable[Route]) -> Iterator[Labels]:
    """Model, target, reason: of all but the last target, which nothing follows unless the caller says so."""
    for route in routes:
        names = list(dict.fromkeys(target.name for target in route.targets))
        yield from product((route.name,), names[:-1], _LEFT)


def costs(routes: Sequence[Route], callers: Iterable[Caller]) -> Sequence[Labels]:
    """Model, target, group; none where there would be very many."""
    pairs = {(route.name, target.name) for route in routes for target in route.targets}
    found = [(model, target, caller.name) for caller in callers for model, target in pairs if caller.may(model)]
    return found if len(found) <= _MOST_COSTS else []


def limited(callers: Iterable[Caller]) -> Iterator[Labels]:
    """The groups that have a limit."""
    return ((caller.name,) for caller in callers if caller.limits != Limits())

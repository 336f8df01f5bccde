"""Reads the caller's routing controls, in every place and spelling they may have."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

from router.engine.request import Balancer, BalancerType, Cache, Controls, Member, Retry, Trace
from router.messages.fields import (
    Fields,
    as_integer,
    as_record,
    as_text,
    illegal,
    missing,
    shown,
    unsupported,
    wrong_type,
)
from router.messages.trace import headed_trace, read_trace

T = TypeVar("T")

RETRY_CODES = frozenset({429})
"""The statuses a caller's `retry` repeats where it names none."""

DEFAULT_RETRIES = 3
MAX_RETRIES = 5
MAX_FALLBACKS = 10
MAX_FALLBACK_CODES = 20
DEFAULT_TTL = 3600
MAX_TTL = 259_200
DEFAULT_WEIGHT = 0.5
MIN_WEIGHT = 0.001
_LONGEST = 86_400.0  # seconds: more than any request lives, and no more than an event loop can count

CONTROL_FIELDS = frozenset(
    {
        *("retry", "retries", "num_retries", "fallbacks", "models", "fallback_on_codes", "cache", "load_balancer"),
        *("timeout", "request_timeout", "identity", "contact", "name", "metadata", "plugins", "orq"),
        "providerOptions",
    }
)
"""The top-level fields read here; none of them is for a provider."""

_NO_CONTROLS = Controls()

_Place = tuple[Fields, str]
_Reader = Callable[[Fields, str], T]


def read_controls(
    fields: Mapping[str, Any],
    *,
    form: bool,
    headers: Mapping[str, str],
    retry_codes: frozenset[int] = RETRY_CODES,
) -> tuple[Controls, Trace]:
    """The routing controls of a body, and what it says for traces. Header names are lower-case.

    For each control the first place that has it counts, whole: the top level, `orq`, older spellings at the top
    level, then those in `orq`. Every place that has it must be right, also one that does not count.

    Raises:
        Refused: 400, with the place as the caller wrote it.
    """
    if CONTROL_FIELDS.isdisjoint(fields):  # as in most bodies
        return _NO_CONTROLS, headed_trace(headers)
    top = Fields(fields, form)
    orq = top.record("orq") or Fields(form=form, place="orq")
    options = top.record("providerOptions") or Fields()
    gateway = options.record("gateway") or Fields()
    if orq.get("prompt") is not None:
        raise unsupported("orq.prompt", "this server keeps no prompts; send the text as prompt")

    def both(name: str) -> list[_Place]:
        return [(top, name), (orq, name)]

    retry = partial(_retry, default_codes=retry_codes)
    controls = Controls(
        retry=_first([*both("retry"), (top, "retries"), (top, "num_retries"), (orq, "retries")], retry),
        fallbacks=_first([*both("fallbacks"), (top, "models"), (gateway, "models")], _fallbacks) or (),
        fallback_on_codes=_first(both("fallback_on_codes"), _fallback_codes) or None,
        call_timeout=_first([*both("timeout"), (top, "request_timeout")], _call_timeout),
        balancer=_first(both("load_balancer"), _balancer),
        cache=_first(both("cache"), _cache),
    )
    return controls, read_trace(top, orq, headers)


def _first(places: Sequence[_Place], read: _Reader[T]) -> T | None:
    """The value at the first place that has one; all are read, so that a malformed one is refused wherever it is."""
    found = [read(fields, name) for fields, name in places if fields.has(name)]
    return found[0] if found else None


def _inside(place: Fields, name: str) -> Fields:
    return as_record(place.get(name), place.at(name), form=place.form)


def _count(place: Fields, name: str) -> int:
    return as_integer(place.get(name), place.at(name), 0, MAX_RETRIES, form=place.form)


def _retry(place: Fields, name: str, *, default_codes: frozenset[int]) -> Retry:
    if name == "num_retries":
        return Retry(_count(place, name), default_codes)
    retry = _inside(place, name)
    count = _first([(retry, "count"), (retry, "attempts")], _count)
    codes = _first([(retry, "on_codes"), (retry, "on_status_codes")], _retry_codes)
    return Retry(DEFAULT_RETRIES if count is None else count, default_codes if codes is None else codes)


def _retry_codes(place: Fields, name: str) -> frozenset[int]:
    codes = _codes(place, name, 100)
    if not codes:
        raise illegal(place.at(name), "is empty; name at least one status, or leave it out")
    return codes


def _fallback_codes(place: Fields, name: str) -> frozenset[int]:
    codes = _codes(place, name, 400)
    if len(codes) > MAX_FALLBACK_CODES:
        raise illegal(place.at(name), f"names {len(codes)} statuses; at most {MAX_FALLBACK_CODES} are allowed")
    return codes


def _codes(place: Fields, name: str, low: int) -> frozenset[int]:
    """A list of statuses; a form may also have them as one text with commas."""
    value, at = place.get(name), place.at(name)
    if place.form and isinstance(value, str):
        value = value.split(",")
    if not isinstance(value, list | tuple):
        raise wrong_type(at, "an array of integers", value)
    return frozenset(as_integer(code, f"{at}[{i}]", low, 599, form=place.form) for i, code in enumerate(value))


def _fallbacks(place: Fields, name: str) -> tuple[str, ...]:
    value, at = place.get(name), place.at(name)
    if place.form and isinstance(value, str):
        value = [value]
    if not isinstance(value, list | tuple):
        raise wrong_type(at, "an array", value)
    if len(value) > MAX_FALLBACKS:
        raise illegal(at, f"has {len(value)} entries; at most {MAX_FALLBACKS} are allowed")
    return tuple(_model(entry, f"{at}[{i}]", form=place.form) for i, entry in enumerate(value))


def _model(entry: Any, at: str, *, form: bool) -> str:
    """A model's name, bare or as `{"model": name}`."""
    if isinstance(entry, Mapping):
        entry, at = Fields(entry, form).get("model"), f"{at}.model"
    if entry is None or entry == "":
        raise missing(at, "is required: the name of a model")
    return as_text(entry, at)


def _call_timeout(place: Fields, name: str) -> float:
    """Seconds; callers write milliseconds."""
    if name == "timeout":
        value, at = place.get(name), place.at(name)
        if not isinstance(value, Mapping):
            raise wrong_type(at, "an object", value, ': write {"call_timeout": milliseconds}')
        place, name = as_record(value, at, form=place.form), "call_timeout"
    milliseconds = place.number(name, 1)
    if milliseconds is None:
        raise missing(place.at(name), "is required: milliseconds, at least 1")
    return min(milliseconds / 1000, _LONGEST)


def _balancer(place: Fields, name: str) -> Balancer | None:
    value, at = place.get(name), place.at(name)
    if isinstance(value, list | tuple):
        return _balanced(BalancerType.WEIGHT_BASED, value, at, form=place.form)
    balancer = as_record(value, at, form=place.form)
    kind = balancer.text("type")
    if kind is None:
        raise missing(balancer.at("type"), f"is required: one of {', '.join(BalancerType)}")
    members = balancer.items("models")
    if members is None and not place.form:  # a form cannot hold an empty list
        raise missing(balancer.at("models"))
    known = BalancerType(kind) if kind in set(BalancerType) else BalancerType.WEIGHT_BASED
    return _balanced(known, members or (), balancer.at("models"), form=place.form)


def _balanced(kind: BalancerType, members: Sequence[Any], at: str, *, form: bool) -> Balancer | None:
    """The balancer; one without members is none."""
    read = tuple(_member(entry, f"{at}[{i}]", form=form) for i, entry in enumerate(members))
    return Balancer(kind, read) if read else None


def _member(entry: Any, at: str, *, form: bool) -> Member:
    member = as_record(entry, at, form=form)
    weight = member.number("weight", MIN_WEIGHT, 1)
    return Member(_model(entry, at, form=form), DEFAULT_WEIGHT if weight is None else weight)


def _cache(place: Fields, name: str) -> Cache:
    cache = _inside(place, name)
    kind = cache.text("type")
    if kind is None:
        raise missing(cache.at("type"), "is required: exact_match")
    if kind != "exact_match":
        raise illegal(cache.at("type"), f"{shown(kind)} is not legal; the only one is exact_match")
    ttl = cache.number("ttl", 1, MAX_TTL)
    return Cache(DEFAULT_TTL if ttl is None else ttl)

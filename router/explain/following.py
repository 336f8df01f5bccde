"""What comes after the first call, in words: only the backend's answers can say more."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from types import CodeType, FunctionType
from typing import Any

from providers.base import Adapter, Call, Phase, poll
from router.engine.plan import Plan


def following(adapter: Adapter, call: Call, planned: Plan, attempt_timeout: float, *, events: bool) -> Iterator[str]:
    """What follows the first call of each shard."""
    if call.phase is Phase.PREPARE:
        yield "this call is free; the paid call is written from its answer and follows it"
    if events:
        yield "the answer is read as events, and each picture is passed on as it comes"
    elif polls(adapter):
        yield (
            "where the answer is a ticket, the backend is asked for the pictures again and again, which is free, "
            f"until they are done or {attempt_timeout:g} s are over"
        )
    if len(planned.shards) > 1:
        side = planned.target.policy.side_by_side
        yield f"the {len(planned.shards)} requests go out side by side, at most {side} at once"


def polls(adapter: Adapter) -> bool:
    """Whether the conversation has a place where a ticket is polled: read from the code, since no call is made."""
    return _reaches(adapter.generate, set())


def _reaches(found: Any, seen: set[int]) -> bool:
    """Whether a function of an adapter calls `poll`, itself or by another."""
    if found is poll:
        return True
    if id(found) in seen:
        return False
    seen.add(id(found))
    if isinstance(found, partial):
        return any(_reaches(each, seen) for each in (found.func, *found.args, *found.keywords.values()))
    if not isinstance(found, FunctionType) or not found.__module__.startswith("providers."):
        return False
    return any(_reaches(each, seen) for each in _named(found))


def _named(function: Callable[..., Any]) -> Iterator[Any]:
    """What a function names: globals, what is in the tables and modules among them, and what it was made with."""
    assert isinstance(function, FunctionType)  # noqa: S101 - nothing else is asked
    names = set(_names(function.__code__))
    for name in names:
        value = function.__globals__.get(name)
        if isinstance(value, FunctionType | partial):
            yield value
        elif isinstance(value, Mapping):
            yield from value.values()
        elif hasattr(value, "__spec__"):
            yield from (getattr(value, inner, None) for inner in names)
    for cell in function.__closure__ or ():
        yield cell.cell_contents


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)

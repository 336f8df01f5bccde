"""What differs between two explanations of one request, in words. Both are plain, as JSON has them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

_Plain = Mapping[str, Any]

_LONGEST = 80


def difference(running: _Plain, candidate: _Plain) -> list[str]:
    """A sentence for each thing that would change; none where all stays as it is.

    How targets are doing just now is no difference: it is not the configuration's.
    """
    return [*_chains(running, candidate), *_whole(running, candidate)]


def _chains(running: _Plain, candidate: _Plain) -> Iterator[str]:
    before, after = _named(running["chain"]), _named(candidate["chain"])
    for name in before:
        if name not in after:
            yield f"{name} leaves the chain"
    for place, (name, member) in enumerate(after.items(), 1):
        if name not in before:
            told = "eligible" if member["eligible"] else f"not asked: {'; '.join(member['reasons'])}"
            yield f"{name} joins the chain as number {place}, {told}"
    stays = [name for name in before if name in after]
    order = [name for name in after if name in before]
    if stays != order:
        yield f"the order of the chain changes from {', '.join(stays)} to {', '.join(order)}"
    for name in order:
        yield from _members(name, before[name], after[name])


def _members(name: str, before: _Plain, after: _Plain) -> Iterator[str]:
    if before["eligible"] and not after["eligible"]:
        yield f"{name} is no longer asked: {'; '.join(after['reasons'])}"
        return
    if after["eligible"] and not before["eligible"]:
        yield f"{name} is asked now; until now it was not: {'; '.join(before['reasons'])}"
        return
    if before["reasons"] != after["reasons"]:
        yield f"{name} is not asked, now because of {'; '.join(after['reasons'])}"
    yield from _requests(name, before["requests"], after["requests"])
    yield from _warnings(name, before["warnings"], after["warnings"])
    for field, was, now in _changes(before["patience"], after["patience"]):
        yield f"{name}: {field} changes from {was} to {now}"
    if before["price"] != after["price"]:
        yield f"{name}: the price changes from {_price(before)} to {_price(after)}"


def _requests(name: str, before: Sequence[_Plain], after: Sequence[_Plain]) -> Iterator[str]:
    if len(before) != len(after):
        yield f"{name} is sent {_counted(len(after))} instead of {_counted(len(before))}"
        return
    told = dict.fromkeys(
        f"{name}: in what is sent, {field} changes from {was} to {now}"
        for one, other in zip(before, after, strict=True)
        for field, was, now in _changes(one, other)
        if field != "headers.content-length"  # it follows from the body
    )
    yield from told


def _warnings(name: str, before: Sequence[_Plain], after: Sequence[_Plain]) -> Iterator[str]:
    was, now = ({each["parameter"]: each for each in warnings} for warnings in (before, after))
    for parameter in was.keys() - now.keys():
        yield f"{name}: {parameter} is sent as asked, no longer otherwise"
    for parameter, each in now.items():
        if was.get(parameter) != each:
            sent = "left out" if each["sent"] is None else f"sent as {each['sent']}"
            yield f"{name}: {parameter} {each['asked']} is now {sent}: {each['reason']}"


def _whole(running: _Plain, candidate: _Plain) -> Iterator[str]:
    for field, was, now in _changes(running["policy"], candidate["policy"]):
        yield f"policy: {field} changes from {was} to {now}"
    if running["price"]["usd"] != candidate["price"]["usd"]:
        yield f"the price changes from {_price(running)} to {_price(candidate)}"
    if running["at_most"]["usd"] != candidate["at_most"]["usd"]:
        yield f"the price at most changes from {_price(running, 'at_most')} to {_price(candidate, 'at_most')}"


def _changes(before: Any, after: Any, place: str = "") -> Iterator[tuple[str, str, str]]:
    """Every place where two JSON values differ, with both values."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for name in dict.fromkeys((*before, *after)):
            yield from _changes(before.get(name), after.get(name), f"{place}.{name}" if place else name)
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for at, (one, other) in enumerate(zip(before, after, strict=True)):
            yield from _changes(one, other, f"{place}[{at}]")
    elif before != after:
        yield place, _shown(before), _shown(after)


def _named(chain: Sequence[_Plain]) -> dict[str, _Plain]:
    """The members of a chain by a name that no two have."""
    named: dict[str, _Plain] = {}
    for member in chain:
        plain = member["target"] if "#" not in member["account"] else f"{member['target']} ({member['account']})"
        name = plain if member["role"] == "primary" else f"{plain} as {member['role']}"
        while name in named:
            name = f"{name} again"
        named[name] = member
    return named


def _shown(value: Any) -> str:
    text = "nothing" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _price(told: _Plain, field: str = "price") -> str:
    usd = told[field]["usd"]
    return "unknown" if usd is None else f"{usd:g} dollars"


def _counted(requests: int) -> str:
    return "1 request" if requests == 1 else f"{requests} requests"

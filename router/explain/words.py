"""An explanation as text to be read."""

from collections.abc import Iterator

import msgspec

from router.explain.explanation import Estimate, Explanation, Member, Upstream


def lines(explained: Explanation) -> Iterator[str]:
    """The whole explanation, line by line."""
    counted = "1 picture" if explained.pictures == 1 else f"{explained.pictures} pictures"
    yield f"{explained.model}: {explained.operation}, {counted}"
    for place, member in enumerate(explained.chain, 1):
        yield ""
        yield from _member(place, member)
    yield ""
    if not explained.served:
        yield "no target can do what was asked"
    yield f"price: {_estimate(explained.price)}"
    yield f"price at most: {_estimate(explained.at_most)}"
    policy = explained.policy
    yield f"policy: {policy.timeout:g} s in all, at most {policy.max_billable_attempts} attempts that may be billed"
    yield f"policy: the chain goes on after {', '.join(policy.fallback_on) or 'nothing'}"
    if policy.fallback_on_codes is not None:
        yield f"policy: and after the statuses {', '.join(map(str, policy.fallback_on_codes))}, as the caller asks"
    yield f"policy: targets are asked in the order {policy.order}"
    yield "nothing was sent"


def _member(place: int, member: Member) -> Iterator[str]:
    named = "" if member.role == "primary" else f" ({member.role}: {member.model})"
    key = "" if "#" not in member.account else f" with the key {member.account}"
    yield f"{place}. {member.target}{key}{named}: {'eligible' if member.eligible else 'not asked'}"
    for reason in member.reasons:
        yield f"   because of {reason}"
    if member.left_out is not None:
        yield f"   left out just now: {member.left_out}"
    for request in member.requests:
        yield from (f"   {line}" for line in _request(request))
    if not member.eligible:
        return
    for then in member.then:
        yield f"   then: {then}"
    for each in member.warnings:
        sent = "left out" if each.sent is None else f"sent as {each.sent}"
        yield f"   warning: {each.parameter}: {each.asked} is {sent}: {each.reason}"
    yield f"   price: {_estimate(member.price)}"
    patience = member.patience
    codes = ", ".join(map(str, patience.retry_on))
    yield f"   an attempt has {patience.attempt_timeout:g} s and is repeated up to {patience.retries} times on {codes}"


def _request(request: Upstream) -> Iterator[str]:
    if request.before is not None:
        yield f"first: {request.before}"
    yield f"{request.phase}: {request.send}"
    for name, value in request.headers.items():
        yield f"  {name}: {value}"
    for kind, body in (request.body or {}).items():
        yield f"  {kind}: {msgspec.json.encode(body).decode()}" if kind != "bytes" else f"  {body}"


def _estimate(estimate: Estimate) -> str:
    dollars = "unknown" if estimate.usd is None else f"{estimate.usd:g} dollars"
    return f"{dollars}, {estimate.why}"

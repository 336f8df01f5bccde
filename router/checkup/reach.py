"""What is never asked: targets behind one that keeps everything, wildcards behind a wider one, words without effect."""

from collections.abc import Iterator

from providers.base import Operation
from providers.dialect import Strictness
from router.checkup.findings import Finding
from router.checkup.sheet import Member, Sheet
from router.config.balance import Order
from router.config.mistakes import quoted
from router.config.model import ModelSettings, merge

_OF_THE_MODEL = ("timeout", "fallback_on", "max_billable_attempts")
"""Policies that hold for a whole request, so that a target's own change nothing."""


def unreached(sheet: Sheet) -> Iterator[Finding]:
    """Everything that is written and has no effect on any request."""
    for name, given, chain in sheet.models():
        yield from _repeated(sheet, chain)
        yield from _kept_from(sheet, given, chain)
        yield from _idle_words(sheet, name, given, chain)
    yield from _wildcards(sheet)
    yield from _spellings(sheet)
    used = {member.given.provider for chain in sheet.chains.values() for member in chain}
    for provider in sheet.settings.providers:
        if provider not in used:
            yield sheet.hint(
                ("providers", provider), "no chain uses it", "remove it, or add a target of it", at_key=True
            )


def _repeated(sheet: Sheet, chain: tuple[Member, ...]) -> Iterator[Finding]:
    for index, member in enumerate(chain):
        first = next(at for at, each in enumerate(chain) if each.given == member.given)
        if first < index:
            what = f"the same target as chain[{first}]: what fails there fails here"
            yield sheet.warning(member.place, what, "remove it, or raise 'retry.count'")


def _kept_from(sheet: Sheet, given: ModelSettings, chain: tuple[Member, ...]) -> Iterator[Finding]:
    """Targets behind one that can do all they can, in a chain that no failure moves along."""
    policies = merge(sheet.settings.defaults, given)
    if policies.fallback_on or given.order is not Order.AS_WRITTEN or given.exercise:
        return
    for index, member in enumerate(chain):
        before = next(
            (each for each in chain[:index] if each.given != member.given and _covers(sheet, given, each, member)), None
        )
        if before is not None:
            message = (
                f"{quoted(before.given.target)} before it can do all that it can, and 'fallback_on' is empty: it is "
                "asked only while that one is left out after failures, or for callers that send 'fallback_on_codes'"
            )
            yield sheet.warning(member.place, message, "name failures in 'fallback_on', or remove the target")


def _covers(sheet: Sheet, given: ModelSettings, one: Member, other: Member) -> bool:
    """Whether `one` is never skipped for a request that `other` could serve."""
    strict = merge(sheet.settings.defaults, given, one.given).unsupported is Strictness.ERROR
    if one.dialect is None or other.dialect is None or strict:
        return False
    return (
        all(one.can(operation) for operation in Operation if other.can(operation))
        and one.dialect.max_images >= other.dialect.max_images
        and (one.dialect.mask is not None or other.dialect.mask is None)
        and (transparent(one) or not transparent(other))
    )


def transparent(member: Member) -> bool:
    """Whether it can draw on a transparent background."""
    if member.dialect is None:
        return False
    rules = (member.dialect.rule("background", operation) for operation in member.dialect.operations)
    return any(rule is not None and rule("transparent") is not None for rule in rules)


def _idle_words(sheet: Sheet, name: str, given: ModelSettings, chain: tuple[Member, ...]) -> Iterator[Finding]:
    if given.exercise and len(chain) == 1:
        message = "has no effect: the chain has no second target"
        yield sheet.warning(("models", name, "exercise"), message, "add one, or remove it")
    for member in chain:
        if "weight" in member.given.model_fields_set and given.order is not Order.WEIGHT_BASED:
            message = f"has no effect while the model's order is {given.order}"
            yield sheet.warning((*member.place, "weight"), message, "write 'order: weight_based', or remove it")
        for policy in _OF_THE_MODEL:
            if getattr(member.given, policy) is not None:
                message = "has no effect on a target: it holds for the whole request"
                yield sheet.warning((*member.place, policy), message, "write it at the model")


def _wildcards(sheet: Sheet) -> Iterator[Finding]:
    """The first wildcard that matches a name serves it."""
    wild = [name for name in sheet.settings.models if name.endswith("/*")]
    for index, name in enumerate(wild):
        wider = next((each for each in wild[:index] if name.startswith(each.removesuffix("*"))), None)
        if wider is not None:
            message = f"never asked: {quoted(wider)} above takes every name that it could"
            yield sheet.warning(("models", name), message, f"write it above {quoted(wider)}", at_key=True)


def _spellings(sheet: Sheet) -> Iterator[Finding]:
    """A known model is asked for with and without its maker's name; both should lead to one place."""
    owners: dict[str, tuple[str, str]] = {}
    for name, given in sheet.settings.models.items():
        for index, spelling in enumerate((name, *given.aliases)):
            entry = sheet.catalog.entry(spelling)
            if entry is None:
                continue
            owner, other = owners.setdefault(entry.id, (name, spelling))
            if owner != name:
                what = f"{quoted(spelling)} and {quoted(other)} are one model to callers, and two here"
                place = ("models", name, "aliases", index - 1) if index else ("models", name)
                message = f"{what}: by its spelling a request goes to {quoted(name)} or to {quoted(owner)}"
                yield sheet.warning(place, message, "serve both by one model", at_key=not index)

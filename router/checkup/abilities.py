"""What each target can do, and what the model's name promises beyond it."""

from collections.abc import Iterator

from providers.base import Operation
from providers.dialect import Strictness, Unsupported, translate
from router.checkup.findings import Ability, Finding, Surveyed
from router.checkup.reach import transparent
from router.checkup.sheet import Member, Sheet
from router.config.mistakes import listed, quoted
from router.config.model import ModelSettings, merge


def surveyed(sheet: Sheet) -> Iterator[Surveyed]:
    """Each model with its chain."""
    for name, given, chain in sheet.models():
        entry = sheet.entry(name)
        yield Surveyed(
            name=name,
            aliases=given.aliases,
            chain=tuple(_ability(member) for member in chain),
            retires=entry.retires if entry else None,
            successor=entry.successor if entry else None,
        )


def unable(sheet: Sheet) -> Iterator[Finding]:
    """Targets that can serve nothing of what their model promises, and promises that no target can keep."""
    for name, given, chain in sheet.models():
        entry = sheet.entry(name)
        promised = tuple(operation for operation in Operation if entry is None or entry.can(operation))
        for member in chain:
            yield from _useless(sheet, name, given, member, promised)
        broken = [str(each) for each in promised if not any(member.can(each) for member in chain)]
        if entry is not None and not entry.unconstrained and broken:
            message = f"the name promises {listed(broken)}, which no target of the chain can"
            remedy = "add a target that can; callers who ask for it get an error"
            yield sheet.hint(("models", name), message, remedy, at_key=True)


def _useless(
    sheet: Sheet, name: str, given: ModelSettings, member: Member, promised: tuple[Operation, ...]
) -> Iterator[Finding]:
    if member.dialect is None:
        return
    possible = [operation for operation in promised if member.can(operation)]
    if not possible:
        able = listed(str(operation) for operation in Operation if member.can(operation))
        message = f"never asked: it can {able} only, which {quoted(name)} does not promise"
        yield sheet.warning(member.place, message, "remove it, or serve it under a name of its own")
        return
    strictness = merge(sheet.settings.defaults, given, member.given).unsupported
    reasons = [_refusal(given, member, operation, strictness) for operation in possible]
    if all(reasons):
        message = f"skipped wherever the caller does not say otherwise: {reasons[0]} (the model's 'params')"
        yield sheet.warning(member.place, message, "change the model's 'params', or remove the target")


def _refusal(given: ModelSettings, member: Member, operation: Operation, strictness: Strictness) -> str | None:
    """Why the model's own parameters rule a target out."""
    assert member.dialect is not None  # noqa: S101 - the caller has looked
    if operation is Operation.VARIATION and operation not in member.dialect.operations:
        operation = Operation.EDIT
    try:
        translate(given.params.asked(), member.dialect, operation, strictness)
    except Unsupported as why:
        return str(why)
    return None


def _ability(member: Member) -> Ability:
    dialect, entry = member.dialect, member.entry
    if dialect is None:
        return Ability(target=member.given.target, kind=member.provider.kind, wildcard=True)
    return Ability(
        target=member.given.target,
        kind=member.provider.kind,
        operations=tuple(_operations(member)),
        max_images=dialect.max_images,
        mask=dialect.mask is not None,
        transparent=transparent(member),
        max_n=dialect.max_n,
        stream=dialect.stream and member.adapter.stream is not None,
        retires=entry.retires if entry else None,
        successor=entry.successor if entry else None,
    )


def _operations(member: Member) -> Iterator[str]:
    for operation in Operation:
        if member.can(operation):
            own = member.dialect is None or operation in member.dialect.operations
            yield operation.value if own else f"{operation} by an edit"

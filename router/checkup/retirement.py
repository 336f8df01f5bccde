"""Models that have gone or go soon: since when, what replaces each, and the line to write."""

from collections.abc import Iterator
from datetime import date, timedelta

import providers
from router.catalog import Entry
from router.checkup.findings import Finding
from router.checkup.sheet import Member, Sheet
from router.config.mistakes import listed, quoted

SOON = timedelta(days=60)


def retiring(sheet: Sheet, today: date) -> Iterator[Finding]:
    """Targets that fail or will, and names whose callers should move on."""
    for name, _, chain in sheet.models():
        held = {(member.given.provider, _model(member)) for member in chain}
        for member in chain:
            if member.entry is not None and _goes(member.entry, today):
                yield _target(sheet, held, member, member.entry, today)
        entry = sheet.entry(name)
        if entry is not None and _goes(entry, today):
            yield _name(sheet, name, entry, today)


def when(retires: date, today: date) -> str:
    """`is retired since 2026-05-12`, `retires on 2026-12-01, in 10 days`."""
    if retires <= today:
        return f"is retired since {retires}"
    days = (retires - today).days
    return f"retires on {retires}, in {days} day{'s' * (days > 1)}"


def _goes(entry: Entry, today: date) -> bool:
    return entry.retires is not None and entry.retires <= today + SOON


def _target(sheet: Sheet, held: set[tuple[str, str]], member: Member, entry: Entry, today: date) -> Finding:
    """One target that goes. `held` is what the chain has by now, with the successors of those before."""
    given = member.given
    assert entry.retires is not None  # noqa: S101 - the caller has looked
    really = f" ({given.like})" if given.like else ""
    message = f"{quoted(given.target)}{really} {when(entry.retires, today)}"
    heir = _heir(sheet, member, entry, today)
    if heir is None:
        remedy = "the catalogue names no successor, so put a model that lasts in its place"
        return sheet.warning(member.place, message, remedy)
    home = _home(sheet, member, heir)
    if home is None:
        remedy = (
            f"its successor is {quoted(heir.id)}, so add a provider of kind {listed(_kinds(heir))} and a target there"
        )
        return sheet.warning(member.place, message, remedy)
    if (home, heir.bare) in held:
        remedy = f"its successor, {quoted(heir.id)}, is in the chain by then, so remove this target"
        return sheet.warning(member.place, message, remedy)
    held.add((home, heir.bare))
    if given.like is not None and home == given.provider:
        write = sheet.rewritten((*member.place, "like"), given.like, heir.bare)
        remedy = f"its successor is {quoted(heir.id)}, so put that behind {quoted(given.model)} and write"
        return sheet.warning(member.place, message, f"{remedy} 'like: {heir.bare}'", write)
    target = f"{home}/{heir.bare}"
    spelled_out = not sheet.tree.find((*member.place, "target"))[1]
    place = (*member.place, "target") if spelled_out else member.place
    write = "" if given.like is not None else sheet.rewritten(place, given.target, target)  # it is like no other now
    write = write or f"- {target}"
    return sheet.warning(member.place, message, f"its successor is {quoted(heir.id)}, so write {quoted(target)}", write)


def _name(sheet: Sheet, name: str, entry: Entry, today: date) -> Finding:
    assert entry.retires is not None  # noqa: S101 - the caller has looked
    message = f"callers ask for {quoted(entry.id)}, which {when(entry.retires, today)}"
    heir = f"move them to {quoted(entry.successor)} when they can" if entry.successor else "move them when they can"
    return sheet.hint(("models", name), message, f"the name keeps its rules here; {heir}", at_key=True)


def _model(member: Member) -> str:
    return member.given.like or member.given.model


def _heir(sheet: Sheet, member: Member, entry: Entry, today: date) -> Entry | None:
    """The first successor in line that lasts where the target is."""
    seen = {entry.id}
    heir = sheet.catalog.entries.get(entry.successor or "")
    while heir is not None and heir.id not in seen:
        there = sheet.catalog.backend(member.provider.kind, heir.bare) or heir
        if not _goes(there, today):
            return heir
        seen.add(heir.id)
        heir = sheet.catalog.entries.get(there.successor or "")
    return None


def _home(sheet: Sheet, member: Member, heir: Entry) -> str | None:
    """The provider to ask for the successor: the target's own, else another of the configuration's."""
    kinds = _kinds(heir)
    others = (name for name, provider in sheet.settings.providers.items() if provider.kind in kinds)
    return member.given.provider if member.provider.kind in kinds else next(others, None)


def _kinds(entry: Entry) -> list[str]:
    """The kinds of provider that are known to have a model."""
    return [kind for kind in providers.kinds() if kind == entry.owner or kind in entry.prices]

"""Chains that fall together: all their members at one account, or at one host."""

from collections.abc import Iterator
from urllib.parse import urlsplit

from router.checkup.findings import Finding
from router.checkup.sheet import Member, Sheet
from router.config.mistakes import quoted


def shared(sheet: Sheet) -> Iterator[Finding]:
    """Chains of several targets that one failure of an account or a host takes down whole."""
    for name, _, chain in sheet.models():
        if len({member.given.target for member in chain}) < 2 or any(member.adapter.local for member in chain):
            continue
        place = ("models", name, "chain")
        names = list(dict.fromkeys(member.given.provider for member in chain))
        hosts = {_host(member) for member in chain}
        if len(names) == 1 and len(chain[0].provider.api_keys) < 2:
            message = (
                f"every target is at one account, {quoted(names[0])}: its limits, bill and key are the whole chain's"
            )
            yield sheet.hint(place, message, "add a target of another provider", at_key=True)
        elif len(names) > 1 and _one_key(chain):
            message = f"every target is at one account: {' and '.join(map(quoted, names))} have the same key"
            yield sheet.hint(place, message, "give each an account of its own", at_key=True)
        elif len(names) > 1 and len(hosts) == 1:
            message = f"every target is at one host, {quoted(hosts.pop())}: where it is down, so is the chain"
            yield sheet.hint(place, message, "add a target elsewhere", at_key=True)


def _host(member: Member) -> str:
    return urlsplit(member.provider.base_url or member.adapter.base_url or "").hostname or ""


def _one_key(chain: tuple[Member, ...]) -> bool:
    """Whether several providers are one account under several names."""
    keys = {member.provider.api_key for member in chain}
    return len(keys) == 1 and None not in keys and len({(member.provider.kind, _host(member)) for member in chain}) == 1

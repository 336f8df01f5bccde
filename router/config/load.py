"""A file to a configuration, or to every mistake in it."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from router.config.checks import Finding, chains_by_provider, check
from router.config.mistakes import ConfigError, Mistake, in_order, quoted
from router.config.model import Settings
from router.config.nodes import Node, parse
from router.config.references import Unset, fill
from router.config.schema import schema
from router.config.validate import validate

__all__ = ["ConfigError", "Loaded", "Mistake", "load", "read_text", "schema"]

MAX_BYTES = 4 << 20


@dataclass(frozen=True, slots=True)
class Loaded:
    """A configuration that can be used. `text_hash` is the SHA-256 of the file as it was read."""

    settings: Settings
    warnings: tuple[Mistake, ...]
    text_hash: str


def load(path: Path, environ: Mapping[str, str]) -> Loaded:
    """Read a configuration.

    Raises:
        ConfigError: it cannot be used; all its mistakes.
    """
    file = str(path)
    text = read_text(path)
    tree, mistakes = parse(text, file)
    malformed, unset = fill(tree, file, environ, path.parent)
    written = {node.place for node in tree.walk()}
    settings, illegal = validate(tree, Settings, file, path.parent)
    mistakes += malformed + illegal
    findings = list(check(settings, written)) if settings is not None else []
    mistakes += [_mistake(finding, tree, file) for finding in findings if finding.grave]
    warnings = [_mistake(finding, tree, file) for finding in findings if not finding.grave]
    users = chains_by_provider(settings) if settings is not None else {}
    for each in unset:
        told, grave = _unset(each, file, users)
        (mistakes if grave else warnings).append(told)
    if mistakes or settings is None:
        raise ConfigError(mistakes)
    return Loaded(settings, in_order(warnings), hashlib.sha256(text.encode()).hexdigest())


def read_text(path: Path) -> str:
    """A file's text.

    Raises:
        ConfigError: it is not there, too large, or no UTF-8.
    """
    file = str(path)
    try:
        with path.open("rb") as opened:
            raw = opened.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise ConfigError([Mistake(file, 0, 0, "", "no such file: check the path")]) from None
    except OSError as error:
        raise ConfigError([Mistake(file, 0, 0, "", f"cannot be read ({error.strerror}): check the path")]) from None
    if len(raw) > MAX_BYTES:
        raise ConfigError([Mistake(file, 0, 0, "", "larger than 4MiB: no config is, so check the path")])
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = raw[: error.start].decode("utf-8-sig", "replace")
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
        raise ConfigError([Mistake(file, line, column, "", "not UTF-8: save the file in that encoding")]) from None


def _mistake(finding: Finding, tree: Node, file: str) -> Mistake:
    way, rest = tree.find(finding.place)
    # a place that is not there is one that a default fills: its parent's key stands for it
    return way[-1].mistake(file, finding.message, at_key=finding.at_key or (bool(rest) and len(way) > 1))


def _unset(unset: Unset, file: str, users: Mapping[str, str]) -> tuple[Mistake, bool]:
    """The words for a reference that leads nowhere, and whether it matters.

    It does not where it is the key of a provider that no chain uses.
    """
    place = unset.node.place
    if not (len(place) == 3 and place[0] == "providers" and place[2] == "api_key"):
        return unset.node.mistake(file, f"{unset.why}: {unset.remedy}"), True
    user = users.get(str(place[1]))
    used = f"model {quoted(user)} uses this provider" if user else "no chain uses this provider yet"
    return unset.node.mistake(file, f"{unset.why}, and {used}: {unset.remedy}"), user is not None

"""A file to a configuration, or to every mistake in it."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec

from router.config.checks import Finding, chains_by_provider, check
from router.config.keys import Stored, StoredKey, key_findings, plain_keys, stored_keys
from router.config.mistakes import ConfigError, Mistake, in_order, quoted
from router.config.model import Server, Settings
from router.config.nodes import Node, parse
from router.config.references import Unset, fill
from router.config.schema import schema
from router.config.text import Reader, read_text
from router.config.validate import validate
from router.config.values import Record
from router.config.workflows import Graphs, Unreadable, graphs

__all__ = ["ConfigError", "Loaded", "Mistake", "load", "read_text", "schema", "server_of"]


class _ServerAlone(Record):
    server: Server = Server()


@dataclass(frozen=True, slots=True)
class Loaded:
    """A configuration that can be used.

    `text_hash` is the SHA-256 of the file as it was read, of the graphs that it names, which `graphs` has by provider,
    and of its file of `keys`; `texts` are all of them as they were read, references not filled in.
    `secret_files` are those that references name. `plain_keys` are the names of the keys that stand in the file itself
    and may not where other machines can reach the router.
    """

    settings: Settings
    warnings: tuple[Mistake, ...]
    text_hash: str
    graphs: Mapping[str, Graphs] = field(default_factory=dict)
    texts: Mapping[Path, str] = field(default_factory=dict, repr=False)
    secret_files: frozenset[Path] = frozenset()
    keys: tuple[StoredKey, ...] = ()
    plain_keys: tuple[str, ...] = ()

    @property
    def files(self) -> frozenset[Path]:
        """Every file that went into it."""
        return self.secret_files | self.texts.keys()

    def same(self, other: "Loaded") -> bool:
        """Whether nothing differs, the values of references included."""
        return (self.text_hash, self.settings) == (other.text_hash, other.settings)


def load(path: Path, environ: Mapping[str, str], read: Reader = read_text) -> Loaded:
    """Read a configuration.

    Raises:
        ConfigError: it cannot be used; all its mistakes.
    """
    texts: dict[Path, str] = {}

    def noted(file: Path) -> str:
        texts[file] = read(file)
        return texts[file]

    file = str(path)
    text = noted(path)
    tree, mistakes = parse(text, file)
    named: set[Path] = set()
    malformed, unset = fill(tree, file, environ, path.parent, named)
    written = {node.place for node in tree.walk()}
    settings, illegal = validate(tree, Settings, file, path.parent)
    mistakes += malformed + illegal
    unreadable: list[Unreadable] = []
    found = graphs(settings, noted, mistakes, unreadable) if settings is not None else {}
    findings = [Finding(each.place, each.why) for each in unreadable]
    findings += check(settings, written, found) if settings is not None else []
    stored = stored_keys(settings.server, noted, mistakes, findings) if settings is not None else Stored()
    findings += key_findings(settings.server, stored.keys, tree, environ) if settings is not None else []
    mistakes += [_mistake(finding, tree, file) for finding in findings if finding.grave]
    warnings = [*stored.warnings, *(_mistake(finding, tree, file) for finding in findings if not finding.grave)]
    users = chains_by_provider(settings) if settings is not None else {}
    for each in unset:
        told, grave = _unset(each, file, users)
        (mistakes if grave else warnings).append(told)
    if mistakes or settings is None:
        raise ConfigError(mistakes)
    whole = text.encode() + (msgspec.json.encode(found) if found else b"")
    whole += texts[settings.server.keys_file].encode() if settings.server.keys_file is not None else b""
    return Loaded(
        settings,
        in_order(warnings),
        hashlib.sha256(whole).hexdigest(),
        found,
        texts,
        frozenset(named),
        stored.keys,
        tuple(plain_keys(settings.server, tree, environ)),
    )


def server_of(path: Path, environ: Mapping[str, str]) -> tuple[Server, bool]:
    """The `server` part of a configuration, and whether the file has mistakes: what can be saved of it counts.

    References that lead nowhere are no mistakes here: secrets are the router's to have.

    Raises:
        ConfigError: nothing can be saved, or not the place of the keys.
    """
    file = str(path)
    tree, mistakes = parse(read_text(path), file)
    malformed, unset = fill(tree, file, environ, path.parent, set())
    for each in unset:
        if each.node.place == ("server", "keys_file"):
            raise ConfigError([each.node.mistake(file, f"{each.why}: {each.remedy}")])
        each.node.broken = each.node.place[:2] != ("server", "keys")  # a caller's key counts as given
    part = replace(tree, value={name: node for name, node in tree.value.items() if name == "server"})
    found, illegal = validate(part, _ServerAlone, file, path.parent)
    if found is None:
        raise ConfigError(mistakes + malformed + illegal)
    _, others = validate(tree, Settings, file, path.parent)
    return found.server, bool(mistakes + malformed + illegal + others)


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

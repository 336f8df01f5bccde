"""A configuration and where its values stand: what every check reads."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import providers
from providers.base import Adapter, Operation
from providers.dialect import Dialect
from router.catalog import Catalog, Entry
from router.checkup.findings import Finding, Severity
from router.config.load import Loaded
from router.config.mistakes import Place, spell
from router.config.model import ModelSettings, ProviderSettings, Settings, TargetSettings
from router.config.nodes import Node, parse
from router.config.workflows import equipped, known_as


@dataclass(frozen=True, slots=True)
class Member:
    """One member of a chain. `dialect` is None for a wildcard's, `entry` is what the catalogue knows of its model."""

    place: Place
    given: TargetSettings
    provider: ProviderSettings
    adapter: Adapter
    dialect: Dialect | None
    entry: Entry | None

    def can(self, operation: Operation) -> bool:
        """Whether it has an operation, if need be by another; a wildcard's model may have any."""
        if self.dialect is None:
            return True
        if operation is Operation.VARIATION and self.dialect.variation_prompt is not None:
            return Operation.EDIT in self.dialect.operations
        return operation in self.dialect.operations


@dataclass(frozen=True, slots=True)
class Sheet:
    """A configuration, its text, and the tree of its places."""

    file: str
    settings: Settings
    catalog: Catalog
    chains: Mapping[str, tuple[Member, ...]]
    tree: Node
    lines: tuple[str, ...]

    @classmethod
    def of(cls, path: Path, loaded: Loaded, catalog: Catalog) -> "Sheet":
        """What was loaded from `path`."""
        text = loaded.texts[path]
        chains = {name: tuple(_members(name, given, loaded, catalog)) for name, given in loaded.settings.models.items()}
        tree, _ = parse(text, str(path))
        return cls(str(path), loaded.settings, catalog, chains, tree, tuple(text.splitlines()))

    def models(self) -> Iterator[tuple[str, ModelSettings, tuple[Member, ...]]]:
        """Each model with its chain."""
        for name, given in self.settings.models.items():
            yield name, given, self.chains[name]

    def entry(self, name: str) -> Entry | None:
        """What the catalogue promises callers of a model; None where ops declared it unconstrained."""
        return None if self.settings.models[name].unconstrained else self.catalog.entry(name)

    def warning(self, place: Place, message: str, remedy: str, write: str = "", *, at_key: bool = False) -> Finding:
        """Part of the configuration does not do what it says."""
        return self._finding(Severity.WARNING, place, message, remedy, write, at_key=at_key)

    def hint(self, place: Place, message: str, remedy: str, *, at_key: bool = False) -> Finding:
        """Something worth knowing."""
        return self._finding(Severity.HINT, place, message, remedy, at_key=at_key)

    def rewritten(self, place: Place, old: str, new: str) -> str:
        """The line of a value with another in its stead; empty where the line does not spell the value out."""
        node = self.tree.find(place)[0][-1]
        line = self.lines[node.line - 1]
        before, after = line[: node.column - 1], line[node.column - 1 :]
        return (before + after.replace(old, new, 1)).strip() if old in after else ""

    def _finding(
        self, severity: Severity, place: Place, message: str, remedy: str, write: str = "", *, at_key: bool = False
    ) -> Finding:
        way, rest = self.tree.find(place)
        node = way[-1]
        at_key = at_key or bool(rest)  # what is not there is a default's: its parent's key stands for it
        return Finding(
            severity=severity,
            file=self.file,
            line=node.key_line if at_key else node.line,
            column=node.key_column if at_key else node.column,
            where=spell(node.place),
            message=message,
            remedy=remedy,
            write=write,
        )


def _members(name: str, model: ModelSettings, loaded: Loaded, catalog: Catalog) -> Iterator[Member]:
    for index, given in enumerate(model.chain):
        provider = loaded.settings.providers[given.provider]
        adapter = equipped(providers.load(provider.kind), loaded.graphs.get(given.provider))
        wildcard = given.model == "*"
        yield Member(
            place=("models", name, "chain", index),
            given=given,
            provider=provider,
            adapter=adapter,
            dialect=None if wildcard else adapter.dialect(known_as(given, loaded.graphs)),
            entry=None if wildcard else catalog.backend(provider.kind, given.like or given.model),
        )

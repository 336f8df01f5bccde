"""The graphs that a configuration names: read from their files, and every mistake in them told where it stands."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

import providers
from providers.base import Adapter, Workflows
from router.config.mistakes import ConfigError, Mistake, Place
from router.config.model import Settings, TargetSettings
from router.config.nodes import Node, parse
from router.config.text import Reader

_EXPORT = "save the workflow with 'Export (API)'"
_BYTE = re.compile(r"\(byte (\d+)\)")

Graphs = Mapping[str, Sequence[Any]]
"""Model -> its graphs, without flaws."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A file of the configuration's that cannot be read: the place that names it, and why."""

    place: Place
    why: str


@dataclass(frozen=True, slots=True)
class _File:
    path: str
    tree: Node
    graph: Any


def graphs(
    settings: Settings, read: Reader, mistakes: list[Mistake], unreadable: list[Unreadable]
) -> dict[str, Graphs]:
    """Provider -> the graphs that it runs, where there are any; mistakes are added to the lists."""
    found: dict[str, Graphs] = {}
    for name, provider in settings.providers.items():
        try:
            spoken = providers.load(provider.kind).workflows
        except LookupError:  # told elsewhere
            spoken = None
        if spoken is None or not provider.workflows:
            continue
        before = len(mistakes) + len(unreadable)
        given = {
            model: list(_files(paths, read, ("providers", name, "workflows", model), mistakes, unreadable))
            for model, paths in provider.workflows.items()
        }
        mistakes += [told for files in given.values() for told in _flaws(spoken, files)]
        if len(mistakes) + len(unreadable) == before:
            found[name] = {model: [file.graph for file in files] for model, files in given.items()}
    return found


def equipped(adapter: Adapter, own: Graphs | None) -> Adapter:
    """The adapter of a provider that has these graphs, or none."""
    return adapter.workflows.equipped(own) if adapter.workflows is not None and own else adapter


def known_as(target: TargetSettings, found: Mapping[str, Graphs]) -> str:
    """The name by which a target's tables are found: that of its own graphs, else of the model that it really is."""
    own = target.model in found.get(target.provider, {})
    return target.model if own else target.like or target.model


def _files(
    paths: Sequence[Path], read: Reader, place: Place, mistakes: list[Mistake], unreadable: list[Unreadable]
) -> Iterator[_File]:
    for index, path in enumerate(paths):
        file = str(path)
        try:
            text = read(path)
            graph = msgspec.json.decode(text)
            tree, odd = parse(text, file)
        except msgspec.DecodeError as error:
            mistakes.append(_no_json(file, text, str(error)))
        except RecursionError:
            mistakes.append(Mistake(file, 1, 1, "", f"nested without end: {_EXPORT}"))
        except ConfigError as error:
            mistakes += [mistake for mistake in error.mistakes if mistake.line]
            unreadable += [Unreadable((*place, index), told.message) for told in error.mistakes if not told.line]
        else:
            mistakes += odd
            yield _File(file, tree, graph)


def _no_json(file: str, text: str, why: str) -> Mistake:
    found = _BYTE.search(why)
    before = text.encode()[: int(found[1])].decode(errors="replace") if found else text.rstrip()
    line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
    return Mistake(file, line, column, "", f"not valid JSON from here on: {_EXPORT}")


def _flaws(spoken: Workflows, files: Sequence[_File]) -> Iterator[Mistake]:
    for index, place, message in spoken.flaws([file.graph for file in files]):
        file = files[index]
        yield file.tree.find(place)[0][-1].mistake(file.path, message)

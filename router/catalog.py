"""What a public model name promises its callers, what it costs, and when it retires. Data: `config/catalog/*.yaml`.

The catalogue says what callers of a name may send; how a backend spells it is the dialect beside its adapter.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from pydantic import Field

from providers.base import Operation
from router import shipped
from router.config.load import read_text
from router.config.mistakes import ConfigError, Mistake, quoted, suggestion
from router.config.nodes import Node, parse
from router.config.prices import ImagePrice, Price, TokenPrice
from router.config.validate import validate
from router.config.values import Alias, PictureSize, Record

__all__ = ["Catalog", "Entry", "ImagePrice", "Price", "SizeRule", "TokenPrice", "load_catalog"]


class SizeRule(Record):
    """Any `WxH` with both sides multiples of `step`, within `area` pixels, `longest` side and `ratio` to one."""

    step: int
    longest: int
    area: tuple[int, int]
    ratio: float


class Entry(Record):
    """One public model.

    An empty list of words means that the model has no such parameter. `sizes` holds `auto` where that is legal;
    `size_rule` adds sizes to the list. `links`: the model can answer with addresses, which is then its default form.
    `prices` are by provider kind: the same name may cost more elsewhere. `unconstrained`: only types are checked, and
    operations left out are left to the targets.
    """

    id: Alias
    operations: frozenset[Operation] = frozenset(Operation)
    created: int = 0
    sizes: tuple[PictureSize, ...] = ()
    size_rule: SizeRule | None = None
    default_size: PictureSize | None = None
    qualities: tuple[str, ...] = ()
    default_quality: str | None = None
    styles: tuple[str, ...] = ()
    default_style: str | None = None
    backgrounds: tuple[str, ...] = ()
    output_formats: tuple[str, ...] = ()
    moderations: tuple[str, ...] = ()
    input_fidelities: tuple[str, ...] = ()
    links: bool = False
    stream: bool = False
    n_max: int = 10
    prompt_max: int = 32_000
    max_images: int = 0
    max_image_bytes: int = 50_000_000
    input_types: frozenset[str] = frozenset({"image/png", "image/jpeg", "image/webp"})
    square_input: bool = False
    mask: bool = False
    prices: dict[str, Price] = Field(default_factory=dict)
    retires: date | None = None
    successor: str | None = None
    unconstrained: bool = False

    def can(self, operation: Operation) -> bool:
        """Whether the name promises an operation; whatever edits can be asked for a variation."""
        if operation is Operation.VARIATION and Operation.EDIT in self.operations:
            return True
        return operation in self.operations

    @property
    def owner(self) -> str:
        """Who makes the model."""
        return self.id.partition("/")[0]

    @property
    def bare(self) -> str:
        """The name without the owner."""
        return self.id.partition("/")[2]


class CatalogFile(Record):
    """A part of the catalogue of image models."""

    models: tuple[Entry, ...] = Field(min_length=1)


@dataclass(frozen=True, slots=True)
class Catalog:
    """Every known model, by id and by bare name."""

    entries: Mapping[str, Entry]
    bare: Mapping[str, Entry]

    def entry(self, name: str) -> Entry | None:
        """What is known of a public name. `dall-e-3` means OpenAI's; others are known by owner and name only."""
        return self.entries.get(name) or self.entries.get(f"openai/{name}")

    def backend(self, kind: str, model: str) -> Entry | None:
        """What is known of a model at a kind of provider; elsewhere than there, of the model as such."""
        return self.entries.get(f"{kind}/{model}") or self.bare.get(model)

    def price(self, kind: str, model: str) -> Price | None:
        """What a model costs at a kind of provider; None where that is not known."""
        for entry in (self.entries.get(f"{kind}/{model}"), self.bare.get(model)):
            if entry is not None and kind in entry.prices:
                return entry.prices[kind]
        return None


def load_catalog(directory: Path | None = None) -> Catalog:
    """Read every file of a catalogue: the shipped one, or your own.

    Raises:
        ConfigError: it cannot be used; all its mistakes.
    """
    directory = directory or shipped.path("catalog")
    paths = sorted(directory.glob("*.yaml"))
    if not paths:
        raise ConfigError([Mistake(str(directory), 0, 0, "", "no catalogue: the directory holds no .yaml file")])
    mistakes: list[Mistake] = []
    found: list[tuple[Entry, Node, str]] = []
    for path in paths:
        file = str(path)
        try:
            tree, problems = parse(read_text(path), file)
        except ConfigError as error:
            mistakes += error.mistakes
            continue
        content, illegal = validate(tree, CatalogFile, file, directory)
        mistakes += [*problems, *illegal]
        if content is not None:
            found += [(entry, tree.find(("models", i))[0][-1], file) for i, entry in enumerate(content.models)]
    entries = {entry.id: entry for entry, _, _ in reversed(found)}
    mistakes += _across(found, entries)
    if mistakes:
        raise ConfigError(mistakes)
    # an openai name is meant where several owners have the same bare one
    ranked = sorted(entries.values(), key=lambda entry: (entry.owner != "openai", entry.id))
    return Catalog(entries, {entry.bare: entry for entry in reversed(ranked)})


def _across(found: list[tuple[Entry, Node, str]], entries: Mapping[str, Entry]) -> Iterator[Mistake]:
    for entry, node, file in found:
        if entries[entry.id] is not entry:
            yield node.mistake(file, f"{quoted(entry.id)} is in the catalogue twice: keep one")
        if not entry.bare:
            yield node.mistake(file, f"{quoted(entry.id)} names no owner: write owner/model")
        if entry.successor is not None and entry.successor not in entries:
            hint = suggestion(entry.successor, entries) or ": name one that is"
            yield node.mistake(file, f"the successor {quoted(entry.successor)} is not in the catalogue{hint}")
        if entry.default_size is not None and entry.default_size not in entry.sizes:
            yield node.mistake(file, f"the default size {quoted(entry.default_size)} is not among its sizes: add it")
        if entry.default_quality is not None and entry.default_quality not in entry.qualities:
            told = f"the default quality {quoted(entry.default_quality)} is not among its qualities: add it"
            yield node.mistake(file, told)

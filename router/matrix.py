"""What the kinds of provider can do, read from their tables: the support matrix and its sums, in Markdown."""

import re
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path

import providers
from providers.base import Adapter, Operation
from providers.dialect import PARAMETERS, AnySize, Dialect, Grid, Named, Ratios, Rule, Sizes, Tiered, parameter_name
from router import shipped
from router.catalog import Catalog, load_catalog

_GOLDEN = Path(__file__).parent.parent / "tests" / "wire"
_MARKED = re.compile(r"(?<=<!-- matrix -->\n).*?(?=<!-- /matrix -->)", re.DOTALL)
_HEADS = ("kind", "operations", "masks", "input pictures", "pictures per call", "streams", "sizes", "parameters")
_SIZES: tuple[tuple[str, tuple[type, ...]], ...] = (
    ("any", (AnySize,)),
    ("grid", (Grid,)),
    ("list", (Sizes, Named)),
    ("ratios", (Ratios, Tiered)),
)
_UNSHOWN = {"shape", "response_format"}  # sizes have a column, and the form of answers is the router's own business


def matrix() -> str:
    """The support matrix in Markdown: a row for each kind, over all its models."""
    rows = (_HEADS, ("---",) * len(_HEADS), *(_row(kind, providers.load(kind)) for kind in providers.kinds()))
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def stats() -> str:
    """The sums in one line; golden files are counted in a source tree alone.

    A model is a catalogue entry at a kind that it is named for or priced at; a dialect is a pattern of model names.
    """
    kinds = providers.kinds()
    catalog = load_catalog(shipped.path("catalog"))
    counts = {
        "kinds": len(kinds),
        "models": sum(len(models(kind, catalog)) for kind in kinds),
        "dialects": sum(len(providers.load(kind).dialects) for kind in kinds),
        "golden files": sum(1 for kind in kinds for _ in (_GOLDEN / kind).glob("*.yaml")),
    }
    return ", ".join(f"{count} {what}" for what, count in counts.items() if what != "golden files" or _GOLDEN.is_dir())


def models(kind: str, catalog: Catalog) -> list[str]:
    """The catalogue's models that are named for a kind or priced at it."""
    return sorted(entry.id for entry in catalog.entries.values() if entry.owner == kind or kind in entry.prices)


def written(text: str) -> str:
    """A document with the matrix and the sums of today between its markers.

    Raises:
        ValueError: it has no markers, or several pairs.
    """
    if len(_MARKED.findall(text)) != 1:
        raise ValueError("no place for the matrix: write one line <!-- matrix --> and below it one <!-- /matrix -->")
    return _MARKED.sub(lambda _: f"\n{matrix()}\n\n{stats()}.\n\n", text)


def _row(kind: str, adapter: Adapter) -> tuple[str, ...]:
    dialects = adapter.dialects.values()
    return (
        f"`{kind}`",
        ", ".join(_operations(adapter)),
        ", ".join(sorted({dialect.mask for dialect in dialects if dialect.mask})) or "-",
        str(max(dialect.max_images for dialect in dialects) or "-"),
        str(max(dialect.max_n for dialect in dialects)),
        "yes" if adapter.stream and any(dialect.stream for dialect in dialects) else "-",
        ", ".join(sorted({word for dialect in dialects for word in _sizes(dialect)})) or "-",
        ", ".join(parameter_name(name) for name in sorted(PARAMETERS - _UNSHOWN) if _known(name, adapter)) or "-",
    )


def _operations(adapter: Adapter) -> Iterator[str]:
    dialects = adapter.dialects.values()
    for operation in Operation:
        if any(operation in dialect.operations for dialect in dialects):
            yield operation
        elif operation is Operation.VARIATION and any(dialect.variation_prompt for dialect in dialects):
            yield f"{operation} by an edit"


def _known(parameter: str, adapter: Adapter) -> bool:
    return any(
        dialect.rule(parameter, operation) is not None
        for dialect in adapter.dialects.values()
        for operation in dialect.operations
    )


def _sizes(dialect: Dialect) -> set[str]:
    """The kinds of rule by which sizes are asked for."""
    rules = (dialect.rule("shape", operation) for operation in dialect.operations)
    return {_size(rule) for rule in rules if rule is not None}


def _size(rule: Rule) -> str:
    """The word for a rule, or for the one that it wraps; `own` for one that only its kind has."""
    parts = [getattr(rule, part.name) for part in fields(rule)] if is_dataclass(rule) else []
    return next((word for each in (rule, *parts) for word, rules in _SIZES if isinstance(each, rules)), "own")

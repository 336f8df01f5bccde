"""Imports go down, each library keeps to its place, and files stay small: read from the source, without running it."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
LONGEST = 400
ADAPTER = "providers.<kind>"

# Top to bottom. A unit is a module or a package; what is inside one is its own affair.
LEVELS = (
    ("router.__main__",),
    ("router.cli",),
    ("router.commands",),
    ("router.serving",),
    ("router.app", "router.matrix", "router.demo"),
    ("router.api",),
    ("router.service",),
    ("router.runtime",),
    ("router.messages", "router.auth", "router.observe", "router.replay", "router.allowance", "router.explain"),
    ("router.engine", "router.checkup"),
    (
        "router.wire",
        "router.images",
        "router.catalog",
        "router.usage",
        "router.health",
        "router.admission",
        "router.state",
    ),
    ("router.migrate",),
    ("router.config", "router.shipped", "router.tracing"),
    ("router",),
    ("providers",),
    (ADAPTER,),
    ("providers.self_hosted",),
    ("providers.images_api", "providers.stable_image"),
    ("providers.dialect", "providers.auth"),
    ("providers.base",),
    ("providers.answers",),
    ("providers.errors", "providers.shapes", "providers.cargo"),
    ("providers.http",),
)
LEVEL = {unit: number for number, units in enumerate(LEVELS) for unit in units}

# From, to, and what for: the only arrows that do not go down.
OTHER_ARROWS = {
    ("router.auth", "router.messages"): "a caller is refused in the words of the contract",
    ("router.replay", "router.messages"): "an answer is kept as it was rendered",
    ("router.allowance", "router.auth"): "limits and budgets are a caller's",
    ("router.allowance", "router.messages"): "a caller is refused in the words of the contract",
    ("router.observe", "router.auth"): "a log line names the caller",
    ("router.wire", "router.admission"): "what is read is counted, and waits where there is no room for it",
    ("router.wire", "router.images"): "a picture is known by its first bytes",
    ("router.wire", "router.usage"): "what one stream used is summed as all else",
    ("router.usage", "router.catalog"): "prices stand in the catalogue",
    ("router.usage", "router.images"): "a picture is priced by its size",
    ("providers.base", "providers.dialect"): "an adapter names its dialects, as a type alone",
}

PLACES = {
    "httpcore": ("providers.http",),
    "httpx": ("providers.http",),
    "opentelemetry": ("router.tracing",),
    "prometheus_client": ("router.observe",),
    "starlette": ("router.api", "router.app", "router.serving", "router.demo"),
    "structlog": ("router.observe",),
}


def module_name(path: Path) -> str:
    """`router/engine/__init__.py` is `router.engine`."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for package in ("router", "providers") for path in (ROOT / package).rglob("*.py")}


def unit_of(module: str) -> str:
    """The row of `LEVELS` that a module belongs to."""
    unit = ".".join(module.split(".")[:2])
    return ADAPTER if unit.startswith("providers.") and unit not in LEVEL else unit


def imports(module: str) -> Iterator[tuple[str, int]]:
    """Every module that one module names, wherever in the file, with the line."""
    for node in ast.walk(ast.parse(MODULES[module].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            package = "." * node.level + (node.module or "")
            for alias in node.names:
                name = f"{package}.{alias.name}"
                yield (name if name in MODULES else package), node.lineno


def arrows() -> Iterator[tuple[str, str, str]]:
    """Every import as (module, imported, place)."""
    for module, path in sorted(MODULES.items()):
        for imported, line in imports(module):
            yield module, imported, f"{path.relative_to(ROOT)}:{line}"


def may_import(importer: str, imported: str) -> bool:
    """Whether the arrow from one unit to another is drawn."""
    if importer == imported or (importer, imported) in OTHER_ARROWS:
        return True
    return LEVEL[importer] < LEVEL[imported]


def test_every_module_has_a_level() -> None:
    """A new module of the router is placed in `LEVELS` before it is used."""
    assert {unit_of(module) for module in MODULES} - LEVEL.keys() == set()


def test_imports_go_down() -> None:
    """No module imports one above it, nor a neighbour, but for `OTHER_ARROWS`; no adapter knows the router."""
    ours = [arrow for arrow in arrows() if arrow[1].split(".")[0] in {"router", "providers"}]
    wrong = [f"{at}: {a} imports {b}" for a, b, at in ours if not may_import(unit_of(a), unit_of(b))]
    assert wrong == []


def test_imports_are_absolute() -> None:
    """Every import is written in full, so that the arrows can be read."""
    assert [f"{at}: {a} imports {b}" for a, b, at in arrows() if b.startswith(".")] == []


def test_libraries_keep_to_their_place() -> None:
    """HTTP, the server, metrics and logs are each known in one place, so that each can be replaced there."""
    wrong = [
        f"{at}: {module} imports {library}"
        for module, imported, at in arrows()
        if (library := imported.split(".")[0]) in PLACES
        and not any(module == place or module.startswith(f"{place}.") for place in PLACES[library])
    ]
    assert wrong == []


def test_files_stay_small() -> None:
    """No file of code is longer than a reader's patience."""
    files = [
        path
        for folder in ("router", "providers", "tests", "bench", "grafana")
        for path in (ROOT / folder).rglob("*.py")
    ]
    lengths = {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8").count("\n") for path in files}
    assert {file: lines for file, lines in lengths.items() if lines > LONGEST} == {}

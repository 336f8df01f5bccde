"""The support matrix and its sums: generated from the tables, and fresh in the README."""

import re
from pathlib import Path

import pytest
from click.testing import CliRunner
from serving import ROOT

import providers
from providers.base import Operation
from router import matrix
from router.catalog import load_catalog
from router.cli import main

README = (ROOT / "README.md").read_text(encoding="utf-8")


def said(*options: str) -> str:
    """What `image-router providers` prints with these options."""
    done = CliRunner().invoke(main, ["providers", *options])
    assert done.exit_code == 0, done.output
    return done.output.rstrip("\n")


def rows() -> dict[str, dict[str, str]]:
    """The matrix as printed: kind -> column -> cell."""
    head, _, *body = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in said("--matrix").splitlines()]
    return {row[0].strip("`"): dict(zip(head, row, strict=True)) for row in body}


def test_the_readme_is_fresh() -> None:
    """The README's matrix and sums are those of the code; `make docs` makes them so."""
    assert matrix.written(README) == README, "run `make docs` and commit the README"


def test_the_sums_are_those_counted() -> None:
    """Each number of `--stats` is what a count by another way gives."""
    kinds = providers.kinds()
    priced = {(kind, entry.id) for entry in load_catalog().entries.values() for kind in {*entry.prices, entry.owner}}
    counted = {
        "kinds": len(kinds),
        "models": len([kind for kind, _ in priced if kind in kinds]),
        "dialects": len([pattern for kind in kinds for pattern in providers.load(kind).dialects]),
        "golden files": len([file for file in (ROOT / "tests/wire").rglob("*.yaml") if file.parent.name in kinds]),
    }
    assert {what: int(count) for count, what in re.findall(r"(\d+) ([a-z ]+)", said("--stats"))} == counted


def test_without_golden_files_none_are_counted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where the router is installed there are no tests, and nothing is said of them."""
    monkeypatch.setattr(matrix, "_GOLDEN", tmp_path / "wire")
    assert "golden" not in said("--stats")


def test_every_kind_has_its_row() -> None:
    """Each kind that a configuration may name stands in the matrix, once and in order."""
    assert tuple(rows()) == providers.kinds()


def test_a_row_says_what_the_tables_say() -> None:
    """Operations, limits, streams and sizes are the adapter's own over all its models."""
    for kind, row in rows().items():
        dialects = providers.load(kind).dialects.values()
        native = {str(operation) for dialect in dialects for operation in dialect.operations}
        told = set(row["operations"].split(", "))
        assert told - {"variation by an edit"} == native
        assert ("variation by an edit" in told) == (
            str(Operation.VARIATION) not in native and any(dialect.variation_prompt for dialect in dialects)
        )
        assert row["pictures per call"] == str(max(dialect.max_n for dialect in dialects))
        assert (row["sizes"] == "-") == (not any("shape" in dialect.params for dialect in dialects))
    assert rows()["openai"]["streams"] == "yes"
    assert rows()["replicate"]["sizes"].split(", ")[0] in {"any", "grid", "list", "ratios"}


def test_a_document_without_a_place_is_left_alone(tmp_path: Path) -> None:
    """Without its markers a document is refused by name, with the remedy, and not touched."""
    document = tmp_path / "README.md"
    document.write_text("# Mine\n")
    done = CliRunner().invoke(main, ["providers", "--write", str(document)])
    assert done.exit_code == 1
    assert "README.md: no place for the matrix: write one line <!-- matrix -->" in done.output
    assert document.read_text() == "# Mine\n"

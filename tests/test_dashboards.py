"""The dashboards as files: fresh, whole, and each panel a question with an answer somebody can act on."""

import json
import re
import subprocess
import sys
from itertools import combinations
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml
from promql import filled, queries
from serving import ROOT

from grafana.src.build import reread, texts
from grafana.src.schema import schema

FOLDER = ROOT / "grafana" / "dashboards"
DASHBOARDS = {path.stem: json.loads(path.read_text()) for path in sorted(FOLDER.iterdir())}
PANELS = {f"{name}: {panel['title']}": panel for name, dashboard in DASHBOARDS.items() for panel in dashboard["panels"]}


def test_the_files_are_those_of_the_code() -> None:
    """`make docs` has been run since the questions changed, and nobody edited the JSON by hand."""
    assert {path.name: path.read_text() for path in FOLDER.iterdir()} == texts(), "run `make docs` and commit grafana"


@pytest.mark.parametrize("name", DASHBOARDS)
def test_grafana_knows_every_field(name: str) -> None:
    """Read and written by the SDK's classes a dashboard is the same, so that no field is unknown or misspelt."""
    text = (FOLDER / f"{name}.json").read_text()
    assert reread(text) == text


def valid(folder: Path, *files: Path) -> bool:
    """Whether the schema takes these dashboards."""
    against = folder / "schema.json"
    against.write_text(json.dumps(schema()))
    command = [sys.executable, "-m", "check_jsonschema", "--schemafile", against, *files]
    return subprocess.run(command, capture_output=True, check=False, timeout=60).returncode == 0


def test_they_are_what_grafana_reads(tmp_path: Path) -> None:
    """A JSON Schema takes each of them: fields, types, words of enumerations, and the options of each kind of panel.

    The SDK for Python has no schema in its package, so this one is made from its classes. The schema in the SDK's
    repository takes them too, once its `object` is read as the `any` that it was made from: as it stands it refuses
    each override by a column's name, which is a string.
    """
    assert valid(tmp_path, *FOLDER.iterdir())


@pytest.mark.parametrize(
    ("place", "wrong"),
    [
        (("uid",), 5),
        (("panels", 0, "titel"), "x"),
        (("panels", 0, "options", "graphMode"), "loud"),
        (("panels", 0, "options", "legend"), {}),
        (("panels", 0, "fieldConfig", "defaults", "unit"), 1),
        (("panels", 6, "fieldConfig", "defaults", "custom", "fillOpacity"), "much"),
        (("panels", 0, "targets", 0, "editorMode"), "words"),
        (("templating", "list", 0, "sort"), "up"),
    ],
)
def test_what_grafana_does_not_read_is_found(tmp_path: Path, place: tuple[str | int, ...], wrong: Any) -> None:
    """The schema of the test above refuses what is unknown, misspelt or of another type, wherever it is."""
    dashboard: Any = json.loads((FOLDER / "overview.json").read_text())
    *way, last = place
    at = dashboard
    for step in way:
        at = at[step]
    at[last] = wrong
    (tmp_path / "wrong.json").write_text(json.dumps(dashboard))
    assert not valid(tmp_path, tmp_path / "wrong.json")


def test_a_field_that_grafana_does_not_know_is_found() -> None:
    """The test above sees a misspelt field, wherever it is."""
    panel, *others = DASHBOARDS["overview"]["panels"]
    wrong = {**DASHBOARDS["overview"], "panels": [{**panel, "titel": "x"}, *others]}
    assert json.loads(reread(json.dumps(wrong))) == DASHBOARDS["overview"]


@pytest.mark.parametrize("name", PANELS)
def test_a_panel_is_a_question_with_a_remedy(name: str) -> None:
    """Its title asks, it has a unit, it says what to do, and it asks whichever data source was chosen."""
    panel = PANELS[name]
    assert panel["title"].endswith("?")
    assert len(panel["description"].split()) >= 10
    assert panel["fieldConfig"]["defaults"]["unit"]
    assert panel["datasource"]["uid"] == "${datasource}"
    assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"]) > 0


@pytest.mark.parametrize("name", DASHBOARDS)
def test_panels_have_places_of_their_own(name: str) -> None:
    """Numbers and titles are unique, nothing lies on another panel or leaves the 24 columns."""
    panels = DASHBOARDS[name]["panels"]
    assert len({panel["id"] for panel in panels}) == len({panel["title"] for panel in panels}) == len(panels)
    for one, other in combinations([panel["gridPos"] for panel in panels], 2):
        apart = any(
            one[at] + one[length] <= other[at] or other[at] + other[length] <= one[at]
            for at, length in (("x", "w"), ("y", "h"))
        )
        assert apart
    assert all(panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24 for panel in panels)


@pytest.mark.parametrize("name", DASHBOARDS)
def test_each_has_the_same_variables(name: str) -> None:
    """Where the data is, and of which job, model and target."""
    variables = DASHBOARDS[name]["templating"]["list"]
    assert [variable["name"] for variable in variables] == ["datasource", "job", "model", "target"]


@pytest.mark.parametrize("name", PANELS)
def test_every_query_is_promql(name: str) -> None:
    """Each expression parses, and regards the job chosen."""
    for query in queries(PANELS[name]):
        promql_parser.parse(filled(query))
        assert query.count('job=~"$job"') == query.count("image_router")


def test_what_is_no_promql_is_found() -> None:
    """The parser of the test above refuses a rate of a sum."""
    with pytest.raises(ValueError, match="ranges only allowed"):
        promql_parser.parse("rate(sum(image_router_requests_total)[5m])")


def test_the_readme_shows_them() -> None:
    """A preview of each stands in the README, with words for who cannot see it, under its own name and no other."""
    shown = re.findall(r"!\[([^\]]+)\]\((grafana/previews/[a-z]+\.png)\)", (ROOT / "README.md").read_text())
    assert sorted(path for _, path in shown) == [f"grafana/previews/{name}.png" for name in sorted(DASHBOARDS)]
    for words, path in shown:
        title = DASHBOARDS[Path(path).stem]["title"].removeprefix("Image Router: ")
        assert words.startswith(f"Preview of the dashboard {title}: ")
        assert (ROOT / path).read_bytes().startswith(b"\x89PNG")


def test_compose_mounts_what_grafana_and_prometheus_read() -> None:
    """Each file that compose.yaml hands to a container exists, and lies where the container looks for it.

    Each image is one release and no other.
    """
    folder = ROOT / "grafana"
    compose = yaml.safe_load((folder / "compose.yaml").read_text())
    mounts = [mount.split(":") for service in compose["services"].values() for mount in service["volumes"]]
    inside = {target for source, target, *_ in mounts if source.startswith(".") and (folder / source).exists()}
    assert len(inside) == sum(source.startswith(".") for source, *_ in mounts)
    provider = yaml.safe_load((folder / "provisioning/dashboards/image-router.yaml").read_text())
    assert provider["providers"][0]["options"]["path"] in inside
    rules = yaml.safe_load((folder / "prometheus.yaml").read_text())["rule_files"]
    assert {str(Path(rule).parent) for rule in rules} <= inside
    assert all((folder / each).is_file() for each in compose["include"])
    assert all(re.search(r":v?\d+\.\d+\.\d+$", service["image"]) for service in compose["services"].values())

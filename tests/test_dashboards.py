"""The dashboards as files: fresh, whole, and each panel a question with an answer somebody can act on."""

import json
from itertools import combinations
from pathlib import Path

import promql_parser
import pytest
import yaml
from promql import filled, queries
from serving import ROOT

from grafana.src.build import reread, texts

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


def test_compose_mounts_what_grafana_and_prometheus_read() -> None:
    """Each file that compose.yaml hands to a container exists, and lies where the container looks for it."""
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

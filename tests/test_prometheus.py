"""Every panel, variable and rule, asked of a real Prometheus that watched two workers through ten scenes."""

import subprocess
from collections.abc import Iterator

import httpx
import pytest
from canary import CLIENT_KEY, PROMPT, PROVIDER_KEY
from prometheus import NEEDS_PROMETHEUS
from promql import filled, metrics, queries, rules, series, without_thresholds
from redis_server import NEEDS_REDIS
from scenes import SCENES, Stage, played
from test_dashboards import DASHBOARDS, PANELS

pytestmark = [NEEDS_PROMETHEUS, NEEDS_REDIS]

QUIET = {
    "reliability: How many processes are draining?": "no scene stops the router",
    "reliability: When was each process draining?": "no scene stops the router",
    "reliability: Are log lines lost?": "somebody reads them",
}
"""Panels that show nothing but 0 in all scenes, and why."""

UNPANELLED: dict[str, str] = {}
"""Metrics of the router that no panel shows, and why."""

FOREIGN = ("python_", "process_", "scrape_", "up", "ALERTS")


@pytest.fixture(scope="module")
def after(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """The stage after all scenes."""
    with played(tmp_path_factory.mktemp("scenes")) as stage:
        yield stage


def exported(stage: Stage) -> set[str]:
    """The router's metrics, histograms by their own names, without what was recorded from them."""
    names = {name for name in stage.prometheus.metric_names() if not name.startswith(FOREIGN) and ":" not in name}
    return {name for each in names for name in metrics(each)}


def shown() -> set[str]:
    """The metrics that panels name."""
    return {name for panel in PANELS.values() for query in queries(panel) for name in metrics(query)}


@pytest.mark.parametrize("scene", SCENES)
def test_a_scene_is_seen(after: Stage, scene: str) -> None:
    """What happens to the router is what Prometheus shows, and goes on showing."""
    assert after.prometheus.ever(f"({SCENES[scene][1]}) > 0")


@pytest.mark.parametrize("secret", [CLIENT_KEY, PROVIDER_KEY, PROMPT])
def test_no_scene_tells_it(after: Stage, secret: str) -> None:
    """A key or a prompt that was in every scene is in no log line, metric, span or error."""
    told = {
        "log": after.router.log.read_text(),
        "metrics": httpx.get(f"{after.router.url}/metrics", timeout=10).text,
        "spans": b"".join(after.spans).decode(errors="replace"),
        "errors": "".join(answer.text for answer in after.answers if answer.status_code >= 400),
    }
    assert all(told.values())
    assert [place for place, text in told.items() if secret in text] == []


@pytest.mark.parametrize("name", PANELS)
def test_a_panel_has_an_answer(after: Stage, name: str) -> None:
    """Each of its queries runs without an error and gave something in at least one scene, and not all of it was 0."""
    answers = [after.prometheus.ever(filled(query)) for query in queries(PANELS[name])]
    assert all(answers)
    assert any(value for lines in answers for line in lines for _, value in line.values) == (name not in QUIET)


@pytest.mark.parametrize("name", ["job", "model", "target"])
def test_a_variable_offers_something(after: Stage, name: str) -> None:
    """What a reader may choose from is there, on each dashboard."""
    for dashboard in DASHBOARDS.values():
        variable = next(each for each in dashboard["templating"]["list"] if each["name"] == name)
        wanted, label = filled(variable["query"]).removeprefix("label_values(").removesuffix(")").rsplit(", ", 1)
        assert label == name
        assert after.prometheus.label_values(wanted, label)


@pytest.mark.parametrize("rule", list(rules()), ids=lambda rule: rule.get("alert") or rule["record"])
def test_a_rule_reads_what_is_there(after: Stage, rule: dict[str, str]) -> None:
    """Its expression runs without an error, and each series that it reads has values.

    What it records has some too, and so has what an alert compares: its threshold may need an hour to be passed.
    """
    after.prometheus.ever(rule["expr"])
    assert after.prometheus.ever(without_thresholds(rule["expr"]))
    for each in series(rule["expr"]):
        assert after.prometheus.ever(each), each
    if "record" in rule:
        assert after.prometheus.ever(rule["record"])


def test_what_panels_and_rules_name_exists(after: Stage) -> None:
    """No panel and no rule names a metric that the router does not export."""
    recorded = {rule["record"] for rule in rules() if "record" in rule}
    named = shown() | {name for rule in rules() for name in metrics(rule["expr"])}
    assert named - recorded - exported(after) == set()


def test_what_is_exported_is_shown(after: Stage) -> None:
    """Each of the router's metrics is in a panel, or there is a reason why not."""
    assert exported(after) - shown() == set(UNPANELLED)


def test_promtool_likes_the_scrape(after: Stage) -> None:
    """`promtool check metrics` has nothing to say against names, units and help."""
    text = httpx.get(f"{after.router.url}/metrics", timeout=10).content
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, check=False, timeout=60)
    assert (done.returncode, done.stdout + done.stderr) == (0, b"")

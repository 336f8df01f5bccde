"""The alerts: each says how grave it is and what to do, and fires where it should and nowhere else."""

import re
import subprocess
from typing import Any

import pytest
import yaml
from conftest import needs
from promql import RULES, rules
from serving import ROOT

NEEDS_PROMTOOL = needs("promtool", "apt-get install prometheus")
ALERTS = {rule["alert"]: rule for rule in rules() if "alert" in rule}
TESTS = sorted((RULES / "tests").glob("*.yml"))


def expectations() -> list[dict[str, Any]]:
    """What the unit tests of the rules expect, one by one."""
    return [
        expected
        for path in TESTS
        for test in yaml.safe_load(path.read_text())["tests"]
        for expected in test["promql_expr_test"]
    ]


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_leads_to_its_runbook(name: str) -> None:
    """It is for now or for tomorrow, says what is wrong, and its section in docs/alerts.md exists."""
    alert = ALERTS[name]
    assert alert["labels"]["severity"] in {"page", "ticket"}
    assert alert["annotations"]["summary"].endswith(".")
    file, _, section = alert["annotations"]["runbook"].partition("#")
    assert section == name.lower()
    assert f"\n## {name}\n" in (ROOT / file).read_text()


def test_no_runbook_is_left_over() -> None:
    """Each section of docs/alerts.md is an alert's, in the order of the rules' groups or any other."""
    assert set(re.findall(r"^## (.+)$", (ROOT / "docs/alerts.md").read_text(), re.MULTILINE)) == set(ALERTS)


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_is_tested_both_ways(name: str) -> None:
    """Its tests name it where it fires, and beside what fires there is a job that does not."""
    mine = [each for each in expectations() if f'alertname="{name}"' in each["expr"]]
    assert any(each["exp_samples"] for each in mine)
    assert all(len(each["exp_samples"]) <= 2 for each in mine)


@NEEDS_PROMTOOL
@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.stem)
def test_the_alerts_fire_where_they_should(path: Any) -> None:
    """Prometheus' own unit tests of the rules pass."""
    done = subprocess.run(["promtool", "test", "rules", path], capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 0, done.stdout + done.stderr


@NEEDS_PROMTOOL
def test_prometheus_takes_the_rules() -> None:
    """`promtool check rules` has nothing to say against any of them."""
    command = ["promtool", "check", "rules", "--lint-fatal", *sorted(RULES.glob("*.yml"))]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr

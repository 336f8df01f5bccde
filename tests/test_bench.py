"""The benchmark itself: its pictures are pictures, its load counts, its table says what was met and what was not."""

import base64
import json
import random
import subprocess
import sys

import pytest
from serving import ROOT

from bench import payloads, report
from bench.client import Client, request
from bench.goals import GOALS, WIDE
from bench.load import Load
from bench.processes import Process, free_port
from bench.rounds import QUICK, Results
from bench.targets import DIRECT, LITELLM, NGINX, OURS, PORTKEY, Backends, ours
from providers.base import Image
from router.config.load import load
from router.images.pixels import recognise


def results(ours=1.0):
    """Figures of every kind; `ours` are those of the router, all others are 1."""
    found = Results()
    metrics = [f"{kind} {what}" for kind in ("tiny", "m", "l", "edit") for what in ("rate", "cpu")]
    for name in (OURS, NGINX, LITELLM, PORTKEY, DIRECT, WIDE):
        for metric in (*metrics, "idle memory", "table rate"):
            found.figures[name, metric].append(ours if name == OURS else 1.0)
    return found


def test_answers_hold_pictures_that_the_router_takes():
    """Each answer with base64 is as long as it says, and a picture by its first and last bytes."""
    for kind in ("m", "l"):
        item = json.loads(payloads.answer(kind))["data"][0]["b64_json"]
        seen = recognise(Image(b64=memoryview(item.encode())))
        assert (len(item), seen.media_type, seen.width) == (payloads.KINDS[kind], "image/png", 1024)
    assert recognise(Image(data=payloads.picture(random.Random(1), 5000))) is not None
    assert base64.b64decode(item)[:4] == b"\x89PNG"


def test_an_upload_is_as_long_as_it_says():
    """The pieces of a form add up to the length that its head tells."""
    length, pieces = payloads.edit("m", pictures=2, mib=1)
    assert sum(map(len, pieces)) == length > 2 << 20


def test_goals_are_met_or_not_or_not_measured():
    """A goal goes by the ratio of two medians; without one of them it is not measured, which is not met."""
    by_words = {(goal.row, goal.words): goal for goal in GOALS}
    tiny = by_words["tiny answers", "requests a second, LiteLLM = 1"]
    assert [tiny.met(results(rate)) for rate in (24.0, 25.0)] == [False, True]
    work = by_words["6 MB answers", "processor time a request, nginx = 1"]
    assert [work.met(results(cost)) for cost in (2.0, 2.1)] == [True, False]
    assert {goal.met(Results()) for goal in GOALS} == {None}


def test_the_table_has_a_line_for_every_goal(tmp_path):
    """What is written holds each goal with its figure, each target's figures, the faults, and a plot."""
    found = results(30.0)
    found.faults.append("nginx: 3 errors")
    text = report.write(found, QUICK, tmp_path, "run")
    assert (tmp_path / "run.md").read_text().startswith("Python ")
    assert all(goal.words in text for goal in GOALS)
    assert "| yes" in text
    assert "not measured" in text
    assert "- nginx: 3 errors" in text
    assert (tmp_path / "run.svg").read_text().count("<rect") > 3
    assert json.loads((tmp_path / "run.json").read_text())["image-router: tiny rate"] == [30.0]


@pytest.mark.parametrize(("models", "providers"), [(3, 3), (1000, 20)])
def test_the_measured_config_has_no_mistakes(tmp_path, models, providers):
    """The router takes both tables that are measured; each has two more names, for edits."""
    ours(tmp_path, Backends(1, 2), models, providers)
    loaded = load(tmp_path / f"router-{models}.yaml", {})
    assert (len(loaded.settings.models), len(loaded.settings.providers)) == (models + 2, providers + 2)
    assert loaded.warnings == ()


def test_the_backend_answers_and_our_own_load_counts(tmp_path):
    """The generator that needs no wrk counts the mock backend's answers, and what is no answer as an error."""
    port = free_port()
    backend = Process.start("backend", [sys.executable, "-m", "bench.backend", str(port)], tmp_path)
    try:
        backend.listening(port)
        came = {}
        for path in ("tiny", "refuses"):
            (tmp_path / path).write_bytes(request(f"/{path}/v1/images/generations", b"{}", []))
            own = [sys.executable, "-m", "bench.load", str(port), "2", "0.2", str(tmp_path / path)]
            done = subprocess.run(own, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
            came[path] = Load(**json.loads(done.stdout))
        client = Client(port)
        length, pieces = payloads.edit("m", pictures=1, mib=1)
        client.send(request("/tiny/v1/images/edits", b"", []).replace(b": 0", b": %d" % length), pieces)
        assert client.read().created == length
        client.close()
        assert backend.memory() <= backend.peak()
    finally:
        backend.stop()
    assert came["tiny"].requests > came["tiny"].errors == 0 < came["tiny"].rate
    assert came["refuses"].errors > came["refuses"].requests == 0

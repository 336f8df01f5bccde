"""How lines look and what they leave out: JSON or words, a level, whose request it is, and nothing secret."""

import json
import logging
import os
import pty
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TextIO

import pytest
import structlog

from router.config.observing import Log
from router.observe import logs
from router.observe.output import Output

Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    """What a test configures ends with it."""
    before, root = structlog.get_config(), logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    structlog.configure(**before)
    root.handlers[:], root.level = handlers, level


@pytest.fixture
def stream(tmp_path: Path) -> Iterator[TextIO]:
    """Where lines go."""
    with (tmp_path / "log").open("w+") as opened:
        yield opened


def written(output: Output, stream: TextIO) -> str:
    """All that has been said."""
    output._sink.flush(5)
    return Path(stream.name).read_text()


def test_lines_are_json_and_say_whose_request_it_is(stream: TextIO) -> None:
    """Into a file goes JSON; every line of a request has its id and its trace, also those of libraries."""
    output = Output(stream, worker=3)
    output.follow(Log())
    logs.about("req_1", "ab" * 16)
    logs.logger().info("request", status=200)
    logging.getLogger("some.library").warning("it %s", "warns")
    ours, theirs = map(json.loads, written(output, stream).splitlines())
    for line in ours, theirs:
        assert (line["request_id"], line["trace_id"], line["worker"]) == ("req_1", "ab" * 16, 3)
    assert (ours["level"], ours["status"]) == ("info", 200)
    assert (theirs["level"], theirs["event"], theirs["logger"]) == ("warning", "it warns", "some.library")


def test_a_level_holds(stream: TextIO) -> None:
    """What is below the level is not logged; debug has all."""
    output = Output(stream)
    for level in ("warning", "debug"):
        output.follow(Log(level=level))
        for word in ("debug", "info", "warning"):
            getattr(logs.logger(), word)(f"{level}:{word}")
    events = [json.loads(line)["event"] for line in written(output, stream).splitlines()]
    assert events == ["warning:warning", "debug:debug", "debug:info", "debug:warning"]


@pytest.mark.parametrize(("form", "pretty"), [("auto", True), ("pretty", True), ("json", False)])
def test_on_a_terminal_lines_are_for_people(form: str, *, pretty: bool) -> None:
    """A terminal gets words and colours unless JSON is asked for."""
    reading, writing = pty.openpty()
    with os.fdopen(writing, "w") as terminal:
        output = Output(terminal)
        output.follow(Log.model_validate({"format": form}))
        logs.logger().info("request", status=200)
        output._sink.flush(5)
        said = os.read(reading, 4096).decode()
    os.close(reading)
    assert ("\x1b[" in said) is pretty
    assert said.lstrip().startswith("{") is not pretty


def fail() -> None:
    """In two steps."""
    try:
        {}["canary"]
    except KeyError as cause:
        raise ValueError("canary too") from cause


def test_failures_have_types_and_places_and_no_words(stream: TextIO) -> None:
    """What failed may quote what it failed at: its types and its places are told, to the first cause."""
    output = Output(stream)
    output.follow(Log())
    try:
        fail()
    except ValueError:
        logs.logger().exception("internal error")
    said = written(output, stream)
    assert "canary" not in said
    first, second = json.loads(said)["exception"]
    assert first.startswith("ValueError at ")
    assert second.startswith("KeyError at ")
    assert "test_logs.py" in first


def test_secrets_are_masked_by_the_name_they_stand_under(stream: TextIO) -> None:
    """A key, a prompt or a password is masked wherever it stands; what is too long to be a fact is cut."""
    output = Output(stream)
    output.follow(Log())
    logs.logger().info(
        "x", prompt="canary", api_key="canary", inner={"authorization": "canary", "n": 1}, long="y" * 9999
    )
    said = json.loads(written(output, stream))
    assert "canary" not in str(said)
    assert said["inner"]["n"] == 1
    assert len(said["long"]) < 3000

"""The guard of speed: today's figures hold, and what costs a tenth more, or copies a picture, does not pass."""

import json
import subprocess
import sys

import pytest
from serving import ROOT

from bench.guard import worse

FIGURES = json.loads((ROOT / "bench" / "guard.json").read_text())
KNOWN = f"{sys.version_info.major}.{sys.version_info.minor}" in FIGURES

COPIED = """
from dataclasses import replace
from router.wire import answers

whole = answers._whole

async def copied(response, secret, max_answer):
    answer = await whole(response, secret, max_answer)
    return replace(answer, body=bytes(bytearray(answer.body)))

answers._whole = copied
"""

COPIED_ON_THE_WAY_OUT = """
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

send = RequestResponseCycle.send

async def copied(self, message):
    if message.get("body"):
        message = {**message, "body": bytes(memoryview(message["body"])[:])}
    await send(self, message)

RequestResponseCycle.send = copied
"""

SLOWER = """
from router.messages import response

success = response.success

def slower(*given, **named):
    for _ in range(1000):
        len(given)
    return success(*given, **named)

from router.api import execution
execution.success = slower
"""


def guard(spoiled=""):
    """The guard's verdict over a router that was spoiled first."""
    program = f"{spoiled}\nfrom bench import guard\nraise SystemExit(guard.main([]))"
    return subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=110, check=False
    )


@pytest.mark.skipif(not KNOWN, reason="each Python counts steps of its own, and this one's were not committed")
def test_one_request_costs_no_more_than_was_committed():
    """A tiny and a 6 MB request take at most a tenth more steps, calls and bytes than the committed figures."""
    done = guard()
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.skipif(not KNOWN, reason="each Python counts steps of its own, and this one's were not committed")
@pytest.mark.parametrize(
    ("spoiled", "told"),
    [(COPIED, "bytes"), (COPIED_ON_THE_WAY_OUT, "bytes"), (SLOWER, "calls")],
    ids=["a copy of the answer", "a copy on the way out", "a thousand calls more"],
)
def test_a_copy_of_the_base64_or_a_slower_path_fails_the_guard(spoiled, told):
    """One more copy of the base64, wherever it is made, or many more calls: the guard says which figure is worse."""
    done = guard(spoiled)
    assert done.returncode == 1, done.stdout + done.stderr
    assert any(line.startswith("WORSE") and told in line for line in done.stdout.splitlines())


def test_a_tenth_more_is_told_and_less_is_not():
    """What costs a tenth more than it may is named; noise, and what got cheaper, is not."""
    held = {"l": {"steps": 10_000, "calls": 1_000, "bytes": 0}}
    assert worse({"l": {"steps": 10_900, "calls": 900, "bytes": 30_000}}, held) == []
    assert worse({"l": {"steps": 11_200, "calls": 1_000, "bytes": 6_000_000}}, held) == [
        "l: 11200 steps, where 10000 were enough",
        "l: 6000000 bytes, where 0 were enough",
    ]

"""The long measurements of faults, short: each runs as a command, and every promise it holds is kept."""

import subprocess
import sys

import pytest
from serving import ROOT


@pytest.mark.parametrize(("what", "rate", "patience"), [("soak", 20, 10), ("outage", 50, 50)], ids=["soak", "outage"])
def test_promises_are_kept_for_a_while(what, rate, patience):
    """A few seconds of random faults, or of an outage of every target, break no promise of money or time."""
    command = [sys.executable, "-m", f"bench.{what}", "--seconds", "6", "--rate", str(rate)]
    command += ["--patience", str(patience)]  # the other tests have the machine too
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 0, done.stdout + done.stderr

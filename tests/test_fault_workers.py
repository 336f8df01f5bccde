"""F40: a worker whose event loop is held up for good is replaced, and until then the others serve."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import psutil
import yaml
from backends import OpenAIBackend
from processes import BODY, PATH, Running, configured, until, workers
from serving import ROOT

from router.serving import parent

PATIENT = 30.0  # seconds without a pulse after which a worker is replaced
IMPATIENT = 2.0  # and in this test
SERVE = f"""
from router.cli import main
from router.serving import parent
parent._SILENT = {IMPATIENT}
main()
"""


def serves(pid: int) -> bool:
    """Whether a process has a client."""
    return any(each.status == psutil.CONN_ESTABLISHED for each in psutil.Process(pid).net_connections("tcp"))


def test_f40_a_worker_that_stays_stuck_is_replaced_while_the_other_serves(tmp_path: Path) -> None:
    """Frozen, it shows no pulse: after half a minute, here less, it is killed, told of, and another takes its place."""
    assert parent._SILENT == PATIENT
    file, log = tmp_path / "router.yaml", tmp_path / "log"
    with OpenAIBackend() as backend, log.open("w") as sink:
        file.write_text(yaml.safe_dump(configured(backend.url)))
        words = [sys.executable, "-c", SERVE, "serve", "--port", "0", "--workers", "2", "--config", str(file)]
        environ = {**os.environ, "XDG_STATE_HOME": str(tmp_path)}
        process = subprocess.Popen(words, cwd=ROOT, env=environ, stdout=subprocess.PIPE, stderr=sink, text=True)
        assert process.stdout is not None
        try:
            router = Running(process.stdout.readline().split("listens on ")[1].split()[0], process, file, log)
            both = until(lambda: (found := workers(router)) and len(found) == 2 and found)
            with router.client() as client:
                assert client.get("/readyz").status_code == 200
                stuck = until(lambda: next((pid for pid in both if serves(pid)), None))  # so it is past its start
            (sound,) = set(both) - {stuck}
            os.kill(stuck, signal.SIGSTOP)
            new = until(lambda: len(found := workers(router)) == 2 and stuck not in found and found, 30)
            assert sound in new
            until(lambda: httpx.post(router.url + PATH, json=BODY, timeout=2).status_code == 200)
            told = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
            assert "a worker is stuck and is ended" in {line["event"] for line in told}
        finally:
            process.terminate()
            process.communicate(timeout=30)

"""Processes under measurement: on a core of their own, looked at from outside, ended by whoever started them."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

CORES = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [0]
PINNED = len(CORES) > 1 and shutil.which("taskset") is not None
"""Whether what is measured has the first core to itself, and all else the others."""

_START, _END, _SETTLE = 120.0, 10.0, 20.0  # seconds


class NotStarted(Exception):  # noqa: N818 - named as what happens
    """A process that ended, or did not listen in time."""


def pinned(command: Sequence[str], *, measured: bool) -> list[str]:
    """A command on the core of what is measured, or on the others."""
    if not PINNED:
        return list(command)
    cores = CORES[:1] if measured else CORES[1:]
    return ["taskset", "-c", ",".join(map(str, cores)), *command]


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Process:
    """A process that was started here, with its children."""

    name: str
    popen: subprocess.Popen[bytes]
    log: Path

    @classmethod
    def start(
        cls,
        name: str,
        command: Sequence[str],
        directory: Path,
        *,
        environ: Mapping[str, str] | None = None,
        measured: bool = False,
    ) -> "Process":
        """Start a command; what it says goes to a file in the directory."""
        log = directory / f"{name}.log"
        with log.open("wb") as sink:
            popen = subprocess.Popen(  # noqa: S603 - commands of the benchmark's own
                pinned(command, measured=measured),
                env={**os.environ, **(environ or {})},
                stdout=sink,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return cls(name, popen, log)

    def listening(self, port: int) -> None:
        """Return once it listens.

        Raises:
            NotStarted: it ended, or takes too long.
        """
        end = time.monotonic() + _START
        while time.monotonic() < end and self.popen.poll() is None:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5):
                return
            time.sleep(0.1)
        said = self.log.read_text(errors="replace")[-1000:]
        raise NotStarted(f"{self.name} does not listen: {said}")

    def stop(self) -> None:
        """End it, with its children: they are a session of their own."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.popen.pid, signal.SIGTERM)
        try:
            self.popen.wait(_END)
        except subprocess.TimeoutExpired:
            os.killpg(self.popen.pid, signal.SIGKILL)
            self.popen.wait()

    def cpu(self) -> float:
        """The seconds of processor that it has used."""
        return float(sum(used.user + used.system for used in (each.cpu_times() for each in self._all())))

    def settle(self) -> None:
        """Wait until it has finished what the load left behind, so that this burdens nobody else."""
        end = time.monotonic() + _SETTLE
        before = self.cpu()
        while time.monotonic() < end:
            time.sleep(0.25)
            now = self.cpu()
            if now - before < 0.02:
                return
            before = now

    def memory(self) -> int:
        """The bytes it holds now."""
        return sum(each.memory_info().rss for each in self._all())

    def peak(self) -> int:
        """The most bytes it has held since `forget_peak`."""
        lines = (line for each in self._all() for line in _status(each.pid))
        return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))

    def forget_peak(self) -> None:
        """Measure peaks from now on."""
        for each in self._all():
            Path(f"/proc/{each.pid}/clear_refs").write_text("5")

    def _all(self) -> list[psutil.Process]:
        with contextlib.suppress(psutil.NoSuchProcess):
            process = psutil.Process(self.popen.pid)
            return [process, *process.children(recursive=True)]
        return []


def _status(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/status").read_text().splitlines()

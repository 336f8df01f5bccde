"""Runs a document as its reader would: writes its files, types its commands, and compares what comes of them."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import yaml
from backends.openai import OpenAIBackend
from serving import ROOT

_FENCE = re.compile(r"^(<!-- elsewhere -->\n)?```(\w+)(?: ([\w.-]+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_SERVES = re.compile(r"^(?:image-router (?:serve|demo)|make run).*\n\Z", re.MULTILINE)
_PORT = re.compile(r" --port (\d+)")
_ID = "Ab3dE6gH"
"""The id of a key in the documents; the reader takes one of their own."""


@dataclass(frozen=True, slots=True)
class Fence:
    """A block of code. `name` is the file that it is; `elsewhere`, that it needs what the tests do not have."""

    language: str
    name: str
    text: str
    elsewhere: bool


def fences(document: Path) -> list[Fence]:
    """A document's blocks, in order."""
    return [Fence(*found[1:], elsewhere=bool(found[0])) for found in _FENCE.findall(document.read_text())]


@dataclass
class Story:
    """A directory in which a document's blocks are followed, one after the other.

    Args:
        directory: where; it is empty but for what the repository has there.
        environ: variables beside the system's.
        backend: what answers for OpenAI.
    """

    directory: Path
    environ: Mapping[str, str]
    backend: OpenAIBackend
    servers: dict[str, tuple[str, subprocess.Popen[str]]] = field(default_factory=dict)

    def __enter__(self) -> Self:
        for name in ("config", "deploy"):
            (self.directory / name).symlink_to(ROOT / name)
        (self.directory / ".exported").touch()
        return self

    def __exit__(self, *_: object) -> None:
        for port in list(self.servers):
            self._stop(port)

    def follow(self, blocks: list[Fence]) -> Iterator[tuple[Fence, str]]:
        """Each command of these blocks with what it printed; text after a command is what it must print."""
        said = None
        for fence in blocks:
            if fence.elsewhere:
                continue
            if fence.language == "text" and said is not None:
                missed = unsaid(fence.text, said)
                assert missed is None, f"not said: {missed}\n{said}"
            said = None
            if fence.name:
                self._write(fence)
            elif fence.language == "sh":
                said = self._typed(fence.text)
                yield fence, said

    def _write(self, fence: Fence) -> None:
        """The file; an account at OpenAI becomes one at the backend of the test."""
        text, config = fence.text, yaml.safe_load(fence.text)
        if "providers" in config:
            for provider in config["providers"].values():
                if provider["kind"] == "openai":
                    provider.setdefault("base_url", self.backend.url)
            text = yaml.safe_dump(config, sort_keys=False)
        (self.directory / fence.name).write_text(text)

    def _typed(self, script: str) -> str:
        served = _SERVES.search(script)
        before = script[: served.start()] if served else script
        said = self._run(before) if before.strip() else ""
        if served:
            self._serve(served[0].strip())
        return said

    def _run(self, script: str) -> str:
        keys = self.directory / "keys.yaml"
        if _ID in script:
            script = script.replace(_ID, re.findall(r'id: "(\w{8})"', keys.read_text())[0])
        for port, (url, _) in self.servers.items():
            script = script.replace(f"http://127.0.0.1:{port}", url)
        done = self._shell(f"{script}\nexport -p > .exported\n")
        try:
            said, _ = done.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            os.killpg(done.pid, signal.SIGKILL)
            raise
        assert done.returncode == 0, f"{script}\n{said}"
        for port, (url, _) in self.servers.items():
            said = said.replace(url, f"http://127.0.0.1:{port}")
        return said

    def _serve(self, line: str) -> None:
        line = line.replace("make run", "image-router serve --config config/router.yaml")
        port = (_PORT.findall(line) or ["8080"])[0]
        self._stop(port)
        command = _PORT.sub("", line.partition("#")[0])
        process = self._shell(f"exec {command} --port 0 2> log{port}\n")
        assert process.stdout is not None
        said = process.stdout.readline()
        address = re.search(r"http://[\w.]+:(\d+)", said)
        assert address, said + (self.directory / f"log{port}").read_text()
        self.servers[port] = (f"http://127.0.0.1:{address[1]}", process)

    def _stop(self, port: str) -> None:
        if port in self.servers:
            _, process = self.servers.pop(port)
            process.terminate()
            process.communicate(timeout=30)

    def _shell(self, script: str) -> subprocess.Popen[str]:
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        return subprocess.Popen(
            ["sh", "-ec", f". ./.exported\n{script}"],
            cwd=self.directory,
            env={**os.environ, **self.environ, "PATH": path, "XDG_STATE_HOME": str(self.directory / "state")},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )


def unsaid(expected: str, said: str) -> str | None:
    """The first line that was to be said and was not, in this order; `...` stands for anything."""
    lines = iter(said.splitlines())
    for line in expected.splitlines():
        wanted = ".*".join(map(re.escape, re.sub(r"\s+", " ", line).strip().split("...")))
        if not any(re.fullmatch(wanted, re.sub(r"\s+", " ", each).strip()) for each in lines):
            return line
    return None

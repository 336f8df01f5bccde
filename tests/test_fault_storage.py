"""F36: the place for pictures is full, or may only be read: links hold the picture itself then, and nothing is half."""

import base64
import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
import yaml
from backends import OpenAIBackend, Raw
from pictures import png
from processes import PATH, configured
from readonly_root import contained
from replaying import metric
from serving import ROOT

PICTURE = png(64, 64)
LARGE = PICTURE[:-12] + os.urandom(300_000) + PICTURE[-12:]  # its end is in place
TINY = {True: "mount -t tmpfs -o size=128k none {}", False: "ulimit -f 128"}  # by whether this machine lets us mount
WRITABLE = {True: "mount -t tmpfs none {}", False: ":"}
INLINE = "data:image/png;base64,"


@dataclass(frozen=True)
class Place:
    """A running router, its backend, and the directory of its pictures as it sees it."""

    url: str
    pid: int
    directory: Path
    backend: OpenAIBackend

    def draw(self, picture: bytes) -> dict[str, Any]:
        """The answer to who asks for a link to this picture."""
        told = {"created": 1, "data": [{"b64_json": base64.b64encode(picture).decode()}]}
        self.backend.script(Raw(200, msgspec.json.encode(told), billed=True))
        body = {"model": "m", "prompt": "a kite", "response_format": "url"}
        answer = httpx.post(self.url + PATH, json=body, timeout=30)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def kept(self) -> str:
        """The link to a small picture, which opens it."""
        link: str = self.draw(PICTURE)["data"][0]["url"]
        assert link.startswith("http")
        assert httpx.get(link).content == PICTURE
        return link

    def holds_all(self, picture: bytes) -> None:
        """Who asks for a link has the picture within it, and is told so; no part of it is kept."""
        before, failures = self.files(), metric(self.url, "picture_store_errors_total")
        told = self.draw(picture)
        assert told["data"][0]["url"] == INLINE + base64.b64encode(picture).decode()
        (warning,) = told["router"]["warnings"]
        assert (warning["parameter"], warning["asked"], warning["sent"]) == ("response_format", "url", "data:")
        assert metric(self.url, "picture_store_errors_total") == failures + 1
        assert self.files() == before

    def files(self) -> set[str]:
        """Every picture in the directory, whole or not."""
        inside = Path(f"/proc/{self.pid}/root{self.directory}")
        return {path.name for path in inside.rglob("*") if path.is_file() and path.name != ".signing-key"}

    def close(self) -> None:
        """From now on the directory may only be read."""
        if contained():
            inside = ("nsenter", f"--mount=/proc/{self.pid}/ns/mnt", "mount", "-o", "remount,ro")
            subprocess.run([*inside, self.directory], check=True)
        else:
            subprocess.run(["chmod", "-R", "a-w", self.directory], check=True)


@contextlib.contextmanager
def placed(folder: Path, prepare: str) -> Iterator[Place]:
    """A router whose pictures lie in a directory that `prepare`, a line of shell, has made what it is."""
    directory, file = folder / "pictures", folder / "router.yaml"
    directory.mkdir()
    with OpenAIBackend() as backend:
        file.write_text(yaml.safe_dump(configured(backend.url, store={"url": str(directory)})))
        serve = f"exec {sys.executable} -m router serve --port 0 --config {file}"
        words = ["sh", "-ec", f"{prepare.format(directory)}; {serve}"]
        process = subprocess.Popen(
            ["unshare", "--mount", *words] if contained() else words,
            cwd=ROOT,
            env={**os.environ, "XDG_STATE_HOME": str(folder)},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert process.stdout is not None
        try:
            url = process.stdout.readline().split("listens on ")[1].split()[0]
            yield Place(url, process.pid, directory, backend)
        finally:
            process.terminate()
            process.communicate(timeout=30)


def test_f36_a_full_disk_fails_no_request(tmp_path: Path) -> None:
    """What does not fit is handed over whole, in its link; what fits is kept as before, and still opens."""
    with placed(tmp_path, TINY[contained()]) as place:
        link = place.kept()
        place.holds_all(LARGE)
        place.kept()
        place.holds_all(LARGE)
        assert httpx.get(link).content == PICTURE
        assert len(place.backend.ledger) == len(place.backend.ledger.billed) == 4


@pytest.mark.skipif(os.geteuid() == 0 and not contained(), reason="root may write anywhere; run it as another user")
def test_f36_a_directory_that_may_only_be_read_fails_no_request(tmp_path: Path) -> None:
    """New pictures are handed over in their links, and those that were kept still open."""
    with placed(tmp_path, WRITABLE[contained()]) as place:
        link = place.kept()
        place.close()
        place.holds_all(PICTURE)
        place.holds_all(LARGE)
        assert httpx.get(link).content == PICTURE
        assert httpx.get(f"{place.url}/readyz").status_code == 200
        assert len(place.backend.ledger) == len(place.backend.ledger.billed) == 3

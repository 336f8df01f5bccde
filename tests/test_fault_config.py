"""F33: every way in which a configuration can be broken, one after another, while requests come without a pause."""

import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import yaml
from backends import OpenAIBackend
from processes import BODY, PATH, Running, configured, running
from test_reload import BAD

TOKEN = "reload-token-0123456789"


class Load(threading.Thread):
    """Requests one after another until told to stop."""

    def __init__(self, router: Running) -> None:
        super().__init__(daemon=True)
        self.statuses: list[int] = []
        self._router = router
        self._enough = threading.Event()
        self.start()

    def run(self) -> None:
        """Ask without end; a lost connection ends it, and is missed."""
        with self._router.client() as client:
            while not self._enough.wait(0.01):
                self.statuses.append(client.post(PATH, json=BODY).status_code)

    def stop(self) -> list[int]:
        """Ask no more; how each was answered."""
        assert self.is_alive()
        self._enough.set()
        self.join(20)
        return self.statuses


@pytest.fixture
def router(tmp_path: Path) -> Iterator[Running]:
    """A router that is told when to look at its file."""
    with OpenAIBackend() as backend, running(configured(backend.url, reload_token=TOKEN), tmp_path) as router:
        yield router


def reload(router: Running) -> httpx.Response:
    """Look at the file now."""
    headers = {"authorization": f"Bearer {TOKEN}"}
    return httpx.post(f"{router.url}/-/reload", headers=headers, timeout=20)


def gauge(router: Running) -> float:
    """Whether the last look was at a good file."""
    lines = httpx.get(f"{router.url}/metrics").text.splitlines()
    name = "image_router_config_last_reload_successful "
    return next(float(line.removeprefix(name)) for line in lines if line.startswith(name))


def test_f33_no_way_to_break_the_file_fails_a_request(router: Running) -> None:
    """Each is told with its place and changes nothing: the last good one serves every request until all is mended."""
    good = yaml.safe_load(router.file.read_text())
    load = Load(router)
    version = router.ready()["config"]
    for edit in BAD.values():
        router.file.unlink(missing_ok=True)
        router.file.touch()
        edit(router.file)
        refused = reload(router)
        assert refused.status_code == 422, refused.text
        assert all(mistake["file"] == str(router.file) for mistake in refused.json()["mistakes"])
        ready = router.ready()
        assert (ready["config"], ready["serving"]) == ("stale", version)
        if router.file.is_dir():
            router.file.rmdir()
    assert gauge(router) == 0
    good["models"]["mended"] = good["models"]["m"]
    router.file.unlink(missing_ok=True)
    router.file.write_text(yaml.safe_dump(good))
    assert reload(router).json()["version"] != version  # by this request, or a moment before by itself
    assert gauge(router) == 1
    assert httpx.post(router.url + PATH, json={**BODY, "model": "mended"}, timeout=20).status_code == 200
    answered = load.stop()
    assert set(answered) == {200}
    assert len(answered) > len(BAD)

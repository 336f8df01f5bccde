"""Several processes on one machine: they share what they listen on, and the death of one is its own affair."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from backends import Hold, OpenAIBackend
from processes import BODY, PATH, Asking, Running, configured, kill, running, until, workers


@pytest.fixture(scope="module")
def backend() -> Iterator[OpenAIBackend]:
    """A backend for all."""
    with OpenAIBackend() as backend:
        yield backend


class Load(threading.Thread):
    """Requests one after another, each on a connection of its own, until told to stop."""

    def __init__(self, router: Running) -> None:
        super().__init__(daemon=True)
        self.answers: list[int] = []
        self.lost: list[httpx.HTTPError] = []
        self._url = router.url + PATH
        self._enough = threading.Event()
        self.start()

    def run(self) -> None:
        """Ask without end, and leave the processors to the routers in between."""
        while not self._enough.wait(0.01):
            try:
                self.answers.append(httpx.post(self._url, json=BODY, timeout=20).status_code)
            except httpx.HTTPError as error:
                self.lost.append(error)

    def stop(self) -> None:
        """Ask no more."""
        self._enough.set()
        self.join(20)


@contextlib.contextmanager
def load(router: Running, count: int) -> Iterator[list[Load]]:
    """So many requests at any time."""
    loads = [Load(router) for _ in range(count)]
    try:
        yield loads
    finally:
        for each in loads:
            each.stop()


def all_up(router: Running, count: int, but: int = 0) -> list[int]:
    """The workers, once there are so many and none is `but`."""
    return until(lambda: (found := workers(router)) and len(found) == count and but not in found and found)


def test_a_killed_worker_loses_its_own_requests_only(backend: OpenAIBackend, tmp_path: Path) -> None:
    """One of three is killed under load: the others answer everything, and a new one serves, whatever is on disk."""
    with running(configured(backend.url), tmp_path, "--workers", "3") as router, load(router, 3) as loads:
        one_killed(router, loads)
        assert router.ready()["config"] != "stale"
        router.file.write_text("\tgarbage: [")
        one_killed(router, loads)
        number = [line["worker"] for line in router.lines() if line["event"] == "a worker ended"][1]
        until(lambda: stale(router, number))
        until(lambda: router.ready()["config"] == "stale")
    assert sum(len(each.lost) for each in loads) <= 2 * len(loads)
    assert {status for each in loads for status in each.answers} == {200}


def one_killed(router: Running, loads: list[Load]) -> None:
    """Kill one worker of three, and wait until there are three again that answer."""
    victim = all_up(router, 3)[1]
    until(lambda: all(each.answers for each in loads))
    kill(victim)
    all_up(router, 3, victim)
    so_far = [len(each.answers) for each in loads]
    until(lambda: all(len(each.answers) > before + 3 for each, before in zip(loads, so_far, strict=True)))
    assert router.process.poll() is None


def stale(router: Running, number: int) -> bool:
    """Whether a worker has said that it serves an older config."""
    return any(line["level"] == "error" and line["worker"] == number for line in router.lines())


def test_a_worker_that_cannot_start_is_tried_again_and_the_others_serve(backend: OpenAIBackend, tmp_path: Path) -> None:
    """Without a last good configuration a broken file keeps new workers away, but neither the parent nor the rest."""
    with running(configured(backend.url), tmp_path, "--workers", "2", "--strict") as router:
        victim = all_up(router, 2)[0]
        sound = router.file.read_text()
        router.file.write_text("garbage")
        kill(victim)
        until(lambda: sum(line["event"] == "a worker ended" for line in router.lines()) >= 2)
        assert httpx.post(router.url + PATH, json=BODY, timeout=20).status_code == 200
        router.file.write_text(sound)
        new = all_up(router, 2, victim)
        until(lambda: workers(router) == new and router.ready()["status"] == "ready")


def test_hangup_replaces_every_worker_without_a_lost_request(backend: OpenAIBackend, tmp_path: Path) -> None:
    """SIGHUP brings the file's new state into service, worker after worker."""
    config = configured(backend.url)
    with running(config, tmp_path, "--workers", "2") as router:
        old = set(all_up(router, 2))
        router.file.write_text(router.file.read_text().replace("gpt-image-2", "gpt-image-1.5"))
        with load(router, 2) as loads:
            router.process.send_signal(signal.SIGHUP)
            until(lambda: len(found := workers(router)) == 2 and not old & set(found), 60)
        assert [error for each in loads for error in each.lost] == []
        assert {status for each in loads for status in each.answers} == {200}
    assert backend.ledger.records[-1].model == "gpt-image-1.5"


def test_workers_share_what_one_process_keeps_in_memory(backend: OpenAIBackend, tmp_path: Path) -> None:
    """Without `server.state` the workers share a file of their own: two requests with one key are one execution."""
    before = len(backend.ledger.records)
    with running(configured(backend.url), tmp_path, "--workers", "2") as router:
        all_up(router, 2)
        hold = Hold()
        backend.script(hold)
        key = {"idempotency-key": "one"}
        first = Asking(router, headers=key)
        backend.ledger.wait(before + 1)
        others = [httpx.post(router.url + PATH, json=BODY, headers=key, timeout=20).status_code for _ in range(8)]
        assert set(others) == {409}
        hold.release()
        assert first.done().status_code == 200
    assert len(backend.ledger.records) == before + 1


def test_workers_end_with_their_parent(backend: OpenAIBackend, tmp_path: Path) -> None:
    """A parent that is killed leaves nobody behind who listens."""
    with running(configured(backend.url), tmp_path, "--workers", "2") as router:
        children = all_up(router, 2)
        until(lambda: router.ready()["status"] == "ready")
        kill(router.process.pid)
        router.process.wait(5)
        until(lambda: not any(Path(f"/proc/{child}/fd/0").exists() for child in children))

"""The metrics of several workers are one router's: sums that no death takes back, and nothing under way that is not."""

import contextlib
import re
import socket
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


def figure(url: str, name: str, **headers: str) -> float:
    """The sum of a metric's series, as any worker has it."""
    lines = httpx.get(f"{url}/metrics", headers=headers, timeout=10).text.splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if re.match(rf"image_router_{name}[ {{]", line))


def all_up(router: Running, count: int, but: int = 0) -> list[int]:
    """The workers, once there are so many and none is `but`."""
    return until(lambda: (found := workers(router)) and len(found) == count and but not in found and found)


def test_a_killed_workers_attempts_are_gone_by_the_next_scrape(backend: OpenAIBackend, tmp_path: Path) -> None:
    """What a worker had under way when it was killed is under way no more; what it had counted stays counted."""
    with running(configured(backend.url), tmp_path, "--workers", "2") as router:
        first, second = all_up(router, 2)
        for _ in range(8):
            assert httpx.post(router.url + PATH, json=BODY, timeout=20).status_code == 200
        assert figure(router.url, "requests_total") == 8
        holds = [Hold() for _ in range(4)]
        backend.script(*holds)
        asking = [Asking(router) for _ in holds]
        until(lambda: figure(router.url, "in_flight") == 4)
        until(lambda: figure(router.url, "in_flight_requests") == 4)
        kill(first)
        all_up(router, 2, first)
        kill(second)
        all_up(router, 2, second)
        assert figure(router.url, "in_flight") == 0
        until(lambda: figure(router.url, "in_flight_requests") == 0)
        assert figure(router.url, "requests_total") == 8
        assert figure(router.url, "build_info") == 1
        for hold in holds:
            hold.release()
        for each in asking:
            each.join(20)
        assert all(isinstance(each.answer, httpx.HTTPError) for each in asking)
        assert httpx.post(router.url + PATH, json=BODY, timeout=20).status_code == 200
        assert figure(router.url, "requests_total") == 9


def test_a_success_is_seen_whichever_worker_is_asked(backend: OpenAIBackend, tmp_path: Path) -> None:
    """When a target last made a picture is known of all workers, not only of the one that answers Prometheus."""
    with running(configured(backend.url), tmp_path, "--workers", "2") as router:
        all_up(router, 2)
        assert httpx.post(router.url + PATH, json=BODY, timeout=20).status_code == 200
        until(lambda: figure(router.url, "target_last_success_timestamp_seconds"))
        assert all(figure(router.url, "target_last_success_timestamp_seconds") for _ in range(12))


def test_files_do_not_pile_up(backend: OpenAIBackend, tmp_path: Path) -> None:
    """The numbers of workers that are gone stand in files of nobody's, however many there were."""
    with running(configured(backend.url), tmp_path, "--workers", "2", environ={"TMPDIR": str(tmp_path)}) as router:
        for _ in range(3):
            victim = all_up(router, 2)[0]
            assert httpx.post(router.url + PATH, json=BODY, timeout=20).status_code == 200
            kill(victim)
            all_up(router, 2, victim)
        until(lambda: figure(router.url, "requests_total") == 3)
        (directory,) = tmp_path.glob("image-router-*/metrics")
        numbers = {file.stem.rpartition("_")[2] for file in directory.glob("*.db")}
        assert len(numbers) <= 3
    assert not list(tmp_path.glob("image-router-*/metrics"))


@pytest.mark.parametrize("count", ["1", "2"])
def test_metrics_may_have_their_own_address(backend: OpenAIBackend, tmp_path: Path, count: str) -> None:
    """With a port of their own they are only there, for who bears the token, whichever worker answers."""
    port = free()
    own = {"port": port, "host": "127.0.0.1", "token": "for-prometheus"}
    with running(configured(backend.url, metrics=own), tmp_path, "--workers", count) as router:
        if count != "1":
            all_up(router, int(count))
        url, bearer = f"http://127.0.0.1:{port}", "Bearer for-prometheus"
        assert httpx.post(router.url + PATH, json=BODY, timeout=20).status_code == 200
        assert httpx.get(f"{router.url}/metrics").status_code == 404
        assert httpx.get(f"{url}/metrics").status_code == 401
        assert httpx.get(f"{url}/livez", headers={"authorization": bearer}).status_code == 404
        for _ in range(6):
            assert figure(url, "requests_total", authorization=bearer) == 1
        assert httpx.head(f"{url}/metrics", headers={"authorization": bearer}).text == ""


def free() -> int:
    """A port that was free a moment ago."""
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as server:
        return int(server.getsockname()[1])

"""F24: jobs that were taken, and polls that fail, break off, never end or vanish: one submit, whatever happens."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
from fault_steps import doing, drawn, draws
from faults import FaultServer, Peer, Script, faulty
from trial import trial

from router.wire import conversation

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("short_grace", "quick_polls")]
pytest_plugins = ["short_grace"]

MODEL = "fal-ai/flux/dev"
MODELS = {"alone": {"chain": [f"queue/{MODEL}"]}, "m": {"chain": [f"queue/{MODEL}", "good/any"]}}


def config(polls: tuple[str, ...]) -> dict[str, Any]:
    """The queue before a target that always draws; only a job that never ends is to meet the attempt's end."""
    patience = "300ms" if polls == ("pending",) else "1500ms"
    return {"providers": {"queue": {"kind": "fal"}}, "models": MODELS, "defaults": {"attempt_timeout": patience}}


@pytest.fixture
def quick_polls(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses between polls pass in a hundredth of their time."""
    sleep = conversation.asyncio.sleep

    class Quick:
        """What the conversation sees of asyncio."""

        timeout = conversation.asyncio.timeout

        @staticmethod
        async def sleep(seconds: float) -> None:
            await sleep(seconds / 100)

    monkeypatch.setattr(conversation, "asyncio", Quick)


def job(*polls: str) -> Script:
    """The queue of fal: a submit is taken, and the n-th poll does as told, each from then on as the last."""

    async def step(peer: Peer) -> bool | None:
        server, last = peer.server, peer.server.requests[-1]
        if last.method == "POST":
            peer.bill()
            at = f"{server.url}/jobs/j-1"
            await peer.answer(msgspec.json.encode({"status_url": f"{at}/status", "response_url": at}))
        elif last.path.endswith("/status"):
            asked = sum(seen.path.endswith("/status") for seen in server.requests)
            return await _poll(peer, polls[min(asked, len(polls)) - 1])
        elif last.path.endswith(".png"):
            await _picture(peer)
        elif "gone" in polls:
            await peer.answer(b'{"detail":"not found"}', 404)
        else:
            await peer.answer(msgspec.json.encode({"images": [{"url": f"{server.url}/kite.png"}]}))
        return None

    return doing(step)


async def _poll(peer: Peer, what: str) -> bool:
    match what:
        case "500" | "404":
            await peer.answer(b'{"detail":"it did not work"}', int(what))
        case "reset":
            peer.reset()
            return True
        case "close":
            return True
        case "garbage":
            await peer.answer(b"<html>")
        case "pending":
            await peer.answer(b'{"status":"IN_PROGRESS"}')
        case _:
            await peer.answer(b'{"status":"COMPLETED"}')
    return False


async def _picture(peer: Peer) -> None:
    data = drawn()
    await peer.send(b"HTTP/1.1 200 OK\r\ncontent-type: image/png\r\ncontent-length: %d\r\n\r\n" % len(data) + data)


def submits(server: FaultServer) -> int:
    """How often the paid work was asked for."""
    return sum(seen.method == "POST" for seen in server.requests)


PASSING = {
    "errors": ("500", "500", "500", "done"),
    "resets": ("reset", "reset", "pending", "done"),
    "closes": ("close", "pending", "close", "done"),
    "a little of each": ("pending", "500", "reset", "close", "done"),
}


@pytest.mark.parametrize("polls", PASSING.values(), ids=PASSING)
async def test_f24_a_poll_that_fails_is_asked_again_and_the_work_is_not(tmp_path: Path, polls: tuple[str, ...]) -> None:
    """The picture comes from the one job that was paid for."""
    async with (
        faulty(job(*polls)) as queue,
        faulty(doing(draws)) as good,
        trial(tmp_path, {"queue": queue, "good": good}, **config(polls)) as running,
    ):
        ended = await running.ask("m")
        assert ended.status == 200, ended.response.text
        assert (submits(queue), good.requests) == (1, [])
        await running.check(ended)


LOST = {
    "never ends": (("pending",), (408, "request_timeout", "false")),
    "errors for ever": (("500",), (502, "provider_error", "false")),
    "resets for ever": (("reset",), (502, "provider_error", "false")),
    "forgotten while it ran": (("pending", "404"), (502, "provider_error", "false")),
    "forgotten once it was done": (("done", "gone"), (502, "provider_error", "false")),
    "an unreadable state": (("garbage",), (502, "provider_error", "false")),
}


@pytest.mark.parametrize(("polls", "verdict"), LOST.values(), ids=LOST)
async def test_f24_a_job_that_is_lost_may_have_been_billed_and_is_not_begun_again_there(
    tmp_path: Path, polls: tuple[str, ...], verdict: tuple[int, str, str]
) -> None:
    """One submit; alone an error not to be repeated, whose row in the ledger names the job; else the next target."""
    async with (
        faulty(job(*polls)) as queue,
        faulty(doing(draws)) as good,
        trial(tmp_path, {"queue": queue, "good": good}, **config(polls)) as running,
    ):
        alone = await running.ask("alone")
        assert alone.verdict == verdict
        assert submits(queue) == 1
        (row,) = await running.service.ledger.doubtful()
        assert row.job is not None
        assert "/jobs/j-1" in row.job
        chained = await running.ask("m")
        assert chained.status == 200
        assert (submits(queue), len(good.requests)) == (2, 1)
        await running.check(alone, chained)

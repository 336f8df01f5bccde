"""F10 to F19 and F43: answers that are cut, wrong, huge, harmful or refusals: each ends as documented."""

import asyncio
import gzip
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest
from fault_steps import ANSWER, PICTURE, Step, doing, drawn, draws, fails, says, sends, tells
from faults import Peer, faulty
from pictures import base64_png
from test_hostile_pictures import SVG, claiming
from trial import KEY, PROMPT, trial

from router import runtime
from router.wire.send import Wire

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("short_grace")]
pytest_plugins = ["short_grace"]

MODELS = {"alone": {"chain": ["bad/any"]}, "m": {"chain": ["bad/any", "good/any"]}}
USELESS = (502, "provider_error", "false")
OPEN_ENDED = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n"


async def useless(tmp_path: Path, step: Step) -> None:
    """What was paid for and is no picture: once there, then the next target; alone an error not to be repeated."""
    async with (
        faulty(doing(step)) as bad,
        faulty(doing(draws)) as good,
        trial(tmp_path, {"bad": bad, "good": good}, models=MODELS) as running,
    ):
        alone, chained = await running.ask("alone"), await running.ask("m")
        assert alone.verdict == USELESS
        assert chained.status == 200
        assert chained.response.json()["data"] == [{"b64_json": base64_png(64, 64)}]
        assert running.outcomes("bad") == ["ambiguous"] * 2
        await running.check(alone, chained)


CUT = {
    "shorter than it said": sends(ANSWER[:-40]),
    "a whole length of half a JSON": says(200, PICTURE[:-40], billed=True),
    "without a length": sends(OPEN_ENDED + PICTURE[:-40]),
    "within a chunk": sends(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nfff\r\n" + PICTURE[:100]),
}


@pytest.mark.parametrize("step", CUT.values(), ids=CUT)
async def test_f10_a_truncated_answer_is_never_a_picture(tmp_path: Path, step: Step) -> None:
    """With or without a length: the client never sees it."""
    await useless(tmp_path, step)


WRONG = {
    "no JSON": b"{]",
    "HTML": b"<html><body>Sign in</body></html>",
    "nothing": b"",
    "null": b"null",
    "a list": b"[]",
    "a number": b"7",
    "data of another shape": b'{"data":{"b64_json":"AAAA"}}',
    "an empty list": b'{"data":[]}',
    "a null in it": b'{"data":[null]}',
    "a picture that is a number": b'{"data":[{"b64_json":7}]}',
    "a picture that is null": b'{"data":[{"b64_json":null,"url":null}]}',
    "not UTF-8": b'{"data":[{"b64_json":"\xff\xfe"}]}',
    "nested without end": b"[" * 100_000,
}


@pytest.mark.parametrize("body", WRONG.values(), ids=WRONG)
async def test_f11_a_200_without_a_picture_is_a_bad_response_and_never_a_500(tmp_path: Path, body: bytes) -> None:
    """Whatever the body is: it may have been billed, so it is not asked for there again."""
    await useless(tmp_path, says(200, body, billed=True))


async def test_f11_a_picture_under_another_content_type_is_a_picture(tmp_path: Path) -> None:
    """What the bytes are counts, not what a header calls them."""
    answer = ANSWER.replace(b"application/json", b"text/plain")
    async with faulty(doing(sends(answer))) as only, trial(tmp_path, {"only": only}) as running:
        ended = await running.ask()
        assert ended.status == 200
        await running.check(ended)


async def test_f11_fewer_pictures_than_asked_are_completed_by_the_next_target_or_handed_over_with_a_warning(
    tmp_path: Path,
) -> None:
    """One of two pictures: the next target draws the other; alone the one is a documented partial result."""
    async with (
        faulty(doing(draws)) as bad,
        faulty(doing(draws)) as good,
        trial(tmp_path, {"bad": bad, "good": good}, models=MODELS) as running,
    ):
        chained, alone = await running.ask("m", n=2), await running.ask("alone", n=2)
        assert [len(ended.response.json()["data"]) for ended in (chained, alone)] == [2, 1]
        assert [each["parameter"] for each in alone.response.json()["router"]["warnings"]] == ["n"]
        await running.check(chained, alone)


CAP = 16 << 20


async def endless(peer: Peer) -> bool:
    """A body that never ends, until the router leaves."""
    peer.bill()
    piece = b"10000\r\n" + b" " * (1 << 16) + b"\r\n"
    await peer.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
    while True:
        await peer.send(piece)


async def a_gigabyte(peer: Peer) -> bool:
    """A body of a gigabyte that says so."""
    peer.bill()
    await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 1073741824\r\n\r\n")
    for _ in range(1 << 14):
        await peer.send(b" " * (1 << 16))
    return True


def peak() -> int:
    """The most memory this process has held since `forget_peak`, in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) * 1024


def forget_peak() -> int:
    """Begin to measure: what the process holds now."""
    Path("/proc/self/clear_refs").write_text("5")
    return peak()


@pytest.mark.parametrize("step", [endless, a_gigabyte])
async def test_f12_an_answer_without_end_is_cut_at_the_cap(tmp_path: Path, monkeypatch, step: Step) -> None:
    """Memory stays under twice the cap, and the rest is never read."""
    monkeypatch.setattr(runtime, "Wire", partial(Wire, max_answer=CAP))
    async with faulty(doing(step)) as only:
        defaults = {"attempt_timeout": "2s"}
        async with trial(tmp_path, {"only": only}, defaults=defaults) as running:
            before = await asyncio.to_thread(forget_peak)
            ended = await running.ask()
            grown = await asyncio.to_thread(peak) - before
            assert ended.verdict == USELESS
            assert "larger than" in ended.error["message"]
            assert grown < 2 * CAP + (8 << 20)
            await running.check(ended)


@pytest.mark.parametrize("encoding", ["gzip", "br", "zstd", "deflate", "gzip, gzip"])
async def test_f13_a_compressed_answer_is_refused_unread(tmp_path: Path, encoding: str) -> None:
    """Nobody asked for it, and it might be a thousand times its size: memory stays flat."""
    bomb = gzip.compress(b" " * (64 << 20), 1)
    before = forget_peak()
    await useless(tmp_path, says(200, bomb, f"content-encoding: {encoding}\r\n", billed=True))
    assert peak() - before < 32 << 20


def _b64(text: str) -> bytes:
    return msgspec.json.encode({"data": [{"b64_json": text}]})


HARMFUL = {
    "SVG": tells(SVG),
    "text": tells(b"a picture of a kite"),
    "nothing": tells(b""),
    "a truncated PNG": tells(drawn()[:-30]),
    "a decompression bomb": tells(claiming(60_000, 60_000)),
    "no base64": _b64("!!!! no base64 !!!!"),
    "base64 that breaks off into something else": _b64(base64_png(64, 64)[:60] + "!" * 60),
    "base64 with a hole": _b64(base64_png(64, 64)[:60] + "\n\x00\u00e9" + base64_png(64, 64)[60:]),
}


@pytest.mark.parametrize("body", HARMFUL.values(), ids=HARMFUL)
async def test_f14_bytes_that_are_no_sound_picture_are_a_bad_response(tmp_path: Path, body: bytes) -> None:
    """A client never gets what it cannot open."""
    await useless(tmp_path, says(200, body, billed=True))


async def test_f14_a_mislabelled_picture_is_told_as_what_it_is(tmp_path: Path) -> None:
    """A PNG that its backend calls a WebP is a PNG."""
    body = tells(drawn(), output_format="webp", size="1x1")
    async with faulty(doing(says(200, body, billed=True))) as only, trial(tmp_path, {"only": only}) as running:
        ended = await running.ask()
        told = ended.response.json()
        assert (told["output_format"], told["size"]) == ("png", "64x64")
        await running.check(ended)


async def test_f16_an_account_without_credit_is_left_out_whole_and_never_retried(tmp_path: Path) -> None:
    """A 429 that means money is `quota`: one call, then no target of the account for five minutes."""
    models = {"m": {"chain": ["bad/one", "good/any"]}, "other": {"chain": ["bad/two", "good/any"]}}
    async with (
        faulty(doing(fails(429, "insufficient_quota"))) as bad,
        faulty(doing(draws)) as good,
        trial(tmp_path, {"bad": bad, "good": good}, models=models) as running,
    ):
        answers = [await running.ask(model) for model in ("m", "m", "other")]
        assert [ended.status for ended in answers] == [200] * 3
        assert len(bad.requests) == 1
        assert running.attempts("bad")[0]["error"] == "quota"
        standing = running.service.guard.health.standing("bad/two", "bad")
        assert (standing.state, standing.reason) == ("cooling", "quota")
        assert 290 < standing.until - running.service.guard.health.clock() <= 300
        await running.check(*answers)


@pytest.mark.parametrize("status", [401, 403])
async def test_f17_a_key_of_ours_that_is_refused_is_never_the_callers_401(tmp_path: Path, status: int) -> None:
    """The next target is asked and the account left out; alone the caller is told in our words."""
    async with (
        faulty(doing(fails(status, "invalid_api_key"))) as bad,
        faulty(doing(draws)) as good,
        trial(tmp_path, {"bad": bad, "good": good}, models=MODELS) as running,
    ):
        alone, chained = await running.ask("alone"), await running.ask("m")
        assert alone.verdict == (422, "provider_credential_invalid", "false")
        assert chained.status == 200
        assert len(bad.requests) == 1
        await running.check(alone, chained)


@pytest.mark.parametrize("code", ["moderation_blocked", "content_policy_violation"])
async def test_f18_a_refused_prompt_is_a_400_and_asked_of_nobody_else(tmp_path: Path, code: str) -> None:
    """By default a refusal ends the request; the target is no worse for it."""
    async with (
        faulty(doing(fails(400, code))) as bad,
        faulty(doing(draws)) as good,
        trial(tmp_path, {"bad": bad, "good": good}) as running,
    ):
        answers = [await running.ask() for _ in range(6)]
        assert {ended.verdict for ended in answers} == {(400, code, "false")}
        assert (len(bad.requests), len(good.requests)) == (6, 0)
        await running.check(*answers)


STATUSES: dict[str, tuple[Step, str, int, tuple[int, str, str]]] = {
    # the answer, what it means for the bill, how often a target that is alone is asked, and what the caller is told
    "500": (fails(500, "server_error"), "failed", 1, (502, "provider_error", "true")),
    "502": (says(502, b"<html>", billed=True), "ambiguous", 1, (502, "provider_error", "false")),
    "503": (fails(503, "overloaded"), "rejected", 2, (503, "provider_overloaded", "false")),
    "504": (says(504, b"", billed=True), "ambiguous", 1, (504, "provider_timeout", "false")),
    "520": (says(520, b"<html>", billed=True), "ambiguous", 1, (502, "provider_error", "false")),
    "529": (fails(529), "rejected", 2, (503, "provider_overloaded", "false")),
    "408": (says(408, b"", billed=True), "ambiguous", 1, (504, "provider_timeout", "false")),
    "499": (says(499, b"", billed=True), "ambiguous", 1, (504, "provider_timeout", "false")),
    "404": (fails(404, "model_not_found"), "rejected", 1, (404, "model_not_found", "false")),
}


@pytest.mark.parametrize(("step", "outcome", "alone", "verdict"), STATUSES.values(), ids=STATUSES)
async def test_f19_each_status_of_a_failing_backend_is_its_row_of_the_taxonomy(
    tmp_path: Path, step: Step, outcome: str, alone: int, verdict: tuple[int, str, str]
) -> None:
    """Whether it is asked again, what it may have cost, what the caller is told; a chain goes on to the next."""
    async with (
        faulty(doing(step)) as bad,
        faulty(doing(draws)) as good,
        trial(tmp_path, {"bad": bad, "good": good}) as running,
    ):
        chained = await running.ask()
        assert (chained.status, running.outcomes()) == (200, [outcome, "succeeded"])
        await running.check(chained)
    async with faulty(doing(step)) as bad, trial(tmp_path, {"bad": bad}) as running:
        single = await running.ask()
        assert (single.verdict, running.outcomes()) == (verdict, [outcome] * alone)
        await running.check(single)


QUOTES: dict[str, Any] = {
    "a refusal": fails(400, "invalid_value", f"Bearer {KEY} may not draw: {PROMPT}"),
    "a failure": fails(500, "server_error", f"{PROMPT} with {KEY}"),
    "an unpaid bill": fails(402, KEY, f"{PROMPT} with {KEY}"),
    "a refused key": fails(401, "invalid_api_key", f"Incorrect API key provided: {KEY}"),
    "a code": fails(400, KEY, PROMPT),
    "no JSON": says(400, f"{PROMPT} {KEY}".encode()),
    "a header": says(429, b"{}", f"x-request-id: {KEY}\r\nretry-after: {KEY}\r\n"),
    "a success": says(200, msgspec.json.encode({"data": [{"b64_json": KEY, "revised_prompt": PROMPT}]}), billed=True),
}


@pytest.mark.parametrize("step", QUOTES.values(), ids=QUOTES)
async def test_f43_a_backend_that_quotes_our_key_or_the_prompt_is_not_passed_on(tmp_path: Path, step: Step) -> None:
    """Neither the caller, nor the log, nor the metrics, nor the ledger learn either."""
    async with faulty(doing(step)) as only, trial(tmp_path, {"only": only}) as running:
        ended = await running.ask()
        assert ended.status >= 400
        scraped = (await running.client.get("/metrics")).text
        rows = await running.service.ledger.doubtful()
        for told in (ended.response.text, str(ended.response.headers), str(running.lines), scraped, str(rows)):
            assert KEY not in told
            assert PROMPT not in told
        await running.check(ended)

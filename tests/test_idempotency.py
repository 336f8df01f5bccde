"""Idempotency keys over real sockets: one execution of each, whoever asks, leaves or dies, and its answer again."""

import base64
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import msgspec
import pytest
import yaml
from backends import Hold, OpenAIBackend, Raw, Reset, Status
from backends.fal import FalBackend
from backends.streams import StreamHold
from pictures import png
from redis_server import NEEDS_REDIS, RedisServer, redis_server
from replaying import GENERATIONS, PLAIN, Crowd, ask, config, leave, metric, routers, until
from serving import command

__all__ = ["redis_server"]


@pytest.fixture(scope="module")
def backend() -> Iterator[OpenAIBackend]:
    """One backend for all tests of this file."""
    with OpenAIBackend() as server:
        yield server


@pytest.fixture(autouse=True)
def _clean(backend: OpenAIBackend) -> None:
    backend.ledger.clear()


@pytest.fixture(scope="module")
def router(backend: OpenAIBackend, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A router that shares its state with nobody."""
    folder = tmp_path_factory.mktemp("alone")
    with routers(1, config(backend.url, "memory", folder / "store"), folder) as (url,):
        yield url


@pytest.fixture(scope="module")
def pair(
    backend: OpenAIBackend, redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[list[str]]:
    """Two routers with one Redis and one store."""
    folder = tmp_path_factory.mktemp("pair")
    with routers(2, config(backend.url, redis_server.url, folder / "store"), folder) as urls:
        yield urls


def error(answer: httpx.Response) -> tuple[int, str]:
    """The status and code of a refusal."""
    return answer.status_code, answer.json()["error"]["code"]


@NEEDS_REDIS
def test_fifty_at_once_are_one_call(pair: list[str], backend: OpenAIBackend) -> None:
    """Of fifty requests with one key at two routers one is served; the others may ask again, and then have it too."""
    hold = Hold()
    backend.script(hold)
    crowd = Crowd(50, lambda number: ask(pair[number % 2], "fifty"))
    crowd.wait(49)
    hold.release()
    answers = crowd.answers()
    (first,) = [answer for answer in answers if answer.status_code == 200]
    waiting = [answer for answer in answers if answer is not first]
    assert {error(answer) for answer in waiting} == {(409, "idempotency_in_progress")}
    assert {(answer.headers["retry-after"], answer.headers["x-should-retry"]) for answer in waiting} == {("1", "true")}
    again = Crowd(50, lambda number: ask(pair[number % 2], "fifty")).answers()
    assert {answer.content for answer in again} == {first.content}
    assert {answer.headers["idempotent-replayed"] for answer in again} == {"true"}
    assert "idempotent-replayed" not in first.headers
    assert len(backend.ledger) == 1
    same = ("content-type", "x-router-model", "x-router-attempts", "x-router-cost-usd")
    assert [again[0].headers[name] for name in same] == [first.headers[name] for name in same]


def test_a_key_belongs_to_one_request(router: str, backend: OpenAIBackend) -> None:
    """Another body under the same key is refused, whatever its encoding; the same body in another encoding is not."""
    assert ask(router, "mine").status_code == 200
    assert error(ask(router, "mine", prompt="another")) == (422, "idempotency_key_reused")
    assert error(ask(router, "mine", n=2)) == (422, "idempotency_key_reused")
    spaced = b'  {"prompt" : "%b",\n"model":"gpt-image-2", "n": null}' % PLAIN["prompt"].encode()
    headers = {"authorization": "Bearer key-ann", "idempotency-key": "mine", "content-type": "application/json"}
    again = httpx.post(f"{router}{GENERATIONS}", content=spaced, headers=headers)
    assert (again.status_code, again.headers["idempotent-replayed"]) == (200, "true")
    assert len(backend.ledger) == 1


def test_the_pictures_are_part_of_the_request(router: str, backend: OpenAIBackend) -> None:
    """An edit of another picture is another request; in JSON or as a form, that of the same is the same."""
    picture, other = png(16, 16), png(16, 16, tint=10)
    headers = {"authorization": "Bearer key-ann", "idempotency-key": "edit"}

    def edit(data: bytes) -> httpx.Response:
        files = {"image": ("a.png", data, "image/png")}
        return httpx.post(f"{router}/v1/images/edits", data=PLAIN, files=files, headers=headers)

    assert edit(picture).status_code == 200
    assert error(edit(other)) == (422, "idempotency_key_reused")
    inline = f"data:image/png;base64,{base64.b64encode(picture).decode()}"
    again = ask(router, "edit", path="/v1/images/edits", image=inline)
    assert (again.status_code, again.headers["idempotent-replayed"]) == (200, "true")
    assert len(backend.ledger) == 1


def test_keys_of_others_and_of_other_operations_are_other_keys(router: str, backend: OpenAIBackend) -> None:
    """A key holds for its caller and operation only; nobody sees another's result."""
    assert ask(router, "same").status_code == 200
    assert "idempotent-replayed" not in ask(router, "same", caller="bob").headers
    picture = f"data:image/png;base64,{base64.b64encode(png(16, 16)).decode()}"
    assert "idempotent-replayed" not in ask(router, "same", path="/v1/images/edits", image=picture).headers
    assert len(backend.ledger) == 3


@pytest.mark.parametrize("key", ["", "a b", "ä", "x" * 256])
def test_a_key_is_visible_ascii(router: str, backend: OpenAIBackend, key: str) -> None:
    """1 to 255 visible ASCII characters, else 400."""
    headers = {b"authorization": b"Bearer key-ann", b"idempotency-key": key.encode()}
    answer = httpx.post(f"{router}{GENERATIONS}", json=PLAIN, headers=headers)
    assert error(answer) == (400, "invalid_value")
    assert len(backend.ledger) == 0


@pytest.mark.parametrize("status", [400, 429])
def test_what_was_not_billed_gives_the_key_back(router: str, backend: OpenAIBackend, status: int) -> None:
    """After a refusal the same key may ask again, and is served."""
    backend.script(Status(status, "scripted"), Status(status, "scripted"))
    retry = {"retry": {"count": 0}}
    assert ask(router, f"free-{status}", **retry).status_code == status
    assert ask(router, f"free-{status}", **retry).status_code == status
    assert ask(router, f"free-{status}", **retry).status_code == 200
    assert len(backend.ledger) == 3


def test_an_outcome_in_doubt_holds_the_key(router: str, backend: OpenAIBackend) -> None:
    """After a reset nobody knows what was billed: the key sends nothing again, and the client is told not to."""
    backend.script(Reset())
    assert ask(router, "doubt").status_code == 502
    again = ask(router, "doubt")
    assert error(again) == (409, "idempotency_outcome_unknown")
    assert again.headers["x-should-retry"] == "false"
    assert error(ask(router, "doubt", n=2)) == (422, "idempotency_key_reused")
    assert len(backend.ledger) == 1


def test_the_result_waits_for_a_client_that_left(router: str, backend: OpenAIBackend) -> None:
    """After the backend was asked the work goes on alone, is counted as 499, and is there when the client is back."""
    hold = Hold()
    backend.script(hold)
    before = metric(router, 'requests_total{model="gpt-image-2",operation="generate",status="499"}')
    leave(router, "left", lambda: backend.ledger.wait(1))
    assert error(ask(router, "left")) == (409, "idempotency_in_progress")
    hold.release()
    until(lambda: metric(router, 'requests_total{model="gpt-image-2",operation="generate",status="499"}') == before + 1)
    again = ask(router, "left")
    assert (again.status_code, again.headers["idempotent-replayed"]) == (200, "true")
    assert len(backend.ledger) == 1


def test_a_client_that_leaves_while_nothing_is_sent_costs_nothing(router: str, backend: OpenAIBackend) -> None:
    """A pause before a retry ends with its client: nothing more is sent."""
    backend.script(Status(429, "slow_down", headers={"retry-after": "30"}))
    before = metric(router, 'requests_total{model="gpt-image-2",operation="generate",status="499"}')
    ended = 'attempts_total{outcome="rejected",target="openai/gpt-image-2"}'
    refused = metric(router, ended)
    leave(
        router,
        None,
        lambda: until(lambda: metric(router, ended) == refused + 1),
        retry={"count": 1, "on_codes": [429]},
    )
    until(lambda: metric(router, 'requests_total{model="gpt-image-2",operation="generate",status="499"}') == before + 1)
    assert len(backend.ledger) == 1


def test_a_stream_is_replayed_event_for_event(router: str, backend: OpenAIBackend) -> None:
    """The same events in the same order, also where the client left in their middle."""
    first = ask(router, "stream", stream=True, partial_images=1)
    again = ask(router, "stream", stream=True, partial_images=1)
    assert (again.content, again.headers["content-type"]) == (first.content, first.headers["content-type"])
    assert again.headers["idempotent-replayed"] == "true"
    hold = StreamHold(after=1)
    backend.script(hold)
    leave(router, "half", lambda: backend.ledger.wait(2), stream=True, partial_images=1)
    hold.release()
    until(lambda: ask(router, "half", stream=True, partial_images=1).status_code == 200)
    whole = ask(router, "half", stream=True, partial_images=1)
    assert whole.text.count("event: image_generation.") == 2
    assert len(backend.ledger) == 2


@NEEDS_REDIS
def test_thirty_megabytes_come_again_byte_for_byte(pair: list[str], backend: OpenAIBackend) -> None:
    """A large answer is replayed by the other router as it was, and no link of the router opens it."""
    filler = bytes(22 << 20)
    chunk = struct.pack(">I", len(filler)) + b"flLr" + filler + struct.pack(">I", zlib.crc32(b"flLr" + filler))
    picture = png()
    large = base64.b64encode(picture[:-12] + chunk + picture[-12:]).decode()
    backend.script(Raw(200, msgspec.json.encode({"created": 1, "data": [{"b64_json": large}]}), billed=True))
    first, again = ask(pair[0], "large"), ask(pair[1], "large")
    assert first.status_code == again.status_code == 200
    assert len(first.content) > 29 << 20
    assert first.content == again.content
    assert len(backend.ledger) == 1


@NEEDS_REDIS
def test_without_the_state_keys_are_refused_and_all_else_is_served(
    backend: OpenAIBackend, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """By default no key is taken that another worker might have; `serve` takes it for this worker alone."""
    server = RedisServer(tmp_path_factory.mktemp("lost"))
    folder = tmp_path_factory.mktemp("policies")
    careful = config(backend.url, server.url, folder / "store")
    bold = config(backend.url, server.url, folder / "store", idempotency={"when_state_is_down": "serve"})
    with routers(1, careful, folder / "a") as (one,), routers(1, bold, folder / "b") as (other,):
        assert ask(one, "before").status_code == 200
        server.kill()
        refused = ask(one, "down")
        assert error(refused) == (503, "idempotency_unavailable")
        assert (refused.headers["x-should-retry"], refused.headers["retry-after"]) == ("true", "1")
        assert ask(one).status_code == 200
        assert ask(other, "down").status_code == 200
        assert ask(other, "down").headers["idempotent-replayed"] == "true"
        server.start()
        until(lambda: ask(one, "back").status_code == 200)
        server.kill()
    assert len(backend.ledger) == 4


def killed_between(
    key: str, settings: dict[str, object], folder: Path, asked: Callable[[], object], **body: object
) -> None:
    """A router of its own process is asked, and killed once `asked` returns."""
    folder.mkdir()
    file = folder / "router.yaml"
    file.write_text(yaml.safe_dump(settings))
    with command("--config", str(file), log=folder / "log") as (url, process):

        def kill() -> None:
            asked()
            process.kill()

        leave(url, key, kill, **body)
        process.wait(10)


@NEEDS_REDIS
def test_an_accepted_job_is_delivered_by_another_worker(redis_server: RedisServer, tmp_path: Path) -> None:
    """Killed right after fal took the job: another worker delivers it for the same key, and nothing is paid twice."""
    with FalBackend() as fal:
        settings = config("", redis_server.url, tmp_path / "store")
        settings["providers"] = {"fal": {"kind": "fal", "base_url": fal.url, "api_key": "id:secret"}}
        settings["models"] = {"flux": {"chain": ["fal/fal-ai/flux/dev"]}}
        body = {"model": "flux", "response_format": "b64_json"}
        with routers(1, settings, tmp_path / "other") as (other,):
            killed_between("job", settings, tmp_path / "first", lambda: noted(redis_server, b'"work"'), **body)
            assert error(ask(other, "job", **body)) == (409, "idempotency_in_progress")
            redis_server.pass_time(11)
            answer = ask(other, "job", **body)
            assert answer.status_code == 200
            assert base64.b64decode(answer.json()["data"][0]["b64_json"]).startswith(b"\xff\xd8\xff")
            assert ask(other, "job", **body).content == answer.content
            assert metric(other, 'idempotency_total{result="resumed"}') == 1
        assert len(fal.ledger) == 1


@NEEDS_REDIS
def test_a_call_that_nobody_can_ask_for_is_not_made_again(
    redis_server: RedisServer, backend: OpenAIBackend, tmp_path: Path
) -> None:
    """Killed while a backend draws on a held connection: the key answers that the outcome is unknown."""
    backend.script(Hold())
    settings = config(backend.url, redis_server.url, tmp_path / "store")
    with routers(1, settings, tmp_path / "other") as (other,):
        killed_between("cut", settings, tmp_path / "first", lambda: backend.ledger.wait(1))
        redis_server.pass_time(11)
        assert error(ask(other, "cut")) == (409, "idempotency_outcome_unknown")
    assert len(backend.ledger) == 1


@NEEDS_REDIS
def test_a_worker_that_died_before_it_sent_anything_is_replaced(
    redis_server: RedisServer, backend: OpenAIBackend, tmp_path: Path
) -> None:
    """Killed in the pause before a retry: another worker serves the key as if it were new."""
    backend.script(Status(429, "slow_down", headers={"retry-after": "50"}))
    settings = config(backend.url, redis_server.url, tmp_path / "store")
    body = {"retry": {"count": 1, "on_codes": [429]}}
    with routers(1, settings, tmp_path / "other") as (other,):

        def refused() -> None:
            backend.ledger.wait(1)
            noted(redis_server, b'"sent":{}')

        killed_between("early", settings, tmp_path / "first", refused, **body)
        redis_server.pass_time(11)
        assert ask(other, "early", **body).status_code == 200
    assert len(backend.ledger) == 2


def noted(redis_server: RedisServer, what: bytes) -> None:
    """Return once `what` stands in the entry of a key under way."""
    with redis_server.admin() as admin:

        def stands() -> bool:
            held = [admin.get(name) or b"" for name in admin.scan_iter("*:idempotency/*")]
            return any(b'"running"' in entry and what in entry for entry in held)

        until(stands)

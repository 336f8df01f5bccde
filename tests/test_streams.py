"""Streams, as the official clients read them: from a backend that streams, and from those that do not."""

import asyncio
import base64
import gc
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import openai
import psutil
import pytest
from backends import OpenAIBackend, Status
from backends.plain import PlainBackend
from backends.streams import StreamCut, StreamError, StreamHold
from conftest import needs
from node_clients import Failure, Node, file
from pictures import png
from serving import FORGIVING, command, serving

from router.api import event_stream

PICTURE = png(64, 64)
PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture(scope="module")
def backend() -> Iterator[OpenAIBackend]:
    """A backend that streams."""
    with OpenAIBackend() as server:
        yield server


@pytest.fixture(scope="module")
def router(backend: OpenAIBackend, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A router over backends that stream and that do not."""
    with PlainBackend() as plain:
        config = {
            "defaults": FORGIVING,
            "providers": {
                "openai": {"kind": "openai", "base_url": backend.url, "api_key": "k"},
                "sketch": {"kind": "sketch"},
                "plain": {"kind": "kinds.bytes_only", "base_url": plain.origin},
            },
            "models": {
                "gpt-image-2": {"chain": ["openai/gpt-image-2"]},
                "sketch": {"chain": ["sketch/sketch-fast"]},
                "plain": {"chain": ["plain/any"]},
                "spare": {"chain": ["openai/gpt-image-2", "plain/any"]},
            },
        }
        with serving(config, tmp_path_factory.mktemp("router")) as url:
            yield url


@pytest.fixture(autouse=True)
def _clean(backend: OpenAIBackend) -> None:
    backend.ledger.clear()


def client(router: str) -> openai.OpenAI:
    """The official client, which asks once."""
    return openai.OpenAI(base_url=f"{router}/v1", api_key="any", max_retries=0)


def counted(router: str, metric: str, *labels: str) -> float:
    """What a metric stands at, over all its series with these labels, such as `status="499"`."""
    lines = httpx.get(f"{router}/metrics").text.splitlines()
    found = (line for line in lines if line.startswith(f"image_router_{metric}{{"))
    return sum(float(line.split()[-1]) for line in found if all(label in line for label in labels))


@pytest.mark.parametrize("operation", ["generate", "edit"])
@pytest.mark.parametrize("model", ["gpt-image-2", "sketch", "plain"])
def test_the_python_client_reads_every_models_stream(router: str, model: str, operation: str) -> None:
    """Early looks where the backend has them, then one finished picture with usage, named for the operation."""
    with client(router) as official:
        fields: dict[str, Any] = {
            "model": model,
            "prompt": "a house",
            "size": "1024x1024",
            "stream": True,
            "partial_images": 2,
        }
        if operation == "edit":
            fields["image"] = ("cat.png", PICTURE, "image/png")
        events = list(getattr(official.images, operation)(**fields))
    kind = "image_generation" if operation == "generate" else "image_edit"
    partials = 0 if model == "plain" else 2
    assert [event.type for event in events] == [*[f"{kind}.partial_image"] * partials, f"{kind}.completed"]
    for event in events:
        assert base64.b64decode(event.b64_json).startswith(PNG)
        assert isinstance(event.created_at, int)
    assert [event.partial_image_index for event in events[:-1]] == list(range(partials))
    assert (events[-1].size, events[-1].output_format) == ("1024x1024", "png")
    assert events[-1].usage.total_tokens == events[-1].usage.input_tokens + events[-1].usage.output_tokens


@needs("node", "apt-get install nodejs npm, then make test")
@needs("tests/clients/js/node_modules/openai", "make test, which runs npm ci")
def test_the_javascript_client_reads_streams_and_raises_their_errors(router: str, backend: OpenAIBackend) -> None:
    """The same events reach the client for JavaScript; a failure in mid-stream is thrown."""
    node = Node(router)
    try:
        for model in ("gpt-image-2", "sketch"):
            fields = {"model": model, "prompt": "a house", "stream": True, "partial_images": 1}
            events, _ = node.call("openai", "images.generate", fields, prefix="/v1")
            assert [event["type"] for event in events] == [
                "image_generation.partial_image",
                "image_generation.completed",
            ]
            events, _ = node.call("openai", "images.edit", {**fields, "image": file(PICTURE)}, prefix="/v1")
            assert [event["type"] for event in events] == ["image_edit.partial_image", "image_edit.completed"]
        backend.script(StreamError(after=1))
        with pytest.raises(Failure):
            node.call("openai", "images.generate", {**fields, "model": "gpt-image-2"}, prefix="/v1")
    finally:
        node.close()


@pytest.mark.parametrize("step", [StreamError(after=1), StreamCut(after=1)])
def test_a_failure_in_mid_stream_is_raised_and_not_repeated(router: str, backend: OpenAIBackend, step: Any) -> None:
    """After the first picture byte there is no other target: the client's own error is raised."""
    backend.script(step)
    with client(router) as official:
        stream = official.images.generate(model="spare", prompt="p", stream=True, partial_images=2)
        with pytest.raises(openai.APIError):
            list(stream)
    assert len(backend.ledger) == 1


def test_before_the_first_byte_another_target_may_serve(router: str, backend: OpenAIBackend) -> None:
    """A backend that fails before it sends a picture is left for the next; the client sees only the stream."""
    backend.script(Status(503, "server_is_overloaded"))
    with client(router) as official:
        events = list(official.images.generate(model="spare", prompt="p", stream=True, partial_images=1))
    assert [event.type for event in events] == ["image_generation.completed"]


def test_a_failure_before_the_first_byte_is_a_plain_error(router: str, backend: OpenAIBackend) -> None:
    """Nothing sent yet, so the status can still tell."""
    backend.script(Status(400, "moderation_blocked", "image_generation_user_error"))
    body = {"model": "gpt-image-2", "prompt": "p", "stream": True}
    answer = httpx.post(f"{router}/v1/images/generations", json=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "moderation_blocked")


def test_several_pictures_are_one_finished_event_each(router: str, backend: OpenAIBackend) -> None:
    """`n` pictures are `n` calls that stream, and `n` finished events whose usage adds up to the bill."""
    with client(router) as official:
        events = list(official.images.generate(model="gpt-image-2", prompt="p", n=3, stream=True))
    assert [event.type for event in events] == ["image_generation.completed"] * 3
    assert len(backend.ledger) == 3
    assert [record.n for record in backend.ledger.records] == [1, 1, 1]


def test_silence_is_filled_with_comments(router: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """While a backend draws, comments keep the connection alive, and every client passes over them."""
    monkeypatch.setattr(event_stream, "QUIET", 0.001)
    with httpx.stream(
        "POST", f"{router}/v1/images/generations", json={"model": "sketch", "prompt": "p", "stream": True}
    ) as answer:
        text = answer.read().decode()
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert text.startswith(": still drawing\n\n")
    assert "event: image_generation.completed\ndata: {" in text
    assert "[DONE]" not in text


def test_a_stream_is_read_to_its_end_without_its_client(router: str, backend: OpenAIBackend) -> None:
    """What was sent is paid for: after the client has left, the picture is waited for and counted."""
    hold = StreamHold(after=1)
    backend.script(hold)
    body = {"model": "gpt-image-2", "prompt": "p", "stream": True, "partial_images": 2}
    ours, asked = 'target="openai/gpt-image-2"', ('model="gpt-image-2"', 'operation="generate"')
    made, ended = counted(router, "images_total", ours), counted(router, "requests_total", *asked)
    with httpx.stream("POST", f"{router}/v1/images/generations", json=body) as answer:
        next(answer.iter_lines())
    hold.release()
    while counted(router, "requests_total", *asked) == ended:
        pass
    assert counted(router, "images_total", ours) == made + 1


def test_a_thousand_streams_leave_nothing_behind(backend: OpenAIBackend, tmp_path: Any) -> None:
    """After them the process has no more connections or threads than before."""
    file_ = tmp_path / "router.yaml"
    file_.write_text(
        f"providers: {{o: {{kind: openai, base_url: '{backend.url}', api_key: k}}}}\n"
        "models: {m: {chain: [o/gpt-image-2]}}\n",
    )
    with command("--config", str(file_)) as (url, process):
        router = psutil.Process(process.pid)

        async def stream(client_: httpx.AsyncClient, number: int) -> None:
            body = {"model": "m", "prompt": "p", "stream": True, "partial_images": 1}
            async with client_.stream("POST", f"{url}/v1/images/generations", json=body) as answer:
                async for _ in answer.aiter_bytes():
                    if number % 4 == 0:
                        break  # every fourth client leaves in the middle

        async def batch(count: int) -> None:
            async with httpx.AsyncClient(timeout=60, limits=httpx.Limits(max_connections=20)) as client_:
                await asyncio.gather(*(stream(client_, number) for number in range(count)))

        asyncio.run(batch(100))
        before = (router.num_fds(), router.num_threads())
        asyncio.run(batch(1000))
        idle = httpx.get(f"{url}/metrics").text
        assert 'image_router_in_flight{target="o/gpt-image-2"} 0.0' in idle
        after = (router.num_fds(), router.num_threads())
        assert after[0] <= before[0] + 40  # kept-alive connections to the backend, at most one per caller at a time
        assert after[1] <= before[1] + 2
    gc.collect()
    assert threading.active_count() < 20

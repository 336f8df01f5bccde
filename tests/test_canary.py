"""A key, a prompt and a picture that are put through every fault appear in nothing that the router tells of itself."""

import asyncio
import contextlib
import json
import os
import socket
import ssl
import subprocess
import sys
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import trustme
import yaml
from backends import Hang, OpenAIBackend
from canary import (
    CLIENT_KEY,
    ENVIRON,
    FAULTS,
    HEAD,
    NOTHING_TO_TELL,
    OPERATED,
    PROMPT,
    SECRETS,
    Stage,
    behind,
    config,
    served,
)
from collector import collecting
from fault_matrix import FAULTS as MATRIX
from faults import faulty
from processes import Asking, Running, connect, kill, running, until, workers
from serving import ROOT


@dataclass(frozen=True)
class Told:
    """All that a router told, by where it did."""

    log: str
    metrics: str
    spans: bytes
    answers: tuple[httpx.Response, ...]
    config: str

    @property
    def places(self) -> dict[str, str]:
        """Each sink's text: of answers those that are errors, and all their headers."""
        errors = [answer.text for answer in self.answers if answer.status_code >= 400]
        return {
            "log": self.log,
            "metrics": self.metrics,
            "spans": self.spans.decode(errors="replace"),
            "errors": "".join(errors),
            "headers": "".join(str(answer.headers) for answer in self.answers),
            "config": self.config,
        }


@contextlib.contextmanager
def mute() -> Iterator[str]:
    """An address that takes no connection, and refuses none."""
    with socket.socket() as full, contextlib.ExitStack() as stack:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for _ in range(3):
            filler = stack.enter_context(socket.socket())
            filler.settimeout(0)
            filler.connect_ex(full.getsockname())
        yield f"http://127.0.0.1:{full.getsockname()[1]}"


def scraped(router: Running) -> str:
    """Its metrics."""
    token = {"authorization": f"Bearer {ENVIRON['TOKEN']}"}
    return httpx.get(f"{router.url}/metrics", headers=token, timeout=20).text


def dumped(router: Running, state: Path) -> str:
    """What the router itself says of its configuration, and what it keeps of it on disk."""
    kept = [path.read_text(errors="replace") for path in state.rglob("*") if path.is_file()]
    live = [httpx.get(f"{router.url}/{path}", headers=HEAD).text for path in ("readyz", "v1/models", "openapi.json")]
    return "".join([*kept, *live])


def commanded(file: Path) -> str:
    """What commands say of a configuration."""
    other = file.with_name("other.yaml")
    other.write_text(file.read_text().replace("open_for: 1m", "open_for: 2m"))
    environ = {**ENVIRON, "PATH": os.environ["PATH"]}
    said = []
    for words in (["check"], ["check", "--json"], ["diff", str(other)], ["explain", "--model", "m", "--config"]):
        command = [sys.executable, "-m", "router", *words, str(file)]
        done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False)
        said.append(done.stdout + done.stderr)
    return "".join(said)


async def faults(folder: Path) -> Told:
    """One router through every fault of its backends and its clients."""
    steps: deque = deque()
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    trustme.CA().issue_cert("localhost").configure_cert(tls)
    async with contextlib.AsyncExitStack() as stack:
        backend = await stack.enter_async_context(faulty(behind(steps)))
        untrusted = await stack.enter_async_context(faulty(behind(steps), tls=tls))
        address, spans = stack.enter_context(collecting())
        state = folder / "state"
        environ = {**ENVIRON, "OTEL_EXPORTER_OTLP_ENDPOINT": address, "XDG_STATE_HOME": str(state)}
        made = config(backend.url, untrusted.url, stack.enter_context(mute()))
        router = stack.enter_context(running(made, folder, environ=environ))
        alone = httpx.Limits(max_keepalive_connections=0)
        client = httpx.AsyncClient(base_url=router.url, headers=HEAD, timeout=20, limits=alone)
        stage = Stage(router.url, await stack.enter_async_context(client), steps)
        await served(stage)
        for play in FAULTS.values():
            await play(stage)
        metrics = await asyncio.to_thread(scraped, router)
        dump = await asyncio.to_thread(dumped, router, state) + commanded(router.file)
        router.process.terminate()
        await asyncio.to_thread(router.process.wait, 20)
    return Told(router.log.read_text(), metrics, b"".join(spans), tuple(stage.answers), dump)


def operated(folder: Path) -> Told:
    """Two workers without the state they should share and with a broken store: reconfigured, killed and stopped."""
    store = folder / "pictures"
    body = {"model": "m", "prompt": PROMPT}
    answers: list[httpx.Response] = []
    with collecting() as (address, spans), OpenAIBackend() as backend:
        made = config(backend.url, backend.url, backend.url)
        made["server"] |= {"state": "redis://:${PASSWORD}@127.0.0.1:1/0", "store": {"url": str(store)}}
        environ = {**ENVIRON, "OTEL_EXPORTER_OTLP_ENDPOINT": address, "XDG_STATE_HOME": str(folder / "state")}
        with running(made, folder, "--workers", "2", environ=environ) as router:
            until(lambda: len(workers(router)) == 2 and router.ready()["status"] == "ready")
            store.rename(store.with_name("gone"))
            store.write_text("no folder")
            with httpx.Client(base_url=router.url, headers=HEAD, timeout=20) as client:
                for more, headers in (({}, {}), ({"response_format": "url"}, {}), ({}, {"idempotency-key": "one"})):
                    answer = client.post("/v1/images/generations", json={**body, **more}, headers=headers)
                    answers.append(answer)
                store.unlink()
                good = router.file.read_text()
                reload = {"authorization": f"Bearer {ENVIRON['RELOAD']}"}
                for part, wrong in (
                    ("keys", [{"name": "x", "key": [CLIENT_KEY]}, {"name": "y", "key": {"k": CLIENT_KEY}}]),
                    ("metrics", {"token": [ENVIRON["TOKEN"]], "port": "x"}),
                    ("reload_token", {"token": ENVIRON["RELOAD"]}),
                    ("state", [f"redis://:{ENVIRON['PASSWORD']}@[nowhere"]),
                ):
                    router.file.write_text(yaml.safe_dump({**made, "server": {**made["server"], part: wrong}}))
                    answers.append(client.post("/-/reload", headers=reload))
                keys = {"a": {"kind": "openai", "api_key": [ENVIRON["PROVIDER_KEY"]]}}
                router.file.write_text(yaml.safe_dump({**made, "providers": keys}))
                answers.append(client.post("/-/reload", headers=reload))
                victim = workers(router)[0]
                kill(victim)
                until(lambda: victim not in workers(router) and len(workers(router)) == 2)
                answers.append(client.post("/v1/images/generations", json=body))
                router.file.write_text(good)
            dump = dumped(router, folder / "state")
            metrics = scraped(router)
            backend.script(*[Hang()] * 4)
            asking = [Asking(router, body, HEAD) for _ in range(2)]
            with connect(router.port) as slow:
                slow.sendall(f"POST /v1/images/edits HTTP/1.1\r\nauthorization: {CLIENT_KEY}\r\nx: {PROMPT}".encode())
                router.process.terminate()
                for each in asking:
                    each.join(20)
                router.process.wait(20)
            answers += [each.answer for each in asking if isinstance(each.answer, httpx.Response)]
    return Told(router.log.read_text(), metrics, b"".join(spans), tuple(answers), dump)


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    """What one router told that went through all of it."""
    return asyncio.run(faults(tmp_path_factory.mktemp("faults")))


@pytest.fixture(scope="module")
def told_by_workers(tmp_path_factory: pytest.TempPathFactory) -> Told:
    """What two workers told that were operated badly."""
    return operated(tmp_path_factory.mktemp("operated"))


def test_every_fault_is_played() -> None:
    """Each fault of the matrix is given the secrets to tell, or there is a reason why it could not tell any."""
    assert sorted([*FAULTS, *OPERATED, *NOTHING_TO_TELL]) == sorted(MATRIX)


@pytest.mark.parametrize("secret", SECRETS)
def test_nothing_tells_it(told: Told, secret: str) -> None:
    """No log line, metric, span, error or dump of the config has it."""
    assert [place for place, text in told.places.items() if SECRETS[secret] in text] == []


@pytest.mark.parametrize("secret", SECRETS)
def test_no_trouble_of_workers_tells_it(told_by_workers: Told, secret: str) -> None:
    """Nor where files are broken, the state is lost, workers are killed, and the router is stopped in the midst."""
    assert [place for place, text in told_by_workers.places.items() if SECRETS[secret] in text] == []


def test_all_of_it_was_told(told: Told) -> None:
    """The silence is not for lack of anything to tell: there are lines, details, series, spans and errors."""
    lines = [json.loads(line) for line in told.log.splitlines()]
    requests = [line for line in lines if line["event"] == "request"]
    assert len(requests) >= 2 * len(FAULTS)
    assert {line["request_id"] for line in lines if line["event"] == "attempt"} <= {
        line["request_id"] for line in requests
    }
    assert {line["trace_id"] for line in lines if line["event"] == "attempt"} == {"a" * 32}
    assert {answer.status_code for answer in told.answers} >= {200, 400, 401, 404, 408, 413, 422, 429, 502, 503}
    for target in ("a/gpt-image-2", "refused/gpt-image-2", "silent/gpt-image-2", "untrusted/gpt-image-2"):
        assert f"generate_content {target}".encode() in told.spans
        assert f'image_router_attempts_total{{outcome="not_sent",target="{target}"}}' in told.metrics
    assert b"image edit" in told.spans
    assert "api_key" in told.config


def test_the_troubles_of_workers_were_told(told_by_workers: Told) -> None:
    """The same of the workers: the lost state, the broken file and the end in the midst were noticed."""
    events = {json.loads(line)["event"] for line in told_by_workers.log.splitlines() if line.startswith("{")}
    refused = "the configuration on disk has mistakes and was not taken up"
    assert events >= {"request", "attempt", "a worker ended", refused}
    assert {answer.status_code for answer in told_by_workers.answers} >= {200, 422, 503}
    assert "image_router_state_up 0.0" in told_by_workers.metrics


def test_the_file_has_only_references() -> None:
    """The config under test names its keys and does not hold them, or the rest of the test would prove nothing."""
    text = yaml.safe_dump(config("http://x", "https://x", "http://y"))
    assert not [secret for secret in SECRETS.values() if secret in text]

"""A key, a prompt and a picture that are put through everything appear in nothing that the router tells of itself."""

import base64
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from backends import Close, Cut, Empty, Hang, OpenAIBackend, Raw, Reset, Status, Step
from collector import collecting
from pictures import png
from processes import Running, running
from serving import FORGIVING, ROOT

PROMPT = "canary-prompt-8d21 a heron at dusk"
CLIENT_KEY = "canary-client-key-51aa"
PROVIDER_KEY = "canary-provider-key-0c3d"
TOKEN = "canary-metrics-token-7e7e"
PICTURE = png(48, 40, tint=113)
B64 = base64.b64encode(PICTURE).decode()
QUOTED = f"no {PROMPT} with Bearer {PROVIDER_KEY} and data:image/png;base64,{B64}"
SECRETS = (PROMPT, CLIENT_KEY, PROVIDER_KEY, TOKEN, B64[20:60], B64[-60:-4])

FAULTS: tuple[tuple[Step, ...], ...] = (
    (),
    *(((Status(status, "x", message=QUOTED),) * 3) for status in (400, 401, 402, 403, 404, 408, 429, 500, 503, 529)),
    (Status(400, "moderation_blocked", message=QUOTED), Status(400, "content_policy_violation", message=QUOTED)),
    (Reset(), Close()),
    (Close(), Reset()),
    (Cut(), Cut()),
    (Empty(), Empty()),
    (Hang(), Hang()),
    (Raw(200, QUOTED.encode()), Raw(200, json.dumps({"data": [{"b64_json": QUOTED}]}).encode())),
    (Raw(200, json.dumps({"data": [{"url": f"https://x.invalid/{PROVIDER_KEY}?sig={PROMPT}"}]}).encode()),) * 2,
    (Raw(502, f"<html>{QUOTED}</html>".encode(), {"content-type": "text/html"}),) * 2,
)
BODIES: tuple[Any, ...] = (
    {"prompt": PROMPT, "n": 0},
    {"prompt": [PROMPT]},
    {"prompt": PROMPT * 2000},
    {"prompt": PROMPT, "model": "nobody-has-it"},
    {"prompt": PROMPT, "image": f"data:image/png;base64,{B64}"},
    {"prompt": PROMPT, "stream": True},
    {"prompt": PROMPT, "cache": {"type": "exact_match", "ttl": 60}},
    {"prompt": PROMPT, "response_format": "url"},
)


@dataclass(frozen=True)
class Told:
    """All that a router told, by where it did."""

    log: str
    metrics: str
    spans: bytes
    answers: tuple[httpx.Response, ...]
    checked: str


def config(backend: str) -> dict[str, Any]:
    """A chain of two targets that both fail, and a log that says all it can."""
    account = {"kind": "openai", "base_url": backend, "api_key": "${PROVIDER_KEY}", "send_traceparent": True}
    return {
        "server": {
            "keys": [{"name": "studio", "key": "${CLIENT_KEY}", "dry_run": True}],
            "log": {"level": "debug"},
            "metrics": {"token": "${TOKEN}"},
        },
        "defaults": {**FORGIVING, "attempt_timeout": "300ms", "timeout": "2s", "retry": {"backoff": "1ms"}},
        "providers": {"a": account, "b": account},
        "models": {"m": {"chain": ["a/gpt-image-2", "b/gpt-image-2"]}},
    }


def play(router: Running, backend: OpenAIBackend) -> Iterator[httpx.Response]:
    """Every fault under a generation and an edit, and every request that is wrong."""
    head = {"authorization": f"Bearer {CLIENT_KEY}", "traceparent": f"00-{'a' * 32}-{'b' * 16}-01"}
    alone = httpx.Limits(max_keepalive_connections=0)
    with httpx.Client(base_url=router.url, headers=head, timeout=20, limits=alone) as client:
        for steps in FAULTS:
            backend.script(*steps)
            yield client.post("/v1/images/generations", json={"model": "m", "prompt": PROMPT})
            backend.script(*steps)
            files, form = {"image": ("canary.png", PICTURE, "image/png")}, {"model": "m", "prompt": PROMPT}
            yield client.post("/v1/images/edits", data=form, files=files)
        for body in BODIES:
            yield client.post(f"/v1/images/generations?key={CLIENT_KEY}", json={"model": "m", **body})
        for raw in (f'{{"prompt": "{PROMPT}', PROMPT, B64):
            yield client.post("/v1/images/generations", content=raw, headers={"content-type": "application/json"})
        yield client.post("/v1/images/edits", content=PICTURE, headers={"content-type": "multipart/form-data"})
        yield client.post(
            "/v1/images/generations", json={"model": "m", "prompt": PROMPT}, headers={"authorization": "x"}
        )
        for path in ("/readyz", "/v1/models"):
            yield client.get(path)


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    """What one router told that went through all of it."""
    folder = tmp_path_factory.mktemp("canary")
    secrets = {"CLIENT_KEY": CLIENT_KEY, "PROVIDER_KEY": PROVIDER_KEY, "TOKEN": TOKEN}
    with collecting() as (address, spans), OpenAIBackend() as backend:
        environ = {**secrets, "OTEL_EXPORTER_OTLP_ENDPOINT": address}
        with running(config(backend.url), folder, environ=environ) as router:
            answers = tuple(play(router, backend))
            metrics = httpx.get(f"{router.url}/metrics", headers={"authorization": f"Bearer {TOKEN}"}).text
    for command in ("check",):
        file = folder / "router.yaml"
        done = subprocess.run(
            [sys.executable, "-m", "router", command, str(file)],
            cwd=ROOT, env={**secrets, "PATH": ""}, capture_output=True, text=True, check=False,
        )  # fmt: skip
    kept = "".join(path.read_text(errors="replace") for path in folder.rglob("*.json"))
    return Told((folder / "log").read_text(), metrics, b"".join(spans), answers, done.stdout + done.stderr + kept)


@pytest.mark.parametrize("secret", SECRETS, ids=["prompt", "client key", "provider key", "token", "head", "tail"])
def test_nothing_tells_it(told: Told, secret: str) -> None:
    """No log line, metric, span, error or report of the config has it."""
    errors = [answer.text for answer in told.answers if answer.status_code >= 400]
    heads = [str(answer.headers) for answer in told.answers]
    places = {"log": told.log, "metrics": told.metrics, "errors": "".join(errors), "headers": "".join(heads)}
    assert [place for place, text in {**places, "check": told.checked}.items() if secret in text] == []
    assert secret.encode() not in told.spans


def test_all_of_it_was_told(told: Told) -> None:
    """The silence is not for lack of anything to tell: there are lines, details, series, spans and errors."""
    lines = [json.loads(line) for line in told.log.splitlines()]
    requests = [line for line in lines if line["event"] == "request"]
    assert len(requests) >= 2 * len(FAULTS) + len(BODIES)
    assert {line["request_id"] for line in lines if line["event"] == "attempt"} <= {
        line["request_id"] for line in requests
    }
    assert all(line["trace_id"] == "a" * 32 for line in lines if line["event"] in {"request", "attempt"})
    assert {answer.status_code for answer in told.answers} >= {200, 400, 401, 429, 502}
    assert b"generate_content a/gpt-image-2" in told.spans
    assert b"image edit" in told.spans
    assert 'image_router_attempts_total{outcome="ambiguous",target="a/gpt-image-2"}' in told.metrics


def test_the_file_has_only_references(tmp_path: Path) -> None:
    """The config under test names its keys and does not hold them, or the rest of the test would prove nothing."""
    assert not [secret for secret in SECRETS if secret in yaml.safe_dump(config("http://x"))]

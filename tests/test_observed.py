"""What the router says of a request: one JSON line, and in no place a key, a prompt or a picture."""

import json
from pathlib import Path

import httpx
import yaml
from backends import OpenAIBackend, Reset, Status
from pictures import base64_png, png
from serving import command

PROMPT = "canary-prompt-5a1f"
CLIENT_KEY = "canary-client-key-77c2"
PROVIDER_KEY = "canary-provider-key-9b3e"


def test_one_line_per_request_without_a_secret(tmp_path: Path) -> None:
    """Success, failure and refusal leave one JSON line each; keys, prompts and pictures are nowhere."""
    with OpenAIBackend() as backend:
        config = {
            "server": {"keys": [{"name": "studio", "key": "${CLIENT_KEY}"}]},
            "providers": {"o": {"kind": "openai", "base_url": backend.url, "api_key": "${PROVIDER_KEY}"}},
            "models": {"m": {"chain": ["o/gpt-image-2"]}},
        }
        file = tmp_path / "router.yaml"
        file.write_text(yaml.safe_dump(config))
        environ = {"CLIENT_KEY": CLIENT_KEY, "PROVIDER_KEY": PROVIDER_KEY}
        with command("--config", str(file), environ=environ, log=tmp_path / "log") as (url, _):
            headers = {"authorization": f"Bearer {CLIENT_KEY}", "x-stainless-retry-count": "1"}
            with httpx.Client(base_url=url, headers=headers, timeout=30) as client:
                body = {"model": "m", "prompt": PROMPT, "identity": {"id": "u-1"}, "metadata": {"team": "x"}}
                answers = [client.post("/v1/images/generations", json=body, headers={"x-request-id": "first"})]
                backend.script(Reset())
                answers.append(client.post("/v1/images/generations", json=body))
                backend.script(Status(400, "moderation_blocked", message=f"no {PROMPT} with {PROVIDER_KEY}"))
                files = {"image": png(32, 32)}
                answers.append(client.post("/v1/images/edits", data={"model": "m", "prompt": PROMPT}, files=files))
                answers.append(client.post("/v1/images/generations", json={"prompt": PROMPT, "model": "m", "n": 0}))
                answers.append(client.post("/v1/images/generations", headers={"authorization": "Bearer wrong"}))
                told = client.get("/metrics").text + "".join(answer.text for answer in answers[1:])
        printed = (tmp_path / "log").read_text()
    assert [answer.status_code for answer in answers] == [200, 502, 400, 400, 401]
    lines = [json.loads(line) for line in printed.splitlines()]
    assert [line["status"] for line in lines] == [200, 502, 400, 400, 401]
    first = lines[0]
    assert (first["request_id"], first["caller"], first["identity"], first["client_retry"]) == (
        "first",
        "studio",
        "u-1",
        "1",
    )
    assert first["attempts"][0]["target"] == "o/gpt-image-2"
    assert first["gen_ai.request.model"] == "m"
    assert first["cost_usd"] > 0
    assert lines[1]["maybe_billed"] == 1
    assert lines[2]["error.type"] == "moderation_blocked"
    for secret in (PROMPT, CLIENT_KEY, PROVIDER_KEY, base64_png(32, 32)[:24]):
        assert secret not in printed + told

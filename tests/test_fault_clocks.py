"""F37: the wall clock jumps: durations go by a clock that never does, and links bear a minute's difference."""

import json
import threading
from datetime import datetime, timedelta
from pathlib import Path

import httpx
import yaml
from backends import Hold, OpenAIBackend, Status
from conftest import needs
from serving import command

NEEDS_FAKETIME = needs("faketime", "apt-get install faketime")
LIBRARY = "/usr/$LIB/faketime/libfaketime.so.1"  # the loader knows what $LIB is here


@NEEDS_FAKETIME
def test_f37_a_jump_of_the_clock_ends_no_cooldown_no_attempt_and_no_fresh_link(tmp_path: Path) -> None:
    """An hour forth or back: a limited target stays left out, what runs goes on, and what is told took no hour."""
    clock = tmp_path / "clock"
    clock.write_text("+0s")
    environ = {
        "LD_PRELOAD": LIBRARY,
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    with OpenAIBackend() as first, OpenAIBackend() as second:
        config = {
            "providers": {
                "first": {"kind": "openai", "base_url": first.url, "api_key": "k1"},
                "second": {"kind": "openai", "base_url": second.url, "api_key": "k2"},
            },
            "models": {"m": {"chain": ["first/gpt-image-2", "second/gpt-image-2"], "attempt_timeout": "10s"}},
        }
        file = tmp_path / "router.yaml"
        file.write_text(yaml.safe_dump(config))
        log = tmp_path / "log"
        with command("--config", str(file), environ=environ, log=log) as (url, _), httpx.Client(timeout=30) as client:

            def ask() -> httpx.Response:
                body = {"model": "m", "prompt": "p", "response_format": "url"}
                return client.post(f"{url}/v2/router/images/generations", json=body)

            first.script(Status(429, "rate_limit_exceeded", headers={"retry-after": "120"}))
            link = ask().json()["data"][0]["url"]
            for jump in ("+30s", "-30s"):
                clock.write_text(jump)
                assert client.get(link).status_code == 200
            for jump in ("+3600s", "-3600s"):
                clock.write_text("+0s")
                hold = Hold()
                second.script(hold)
                answers: list[httpx.Response] = []
                waiting = threading.Thread(target=lambda answers=answers: answers.append(ask()))
                before = len(second.ledger)
                waiting.start()
                second.ledger.wait(before + 1)
                clock.write_text(jump)
                hold.release()
                waiting.join()
                answers.append(ask())
                assert [answer.status_code for answer in answers] == [200, 200]
                told = [attempt["seconds"] for answer in answers for attempt in answer.json()["router"]["attempts"]]
                assert all(0 <= seconds < 10 for seconds in told)
        assert len(first.ledger) == 1
        assert len(second.ledger) == 5
    moments = [datetime.fromisoformat(json.loads(line)["timestamp"]) for line in log.read_text().splitlines()]
    assert max(moments) - min(moments) > timedelta(hours=1.9)  # the clock did jump

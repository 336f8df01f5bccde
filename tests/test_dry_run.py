"""Dry runs over HTTP, the command, and what differs between two configurations: explained, and never sent."""

import base64
import contextlib
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from backends import OpenAIBackend, Status
from backends.google import account
from click.testing import CliRunner, Result
from pictures import png
from serving import serving

import providers
from providers.base import submit
from router import cli
from router.wire.send import Wire
from router.wire.transport import TransportSettings, build_transport

BACKEND_KEY = "a-key-that-nobody-may-see"
PICTURE = f"data:image/png;base64,{base64.b64encode(png(64, 64)).decode()}"
MASK = f"data:image/png;base64,{base64.b64encode(png(64, 64, alpha=True)).decode()}"


def config(backend: OpenAIBackend | None = None, **more: Any) -> dict[str, Any]:
    """One backend twice, and a model in each strictness."""
    url = backend.url if backend is not None else "https://api.example.com/v1"
    return {
        "providers": {
            "one": {"kind": "openai", "base_url": url, "api_key": BACKEND_KEY},
            "two": {"kind": "sglang", "base_url": url, "api_key": BACKEND_KEY},
        },
        "models": {
            "picture": {"chain": [{"target": "one/gpt-image-2", "price": {"image": 0.05}}, "two/flux"]},
            "exact": {"unsupported": "error", "chain": ["two/flux"]},
        },
        **more,
    }


@pytest.fixture
def backend() -> Iterator[OpenAIBackend]:
    """A backend that counts its calls."""
    with OpenAIBackend() as running:
        yield running


@contextlib.contextmanager
def router(backend: OpenAIBackend, directory: Path, **more: Any) -> Iterator[str]:
    """A router before it."""
    with serving(config(backend, **more), directory) as url:
        yield url


def ask(url: str, key: str | None = None, operation: str = "generations", **fields: Any) -> httpx.Response:
    """A dry run, unless the fields say otherwise."""
    headers = {"authorization": f"Bearer {key}"} if key else {}
    body = {"model": "picture", "prompt": "a red kite", "dry_run": True, **fields}
    return httpx.post(f"{url}/v1/images/{operation}", json=body, headers=headers, timeout=30)


@pytest.mark.parametrize("operation", ["generations", "edits", "variations"])
def test_every_operation_can_be_asked_dry(backend: OpenAIBackend, tmp_path: Path, operation: str) -> None:
    """A JSON answer explains all three operations; no backend hears of it, and no key is in it."""
    with router(backend, tmp_path) as url:
        pictures = {} if operation == "generations" else {"image": PICTURE}
        answer = ask(url, operation=operation, stream=True, cache={"type": "exact_match"}, **pictures)
        metrics = httpx.get(f"{url}/metrics").text
    told = answer.json()
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    assert answer.headers["cache-control"] == "no-store"
    assert told["dry_run"] is True
    assert told["served"] is True
    assert told["chain"][0]["requests"][0]["headers"]["authorization"] == "[key]"
    assert BACKEND_KEY not in answer.text
    assert len(backend.ledger) == 0
    assert not re.search(r"^image_router_(requests|images|cost_usd)_total\{.*\} (?!0\.0$)", metrics, re.MULTILINE)


def test_a_form_may_ask_dry(backend: OpenAIBackend, tmp_path: Path) -> None:
    """In a form it is a word, and its pictures are told by length and digest."""
    with router(backend, tmp_path) as url:
        answer = httpx.post(
            f"{url}/v1/images/edits",
            data={"model": "picture", "prompt": "a red kite", "dry_run": "true"},
            files={"image": ("a.png", png(64, 64), "image/png")},
        )
    (request,) = answer.json()["chain"][0]["requests"]
    assert re.fullmatch(r"<image/png, \d+ bytes, sha256 [0-9a-f]{64}>", request["body"]["form"][-1]["picture"])
    assert len(backend.ledger) == 0


def test_a_false_one_is_served(backend: OpenAIBackend, tmp_path: Path) -> None:
    """`dry_run: false` is a request like any other, and the backend never sees the word."""
    with router(backend, tmp_path) as url:
        assert ask(url, dry_run=False).status_code == 200
    (record,) = backend.ledger.records
    assert "dry_run" not in record.fields


def test_what_is_no_yes_or_no_is_refused(backend: OpenAIBackend, tmp_path: Path) -> None:
    """A request that may have been meant as a dry run is not served."""
    with router(backend, tmp_path) as url:
        answer = ask(url, dry_run="yes, please")
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "dry_run")
    assert len(backend.ledger) == 0


def test_only_keys_that_may_ask(backend: OpenAIBackend, tmp_path: Path) -> None:
    """A key needs `dry_run: true`; without it 403, and models that it may not use stay unseen."""
    keys = [
        {"name": "ops", "key": "ops-key", "models": ["picture"], "dry_run": True},
        {"name": "app", "key": "app-key"},
    ]
    with router(backend, tmp_path, server={"keys": keys}) as url:
        assert ask(url, "ops-key").status_code == 200
        refused = ask(url, "app-key")
        unseen = [ask(url, "ops-key", model="exact"), ask(url, "ops-key", fallbacks=[{"model": "exact"}])]
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "dry_run_not_allowed")
    assert [(each.status_code, each.json()["error"]["code"]) for each in unseen] == [(403, "model_not_allowed")] * 2


def test_an_opened_router_explains_nothing(backend: OpenAIBackend, tmp_path: Path) -> None:
    """Where anyone may call from anywhere, nobody is shown what goes to the backends."""
    with router(backend, tmp_path, server={"open": True}) as url:
        assert ask(url).status_code == 403


def test_a_claimed_key_is_still_free(backend: OpenAIBackend, tmp_path: Path) -> None:
    """A dry run takes no Idempotency-Key: the request itself may have it after."""
    headers = {"idempotency-key": "kite-1"}
    body = {"model": "picture", "prompt": "a red kite"}
    with router(backend, tmp_path) as url:
        path = f"{url}/v1/images/generations"
        assert httpx.post(path, json={**body, "dry_run": True}, headers=headers).status_code == 200
        assert "data" in httpx.post(path, json=body, headers=headers, timeout=30).json()
    assert len(backend.ledger.billed) == 1


def test_how_targets_are_doing_is_told(backend: OpenAIBackend, tmp_path: Path) -> None:
    """A target that cools down is eligible, and left out just now."""
    backend.script(Status(429, headers={"retry-after": "300"}))
    with router(backend, tmp_path) as url:
        assert ask(url, model="exact").json()["chain"][0]["left_out"] is None
        ask(url, dry_run=False)
        one = ask(url).json()["chain"][0]
    assert one["eligible"]
    assert "rate_limited" in one["left_out"]


def test_every_reason_is_told(backend: OpenAIBackend, tmp_path: Path) -> None:
    """A target is ruled out by all that it cannot do, not by the first of it."""
    with router(backend, tmp_path) as url:
        answer = ask(
            url, "", "edits", model="exact", image=PICTURE, mask=MASK, style="vivid", background="transparent", odd=1
        )
    told = answer.json()
    assert told["served"] is False
    assert [reason.partition(":")[0] for reason in told["chain"][0]["reasons"]] == [
        "mask",
        "background",
        "style",
        "odd",
    ]
    assert told["price"]["usd"] == 0


def test_addresses_are_not_followed(backend: OpenAIBackend, tmp_path: Path) -> None:
    """Not even a caller's own picture is fetched for a dry run."""
    with router(backend, tmp_path, server={"fetch_images": True}) as url:
        answer = ask(url, operation="edits", image="https://example.com/a.png")
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_image")


@pytest.mark.anyio
async def test_a_token_is_not_asked_for() -> None:
    """A key that must be exchanged first is told of, and not exchanged."""
    adapter = providers.load("google")
    token_uri = "https://oauth2.example.com/token"
    wire = Wire(adapter, "https://aiplatform.example.com", account(token_uri), build_transport(TransportSettings()))
    preview = await wire.preview(submit("/v1/models/m:predict", json={}))
    await wire.aclose()
    assert preview.errand == token_uri
    assert "authorization" not in preview.headers


def explain(*arguments: str, environ: Mapping[str, str] | None = None) -> Result:
    """The command."""
    return CliRunner().invoke(cli.main, ["explain", *arguments], env=environ)


def written(directory: Path, name: str, **more: Any) -> str:
    """A configuration in a file."""
    file = directory / name
    file.write_text(yaml.safe_dump(config(**more)))
    return str(file)


def test_the_command_tells_it_in_words(tmp_path: Path) -> None:
    """Words or JSON, with exit code 0 where the request can be served; pictures are read from files."""
    (tmp_path / "a.png").write_bytes(png(64, 64))
    body = tmp_path / "body.json"
    body.write_text('{"model": "exact", "prompt": "a kite", "seed": 3}')
    common = ("--config", written(tmp_path, "router.yaml"), "--json", str(body), "--model", "picture")
    told = explain(*common, "--n", "2", "--size", "1536x1024")
    assert told.exit_code == 0
    assert "1. one/gpt-image-2: eligible\n   submit: POST https://api.example.com/v1/images/generations" in told.stdout
    assert "price: 0.1 dollars, 2 pictures at 0.05 dollars" in told.stdout
    assert "warning: seed: 3 is left out" in told.stdout
    assert told.stdout.endswith("nothing was sent\n")
    edit = explain(*common, "--operation", "edit", "--image", str(tmp_path / "a.png"), "--json-output")
    assert edit.exit_code == 0
    assert json.loads(edit.stdout)["operation"] == "edit"


def test_the_command_fails_where_nothing_can_be_served(tmp_path: Path) -> None:
    """No eligible target, a refused request and a broken configuration all exit with 1, and say why."""
    file = written(tmp_path, "router.yaml")
    nobody = explain("--config", file, "--model", "exact", "--prompt", "a kite", "--quality", "high")
    assert (nobody.exit_code, "no target can do what was asked" in nobody.stdout) == (1, True)
    refused = explain("--config", file, "--model", "no-such", "--prompt", "a kite")
    assert (refused.exit_code, "404 model_not_found" in refused.stderr) == (1, True)
    broken = tmp_path / "broken.yaml"
    broken.write_text("models: {}\n")
    mistaken = explain("--config", str(broken), "--model", "picture", "--prompt", "a kite")
    assert (mistaken.exit_code, "broken.yaml:1:" in mistaken.stderr) == (1, True)


def test_the_command_asks_as_a_key(tmp_path: Path) -> None:
    """With `--as`, a model beyond the key's scope is explained, and its targets are not asked because of that."""
    keys = [{"name": "ci", "key": "ci-key", "models": ["exact"]}]
    file = written(tmp_path, "router.yaml", server={"keys": keys})
    told = explain("--config", file, "--model", "picture", "--prompt", "a kite", "--as", "ci")
    assert told.exit_code == 1
    assert "because of scope: the key 'ci' may not use the model 'picture'" in told.stdout
    unknown = explain("--config", file, "--model", "picture", "--prompt", "a kite", "--as", "cj")
    assert (unknown.exit_code, "the keys are ci" in unknown.stderr) == (1, True)


def candidate() -> dict[str, Any]:
    """The same configuration, edited in five places."""
    return {
        "defaults": {"timeout": "30s"},
        "models": {
            "picture": {
                "params": {"quality": "high"},
                "chain": [
                    {"target": "two/flux", "unsupported": "error"},
                    {"target": "one/gpt-image-2", "price": {"image": 0.04}, "attempt_timeout": "20s"},
                    {"target": "one/gpt-image-1.5"},
                ],
            },
        },
    }


SENTENCES = [
    "one/gpt-image-1.5 joins the chain as number 3, eligible",
    "the order of the chain changes from one/gpt-image-2, two/flux to two/flux, one/gpt-image-2",
    "two/flux is no longer asked: quality: high cannot be sent as asked, the model has no quality",
    "one/gpt-image-2: in what is sent, body.json.quality changes from nothing to high",
    "one/gpt-image-2: attempt_timeout changes from 600 to 20",
    "one/gpt-image-2: the price changes from 0.05 dollars to 0.04 dollars",
    "policy: timeout changes from 600 to 30",
    "the price changes from 0.05 dollars to 0.04 dollars",
]


def test_a_candidate_is_compared_in_words(tmp_path: Path) -> None:
    """Each thing that an edit changes for a request is one sentence; what stays is not told."""
    before, after = written(tmp_path, "a.yaml"), written(tmp_path, "b.yaml", **candidate())
    common = ("--model", "picture", "--prompt", "a kite")
    told = explain("--config", after, "--running", before, *common)
    assert told.exit_code == 0
    assert told.stdout.splitlines() == SENTENCES
    same = explain("--config", before, "--running", before, *common)
    assert same.stdout == "nothing changes for this request\n"
    back = explain("--config", before, "--running", after, *common).stdout
    assert "one/gpt-image-1.5 leaves the chain" in back
    assert "two/flux is asked now; until now it was not: quality: high cannot be sent" in back


def test_a_running_router_is_compared_with_its_own_file(backend: OpenAIBackend, tmp_path: Path) -> None:
    """The running router's dry run says what its configuration does: nothing differs, and no backend is asked."""
    keys = [{"name": "ops", "key": "ops-key", "dry_run": True}, {"name": "app", "key": "app-key"}]
    picture = tmp_path / "a.png"
    picture.write_bytes(png(64, 64))
    with router(backend, tmp_path, server={"keys": keys}) as url:
        file = str(tmp_path / "router.yaml")
        common = ("--config", file, "--running", url, "--prompt", "a kite", "--model", "picture")
        edit = ("--operation", "edit", "--image", str(picture))
        same = explain(*common, *edit, environ={"IMAGE_ROUTER_KEY": "ops-key"})
        refused = explain(*common, environ={"IMAGE_ROUTER_KEY": "app-key"})
    nobody = explain(*common)
    assert (same.exit_code, same.stdout.splitlines()[-1]) == (0, "nothing changes for this request")
    assert (refused.exit_code, "this key may not ask for dry runs" in refused.stderr) == (1, True)
    assert (nobody.exit_code, "does not answer" in nobody.stderr) == (1, True)
    assert len(backend.ledger) == 0

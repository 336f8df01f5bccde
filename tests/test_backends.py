"""The scripted backends themselves: what they refuse, how they misbehave, what they write down."""

import http.client
import io
import threading
from base64 import b64decode
from concurrent.futures import ThreadPoolExecutor

import msgspec
import pytest
from backends import (
    AzureBackend,
    Close,
    Cut,
    Drip,
    Empty,
    Hang,
    Hold,
    OpenAIBackend,
    Raw,
    Reset,
    Status,
)
from backends.drawing import picture
from PIL import Image

PROMPT = {"model": "gpt-image-2", "prompt": "a red kite"}
PNG = b64decode(picture("64x64", "png"))


@pytest.fixture(scope="module")
def running():
    """One backend for all tests of this file."""
    with OpenAIBackend() as backend:
        yield backend


@pytest.fixture
def openai(running):
    """That backend with an empty ledger."""
    running.ledger.clear()
    return running


def post(backend, path, body, content_type="application/json", **headers):
    """One call: status, body, headers."""
    connection = http.client.HTTPConnection("127.0.0.1", backend.port, timeout=10)
    sent = {"content-type": content_type, "authorization": "Bearer key", **headers}
    try:
        connection.request("POST", path, body if isinstance(body, bytes) else msgspec.json.encode(body), sent)
        response = connection.getresponse()
        return response.status, response.read(), response.headers
    finally:
        connection.close()


def generate(backend, **fields):
    """One generation: status and body."""
    status, body, _ = post(backend, "/v1/images/generations", {**PROMPT, **fields})
    return status, msgspec.json.decode(body)


def form(*parts):
    """A form's body; a part is (name, text) or (name, bytes, media type)."""
    lines = []
    for name, value, *media_type in parts:
        extra = f'; filename="upload"\r\ncontent-type: {media_type[0]}' if media_type else ""
        data = value if isinstance(value, bytes) else value.encode()
        lines.append(f'--xx\r\ncontent-disposition: form-data; name="{name}"{extra}\r\n\r\n'.encode() + data)
    return b"\r\n".join(lines) + b"\r\n--xx--\r\n"


def edit(backend, *parts):
    """One edit: status and body."""
    body = form(("model", "gpt-image-2"), ("prompt", "blue"), *parts)
    status, answer, _ = post(backend, "/v1/images/edits", body, "multipart/form-data; boundary=xx")
    return status, msgspec.json.decode(answer)


@pytest.mark.parametrize("form_", ["png", "jpeg", "webp"])
def test_draws(openai, form_):
    """A sound request gets as many real pictures as asked, of the size and form asked."""
    status, body = generate(openai, n=2, size="1536x864", output_format=form_)
    assert (status, len(body["data"]), body["output_format"]) == (200, 2, form_)
    with Image.open(io.BytesIO(b64decode(body["data"][1]["b64_json"]))) as image:
        assert (image.size, image.format) == ((1536, 864), form_.upper())
    (record,) = openai.ledger.records
    assert (record.model, record.n, record.billed, record.status) == ("gpt-image-2", 2, True, 200)
    assert openai.ledger.pictures == 2


@pytest.mark.parametrize(
    ("fields", "status", "code", "param"),
    [
        ({"model": "dall-e-3"}, 404, "model_not_found", None),
        ({"response_format": "b64_json"}, 400, "unknown_parameter", "response_format"),
        ({"size": "1000x1000"}, 400, "invalid_value", "size"),
        ({"size": "4096x1024"}, 400, "invalid_value", "size"),
        ({"size": "512x512"}, 400, "invalid_value", "size"),
        ({"model": "gpt-image-1.5", "size": "1536x864"}, 400, "invalid_value", "size"),
        ({"quality": "hd"}, 400, "invalid_value", "quality"),
        ({"quality": "max"}, 400, "invalid_value", "quality"),
        ({"output_format": "gif"}, 400, "invalid_value", "output_format"),
        ({"output_compression": 50}, 400, "invalid_value", "output_compression"),
        ({"output_compression": "100"}, 400, "invalid_value", "output_compression"),
        ({"background": "transparent", "output_format": "jpeg"}, 400, "invalid_value", "background"),
        ({"n": 11}, 400, "invalid_value", "n"),
        ({"n": 2.0}, 400, "invalid_value", "n"),
        ({"input_fidelity": "high"}, 400, "unknown_parameter", "input_fidelity"),
        ({"prompt": ""}, 400, "invalid_value", "prompt"),
    ],
)
def test_refuses(openai, fields, status, code, param):
    """What the sheet calls illegal is refused as the backend would, and costs nothing."""
    got, body = generate(openai, **fields)
    assert (got, body["error"]["code"], body["error"]["param"]) == (status, code, param)
    assert openai.ledger.billed == []


@pytest.mark.parametrize("key", ["", "Bearer bad-key", "Basic key"])
def test_keys(openai, key):
    """Without a good bearer key nothing is done."""
    status, body, _ = post(openai, "/v1/images/generations", PROMPT, authorization=key)
    assert (status, msgspec.json.decode(body)["error"]["code"]) == (401, "invalid_api_key")


@pytest.mark.parametrize(
    ("parts", "status", "param"),
    [
        ([("image", PNG, "image/png"), ("mask", PNG, "image/png"), ("n", "2")], 200, None),
        ([("image[]", PNG, "image/png"), ("image[]", b"\xff\xd8\xff...", "image/jpeg")], 200, None),
        ([("image", PNG, "image/png"), ("image", PNG, "image/png")], 400, "image"),
        ([("image", PNG, "image/png"), ("image[]", PNG, "image/png")], 400, "image"),
        ([("image", PNG, "application/octet-stream")], 400, "image"),
        ([("image", PNG, "image/jpeg")], 400, "image"),
        ([("image", PNG, "image/png"), ("mask", b64decode(picture("32x32", "png")), "image/png")], 400, "mask"),
        ([("image", PNG, "image/png"), ("input_fidelity", "high")], 400, "input_fidelity"),
        ([], 400, "image"),
    ],
)
def test_edits(openai, parts, status, param):
    """An edit takes rightly named, rightly typed pictures and a fitting mask, and nothing else."""
    got, body = edit(openai, *parts)
    assert got == status
    assert body.get("error", {}).get("param") == param


def test_script_runs_out(openai):
    """Each step is taken once, in order; then all is normal."""
    openai.script(Status(429, "rate_limit_exceeded", headers={"retry-after": "7"}), Raw(200, b"<html>"), Empty())
    status, body, headers = post(openai, "/v1/images/generations", PROMPT)
    assert (status, headers["retry-after"]) == (429, "7")
    assert msgspec.json.decode(body)["error"]["code"] == "rate_limit_exceeded"
    assert post(openai, "/v1/images/generations", PROMPT)[1] == b"<html>"
    assert generate(openai)[1]["data"] == []
    assert len(generate(openai)[1]["data"]) == 1
    assert [(record.status, record.billed) for record in openai.ledger.records] == [
        (429, False),
        (200, False),
        (200, True),
        (200, True),
    ]


@pytest.mark.parametrize(
    ("step", "error"),
    [
        (Reset(), ConnectionResetError),
        (Close(), http.client.RemoteDisconnected),
        (Cut(), http.client.IncompleteRead),
    ],
)
def test_breaks(openai, step, error):
    """A broken answer breaks as asked, and was paid for."""
    openai.script(step)
    with pytest.raises(error):
        post(openai, "/v1/images/generations", PROMPT)
    openai.ledger.wait(1)
    assert openai.ledger.pictures == 1


def test_drips(openai):
    """A slow answer is whole in the end."""
    openai.script(Drip(piece=4096, pause=0))
    assert generate(openai)[0] == 200


def test_hangs_until_the_client_leaves(openai):
    """A hung call is in the ledger while the client waits, and ends when it leaves."""
    openai.script(Hang())
    connection = http.client.HTTPConnection("127.0.0.1", openai.port, timeout=10)
    headers = {"content-type": "application/json", "authorization": "Bearer key"}
    connection.request("POST", "/v1/images/generations", msgspec.json.encode(PROMPT), headers)
    openai.ledger.wait(1)
    connection.close()
    assert openai.ledger.records[0].status is None
    assert generate(openai)[0] == 200


def test_holds(openai):
    """A held call answers when released, while others pass."""
    hold = Hold(threading.Event())
    openai.script(hold)
    with ThreadPoolExecutor(1) as pool:
        held = pool.submit(generate, openai)
        openai.ledger.wait(1)
        assert generate(openai)[0] == 200
        assert not held.done()
        hold.release()
        assert held.result()[0] == 200


def test_azure_addresses():
    """Azure finds the model in the path or, under v1, in the body; the older address needs a version."""
    with AzureBackend() as azure:
        old, version = "/openai/deployments/img-prod/images/generations", "?api-version=2025-04-01-preview"
        key = {"authorization": "Bearer token"}
        assert post(azure, old + version, {"prompt": "p"}, **key)[0] == 200
        assert post(azure, old, {"prompt": "p"}, **key)[0] == 404
        assert post(azure, "/openai/v1/images/generations", {"prompt": "p", "model": "img-prod"}, **key)[0] == 200
        status, body, _ = post(azure, old.replace("prod", "test") + version, {"prompt": "p"}, **key)
        assert (status, msgspec.json.decode(body)["error"]["code"]) == (404, "DeploymentNotFound")
        assert post(azure, old + version, {"prompt": "p", "output_format": "webp"}, **key)[0] == 400
        assert post(azure, old + version, {"prompt": "p"}, **key, **{"api-key": "key"})[0] == 401
        assert azure.ledger.pictures == 2

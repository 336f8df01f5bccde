"""Our calls to Bedrock beside those of Amazon's own SDK: the same method, path, body and signature."""

import http.server
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import boto3
import botocore.auth
import msgspec
import pytest
from botocore.config import Config
from driving import provider_at
from pictures import base64_png, png

from providers.base import Operation, Upload

pytestmark = pytest.mark.anyio
PICTURE = Upload.of(png(), width=8, height=8)
SD3 = "stability.sd3-5-large-v1:0"
ARN = "arn:aws:bedrock:us-west-2:123456789012:inference-profile/us.stability.stable-image-core-v1:1"
INPAINT = "us.stability.stable-image-inpaint-v1:0"
EDIT = {"operation": Operation.EDIT, "images": (PICTURE,)}
CASES = {
    "plain": (ARN, {}, {"prompt": "a red kite"}),
    "ratio": (SD3, {"asked": {"seed": 7}}, {"prompt": "a red kite", "seed": 7}),
    "redraw": (
        SD3,
        {**EDIT, "asked": {"strength": 0.5}},
        {"prompt": "a red kite", "mode": "image-to-image", "image": base64_png(), "strength": 0.5},
    ),
    "inpaint": (INPAINT, EDIT, {"prompt": "a red kite", "image": base64_png()}),
}


@dataclass
class Sent:
    """One call as it came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@contextmanager
def capture():
    """A server that writes down what it is sent: its address, and the calls."""
    calls = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            headers = {name.lower(): value for name, value in self.headers.items()}
            body = self.rfile.read(int(headers["content-length"]))
            calls.append(Sent(self.command, self.path, headers, body))
            answer = msgspec.json.encode({"seeds": [1], "finish_reasons": [None], "images": [base64_png()]})
            self.send_response(200)
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", calls
        server.shutdown()
        thread.join()


def by_sdk(url, model, body, token):
    """The same call made by the SDK."""
    client = boto3.client(
        "bedrock-runtime",
        region_name="us-west-2",
        endpoint_url=url,
        aws_access_key_id="AKIDEXAMPLE",
        aws_secret_access_key="wJalrXUtnFEMI",
        aws_session_token=token,
        config=Config(retries={"total_max_attempts": 1}),
    )
    client.invoke_model(modelId=model, body=body, contentType="application/json", accept="application/json")
    client.close()


@pytest.mark.parametrize("token", [None, "FwoGZXIvYXdzEBYaDH"], ids=["credentials", "temporary"])
@pytest.mark.parametrize("case", CASES)
async def test_same_call(monkeypatch, case, token):
    """What the SDK sends we send, to the byte of the signature.

    The SDK adds headers that it does not sign: `amz-sdk-invocation-id`, `amz-sdk-request` and its `user-agent` are for
    its own statistics. `accept-encoding` differs, as we take no compressed answer.
    """
    model, changes, body = CASES[case]
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda: datetime(2026, 11, 20, tzinfo=UTC))
    with capture() as (url, calls):
        key = ":".join(filter(None, ("AKIDEXAMPLE", "wJalrXUtnFEMI", token)))
        async with provider_at("bedrock", url, key) as draw:
            await draw(model, prompt="a red kite", **changes)
        (ours,) = calls
        by_sdk(url, model, ours.body, token)
    _, theirs = calls
    assert msgspec.json.decode(ours.body) == body
    assert (ours.method, ours.path, ours.body) == (theirs.method, theirs.path, theirs.body)
    signed = ("authorization", "x-amz-date", "x-amz-security-token", "content-type", "accept")
    assert [ours.headers.get(name) for name in signed] == [theirs.headers.get(name) for name in signed]
    assert set(theirs.headers) - set(ours.headers) <= {"amz-sdk-invocation-id", "amz-sdk-request", "connection"}

"""Tencent's own client and ours, asked for the same: paths, headers, signatures and bodies as they arrive."""

import time
from types import SimpleNamespace

import msgspec
import pytest
from backends.seen import SeenBackend
from backends.tencent import SECRET, SECRET_ID, TOKEN, check_signature
from driving import provider_at
from pictures import base64_png, png
from tencentcloud.common import abstract_client
from tencentcloud.common.credential import Credential
from tencentcloud.common.profile.client_profile import ClientProfile
from tencentcloud.common.profile.http_profile import HttpProfile
from tencentcloud.hunyuan.v20230901 import models
from tencentcloud.hunyuan.v20230901.hunyuan_client import HunyuanClient

from providers import auth
from providers.base import Operation, Upload
from providers.dialect import Shape

pytest_plugins = ["no_waiting"]
pytestmark = [
    pytest.mark.anyio,
    pytest.mark.usefixtures("no_waiting"),
    pytest.mark.filterwarnings("ignore:.*utcfromtimestamp:DeprecationWarning"),  # the client's own
]
JOB, LITE = "hunyuan-image", "hunyuan-image-lite"
SUBMIT, AT_ONCE, QUERY = "SubmitHunyuanImageJob", "TextToImageLite", "QueryHunyuanImageJob"
WIDE = {"shape": Shape(1280, 720), "negative_prompt": "rain"}
# a model, what is asked of us, and the client's action and fields
CASES = {
    "lite": (LITE, {}, AT_ONCE, {"Style": "000"}),
    "lite-wide": (
        LITE,
        {"asked": {**WIDE, "style": "101", "response_format": "url"}},
        AT_ONCE,
        {"Resolution": "1280:720", "NegativePrompt": "rain", "Style": "101", "RspImgType": "url"},
    ),
    "job": (JOB, {"n": 2}, SUBMIT, {"Num": 2}),
    "job-wide": (
        JOB,
        {"asked": {**WIDE, "style": "riman", "quality": "hd", "seed": 7}},
        SUBMIT,
        {
            "Resolution": "1280:720",
            "NegativePrompt": "rain",
            "Style": "riman",
            "Clarity": "x2",
            "Seed": 7,
            "Revise": 0,
            "Num": 1,
        },
    ),
    "job-edit": (
        JOB,
        {"operation": Operation.EDIT, "images": (Upload.of(png(), width=8, height=8),)},
        SUBMIT,
        {"ContentImage": {"ImageBase64": base64_png()}, "Num": 1},
    ),
}
ANSWERS = {
    AT_ONCE: {"ResultImage": base64_png()},
    SUBMIT: {"JobId": "j-1"},
    QUERY: {"JobStatusCode": "5", "ResultImage": ["https://example.com/a.png"], "ResultDetails": ["Success"]},
}
COMPARED = (
    *("authorization", "content-type", "host", "x-tc-action", "x-tc-language", "x-tc-region", "x-tc-timestamp"),
    *("x-tc-token", "x-tc-version"),
)
THEIR_OWN = {"x-tc-requestclient", "x-tc-traceid", "connection"}


@pytest.fixture
def backend():
    """A server that answers each action, and writes down what it was sent."""
    with SeenBackend(
        lambda request, _: {"Response": {**ANSWERS[request.headers["x-tc-action"]], "RequestId": "r"}}
    ) as made:
        yield made


@pytest.fixture(autouse=True)
def one_clock(monkeypatch):
    """Both sign in the same second."""
    now = time.time()
    clock = SimpleNamespace(time=lambda: now, gmtime=time.gmtime, strftime=time.strftime)
    for signer in (auth, abstract_client):
        monkeypatch.setattr(signer, "time", clock)


def ask_client(backend, monkeypatch, calls, token):
    """The same calls made by the client; of a body equal to ours it writes our bytes, as it spells JSON differently."""
    where = backend.origin.removeprefix("http://")
    client = HunyuanClient(
        Credential(SECRET_ID, SECRET, token),
        "ap-guangzhou",
        ClientProfile(language="en-US", httpProfile=HttpProfile(protocol="http", endpoint=where)),
    )
    for action, fields, ours in calls:
        asked = getattr(models, f"{action}Request")()
        asked._deserialize(fields)

        def same(said, body=ours):
            assert said == msgspec.json.decode(body)
            return body.decode()

        monkeypatch.setattr(abstract_client, "json", SimpleNamespace(dumps=same, loads=msgspec.json.decode))
        getattr(client, action)(asked)


@pytest.mark.parametrize("token", [None, TOKEN], ids=["credentials", "temporary"])
@pytest.mark.parametrize("case", CASES)
async def test_same_calls(backend, monkeypatch, case, token):
    """What the client sends we send, to the last digit of the signature.

    The client names itself in `x-tc-requestclient` and each call in `x-tc-traceid`; neither is signed or asked for.
    `connection` is a word that HTTP/1.1 needs not. `accept` and `accept-encoding` differ, as we take JSON only, and
    no compressed answer. The bodies are equal as JSON, but not in their spaces and order.
    """
    model, changes, action, fields = CASES[case]
    async with provider_at("tencent", backend.origin, ":".join(filter(None, (SECRET_ID, SECRET, token)))) as serve:
        await serve(model, prompt="a red kite", **changes)
    ours, backend.requests = list(backend.requests), []
    calls = [(action, {**fields, "Prompt": "a red kite", "LogoAdd": 0}), (QUERY, {"JobId": "j-1"})]
    told = [(*call, request.body) for call, request in zip(calls, ours, strict=False)]
    assert len(ours) == (2 if model == JOB else 1)
    ask_client(backend, monkeypatch, told, token)
    for mine, theirs in zip(ours, backend.requests, strict=True):
        assert (mine.method, mine.path, mine.query) == (theirs.method, theirs.path, theirs.query)
        for name in COMPARED:
            assert mine.headers.get(name) == theirs.headers.get(name)
        assert theirs.headers.keys() - mine.headers.keys() <= THEIR_OWN
        assert mine.headers.keys() <= theirs.headers.keys()
        check_signature(mine, mine.headers["authorization"])

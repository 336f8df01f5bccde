"""Zhipu's own clients and ours, asked for the same: method, path and body are compared as they arrive."""

import pytest
import zai
from backends.seen import SeenBackend
from driving import provider_at

from providers.dialect import Shape

pytestmark = pytest.mark.anyio
PROMPT = "a red kite"
SQUARE = {"shape": Shape(1280, 1280)}
WORDS = {"type": "ALL", "status": "DISABLE"}
IGNORED = {  # what the clients alone send: fields that no model knows
    "n": 1,  # each call makes one picture, and several are several calls
    "response_format": "url",  # it is always a link
    "style": "vivid",
    "user": "user-77",  # their name for it is `user_id`
}
ASKED = {
    "shape": Shape(1024, 1024),
    "quality": "standard",
    "user": "user-77",
    "response_format": "url",
    "style": "vivid",
}
GIVEN = {"size": "1024x1024", "quality": "standard", "user_id": "user-77"}
PLAIN = {"watermark_enabled": False, "request_id": "r-1", "sensitive_word_check": WORDS}
# a model, what is asked of us, and the same for a client
CASES = {
    "minimal": ("cogview-4-250304", {}, {}),
    "every parameter": (
        "cogview-4-250304",
        {"asked": ASKED, "options": {"zhipu": PLAIN}},
        {**GIVEN, **PLAIN, **IGNORED},
    ),
    "glm-image": (
        "glm-image",
        {"asked": {**SQUARE, "quality": "high"}, "options": {"zhipu": {"watermark_enabled": True}}},
        {"size": "1280x1280", "quality": "hd", "watermark_enabled": True},
    ),
}
LINK = {"created": 1_795_000_000, "data": [{"url": "https://example.com/made.png"}]}
TASK = {"id": "1", "model": "glm-image", "request_id": "r", "task_status": "PROCESSING"}


def told(request, _):
    """A picture, or a task that was taken."""
    return TASK if "async" in request.path else LINK


@pytest.fixture(scope="module")
def backend():
    """The backend that both are asked of."""
    with SeenBackend(told) as backend:
        yield backend


@pytest.fixture(params=[zai.ZaiClient, zai.ZhipuAiClient], ids=["z.ai", "bigmodel"])
def client(request, backend):
    """A client of either host, led there."""
    with request.param(api_key="id.secret", base_url=f"{backend.origin}/api/paas/v4", max_retries=0) as client:
        yield client


async def ours(backend, model, changes):
    """What we send, with the key as it is."""
    async with provider_at("zhipu", f"{backend.origin}/api/paas/v4", "id.secret") as serve:
        await serve(model, prompt=PROMPT, **changes)
    assert {request.headers["authorization"] for request in backend.requests} == {"Bearer id.secret"}
    return backend.seen()


@pytest.mark.parametrize("case", CASES)
async def test_same_request(backend, client, case):
    """Both clients send what we send but for fields that no model knows."""
    model, changes, arguments = CASES[case]
    client.images.generations(model=model, prompt=PROMPT, **arguments)
    ((method, path, body),) = backend.seen()
    kept = {name: value for name, value in body.items() if name not in IGNORED}
    assert await ours(backend, model, changes) == [(method, path, kept)]


async def test_same_as_a_task(backend, client):
    """What a client sends to have a picture later differs from what we send at once in the path alone."""
    client.images.async_generations(model="glm-image", prompt=PROMPT, size="1280x1280", quality="hd")
    ((method, path, body),) = backend.seen()
    at_once = path.replace("/async/", "/")
    assert path != at_once
    assert await ours(backend, "glm-image", {"asked": {**SQUARE, "quality": "hd"}}) == [(method, at_once, body)]

"""DashScope's own client and ours, asked for the same: paths, headers and bodies are compared as they arrive."""

import dashscope
import pytest
from backends.dashscope import DashScopeBackend
from dashscope.aigc.image_generation import ImageGeneration
from dashscope.aigc.image_synthesis import ImageSynthesis
from driving import provider_at
from pictures import base64_png, png

from providers.base import Operation, Upload
from providers.dialect import Shape

pytest_plugins = ["no_waiting"]
pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("no_waiting")]
PROMPT = "a red kite"
PHOTO = Upload.of(png())
PICTURE = f"data:image/png;base64,{base64_png()}"
EDIT = {"operation": Operation.EDIT, "images": (PHOTO,)}
LIT = {"asked": {"shape": Shape(1280, 1280), "seed": 7, "negative_prompt": "rain"}}
DRAWN = {"size": "1280*1280", "seed": 7, "prompt_extend": False, "n": 1}
# a model, what is asked of us, and the same for the client
MESSAGES = {
    "qwen-image-3.0": (LIT, {**DRAWN, "negative_prompt": "rain"}, []),
    "qwen-image-edit-plus": (EDIT, {"prompt_extend": False, "n": 1}, [{"image": PICTURE}]),
}
TASKS = {
    "wan2.6-t2i": (LIT, {**DRAWN, "negative_prompt": "rain"}, []),
    "wan2.7-image-pro": ({**EDIT, "n": 2}, {"n": 2}, [{"image": PICTURE}]),
}
FIELDS = {
    "wan2.2-t2i-plus": (LIT, {**DRAWN, "negative_prompt": "rain"}),
    "wan2.5-i2i-preview": (EDIT, {"n": 1, "images": [PICTURE]}),
    "wanx2.1-imageedit": (EDIT, {"n": 1, "function": "description_edit", "base_image_url": PICTURE}),
}


@pytest.fixture(scope="module")
def running():
    """The backend that both are asked of."""
    with DashScopeBackend() as backend:
        yield backend


@pytest.fixture
def backend(running, monkeypatch):
    """That backend with an empty ledger, to which the client is led."""
    running.ledger.clear()
    monkeypatch.setattr(dashscope, "base_http_api_url", running.url)
    return running


async def same(backend, model, changes, leaked=()):
    """Asks us too, and compares; `leaked` are parameters that the client alone sends."""
    async with provider_at("dashscope", backend.url, "key") as serve:
        await serve(model, prompt=PROMPT, **changes)
    theirs, ours = backend.ledger.records
    parameters = {name: value for name, value in theirs.fields["parameters"].items() if name not in leaked}
    assert (ours.path, ours.fields) == (theirs.path, {**theirs.fields, "parameters": parameters})
    for name in ("authorization", "x-dashscope-async"):
        assert ours.headers.get(name) == theirs.headers.get(name)


@pytest.mark.parametrize("model", MESSAGES)
async def test_same_message(backend, model):
    """At once: the client sends what we send."""
    changes, arguments, pictures = MESSAGES[model]
    messages = [{"role": "user", "content": [*pictures, {"text": PROMPT}]}]
    dashscope.MultiModalConversation.call(model, messages, api_key="key", **arguments)
    await same(backend, model, changes)


@pytest.mark.parametrize("model", TASKS)
async def test_same_task(backend, model, monkeypatch):
    """As a task: the client sends what we send but for `is_async`, a switch of its own that slips out."""
    changes, arguments, pictures = TASKS[model]
    monkeypatch.setattr(backend, "leaked", frozenset({"is_async"}))
    messages = [{"role": "user", "content": [*pictures, {"text": PROMPT}]}]
    ImageGeneration.async_call(model, "key", messages, **arguments)
    await same(backend, model, changes, leaked={"is_async"})


@pytest.mark.parametrize("model", FIELDS)
async def test_same_fields(backend, model):
    """The older models: the client sends what we send."""
    changes, arguments = FIELDS[model]
    ImageSynthesis.async_call(model, PROMPT, api_key="key", **arguments)
    await same(backend, model, changes)

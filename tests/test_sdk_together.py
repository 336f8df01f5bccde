"""Together's own client and ours, asked for the same: method, path and body are compared as they arrive."""

import base64

import msgspec
import pytest
from backends.together import TogetherBackend
from pictures import png
from together import Together

import providers
from providers.base import Job, Operation, Upload
from router.wire.bodies import encode

ADAPTER = providers.load("together")
PROMPT = "a tin robot"
DATA_URI = f"data:image/png;base64,{base64.b64encode(png()).decode()}"
SCHNELL = "black-forest-labs/FLUX.1-schnell"
# what our translation makes of a request, and what only its pictures add for the client
CASES = {
    "plain": (SCHNELL, {}, {}),
    "everything": (
        SCHNELL,
        {"width": 1024, "height": 768, "steps": 4, "seed": 3, "output_format": "png", "negative_prompt": "rain"},
        {},
    ),
    "picture": ("black-forest-labs/FLUX.1-kontext-pro", {}, {"image_url": DATA_URI}),
    "references": ("black-forest-labs/FLUX.2-pro", {"width": 1024, "height": 1024}, {"reference_images": [DATA_URI]}),
}


@pytest.fixture(scope="module")
def backend():
    """The backend that both are asked of."""
    with TogetherBackend() as backend:
        yield backend


@pytest.mark.anyio
@pytest.mark.parametrize("case", CASES)
async def test_same_request(backend, case):
    """The client sends what we send but for `n`, whose default it leaves out; its base URL ends before `/v1`."""
    model, params, pictures = CASES[case]
    backend.ledger.clear()
    with Together(api_key="key", base_url=backend.origin, max_retries=0) as client:
        client.images.generate(model=model, prompt=PROMPT, response_format="base64", **params, **pictures)
    (theirs,) = backend.ledger.records
    job = Job(
        id="j",
        operation=Operation.EDIT if pictures else Operation.GENERATE,
        model=model,
        prompt=PROMPT,
        params=params,
        images=(Upload.of(png()),) if pictures else (),
    )
    call = next(ADAPTER.generate(job))
    content = encode(call).content
    body = content if isinstance(content, bytes) else b"".join([piece async for piece in content])
    ours = msgspec.json.decode(body)
    assert ours.pop("n") == 1
    assert (f"/v1{call.path}", ours) == (theirs.path, theirs.fields)
    assert (call.method, theirs.headers["authorization"]) == ("POST", "Bearer key")

"""Google's own client and ours, asked for the same: method, path and body are compared as they arrive."""

import msgspec
import pytest
from backends.google import PROJECT, GoogleBackend
from google import genai
from google.genai import types
from google.oauth2.credentials import Credentials
from pictures import png

import providers
from providers.auth import google
from providers.base import Job, Operation, Upload
from providers.http import Request
from router.wire.bodies import encode

PICTURE = png()
ADAPTER = providers.load("google")
PROMPT = "a red kite"
CASES = {
    "plain": ("gemini-nano-banana-2.1", {}, ()),
    "sized": ("gemini-3.1-flash-image", {"aspectRatio": "16:9", "imageSize": "2K", "seed": 7, "threshold": "low"}, ()),
    "edited": ("gemini-3-pro-image", {"aspectRatio": "1:1", "imageSize": "4K"}, (PICTURE, PICTURE)),
}
PLACE = f"projects/{PROJECT}/locations/global/publishers/google"
HARMS = ("HARASSMENT", "HATE_SPEECH", "SEXUALLY_EXPLICIT", "DANGEROUS_CONTENT")


@pytest.fixture(scope="module")
def backend():
    """The backend that both are asked of."""
    with GoogleBackend() as backend:
        backend.issued.append("token")
        yield backend


@pytest.fixture
def ledger(backend):
    """What arrived at it."""
    backend.ledger.clear()
    return backend.ledger


def ask_sdk(client, model, params, pictures):
    """The same request in the words of Google's client."""
    canvas = {"aspect_ratio": params.get("aspectRatio"), "image_size": params.get("imageSize")}
    settings = [
        types.SafetySetting(category=f"HARM_CATEGORY_{harm}", threshold="BLOCK_ONLY_HIGH")
        for harm in HARMS
        if "threshold" in params
    ]
    config = types.GenerateContentConfig(
        response_modalities=["IMAGE"],
        image_config=types.ImageConfig(**canvas) if any(canvas.values()) else None,
        seed=params.get("seed"),
        safety_settings=settings or None,
    )
    parts = [types.Part.from_bytes(data=data, mime_type="image/png") for data in pictures]
    client.models.generate_content(model=model, contents=[PROMPT, *parts], config=config)


async def ours(model, params, pictures, **place):
    """What we would send: method, path and body."""
    params = params | ({"threshold": "BLOCK_ONLY_HIGH"} if "threshold" in params else {})
    operation = Operation.EDIT if pictures else Operation.GENERATE
    images = tuple(map(Upload.of, pictures))
    job = Job(id="j", operation=operation, model=model, prompt=PROMPT, params=params, images=images, **place)
    call = next(ADAPTER.generate(job))
    request = Request(call.method, f"{place['base_url']}{call.path}", content=encode(call).content)
    return request.method, request.url.path, await request.aread()


def alike(fields):
    """Fields with what Google's client spells otherwise spelled as we do.

    Its inline pictures say `mime_type`, as JSON of either spelling is read, and hold base64 of the kind for addresses;
    ours is the standard kind, which the answers use too and which needs no copy to be made.
    """
    for part in fields["contents"][0]["parts"]:
        if "inlineData" in part:
            blob = part["inlineData"]
            media_type = blob.pop("mime_type", None) or blob["mimeType"]
            data = blob["data"].replace("-", "+").replace("_", "/")
            part["inlineData"] = {"mimeType": media_type, "data": data}
    return fields


@pytest.mark.anyio
@pytest.mark.parametrize("case", CASES)
async def test_gemini_api(backend, ledger, case):
    """On the Gemini API both send the same to the same place, with the key in the same header."""
    client = genai.Client(api_key="k-1", http_options=types.HttpOptions(base_url=backend.origin))
    ask_sdk(client, *CASES[case])
    (record,) = ledger.records
    method, path, body = await ours(*CASES[case], base_url=backend.url)
    assert (method, path) == ("POST", record.path)
    assert msgspec.json.decode(body) == alike(record.fields)
    (request,) = google("k-1").auth_flow(Request(method, backend.url))
    assert request.headers["x-goog-api-key"] == record.headers["x-goog-api-key"]


@pytest.mark.anyio
@pytest.mark.parametrize("case", CASES)
async def test_vertex_ai(backend, ledger, case):
    """On Vertex AI too; Google's client prefers v1beta1, which a base URL can say as well."""
    client = genai.Client(
        vertexai=True,
        project=PROJECT,
        location="global",
        credentials=Credentials(token="token"),
        http_options=types.HttpOptions(base_url=backend.origin),
    )
    ask_sdk(client, *CASES[case])
    (record,) = ledger.records
    base_url = f"{backend.origin}/v1beta1"
    for place in (
        {"base_url": base_url, "options": {"project": PROJECT}},
        {"base_url": f"{base_url}/projects/{PROJECT}/locations/global"},
        {"base_url": f"{base_url}/{PLACE}"},
    ):
        method, path, body = await ours(*CASES[case], **place)
        assert (method, path) == ("POST", record.path)
        assert msgspec.json.decode(body) == alike(record.fields)

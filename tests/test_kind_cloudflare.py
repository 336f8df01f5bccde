"""Workers AI over a real socket, against a backend that refuses what the real one would."""

import io

import pytest
from backends import Status
from backends.cloudflare import MODELS, CloudflareBackend
from driving import provider_at, seen
from pictures import png
from PIL import Image

from providers.base import ErrorKind, Operation, OutcomeClass, ProviderError, Upload
from providers.dialect import Shape

pytestmark = pytest.mark.anyio
FLUX = "@cf/black-forest-labs/flux-"
INPAINTING = "@cf/runwayml/stable-diffusion-v1-5-inpainting"
EVERYTHING = {"shape": Shape(1536, 864), "seed": 7, "steps": 30, "guidance": 4.5, "negative_prompt": "rain"}
PICTURE = Upload.of(png(96, 64), width=96, height=64)


@pytest.fixture(scope="module")
def running():
    """One backend for all tests of this file."""
    with CloudflareBackend() as backend:
        yield backend


@pytest.fixture
def backend(running):
    """That backend with an empty ledger."""
    running.ledger.clear()
    return running


@pytest.fixture
async def draw(backend):
    """Serves one request there."""
    async with provider_at("cloudflare", backend.url, "token") as serve:
        yield serve


async def failed(work):
    """The error in which a request ends."""
    with pytest.raises(ProviderError) as raised:
        await work
    return raised.value.kind, raised.value.outcome


@pytest.mark.parametrize("model", sorted(MODELS.keys() - {INPAINTING}))
async def test_draws(backend, draw, model):
    """Every model takes all that its table names, in the body that it wants, whichever way the picture comes back."""
    result = await draw(model, asked=EVERYTHING)
    media_type, width, height = seen(result)
    assert (width, height) == ((1024, 1024) if model.endswith("schnell") else (1536, 864))
    assert media_type == ("image/png" if "diffusion" in model else "image/jpeg")
    assert backend.ledger.pictures == 1


@pytest.mark.parametrize("asked", [(1000, 500), (4096, 1024), (16, 16), (9000, 9)])
async def test_landscape(draw, asked):
    """Whatever size is asked, one that the model draws is sent."""
    for model in (f"{FLUX}2-dev", f"{FLUX}2-klein-4b", "@cf/stabilityai/stable-diffusion-xl-base-1.0"):
        await draw(model, asked={"shape": Shape(*asked)})


async def test_edits_with_several_pictures(backend, draw):
    """Up to four pictures go as numbered files."""
    jpeg = Upload.of(b"\xff\xd8\xff\xd9", "image/jpeg")
    await draw(f"{FLUX}2-klein-4b", operation=Operation.EDIT, images=(PICTURE, jpeg))
    (record,) = backend.ledger.records
    assert [(name, kind) for name, kind, _ in record.files] == [
        ("input_image_0", "image/png"),
        ("input_image_1", "image/jpeg"),
    ]


async def test_mask_is_white_where_the_picture_changes(backend, draw):
    """What is transparent in a caller's mask is white in the one that is sent, byte by byte, and nothing else is."""
    mask = Upload.of(png(96, 64, alpha=True), width=96, height=64)
    await draw(INPAINTING, operation=Operation.EDIT, images=(PICTURE,), mask=mask, asked={"strength": 0.8})
    with Image.open(io.BytesIO(backend.masks.pop())) as image:
        assert image.convert("L").tobytes() == (b"\xff" * 48 + b"\0" * 48) * 64


@pytest.mark.parametrize(
    ("model", "prompt", "end"),
    [
        (f"{FLUX}1-schnell", "a forbidden thing", (ErrorKind.CONTENT_POLICY, OutcomeClass.REJECTED)),
        (f"{FLUX}1-schnell", "a flag", (ErrorKind.CONTENT_POLICY, OutcomeClass.FAILED)),
        (f"{FLUX}1-schnell", "x" * 2049, (ErrorKind.INVALID_REQUEST, OutcomeClass.REJECTED)),
        ("@cf/none/such", "a kite", (ErrorKind.UNSUPPORTED, OutcomeClass.REJECTED)),
    ],
    ids=["refused", "flagged", "too-long", "no-such-model"],
)
async def test_refused(backend, draw, model, prompt, end):
    """A refusal is known by its code and words, before the work and after it."""
    assert await failed(draw(model, prompt=prompt)) == end


async def test_failures(backend, draw):
    """The account's troubles are told apart by their codes."""
    backend.script(Status(429, "3036"), Status(429, "3040"), Status(429), Status(500))
    kinds = [(await failed(draw(f"{FLUX}1-schnell")))[0] for _ in range(4)]
    assert kinds == [ErrorKind.QUOTA, ErrorKind.UNAVAILABLE, ErrorKind.RATE_LIMITED, ErrorKind.UNAVAILABLE]
    async with provider_at("cloudflare", backend.url, "bad-key") as strange:
        assert await failed(strange(f"{FLUX}1-schnell")) == (ErrorKind.AUTHENTICATION, OutcomeClass.REJECTED)
    assert backend.ledger.billed == []

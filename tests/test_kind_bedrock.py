"""Amazon Bedrock over a real socket, against a backend that makes every signature again."""

from base64 import b64decode

import pytest
from backends import Reset, Status
from backends.bedrock import ACCESS_KEY_ID, API_KEY, SECRET, TOKEN, BedrockBackend
from backends.stability import RATIOS, white
from driving import provider_at, seen
from pictures import png

import providers
from providers.base import Answer, ErrorKind, Operation, OutcomeClass, ProviderError, Upload
from providers.dialect import Shape
from providers.http import Request

pytestmark = pytest.mark.anyio
EDIT = Operation.EDIT
CORE, ULTRA, SD3 = (
    "stability.stable-image-core-v1:1",
    "stability.stable-image-ultra-v1:1",
    "stability.sd3-5-large-v1:0",
)
US = "us.stability.stable-image-"
PICTURE = Upload.of(png(96, 64), width=96, height=64)
MASK = Upload.of(png(96, 64, alpha=True), width=96, height=64)
EDITORS = {
    f"{US}search-replace-v1:0": {"search_prompt": "the boat"},
    f"{US}search-recolor-v1:0": {"select_prompt": "the boat"},
    f"{US}remove-background-v1:0": {},
    f"{US}control-sketch-v1:0": {"control_strength": "0.5"},
    f"{US}control-structure-v1:0": {},
    f"{US}style-guide-v1:0": {"fidelity": 0.4},
    "us.stability.stable-outpaint-v1:0": {"left": "200", "creativity": "0.5"},
}
KEYS = (API_KEY, f"{ACCESS_KEY_ID}:{SECRET}", f"{ACCESS_KEY_ID}:{SECRET}:{TOKEN}")


@pytest.fixture(scope="module")
def running():
    """One backend for all tests of this file."""
    with BedrockBackend() as backend:
        yield backend


@pytest.fixture
def backend(running):
    """That backend with an empty ledger."""
    running.ledger.clear()
    return running


@pytest.fixture
async def draw(backend):
    """Serves one request there, signed with temporary credentials."""
    async with provider_at("bedrock", backend.url, KEYS[2]) as serve:
        yield serve


async def failed(work):
    """The error in which a request ends."""
    with pytest.raises(ProviderError) as raised:
        await work
    return raised.value


def summary(error):
    """What decides what becomes of a request."""
    return error.kind, error.outcome, error.code


@pytest.mark.parametrize("key", KEYS, ids=["api-key", "credentials", "temporary"])
async def test_keys(backend, key):
    """Every form of key is understood by the backend: as a bearer's, or as a signature it can make again."""
    async with provider_at("bedrock", backend.url, key) as draw:
        assert seen(await draw(CORE)) == ("image/png", 1024, 1024)
    (record,) = backend.ledger.records
    said = record.headers["authorization"]
    assert SECRET not in str(record.headers)
    if ":" in key:
        names = ["accept", "content-type", "host", "x-amz-date", "x-amz-security-token"]
        assert f"SignedHeaders={';'.join(names[: len(key.split(':')) + 2])}," in said
        assert "/us-west-2/bedrock/aws4_request" in said


@pytest.mark.parametrize(
    ("host", "region"),
    [
        ("bedrock-runtime.eu-central-1.amazonaws.com", "eu-central-1"),
        ("bedrock-runtime-fips.us-gov-west-1.amazonaws.com", "us-gov-west-1"),
        ("bedrock-runtime.cn-north-1.amazonaws.com.cn", "cn-north-1"),
        ("vpce-0a1-b2.bedrock-runtime.us-east-2.vpce.amazonaws.com", "us-east-2"),
        ("proxy.example.com", "us-west-2"),
    ],
)
async def test_regions(host, region):
    """The region signed for is the host's, wherever that has it; else the one that has all models."""
    request = Request("POST", f"https://{host}/model/x/invoke", content=b"{}")
    signed = next(providers.load("bedrock").auth(KEYS[1]).auth_flow(request))
    assert f"/{region}/bedrock/aws4_request" in signed.headers["authorization"]


@pytest.mark.parametrize("key", [":", "AKID:", ":secret", "a:b:", "a:b:c:d"])
async def test_half_a_key(key):
    """A key with a part missing, or one too many, is refused before anything is sent, with the remedy."""
    with pytest.raises(ValueError, match="write ACCESS_KEY_ID:SECRET"):
        providers.load("bedrock").auth(key)


@pytest.mark.parametrize("key", ["another-key", f"{ACCESS_KEY_ID}:wrong", f"{ACCESS_KEY_ID}:{SECRET}:old", "other:x"])
async def test_bad_keys(backend, key):
    """A key that is not taken is the key's fault, costs nothing, and comes back in no message."""
    async with provider_at("bedrock", backend.url, key) as draw:
        error = await failed(draw(CORE))
    assert (error.kind, error.outcome) == (ErrorKind.AUTHENTICATION, OutcomeClass.REJECTED)
    assert "authorization" not in error.message
    assert backend.ledger.billed == []


@pytest.mark.parametrize("model", [CORE, ULTRA, SD3])
async def test_draws(backend, draw, model):
    """Every drawing model takes all that its table names, and makes one picture of the ratio asked."""
    asked = {"shape": Shape(1536, 1024), "seed": 7, "negative_prompt": "people", "output_format": "jpeg", "style": "x"}
    assert seen(await draw(model, asked=asked)) == ("image/jpeg", 1216, 832)
    (record,) = backend.ledger.records
    assert record.model == model


@pytest.mark.parametrize("ratio", RATIOS)
async def test_ratios(draw, ratio):
    """Each of the nine ratios is reached by asking for it."""
    width, height = map(int, RATIOS[ratio].split("x"))
    across, down = map(int, ratio.split(":"))
    assert seen(await draw(CORE, asked={"shape": Shape(aspect=across / down)})) == ("image/png", width, height)


async def test_redraws(backend, draw):
    """An edit without a mask is drawn from its picture, in its picture's shape."""
    result = await draw(SD3, operation=EDIT, images=(PICTURE,), asked={"shape": Shape(1024, 1024)})
    assert seen(result) == ("image/png", 96, 64)
    (record,) = backend.ledger.records
    assert (record.fields["mode"], record.fields["strength"]) == ("image-to-image", 0.65)
    assert b64decode(record.fields["image"]) == png(96, 64)


@pytest.mark.parametrize("model", ["inpaint", "erase-object"])
async def test_mask_is_white_where_the_picture_changes(backend, draw, model):
    """What is transparent in a caller's mask is white in the one that is sent, and nothing else is."""
    result = await draw(f"{US}{model}-v1:0", operation=EDIT, images=(PICTURE,), mask=MASK)
    assert seen(result) == ("image/png", 96, 64)
    (record,) = backend.ledger.records
    assert white(b64decode(record.fields["mask"])) == ([True] * 48 + [False] * 48) * 64
    assert record.fields["grow_mask"] == 0


@pytest.mark.parametrize("model", EDITORS)
async def test_editors(draw, model):
    """Every editing service can be reached, with the words of its own, in numbers though a form said them as text."""
    assert seen(await draw(model, operation=EDIT, images=(PICTURE,), extras=EDITORS[model])) == ("image/png", 96, 64)


async def test_style_transfer(backend, draw):
    """The first picture is changed, the second gives the style."""
    style = Upload.of(png(64, 64), width=64, height=64)
    result = await draw("us.stability.stable-style-transfer-v1:0", operation=EDIT, images=(PICTURE, style))
    assert seen(result) == ("image/png", 96, 64)
    (record,) = backend.ledger.records
    assert b64decode(record.fields["style_image"]) == png(64, 64)


async def test_filtered(backend, draw):
    """What the filter took is the prompt's fault, though the status was 200; it may have been billed."""
    error = await failed(draw(SD3, prompt="a forbidden thing"))
    assert (error.kind, error.outcome) == (ErrorKind.CONTENT_POLICY, OutcomeClass.AMBIGUOUS)


@pytest.mark.parametrize("model", ["stability.stable-image-erase-object-v1:0", "amazon.nova-canvas-v1:0"])
async def test_models_that_are_not_there(draw, model):
    """A model that needs its profile, or has gone, is left for another target."""
    changes = {"operation": EDIT, "images": (PICTURE,), "mask": MASK} if "erase" in model else {}
    assert summary(await failed(draw(model, **changes))) == (
        ErrorKind.UNSUPPORTED,
        OutcomeClass.REJECTED,
        "ValidationException",
    )


@pytest.mark.parametrize(
    ("step", "end"),
    [
        (Status(503), (ErrorKind.UNAVAILABLE, OutcomeClass.REJECTED, None)),
        (Status(429, headers={"x-amzn-ErrorType": "ThrottlingException"}), None),
        (Reset(), (ErrorKind.UNAVAILABLE, OutcomeClass.AMBIGUOUS, None)),
    ],
    ids=["503", "429", "reset"],
)
async def test_failures(backend, draw, step, end):
    """Each failure of the backend is known by its code, and by what it means for the bill."""
    backend.script(step)
    expected = end or (ErrorKind.RATE_LIMITED, OutcomeClass.REJECTED, "ThrottlingException")
    assert summary(await failed(draw(CORE))) == expected


@pytest.mark.parametrize("body", [b"{}", b"[]", b"<html>", b'{"originalStatusCode": "x"}'])
async def test_failed_model_without_a_status(body):
    """A model behind Bedrock that failed without saying how is taken to have failed."""
    error = providers.load("bedrock").error(Answer(424, {"x-amzn-errortype": "ModelErrorException"}, body))
    assert (error.kind, error.outcome) == (ErrorKind.UNAVAILABLE, OutcomeClass.FAILED)

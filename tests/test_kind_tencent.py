"""The kind `tencent` over a socket, against a backend that makes every signature again."""

import time
from types import SimpleNamespace

import pytest
from backends.tencent import SECRET, SECRET_ID, TOKEN, TencentBackend
from driving import provider_at, seen
from pictures import png
from polled import facts, fetched

import providers
from providers import auth
from providers.base import Call, Job, Operation, Phase, ProviderError, Upload
from providers.dialect import Shape
from providers.http import AsyncBaseTransport, Response
from router.wire.send import Wire

pytest_plugins = ["no_waiting"]
pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("no_waiting")]
PHOTO = Upload.of(png(96, 64), width=96, height=64)
EDIT = {"operation": Operation.EDIT, "images": (PHOTO,)}
HUB, TALK, JOB, LITE = "hy-image-v3", "hy-image-v3.5-preview", "hunyuan-image", "hunyuan-image-lite"
KEY = f"{SECRET_ID}:{SECRET}"


@pytest.fixture(scope="module")
def running():
    """One backend for all tests of this file."""
    with TencentBackend() as backend:
        yield backend


@pytest.fixture
def backend(running):
    """That backend with an empty ledger."""
    running.ledger.clear()
    running.polls = 0
    return running


@pytest.fixture
async def hub(backend):
    """Serves one request there with TokenHub's key."""
    async with provider_at("tencent", backend.url, "key") as made:
        yield made


@pytest.fixture
async def signed(backend):
    """Serves one request there, signed with temporary credentials."""
    async with provider_at("tencent", backend.url, f"{KEY}:{TOKEN}") as made:
        yield made


@pytest.mark.parametrize("model", [HUB, TALK])
async def test_draws_at_once(backend, hub, model):
    """TokenHub's picture is there with the answer."""
    assert fetched(await hub(model)) == [("PNG", (1024, 1024))]
    assert (len(backend.ledger), backend.polls) == (1, 0)


async def test_draws_later(backend, signed):
    """A job is submitted once and asked after until it is done, each call signed anew."""
    result = await signed(JOB, n=3)
    assert len(fetched(result)) == 3
    assert [image.revised_prompt for image in result.images] == ["a better p"] * 3
    assert (len(backend.ledger), backend.polls, backend.ledger.pictures) == (1, 2, 3)


@pytest.mark.parametrize(("form", "kind"), [(None, "b64"), ("b64_json", "b64"), ("url", "url")])
async def test_lite(signed, form, kind):
    """Lite answers at once, with base64 unless a link is wanted."""
    (image,) = (await signed(LITE, asked={} if form is None else {"response_format": form})).images
    assert getattr(image, kind) is not None


@pytest.mark.parametrize(
    ("model", "asked", "size"),
    [
        (HUB, (1536, 1024), (1248, 832)),
        (HUB, (1000, 700), (1000, 700)),
        (TALK, (3840, 2160), (3840, 2160)),
        (JOB, (1792, 1024), (1280, 720)),
        (JOB, (2048, 2048), (2048, 2048)),
    ],
)
async def test_landscape(hub, signed, model, asked, size):
    """Each model draws the size asked, or the nearest that is legal, and says so beside the link."""
    result = await (signed if model == JOB else hub)(model, asked={"shape": Shape(*asked)})
    assert fetched(result) == [("PNG", size)]
    assert [(image.width, image.height) for image in result.images] == [size]


async def test_landscape_lite(signed):
    """Lite alone draws in full HD."""
    assert seen(await signed(LITE, asked={"shape": Shape(1920, 1080)})) == ("image/png", 1920, 1080)


@pytest.mark.parametrize(("width", "height"), [(1, 1), (100, 9000), (9000, 100), (1999, 2001), (1440, 512)])
async def test_any_shape_is_legal(hub, signed, width, height):
    """Whatever is asked, the backend takes what is sent."""
    asked = {"shape": Shape(width, height)}
    for serve, model in ((hub, HUB), (hub, TALK), (signed, JOB), (signed, LITE)):
        assert (await serve(model, asked=asked)).images
    assert (await signed(JOB, asked=asked, **EDIT)).images


async def test_edits(backend, hub, signed):
    """TokenHub starts from up to three pictures, a job from one."""
    assert fetched(await hub(HUB, operation=Operation.EDIT, images=(PHOTO, PHOTO, PHOTO)))
    assert fetched(await signed(JOB, **EDIT))
    first, second = (record.fields for record in backend.ledger.records)
    assert len(first["images"]) == 3
    assert list(second["ContentImage"]) == ["ImageBase64"]


async def test_every_parameter(backend, hub, signed):
    """What a model knows is sent; no mark is drawn unasked, and with a seed the prompt is not rewritten."""
    asked = {"seed": 7, "negative_prompt": "rain", "style": "riman", "quality": "hd"}
    await signed(JOB, asked=asked)
    await signed(JOB, asked=asked, extras={"LogoAdd": 1}, **EDIT)
    await signed(LITE, asked={**asked, "style": "vivid"})
    await hub(HUB, asked=asked, extras={"revise": False})
    job, edit, lite, drawn = (record.fields for record in backend.ledger.records)
    assert (job["Seed"], job["Revise"], job["Clarity"], job["LogoAdd"], job["Style"]) == (7, 0, "x2", 0, "riman")
    assert edit["LogoAdd"] == 1
    assert not {"Seed", "Revise"} & edit.keys()
    assert (lite["Style"], lite["LogoAdd"]) == ("000", 0)
    assert (drawn["seed"], drawn["revise"]) == (7, False)


@pytest.mark.parametrize(("model", "status"), [(HUB, 400), (TALK, 400), (JOB, None), (LITE, None)])
async def test_refuses(backend, hub, signed, model, status):
    """A prompt that is refused is the caller's to change."""
    with pytest.raises(ProviderError) as caught:
        await (hub if status else signed)(model, prompt="a forbidden thing")
    assert facts(caught.value) == ("content_policy", "rejected", status)
    assert backend.ledger.billed == []


@pytest.mark.parametrize(
    ("end", "kind", "outcome"),
    [
        ("4 OperationDenied.ImageIllegalDetected", "content_policy", "failed"),
        ("4 FailedOperation.EngineServerError", "unavailable", "failed"),
        ("4", "unavailable", "failed"),
        ("3", "bad_response", "ambiguous"),
    ],
)
async def test_ends_badly(backend, signed, end, kind, outcome):
    """Each bad end is a typed failure of work that was asked for once."""
    backend.end(end)
    with pytest.raises(ProviderError) as caught:
        await signed(JOB)
    assert facts(caught.value) == (kind, outcome, None)
    assert len(backend.ledger) == 1


async def test_polls_that_stumble(backend, signed):
    """A poll that fails is asked again: the work was paid for, and is paid for once."""
    backend.stumble(503, 429, 502)
    assert len(fetched(await signed(JOB))) == 1
    assert (len(backend.ledger), backend.polls) == (1, 5)


@pytest.mark.parametrize("key", [KEY, f"{KEY}:{TOKEN}"], ids=["credentials", "temporary"])
async def test_signs(backend, key):
    """The backend makes the same signature of the bytes that came; the secret stays here."""
    async with provider_at("tencent", backend.url, key) as serve:
        await serve(JOB, prompt="ein roter Drachen über Dünen", **EDIT)
    (record,) = backend.ledger.records
    assert SECRET not in str(record.headers)
    assert record.headers.get("x-tc-token") == (TOKEN if key.endswith(TOKEN) else None)


@pytest.mark.parametrize(
    ("model", "key"),
    [
        *((JOB, key) for key in (f"{SECRET_ID}:wrong", "other:x", f"{KEY}:old", "a-bearer-key")),
        (HUB, "bad-key"),
        (HUB, KEY),
    ],
)
async def test_bad_key(backend, model, key):
    """A key that is not taken, or is the other way's, is the key's fault and costs nothing."""
    async with provider_at("tencent", backend.url, key) as serve:
        with pytest.raises(ProviderError) as caught:
            await serve(model)
    assert (caught.value.kind, caught.value.outcome) == ("authentication", "rejected")
    assert backend.ledger.billed == []


async def test_late_signature(monkeypatch, signed):
    """A signature of another hour is refused, as the key's fault: this machine's clock is wrong."""
    late = SimpleNamespace(time=lambda: time.time() - 3600, gmtime=time.gmtime, strftime=time.strftime)
    monkeypatch.setattr(auth, "time", late)
    with pytest.raises(ProviderError) as caught:
        await signed(JOB)
    assert caught.value.code == "AuthFailure.SignatureExpire"


@pytest.mark.parametrize("key", [":", "AKID:", ":secret", "a:b:", "a:b:c:d"])
async def test_half_a_key(key):
    """A key with a part missing, or one too many, is refused before anything is sent, with the remedy."""
    with pytest.raises(ValueError, match="write SECRET_ID:SECRET"):
        providers.load("tencent").auth(key)


class Listening(AsyncBaseTransport):
    """Keeps what is sent, and answers nothing of use."""

    def __init__(self):
        self.heard = []

    async def handle_async_request(self, request):
        """One request."""
        self.heard.append(request)
        return Response(200, content=b"{}")


@pytest.mark.parametrize(("model", "host"), [(HUB, "tokenhub.tencentmaas.com"), (JOB, "hunyuan.tencentcloudapi.com")])
async def test_each_way_has_its_host(model, host):
    """Where the configuration names no address, each model is asked at its own host, and that host gets the key."""
    adapter, listening = providers.load("tencent"), Listening()
    job = Job(id="r", operation=Operation.GENERATE, model=model, prompt="x", base_url=adapter.base_url)
    wire = Wire(adapter, adapter.base_url, KEY, listening)
    call = next(adapter.generate(job))
    assert isinstance(call, Call)
    assert call.phase is Phase.SUBMIT
    await wire(call)
    (request,) = listening.heard
    assert request.url.host == host
    assert f"Credential={SECRET_ID}/" in request.headers["authorization"]
    await wire.aclose()


async def test_model_gone(hub):
    """A model that is not there is a matter for the next target."""
    with pytest.raises(ProviderError) as caught:
        await hub("hy-image-v2")
    assert facts(caught.value) == ("unsupported", "rejected", 404)

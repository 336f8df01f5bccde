"""One photo and one mask at backends that read masks each in its own way: the same pixels change at all of them."""

import asyncio
import io
import random
from base64 import b64decode
from contextlib import ExitStack
from types import SimpleNamespace

import httpx
import pytest
from backends import Status
from backends.automatic1111 import Automatic1111Backend
from backends.comfyui import ComfyUIBackend
from backends.comfyui_nodes import CHECKPOINT
from backends.stability import StabilityBackend
from backends.vllm_omni import SERVED, VllmOmniBackend
from PIL import Image, ImageChops, ImageDraw
from serving import serving

from router.wire import conversation

SIZE = (160, 128)
TOLERANCE = 8
# each kind, what draws for it, and the model that takes masks
ROWS = {
    "automatic1111": (Automatic1111Backend, "dreamshaper_8"),
    "stability": (StabilityBackend, "inpaint"),
    "vllm_omni": (VllmOmniBackend, SERVED),
    "comfyui": (ComfyUIBackend, CHECKPOINT),
}
at_each = pytest.mark.parametrize("kind", ROWS)


def photo():
    """A picture in which no pixel is like its neighbours, and none as red as what the backends draw."""
    across = Image.linear_gradient("L").rotate(90).resize(SIZE).point(lambda level: level // 2)
    down = Image.linear_gradient("L").resize(SIZE)
    noise = Image.frombytes("L", SIZE, random.Random(7).randbytes(SIZE[0] * SIZE[1]))
    return Image.merge("RGB", (across, down, noise))


def ring(size=SIZE):
    """A ring off the middle: what is inside of it is kept as what is outside."""
    area = Image.new("L", size)
    draw, (width, height) = ImageDraw.Draw(area), size
    draw.ellipse((width // 8, height // 6, width * 5 // 8, height * 5 // 6), fill=255)
    draw.ellipse((width // 4, height // 3, width // 2, height * 2 // 3), fill=0)
    return area


def corner():
    """An L that touches two edges, with a dot apart from it."""
    area = Image.new("L", SIZE)
    draw = ImageDraw.Draw(area)
    draw.polygon([(0, 20), (24, 20), (24, 90), (100, 90), (100, 127), (0, 127)], fill=255)
    draw.point((140, 10), fill=255)
    return area


def soft():
    """A ring whose rim is half clear: what is less than half opaque is drawn anew."""
    return ring((SIZE[0] * 4, SIZE[1] * 4)).resize(SIZE, Image.Resampling.BOX)


def cleared(area, sheet):
    """OpenAI's mask: a sheet, transparent where the area is."""
    mask = sheet.copy()
    mask.putalpha(ImageChops.invert(area))
    return mask


def palette(area):
    """OpenAI's mask in two colours, of which the first is transparent."""
    mask = area.point([1] * 128 + [0] * 128).convert("P")
    mask.putpalette([255, 0, 0, 0, 0, 255])
    mask.info["transparency"] = 0
    return mask


BLACK = Image.new("RGB", SIZE)
AREAS = {"ring": ring(), "corner": corner(), "soft": soft()}
MASKS = {
    "ring": ("ring", cleared(ring(), BLACK)),
    "corner": ("corner", cleared(corner(), BLACK)),
    "soft": ("soft", cleared(soft(), BLACK)),
    "painted white where it is kept": ("ring", cleared(ring(), ImageChops.invert(ring()).convert("RGB"))),
    "painted white where it is clear": ("ring", cleared(ring(), ring().convert("RGB"))),
    "grey": ("corner", cleared(corner(), BLACK.convert("L"))),
    "two colours": ("corner", palette(corner())),
    "the photo, with a hole": ("ring", cleared(ring(), photo())),
}


def as_png(image):
    """The bytes of a picture."""
    into = io.BytesIO()
    image.save(into, "PNG")
    return into.getvalue()


def changed(before, after):
    """Where two pictures differ, as white on black."""
    assert after.size == before.size
    channels = ImageChops.difference(before, after.convert("RGB")).split()
    most = ImageChops.lighter(ImageChops.lighter(channels[0], channels[1]), channels[2])
    return most.point(lambda level: 255 if level > TOLERANCE else 0)


@pytest.fixture(scope="module")
def backends():
    """A backend of each kind."""
    with ExitStack() as stack:
        yield {kind: stack.enter_context(make()) for kind, (make, _) in ROWS.items()}


@pytest.fixture(scope="module")
def router(backends, tmp_path_factory):
    """A router of all of them, whose polls do not wait."""
    providers = {kind: {"kind": kind, "base_url": backend.url, "api_key": "key"} for kind, backend in backends.items()}
    targets = [f"{kind}/{model}" for kind, (_, model) in ROWS.items()]
    models = {
        "all": {"chain": targets},
        **{kind: {"chain": [target]} for kind, target in zip(ROWS, targets, strict=True)},
    }
    config = {"providers": providers, "models": models}

    async def at_once(_):
        await asyncio.sleep(0)

    with pytest.MonkeyPatch.context() as patch, serving(config, tmp_path_factory.mktemp("router")) as url:
        patch.setattr(conversation, "asyncio", SimpleNamespace(sleep=at_once, timeout=asyncio.timeout))
        yield url


def edit(router, kind, source, mask):
    """One masked edit, as any client of OpenAI's sends it."""
    files = {name: (f"{name}.png", as_png(image), "image/png") for name, image in (("image", source), ("mask", mask))}
    data = {"model": kind, "prompt": "a red kite", "response_format": "b64_json"}
    return httpx.post(f"{router}/v2/router/images/edits", data=data, files=files, timeout=30)


def region(router, kind, mask):
    """What an edit changed."""
    source = photo()
    answer = edit(router, kind, source, mask)
    assert answer.status_code == 200, answer.text
    (made,) = answer.json()["data"]
    return changed(source, Image.open(io.BytesIO(b64decode(made["b64_json"]))))


@at_each
@pytest.mark.parametrize("name", MASKS)
def test_only_what_is_clear_is_changed_and_all_of_it(router, kind, name):
    """The pixels that change are those that are transparent in the mask, whatever colour lies under its alpha."""
    area, mask = MASKS[name]
    wanted = AREAS[area].point([0] * 128 + [255] * 128)
    assert region(router, kind, mask).tobytes() == wanted.tobytes()


@at_each
def test_a_mask_of_twice_the_size_opens_the_same_place(router, kind):
    """A mask of another size is laid over the whole picture, and its edges stay where they were."""
    area = corner().resize((SIZE[0] * 2, SIZE[1] * 2), Image.Resampling.NEAREST)
    mask = cleared(area, BLACK.resize(area.size))
    assert region(router, kind, mask).tobytes() == corner().tobytes()


@at_each
@pytest.mark.parametrize("mask", [ring(), ring().convert("RGB"), ring().convert("1")], ids=["grey", "colour", "bits"])
def test_a_mask_without_alpha_is_refused(router, backends, kind, mask):
    """Black and white may mean either, so nothing is sent and the answer says what a mask is."""
    backends[kind].ledger.clear()
    answer = edit(router, kind, photo(), mask)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_image")
    assert len(backends[kind].ledger) == 0


def test_down_a_chain_the_same_place_is_changed(router, backends):
    """Each target that is asked reads the caller's own mask, not what was made of it for the one before."""
    *first, last = backends.values()
    for backend in backends.values():
        backend.ledger.clear()
    for backend in first:
        backend.script(Status(402))
    assert region(router, "all", cleared(ring(), BLACK)).tobytes() == ring().tobytes()
    assert [len(backend.ledger.billed) for backend in (*first, last)] == [*[0] * len(first), 1]

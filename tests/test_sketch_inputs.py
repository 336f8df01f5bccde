"""What the backend inside the process accepts and refuses: sound pictures, hostile ones, fields; never an exception."""

import io
import struct
import zlib
from base64 import b64decode

import pytest
from pictures import png
from PIL import Image
from sketching import PATHS, SKETCH, call, drawn, hole, opened, photo, refused, upload

from providers.base import Answer, Call, ErrorKind, Job, Operation, OutcomeClass, Upload, submit
from providers.dialect import Shape, Strictness, translate


@pytest.mark.parametrize(
    ("mode", "form"),
    [("RGB", "JPEG"), ("CMYK", "JPEG"), ("L", "JPEG"), ("RGB", "WEBP"), ("RGBA", "WEBP")]
    + [(mode, "PNG") for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")],
)
def test_every_mode_is_read(mode, form):
    """Pictures of every colour mode that the formats know can be edited and varied."""
    source = photo()
    image = Image.new("I;16", source.size, 30000) if mode == "I;16" else source.convert(mode)
    for operation in ("edit", "variation"):
        assert drawn(operation, [upload(image, form)])[0].size == source.size


def test_phone_photos_stand_upright():
    """A picture that lies on its side and says so is turned before anything else."""
    exif = Image.Exif()
    exif[0x0112] = 6
    lying = upload(photo((96, 64)), "JPEG", exif=exif.tobytes())
    assert drawn("variation", [lying])[0].size == (64, 96)
    assert drawn("edit", [lying], upload(hole((64, 96))))[0].size == (64, 96)


def bomb(width, height):
    """A PNG that claims to be huge."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    return b"\x89PNG\r\n\x1a\n" + chunk + png()[33:]


def gif():
    """A sound picture in a format that is not read."""
    out = io.BytesIO()
    photo().save(out, "GIF")
    return out.getvalue()


def short_jpeg():
    """A JPEG that ends too soon."""
    out = io.BytesIO()
    photo((400, 300)).save(out, "JPEG")
    return out.getvalue()[:900]


HOSTILE = {
    "empty": b"",
    "text": b"this is not a picture",
    "svg": b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>',
    "gif": gif(),
    "truncated png": png(64, 64)[:-30],
    "png header": png(64, 64)[:33],
    "broken png": png(64, 64).replace(b"IDAT", b"IDAX"),
    "truncated jpeg": short_jpeg(),
    "jpeg marker": b"\xff\xd8\xff",
    "webp head": b"RIFF\x24\x00\x00\x00WEBPVP8 " + bytes(30),
    "51 megapixels": bomb(51_000, 1000),
    "90 megapixels": bomb(90_000, 1000),
    "endless": bomb(2_000_000_000, 2_000_000_000),
    "no width": bomb(0, 10),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_pictures_are_refused(name):
    """Bytes that are no sound picture of fair size are a 400 that names the part, wherever they stand."""
    bad, good = Upload.of(HOSTILE[name]), upload(photo())
    assert refused("variation", [bad]) == (400, "invalid_image", "image")
    assert refused("edit", [bad]) == (400, "invalid_image", "image")
    assert refused("edit", [good, bad]) == (400, "invalid_image", "image")
    assert refused("edit", [good], bad) == (400, "invalid_image", "mask")


@pytest.mark.parametrize("mask", [hole((95, 64)), Image.new("RGB", (96, 64))])
def test_unfit_mask(mask):
    """A mask of another size, or one that says nothing of transparency, is refused."""
    assert refused("edit", [upload(photo())], upload(mask)) == (400, "invalid_image", "mask")


@pytest.mark.parametrize(
    ("fields", "status", "code", "param"),
    [
        ({"model": "dall-e-3"}, 404, "model_not_found", "model"),
        ({"prompt": " "}, 400, "missing_required_parameter", "prompt"),
        ({"prompt": 7}, 400, "invalid_value", "prompt"),
        ({"n": 0}, 400, "invalid_value", "n"),
        ({"n": 11}, 400, "invalid_value", "n"),
        ({"n": "many"}, 400, "invalid_value", "n"),
        ({"size": "10x10"}, 400, "invalid_value", "size"),
        ({"size": "2049x64"}, 400, "invalid_value", "size"),
        ({"size": "64x64\n"}, 400, "invalid_value", "size"),
        ({"size": "auto"}, 400, "invalid_value", "size"),
        ({"quality": "hd"}, 400, "invalid_value", "quality"),
        ({"output_format": "gif"}, 400, "invalid_value", "output_format"),
        ({"output_compression": 101}, 400, "invalid_value", "output_compression"),
        ({"background": "transparent", "output_format": "jpeg"}, 400, "invalid_value", "background"),
        ({"style": "cubist"}, 400, "invalid_value", "style"),
        ({"seed": 1.5}, 400, "invalid_value", "seed"),
    ],
)
def test_bad_fields_are_refused(fields, status, code, param):
    """A value that the backend does not know is refused by name, not ignored."""
    assert refused(**fields) == (status, code, param)


def test_missing_parts_are_refused():
    """An edit or variation without a picture, with too many, or at no endpoint, is refused."""
    one = upload(photo())
    assert refused("edit", []) == (400, "missing_required_parameter", "image")
    assert refused("edit", [one] * 17) == (400, "too_many_images", "image")
    assert refused("variation", [one, one]) == (400, "too_many_images", "image")
    assert SKETCH.local(submit("/nowhere", json={"model": "sketch"})).status == 404
    assert SKETCH.local(Call(phase="submit", method="POST", path=PATHS["generate"])).status == 400


@pytest.mark.parametrize("seed", [0, -1, 2**31, 2**63, 2**70])
def test_any_seed(seed):
    """Every whole number is a seed."""
    assert drawn(seed=seed, size="64x64")


def test_a_refusal_is_the_callers():
    """The router reads a refusal as the caller's mistake, for which nothing was done."""
    answer = SKETCH.local(call(size="1x1"))
    error = SKETCH.error(answer)
    assert (error.kind, error.outcome, error.param) == (ErrorKind.INVALID_REQUEST, OutcomeClass.REJECTED, "size")


ASKED = {
    "shape": Shape(1001, 1000),
    "quality": "hd",
    "style": "natural",
    "background": "opaque",
    "output_format": "webp",
    "output_compression": 80,
    "seed": 11,
}


@pytest.mark.parametrize("operation", list(Operation))
def test_what_the_dialect_sends_is_accepted(operation):
    """Every operation makes pictures from what the dialect makes of every parameter, and says what it made."""
    params = translate(ASKED, SKETCH.dialect("sketch"), operation, Strictness.ADAPT).params
    images = (upload(photo()),) if operation is not Operation.GENERATE else ()
    prompt = "" if operation is Operation.VARIATION else "a cat"
    flow = SKETCH.generate(
        Job(id="x", operation=operation, model="sketch", prompt=prompt, n=2, params=params, images=images),
    )
    answer = SKETCH.local(next(flow))
    with pytest.raises(StopIteration) as stop:
        flow.send(answer)
    result = stop.value.value
    assert [opened(b64decode(image.b64)).size for image in result.images] == [(1001, 1000)] * 2
    assert result.facts == {"quality": "high", "background": "opaque"}


@pytest.mark.parametrize(
    "shape", [Shape(5000, 10), Shape(1, 1), Shape(4096, 4096), Shape(aspect=100), Shape(aspect=16 / 9)]
)
def test_every_shape_is_brought_within_bounds(shape):
    """Whatever size or ratio is asked, what the dialect sends can be drawn."""
    size = translate({"shape": shape}, SKETCH.dialect("sketch"), Operation.GENERATE, Strictness.ADAPT).params["size"]
    answer = SKETCH.local(call(model="sketch-fast", prompt="joy", size=size))
    assert isinstance(answer, Answer)
    assert answer.status == 200

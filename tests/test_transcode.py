"""Another kind and size for a picture: true ones keep what they show, hostile ones are refused, within memory."""

import base64
import io
import os
import struct
import subprocess
import sys
import zlib

import pytest
from hypothesis import given, strategies as st
from pictures import png
from PIL import Image as Drawing, ImageChops

from providers.base import Image
from router.config.pictures import Resize
from router.images.pixels import MAX_PIXELS, CannotChange, Picture, decoded, recognise
from router.images.transcode import change
from router.images.want import JPEG, PNG, WEBP, Want, needs_change

WRITTEN = (PNG, JPEG, WEBP)
TEAL, RED, CLEAR = (0, 128, 128), (255, 0, 0), (0, 0, 0, 0)
SIZE = (48, 32)


def flag(mode="RGB", size=SIZE):
    """Teal on the left and red on the right; with alpha, the red half is not there."""
    image = Drawing.new(mode, size, TEAL if mode == "RGB" else (*TEAL, 255))
    image.paste(RED if mode == "RGB" else CLEAR, (size[0] // 2, 0, *size))
    return image


def saved(image, kind, **options):
    """A picture's bytes."""
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def opened(changed):
    """A changed picture, decoded, which is what it says it is."""
    image = Drawing.open(io.BytesIO(changed.data))
    image.load()
    assert (Drawing.MIME[image.format], *image.size) == (changed.media_type, changed.width, changed.height)
    assert getattr(image, "n_frames", 1) == 1
    return image


def near(image, place, colour, most=40):
    """Whether a pixel looks about so."""
    seen = image.convert("RGBA").getpixel(place)
    return all(abs(one - other) <= most for one, other in zip(seen, (*colour, 255), strict=False))


def said(data):
    """What is recognised in these bytes."""
    return recognise(Image(data=data))


SIDEWAYS = Drawing.Exif()
SIDEWAYS[0x0112] = 6
MORE = {"save_all": True, "append_images": [Drawing.new("RGB", SIZE, "white")], "duration": 100}
OPAQUE = {
    "png": saved(flag(), "PNG"),
    "jpeg": saved(flag(), "JPEG", quality=95),
    "webp": saved(flag(), "WEBP", lossless=True),
    "gif": saved(flag(), "GIF"),
    "png with a palette": saved(flag().convert("P"), "PNG"),
    "png with opaque alpha": saved(flag().convert("RGBA"), "PNG"),
    "cmyk jpeg": saved(flag().convert("CMYK"), "JPEG", quality=95),
    "progressive jpeg": saved(flag(), "JPEG", quality=95, progressive=True),
    "moving webp": saved(flag(), "WEBP", lossless=True, **MORE),
    "moving png": saved(flag(), "PNG", **MORE),
    "moving gif": saved(flag(), "GIF", **MORE),
    "sideways jpeg": saved(flag().transpose(Drawing.Transpose.ROTATE_90), "JPEG", quality=95, exif=SIDEWAYS),
    "sideways png": saved(flag().transpose(Drawing.Transpose.ROTATE_90), "PNG", exif=SIDEWAYS),
}
HALVES = Drawing.new("P", SIZE, 1)
HALVES.putpalette([9, 9, 9, *TEAL])
HALVES.paste(0, (SIZE[0] // 2, 0, *SIZE))
TRANSPARENT = {
    "png": saved(flag("RGBA"), "PNG"),
    "webp": saved(flag("RGBA"), "WEBP", lossless=True),
    "gif": saved(flag("RGBA"), "GIF"),
    "palette and one colour": saved(HALVES, "PNG", transparency=0),
    "palette and alpha": saved(HALVES, "PNG", transparency=b"\x00\xff"),
    "one colour of rgb": saved(flag(), "PNG", transparency=RED),
}


@pytest.mark.parametrize("kind", WRITTEN)
@pytest.mark.parametrize("name", OPAQUE)
def test_every_kind_becomes_every_other(name, kind):
    """Whatever is read is written as any of the three kinds: one upright still that shows the same."""
    image = opened(change(OPAQUE[name], Want(media_type=kind)))
    assert image.size == SIZE
    assert near(image, (4, 16), TEAL)
    assert near(image, (44, 16), RED)


@pytest.mark.parametrize("kind", WRITTEN)
@pytest.mark.parametrize("name", TRANSPARENT)
def test_alpha_stays_or_is_laid_on_white(name, kind):
    """Alpha is kept where the kind can hold it, and is white in a JPEG."""
    image = opened(change(TRANSPARENT[name], Want(media_type=kind, transparent=kind != JPEG)))
    assert near(image, (4, 16), TEAL)
    if kind == JPEG:
        assert near(image, (44, 16), (255, 255, 255))
    else:
        assert image.convert("RGBA").getpixel((44, 16))[3] == 0


@pytest.mark.parametrize("name", OPAQUE | TRANSPARENT)
def test_a_picture_in_the_form_asked_needs_no_change(name):
    """What was changed once is not changed again, and what is a still of the kind asked is left alone."""
    want = Want(media_type=WEBP, width=30, height=30, resize=Resize.COVER)
    data = (OPAQUE | TRANSPARENT)[name]
    assert needs_change(said(data), want)
    assert not needs_change(said(change(data, want).data), want)


@pytest.mark.parametrize(
    ("name", "want", "needed"),
    [
        ("png", Want(), False),
        ("png", Want(quality=10), False),
        ("png", Want(media_type=PNG, width=9, height=9), False),
        ("png", Want(resize=Resize.EXACT), False),
        ("png", Want(width=48, height=32, resize=Resize.EXACT), False),
        ("png", Want(width=9, height=9, resize=Resize.EXACT), True),
        ("png", Want(media_type=JPEG), True),
        ("jpeg", Want(), False),
        ("jpeg", Want(transparent=True), True),
        ("jpeg", Want(media_type=JPEG, transparent=True), True),
        ("webp", Want(media_type=WEBP), False),
        ("moving webp", Want(media_type=WEBP), True),
        ("moving webp", Want(), True),
        ("moving png", Want(), True),
        ("gif", Want(), True),
    ],
)
def test_the_header_tells_what_needs_change(name, want, needed):
    """Another kind, other pixels where they are demanded, and what may move need a change; nothing else does."""
    assert needs_change(said(OPAQUE[name]), want) is needed


@pytest.mark.parametrize(
    ("name", "transparent", "kind"),
    [
        ("png", False, PNG),
        ("jpeg", False, JPEG),
        ("moving webp", False, WEBP),
        ("gif", False, PNG),
        ("jpeg", True, PNG),
    ],
)
def test_the_kind_stays_where_none_is_asked(name, transparent, kind):
    """Without a kind asked a picture keeps its own; a GIF, and a JPEG that should have alpha, become PNG."""
    assert change(OPAQUE[name], Want(transparent=transparent)).media_type == kind


@pytest.mark.parametrize("kind", WRITTEN)
@pytest.mark.parametrize("size", [(96, 32), (10, 90), (14, 14), (48, 32)])
def test_exact_stretches_and_cover_cuts(kind, size):
    """`exact` shows all of the picture in the pixels asked, `cover` its middle in true proportion."""
    sheet = Drawing.new("RGB", (60, 30), "white")
    sheet.paste(TEAL, (0, 0, 7, 30))
    data = saved(sheet, "PNG")
    stretched = opened(change(data, Want(media_type=kind, width=size[0], height=size[1], resize=Resize.EXACT)))
    cut = opened(change(data, Want(media_type=kind, width=size[0], height=size[1], resize=Resize.COVER)))
    assert stretched.size == cut.size == size
    assert near(stretched, (0, size[1] // 2), TEAL, 90)
    assert near(cut, (0, size[1] // 2), TEAL if size[0] >= 2 * size[1] else (255, 255, 255), 90)


def test_a_large_jpeg_is_decoded_small(monkeypatch):
    """A JPEG that is to shrink a lot is decoded at a fraction of its size, and still as sharp as asked."""
    decoded_at = []
    load = Drawing.Image.transpose
    monkeypatch.setattr(
        Drawing.Image, "transpose", lambda image, turn: decoded_at.append(image.size) or load(image, turn)
    )
    data = saved(flag(size=(1600, 1280)), "JPEG", exif=SIDEWAYS)
    image = opened(change(data, Want(width=64, height=80, resize=Resize.EXACT)))
    assert (decoded_at, image.size) == ([(200, 160)], (64, 80))
    assert near(image, (30, 10), TEAL)


@pytest.mark.parametrize("kind", [JPEG, WEBP])
def test_quality_is_heard(kind):
    """The lower the quality the smaller the picture; none asked is the best."""
    data = saved(Drawing.effect_noise((128, 128), 60).convert("RGB"), "PNG")
    sizes = [len(change(data, Want(media_type=kind, quality=quality)).data) for quality in (0, 50, 100)]
    assert sizes[0] < sizes[1] < sizes[2] == len(change(data, Want(media_type=kind)).data)


@pytest.mark.parametrize("kind", WRITTEN)
def test_sixteen_bits_keep_their_grey(kind):
    """A grey of sixteen bits keeps its shade; it is not clipped to white."""
    data = saved(Drawing.new("I;16", SIZE, 0x4000), "PNG")
    assert near(opened(change(data, Want(media_type=kind))), (5, 5), (0x40, 0x40, 0x40), 4)


@pytest.mark.parametrize("kind", WRITTEN)
def test_only_the_colour_profile_stays(kind):
    """The profile of an RGB picture stays; its texts, and the profile of a CMYK one, do not."""
    data = saved(flag("RGBA"), "PNG", icc_profile=b"profile" * 30, exif=SIDEWAYS)
    image = opened(change(data, Want(media_type=kind)))
    assert image.info.get("icc_profile") == b"profile" * 30
    assert not dict(image.getexif())
    inks = saved(flag().convert("CMYK"), "JPEG", icc_profile=b"inks", comment=b"a prompt")
    other = change(inks, Want(media_type=kind)).data
    assert (b"inks" in other, b"a prompt" in other) == (False, False)


@pytest.mark.parametrize("kind", WRITTEN)
def test_the_same_picture_twice(kind):
    """The same bytes and wish make the same bytes."""
    want = Want(media_type=kind, quality=70, width=33, height=21, resize=Resize.COVER)
    assert change(TRANSPARENT["png"], want) == change(TRANSPARENT["png"], want)


def header(width, height, body=b""):
    """A PNG that claims a size, with other pixel data."""
    ihdr = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    idat = b"IDAT" + body
    chunks = [struct.pack(">I", len(part) - 4) + part + struct.pack(">I", zlib.crc32(part)) for part in (ihdr, idat)]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks) + png()[-12:]


def zeros(megabytes):
    """That much nothing, squeezed."""
    squeeze = zlib.compressobj(1)
    return b"".join([squeeze.compress(bytes(1_000_000)) for _ in range(megabytes)]) + squeeze.flush()


BAD = {
    "nothing": b"",
    "text": b"no picture",
    "svg": b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>',
    "tiff": saved(flag(), "TIFF"),
    "bomb": header(20_000, 20_000, zlib.compress(bytes(100))),
    "one pixel too many": header(MAX_PIXELS + 1, 1),
    "huge webp": b"RIFF\x1e\0\0\0WEBPVP8X\x0a\0\0\0\x02\0\0\0" + b"\xff\x3f\0" * 2 + bytes(8),
    "huge gif": b"GIF89a\xff\xff\xff\xff" + saved(flag(), "GIF")[10:],
    "two jpegs in one": saved(flag(), "JPEG")[:-2]
    + b"\xff\xc0\0\x11\x08\xff\xff\xff\xff\x03\x01\x22\0\x02\x11\x01" * 2,
    "no pixels": header(8, 8),
    "broken pixels": header(8, 8, b"\x78\x9c" + bytes(90)),
    "no size": header(0, 9),
}


@pytest.mark.parametrize("name", BAD)
def test_hostile_pictures_are_refused(name):
    """Bytes that are no sound picture of fair size end in one exception, with a reason in words."""
    with pytest.raises(CannotChange) as refused:
        change(BAD[name], Want(media_type=WEBP))
    assert refused.value.reason == str(refused.value) != ""


@pytest.mark.parametrize("tenths", range(1, 10))
@pytest.mark.parametrize("name", ["png", "jpeg", "webp", "gif", "moving webp", "moving gif", "progressive jpeg"])
def test_a_cut_picture_is_refused(name, tenths):
    """A picture cut anywhere is refused, whatever the decoder would make of its rest."""
    with pytest.raises(CannotChange):
        change(OPAQUE[name][: len(OPAQUE[name]) * tenths // 10], Want(media_type=PNG))


@pytest.mark.parametrize(
    "want",
    [
        Want(media_type=JPEG, transparent=True),
        Want(media_type="image/avif"),
        Want(media_type="image/gif"),
        Want(media_type=WEBP, width=20_000, height=2, resize=Resize.EXACT),
        Want(width=20_000, height=20_000, resize=Resize.COVER),
        Want(width=MAX_PIXELS, height=1, resize=Resize.EXACT),
    ],
)
def test_impossible_forms_are_refused(want):
    """A transparent JPEG, an unknown kind, and pixels beyond reason or the kind's own bounds cannot be had."""
    with pytest.raises(CannotChange):
        change(OPAQUE["png"], want)


def test_broken_base64_and_links_have_no_bytes():
    """Base64 that breaks in its middle, where recognising did not look, and a link end in the same exception."""
    text = bytearray(base64.b64encode(OPAQUE["png"] * 100))
    text[len(text) // 2] = ord("!")
    for picture in (Picture(b64=memoryview(text)), Picture(url="https://host/a.png")):
        with pytest.raises(CannotChange):
            decoded(picture)


@given(st.sampled_from([*OPAQUE.values(), *TRANSPARENT.values()]), st.sampled_from(WRITTEN), st.data())
def test_mutated_pictures_get_an_answer(data, kind, draw):
    """A true picture with any bytes changed becomes a picture or is refused, and nothing else happens."""
    broken = bytearray(data)
    for _ in range(draw.draw(st.integers(1, 4))):
        broken[draw.draw(st.integers(0, len(broken) - 1))] = draw.draw(st.integers(0, 255))
    try:
        changed = change(bytes(broken), Want(media_type=kind, width=9, height=9, resize=Resize.COVER))
    except CannotChange:
        return
    assert opened(changed).size == (9, 9)


MEASURED = """
import sys
from router.config.pictures import Resize
from router.images.pixels import CannotChange
from router.images.transcode import change
from router.images.want import Want

def peak():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM")) // 1024

data, before = sys.stdin.buffer.read(), peak()
try:
    change(data, Want(media_type="image/jpeg", width=64, height=64, resize=Resize.EXACT))
    print("changed", peak() - before)
except CannotChange:
    print("refused", peak() - before)
"""


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="reads the peak of memory from Linux")  # noqa: PTH110 - one look
@pytest.mark.parametrize(
    ("make", "ending", "most"),
    [
        (lambda: BAD["bomb"], "refused", 16),
        (lambda: BAD["huge webp"], "refused", 16),
        (lambda: header(8, 8, zeros(300)), "changed", 32),
        (lambda: header(8000, 5000, zeros(161)), "changed", 420),
    ],
    ids=["400 megapixels", "a webp of 268", "300 MB in 64 pixels", "40 megapixels"],
)
def test_bombs_take_bounded_memory(make, ending, most):
    """What is too large is refused before memory is taken; what is large but fair takes some multiple of it."""
    run = subprocess.run([sys.executable, "-c", MEASURED], input=make(), capture_output=True, check=True)
    word, megabytes = run.stdout.split()
    assert word.decode() == ending
    assert int(megabytes) <= most


def test_a_still_shows_the_first_frame():
    """A moving picture becomes its first frame, pixel by pixel."""
    for name in ("moving webp", "moving png"):
        image = opened(change(OPAQUE[name], Want(media_type=PNG)))
        assert ImageChops.difference(image.convert("RGB"), flag()).getbbox() is None

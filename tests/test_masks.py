"""Masks in each backend's polarity and size, pixel by pixel, and pictures as PNG; hostile ones are refused."""

import io
import struct

import pytest
from hypothesis import given, strategies as st
from pictures import png
from PIL import Image as Drawing

from providers.base import Upload
from providers.dialect import MaskForm
from router.images.masks import as_png, mask_for
from router.images.pixels import CannotChange

SIZE = (40, 24)
HOLE = (10, 6, 20, 16)
CLEAR, SOLID = 0, 255


def alpha_of(size=SIZE, hole=HOLE, inside=CLEAR):
    """The alpha of OpenAI's mask: opaque around a hole."""
    alpha = Drawing.new("L", size, SOLID)
    alpha.paste(inside, hole)
    return alpha


def mask(mode="RGBA", **shape):
    """OpenAI's mask: one colour with a hole in its alpha."""
    image = Drawing.new(mode, shape.get("size", SIZE), "white")
    image.putalpha(alpha_of(**shape))
    return image


def saved(image, kind="PNG", **options):
    """An upload of a picture."""
    out = io.BytesIO()
    image.save(out, kind, **options)
    return Upload.of(out.getvalue(), Drawing.MIME[kind], width=image.width, height=image.height)


def opened(upload):
    """An upload decoded: the PNG that it says it is, of the size that it says."""
    image = Drawing.open(io.BytesIO(b"".join(upload.pieces())))
    image.load()
    assert (image.format, upload.media_type, image.size) == ("PNG", "image/png", (upload.width, upload.height))
    return image


def palette_mask(**transparency):
    """A mask of two colours, of which the first is the hole."""
    image = Drawing.new("P", SIZE, 1)
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.paste(0, HOLE)
    return saved(image, **transparency)


def colour_mask():
    """A mask without alpha, in which one colour counts as transparent."""
    image = Drawing.new("RGB", SIZE, "white")
    image.paste((255, 0, 255), HOLE)
    return saved(image, transparency=(255, 0, 255))


SIDEWAYS = Drawing.Exif()
SIDEWAYS[0x0112] = 6
MASKS = {
    "rgba": saved(mask()),
    "grey and alpha": saved(mask("L")),
    "palette and one colour": palette_mask(transparency=0),
    "palette and alpha": palette_mask(transparency=b"\x00\xff"),
    "one colour of rgb": colour_mask(),
    "webp": saved(mask(), "WEBP", lossless=True),
    "gif": saved(mask(), "GIF"),
    "sideways": saved(mask().transpose(Drawing.Transpose.ROTATE_90), exif=SIDEWAYS),
}


@pytest.mark.parametrize("name", MASKS)
@pytest.mark.parametrize(("form", "inside", "outside"), [(MaskForm.WHITE, 255, 0), (MaskForm.BLACK, 0, 255)])
def test_grey_masks(name, form, inside, outside):
    """The hole of any of OpenAI's masks is white on black, or black on white; no pixel is anything else."""
    image = opened(mask_for(MASKS[name], form))
    expected = Drawing.new("L", SIZE, outside)
    expected.paste(inside, HOLE)
    assert (image.mode, image.tobytes()) == ("L", expected.tobytes())


@pytest.mark.parametrize("form", [MaskForm.ALPHA, MaskForm.CLEAR])
@pytest.mark.parametrize("name", MASKS)
def test_alpha_masks(name, form):
    """In OpenAI's own form the hole is transparent and the rest opaque."""
    image = opened(mask_for(MASKS[name], form))
    assert (image.mode, image.getchannel("A").tobytes()) == ("RGBA", alpha_of().tobytes())


@pytest.mark.parametrize("form", MaskForm)
@pytest.mark.parametrize(
    ("size", "hole"), [((80, 48), (20, 12, 40, 32)), ((20, 12), (5, 3, 10, 8)), ((40, 48), (10, 12, 20, 32))]
)
def test_scaled_masks(form, size, hole):
    """A mask gets the size asked with its hole at the same place, and still only two values."""
    image = opened(mask_for(MASKS["rgba"], form, size))
    grey = image.getchannel("A") if image.mode == "RGBA" else image
    inside = 255 if form is MaskForm.WHITE else 0
    expected = Drawing.new("L", size, 255 - inside)
    expected.paste(inside, hole)
    assert grey.tobytes() == expected.tobytes()


@pytest.mark.parametrize(("alpha", "edited"), [(0, True), (127, True), (128, False), (255, False)])
def test_half_transparent_masks(alpha, edited):
    """What is less than half opaque is drawn anew; a mask where nothing is, is refused."""
    soft = saved(mask(inside=alpha))
    if edited:
        assert opened(mask_for(soft, MaskForm.WHITE)).getbbox() == HOLE
        return
    with pytest.raises(CannotChange, match="opaque"):
        mask_for(soft, MaskForm.WHITE)


def test_all_may_be_drawn_anew():
    """A mask that is transparent everywhere is honoured."""
    image = opened(mask_for(saved(mask(hole=(0, 0, *SIZE))), MaskForm.BLACK))
    assert image.getextrema() == (0, 0)


def bomb():
    """A PNG with alpha that claims 400 megapixels."""
    data = png(alpha=True)
    return data[:16] + struct.pack(">II", 20_000, 20_000) + data[24:]


BAD = {
    "no alpha": saved(Drawing.new("RGB", SIZE, "white")),
    "grey": saved(Drawing.new("L", SIZE, 0)),
    "jpeg": saved(Drawing.new("RGB", SIZE, "white"), "JPEG"),
    "opaque": saved(mask(hole=(0, 0, 0, 0))),
    "text": Upload.of(b"no picture", None),
    "svg": Upload.of(b"<svg xmlns='http://www.w3.org/2000/svg'/>", None),
    "bomb": Upload.of(bomb()),
    "cut": Upload.of(b"".join(MASKS["rgba"].pieces())[:60]),
}


@pytest.mark.parametrize("form", MaskForm)
@pytest.mark.parametrize("name", BAD)
def test_masks_that_cannot_be_honoured(name, form):
    """A mask that says nothing of where to draw, or is no sound picture, is refused in words."""
    with pytest.raises(CannotChange) as refused:
        mask_for(BAD[name], form, SIZE)
    assert refused.value.reason


@pytest.mark.parametrize("size", [(0, 10), (-4, -4), (20_000, 20_000), (50_000_000, 1), (1, 1)])
def test_sizes_that_masks_cannot_have(size):
    """A size beyond reason, or one in which the hole is lost, is refused."""
    with pytest.raises(CannotChange):
        mask_for(MASKS["rgba"], MaskForm.WHITE, size)


def test_a_png_stays_as_it_is():
    """A picture that is PNG already is not touched."""
    assert as_png(MASKS["rgba"]) is MASKS["rgba"]


@pytest.mark.parametrize(("kind", "options"), [("WEBP", {"lossless": True}), ("GIF", {}), ("JPEG", {"quality": 95})])
def test_pictures_become_png(kind, options):
    """A picture of another kind becomes a PNG of the same pixels."""
    picture = Drawing.new("RGB", SIZE, (0, 128, 128))
    picture.paste((255, 0, 0), (16, 8, 40, 24))
    upload = saved(picture, kind, **options)
    shown = Drawing.open(io.BytesIO(b"".join(upload.pieces()))).convert("RGB")
    assert opened(as_png(upload)).convert("RGB").tobytes() == shown.tobytes()


def test_photos_become_upright_png():
    """A photo that lies on its side and says so stands upright as a PNG, which says nothing more."""
    lying = Drawing.new("RGB", (40, 24), "red")
    lying.paste("blue", (0, 0, 20, 24))
    image = opened(as_png(saved(lying, "JPEG", exif=SIDEWAYS, quality=95)))
    assert (image.size, dict(image.getexif())) == ((24, 40), {})
    assert image.getpixel((12, 4))[2] > 200
    assert image.getpixel((12, 36))[0] > 200


def test_alpha_survives_as_png():
    """What was transparent in a WEBP is so in the PNG."""
    assert opened(as_png(MASKS["webp"])).getchannel("A").tobytes() == alpha_of().tobytes()


@pytest.mark.parametrize("name", ["jpeg", "text", "svg", "bomb", "cut"])
def test_broken_pictures_do_not_become_png(name):
    """What is cut or no picture at all is refused."""
    data = b"".join(BAD[name].pieces())
    with pytest.raises(CannotChange):
        as_png(Upload.of(data[: len(data) // 2], "image/jpeg"))


@given(st.sampled_from(sorted(MASKS)), st.data())
def test_mutated_masks_get_an_answer(name, draw):
    """A true mask with any bytes changed becomes a mask of two values or is refused, and nothing else happens."""
    data = bytearray(b"".join(MASKS[name].pieces()))
    for _ in range(draw.draw(st.integers(1, 4))):
        data[draw.draw(st.integers(0, len(data) - 1))] = draw.draw(st.integers(0, 255))
    try:
        made = mask_for(Upload.of(bytes(data), None), MaskForm.WHITE, (9, 9))
    except CannotChange:
        return
    assert set(opened(made).tobytes()) <= {0, 255}

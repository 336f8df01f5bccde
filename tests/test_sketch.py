"""The backend inside the process draws what was asked: true pictures, the same every time."""

import pytest
from PIL import Image, ImageChops
from sketching import SKETCH, call, drawn, far, hole, photo, upload

from providers.sketch.prompt import read

CALLS = {
    "generate": call(prompt="a cat by the sea", n=2, size="200x120", seed=7),
    "abstract": call(prompt="serenity", size="120x120", quality="high"),
    "edit": call("edit", [upload(photo())], upload(hole()), prompt="a fox", n=2),
    "variation": call("variation", [upload(photo())], n=2),
}


@pytest.mark.parametrize("name", CALLS)
def test_same_call_same_bytes(name):
    """The same call has the same answer to the last byte."""
    assert SKETCH.local(CALLS[name]) == SKETCH.local(CALLS[name])


@pytest.mark.parametrize("prompt", ["a red kite over hills", "serenity", "a city at night", "東京の夜"])
def test_every_picture_is_another(prompt):
    """Within one answer, and between seeds, no two pictures are alike."""
    images = [*drawn(prompt=prompt, n=4, size="128x128"), *drawn(prompt=prompt, n=4, size="128x128", seed=1)]
    assert len({image.tobytes() for image in images}) == 8


@pytest.mark.parametrize("operation", ["edit", "variation"])
def test_every_change_is_another(operation):
    """What is made of one input differs from picture to picture too."""
    images = drawn(operation, [upload(photo())], n=4)
    assert len({image.tobytes() for image in images}) == 4


SIZES = (
    *("16x16", "64x64", "65x64", "64x65", "100x100", "101x37", "37x101", "256x256", "333x222", "512x512", "640x481"),
    *("1024x16", "16x1024", "1001x1000", "1000x1001", "799x600", "1280x720", "1536x1024", "1024x1792", "2048x2048"),
)


@pytest.mark.parametrize("size", SIZES)
def test_size_is_true(size):
    """The picture has exactly the size asked for."""
    (image,) = drawn(prompt="a lighthouse by the sea", size=size, quality="low")
    assert f"{image.width}x{image.height}" == size


@pytest.mark.parametrize(
    "prompt", ["hills", "mountains in snow", "forest", "sea", "city", "desert", "deep reef", "space"]
)
@pytest.mark.parametrize("model", ["sketch", "sketch-fast"])
def test_every_place_can_be_drawn(prompt, model):
    """Every place the prompt may name makes a picture with more than a few colours, at every quality."""
    for quality in ("low", "medium", "high"):
        (image,) = drawn(prompt=f"five things in the {prompt}", model=model, size="160x120", quality=quality)
        assert len(image.getcolors(1 << 16)) > 20


@pytest.mark.parametrize("form", ["png", "jpeg", "webp"])
def test_format_is_true(form):
    """The bytes are of the format asked for, and a compression makes them smaller where the format has one."""
    (best,) = drawn(size="256x256", output_format=form)
    assert best.format == form.upper()
    bodies = [SKETCH.local(call(size="256x256", output_format=form, output_compression=c)).body for c in (5, 100)]
    assert len(bodies[0]) < len(bodies[1]) or form == "png"


def test_style_and_quality_show():
    """Each quality and each style is another picture."""
    images = [drawn(size="128x128", quality=word)[0] for word in ("low", "medium", "high")]
    images += [drawn(size="128x128", style=word)[0] for word in ("vivid", "natural")]
    assert len({image.tobytes() for image in images}) == 5


@pytest.mark.parametrize("prompt", ["a cat", "three boats", "mountains", "serenity"])
@pytest.mark.parametrize("form", ["png", "webp"])
def test_transparent_background(prompt, form):
    """A transparent background is transparent in every corner, and what is drawn is not."""
    (image,) = drawn(prompt=prompt, size="200x160", background="transparent", output_format=form)
    alpha = image.getchannel("A")
    assert [alpha.getpixel(at) for at in ((0, 0), (199, 0), (0, 159), (199, 159))] == [0, 0, 0, 0]
    assert alpha.getextrema()[1] == 255
    assert alpha.histogram()[255] > 200 * 160 * 0.02


def test_colour_of_the_prompt_wins():
    """A figure has the colour that the prompt names just before it."""
    (image,) = drawn(prompt="a blue heart", size="128x128", background="transparent")
    red, _, blue, _ = image.getpixel((64, 64))
    assert blue > red + 60


def test_a_prompt_is_read():
    """Figures with number and colour, the place, the hour and the weather are taken from a prompt's words."""
    wish = read("Two red cats and an oak tree on a green beach at midnight, in the rain")
    assert [figure.name for figure in wish.figures] == ["cat", "cat", "tree"]
    assert (wish.figures[0].colour, wish.figures[2].colour) == ((214, 58, 52), None)
    assert (wish.place, wish.time, wish.weather, wish.ground) == ("sea", "night", "rain", (72, 152, 84))


@pytest.mark.parametrize("background", ["auto", "transparent"])
def test_masked_edit_keeps_what_is_protected(background):
    """Outside the mask's hole not a pixel changes; inside, the picture is another."""
    base, box = photo((300, 200)), (40, 30, 200, 150)
    mask = hole(base.size, box)
    (image,) = drawn("edit", [upload(base)], upload(mask), prompt="a cat", background=background)
    changed = ImageChops.difference(image.convert("RGB"), base).getbbox()
    outside = Image.composite(image.convert("RGBA"), base.convert("RGBA"), mask.getchannel("A"))
    assert outside.tobytes() == base.convert("RGBA").tobytes()
    assert changed is not None
    assert (image.mode == "RGBA") is (background == "transparent")


def test_mask_that_opens_nothing():
    """Where nothing may change, the picture comes back as it was."""
    (image,) = drawn("edit", [upload(photo())], upload(Image.new("RGBA", (96, 64), (0, 0, 0, 255))))
    assert image.tobytes() == photo().tobytes()


def test_edit_without_mask():
    """An edit without a mask keeps the input's size and likeness, and shows that something was drawn."""
    (image,) = drawn("edit", [upload(photo((320, 200)))], prompt="a cat")
    assert image.size == (320, 200)
    assert far(image, photo()) > 5


def test_edit_shows_every_input():
    """Further pictures are in the result, sixteen of them too."""
    ground = upload(photo((320, 200)))
    cyan = upload(Image.new("RGB", (40, 40), (1, 254, 253)))
    for count in (1, 15):
        (image,) = drawn("edit", [ground, *[cyan] * count], prompt="a cat")
        colours = {colour: number for number, colour in image.convert("RGB").getcolors(1 << 20)}
        assert colours.get((1, 254, 253), 0) > 100 * count


def test_input_is_fitted_to_the_size_asked():
    """An edit or a variation has the size asked for, else the input's, scaled down to what can be drawn."""
    picture = upload(photo((300, 200)))
    for operation in ("edit", "variation"):
        assert drawn(operation, [picture], size="256x256")[0].size == (256, 256)
        assert drawn(operation, [picture])[0].size == (300, 200)
        assert drawn(operation, [upload(photo((4096, 64)))])[0].size == (2048, 32)
        assert drawn(operation, [upload(photo((1, 1)))])[0].size == (1, 1)


def test_variation_resembles_its_input():
    """A variation is not its input, yet nearer to it than to another picture."""
    base = photo((256, 192))
    other = Image.new("RGB", base.size, (20, 160, 220))
    for image in drawn("variation", [upload(base)], n=5):
        assert image.tobytes() != base.tobytes()
        nearest = min(far(image, base), far(image, base.transpose(Image.Transpose.FLIP_LEFT_RIGHT)))
        assert 1 < nearest < 40 < far(image, other)

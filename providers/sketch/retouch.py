"""Changes pictures that came in: edits, with or without a mask, and variations."""

import math
from collections.abc import Sequence
from dataclasses import replace
from random import Random

from PIL import Image, ImageDraw

from providers.sketch import scene
from providers.sketch.canvas import Detail
from providers.sketch.prompt import Wish

_PAPER = (250, 248, 242, 255)
_SHOWN = 0.4  # how much of a new scene shows through where no mask says what to change
_FRONT = 0.75  # how much of it new figures take
_LEAST_SIDE = 24


def edit(
    pictures: Sequence[Image.Image],
    mask: Image.Image | None,
    wish: Wish,
    random: Random,
    detail: Detail,
    *,
    style: str | None,
    transparent: bool,
) -> Image.Image:
    """The first picture, changed; the others, pinned on it. `mask` is 0 where the picture may change."""
    base, others = pictures[0], pictures[1:]
    if mask is None:
        changed = _overlaid(base, wish, random, detail, style=style, transparent=transparent)
        return _pinned(changed, others)
    hole = mask.point([255 - value for value in range(256)]).getbbox()
    if hole is None:
        return base
    size = (max(hole[2] - hole[0], _LEAST_SIDE), max(hole[3] - hole[1], _LEAST_SIDE))
    draw = scene.draw_cut_out if transparent else scene.draw
    patch = _pinned(draw(wish, size, random, detail, style=style).convert("RGBA"), others)
    changed = base.copy()
    changed.paste(patch, hole[:2])
    return Image.composite(base, changed, mask)


def vary(base: Image.Image, random: Random, style: str | None) -> Image.Image:
    """The same picture in another light, from a little nearer, now and then mirrored."""
    width, height = base.size
    near = random.uniform(0.02, 0.09)
    left, top = random.uniform(0, near) * width, random.uniform(0, near) * height
    box = (left, top, left + width * (1 - near), top + height * (1 - near))
    alpha = base.getchannel("A").resize(base.size, Image.Resampling.BILINEAR, box=box)
    colours = base.convert("RGB").resize(base.size, Image.Resampling.BICUBIC, box=box)
    turn = random.choice((-1, 1)) * random.uniform(0.12, 0.4)
    colours = colours.convert("RGB", _hue_turn(turn, random.uniform(0.96, 1.06)))
    colours.putalpha(alpha)
    if random.random() < 0.35:
        colours = colours.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    return scene.styled(colours, style)


def cut_round(image: Image.Image) -> Image.Image:
    """A picture as a sticker: what lies outside a rounded form is transparent."""
    width, height = image.size
    form = Image.new("L", (2 * width, 2 * height), 0)
    edge = min(width, height) / 12
    box = (edge, edge, 2 * width - edge, 2 * height - edge)
    ImageDraw.Draw(form).rounded_rectangle(box, min(width, height) * 0.4, fill=255)
    clear = Image.new("RGBA", image.size, (0, 0, 0, 0))
    return Image.composite(image, clear, form.reduce(2))


def _overlaid(
    base: Image.Image,
    wish: Wish,
    random: Random,
    detail: Detail,
    *,
    style: str | None,
    transparent: bool,
) -> Image.Image:
    """The picture with a scene shining through, and the figures in front."""
    around = replace(wish, figures=(), place=wish.home) if wish.figures else wish
    drawn = scene.draw(around, base.size, random, detail, style=style).convert("RGBA")
    blended = Image.blend(base, drawn, _SHOWN)
    if transparent:
        blended = cut_round(blended)
    if wish.figures:
        width, height = base.size
        size = (max(1, round(width * _FRONT)), max(1, round(height * _FRONT)))
        figures = scene.draw_cut_out(wish, size, random, detail, style=style)
        blended.alpha_composite(figures, ((width - size[0]) // 2, (height - size[1]) // 2))
    return blended


def _pinned(ground: Image.Image, pictures: Sequence[Image.Image]) -> Image.Image:
    """The pictures as prints with a white border, in rows along the lower edge."""
    if not pictures:
        return ground
    pinned = ground.copy()
    columns = min(len(pictures), 5)
    rows = math.ceil(len(pictures) / columns)
    width, height = ground.size
    side = max(2, int(min(width / (columns + 0.5), height / (rows + 1), min(width, height) / 3)))
    border = max(1, side // 16)
    for index, picture in enumerate(pictures):
        row, column = divmod(index, columns)
        left = round(width * (column + 0.5) / columns - side / 2)
        top = height - round(side * (rows - row) * 1.06)
        inner = max(1, side - 3 * border)
        box = (left, top, left + side - border, top + side - border)
        ImageDraw.Draw(pinned).rectangle(box, fill=_PAPER, outline=(90, 86, 96, 255))
        pinned.paste(picture.resize((inner, inner), Image.Resampling.BICUBIC), (left + border, top + border))
    return pinned


def _hue_turn(angle: float, light: float) -> tuple[float, ...]:
    """The colour matrix that turns every hue by an angle, about the grey axis."""
    cosine, sine = math.cos(angle), math.sin(angle)
    third, root = (1 - cosine) / 3, math.sqrt(1 / 3) * sine
    same, next_, last = cosine + third, third - root, third + root
    rows = ((same, next_, last), (last, same, next_), (next_, last, same))
    return tuple(value for row in rows for value in (*(part * light for part in row), 0.0))

"""Composes a picture of a wish: a sky, a place, the figures; or an abstract one."""

import math
from collections.abc import Iterator
from random import Random

from PIL import Image, ImageEnhance

from providers.sketch import abstract
from providers.sketch.brush import WHITE, lighter, mix
from providers.sketch.canvas import Canvas, Detail
from providers.sketch.figures import paint
from providers.sketch.places import NO_SKY, PLACES, Air, air
from providers.sketch.prompt import Figure, Wish

_AFLOAT = frozenset({"kite", "bird", "balloon", "planet", "star", "heart", "rocket"})
_STAND_INS = {
    "mountains": "mountain",
    "forest": "pine",
    "city": "house",
    "sea": "boat",
    "deep": "fish",
    "space": "rocket",
}
_HEIGHTS = {
    "house": 0.42,
    "tree": 0.52,
    "pine": 0.55,
    "mountain": 0.5,
    "boat": 0.4,
    "lighthouse": 0.62,
    "kite": 0.34,
    "bird": 0.2,
    "fish": 0.26,
    "flower": 0.44,
    "rocket": 0.5,
}
_USUAL_HEIGHT = 0.4
_STYLES = {"natural": 0.72, "vivid": 1.18}


def draw(wish: Wish, size: tuple[int, int], random: Random, detail: Detail, *, style: str | None = None) -> Image.Image:
    """A whole picture."""
    canvas = Canvas.blank(size, detail, random)
    if wish.abstract:
        abstract.compose(canvas, wish.colours)
    else:
        _scene(canvas, wish)
    return styled(canvas.finish(), style)


def draw_cut_out(
    wish: Wish,
    size: tuple[int, int],
    random: Random,
    detail: Detail,
    *,
    style: str | None = None,
) -> Image.Image:
    """The figures alone, on nothing."""
    canvas = Canvas.blank(size, detail, random, clear=True)
    if wish.abstract:
        abstract.ornament(canvas.brush(0.5, 0.5 + 0.45 * canvas.unit / canvas.image.height, 0.9), wish.colours, random)
    else:
        figures = wish.figures or (Figure(_STAND_INS.get(wish.home, "tree"), wish.ground),)
        share = 0.84 / math.sqrt(len(figures))
        wide = canvas.image.width / canvas.unit
        for index, figure in enumerate(figures):
            height = min(share, 0.7 * wide / len(figures))
            x, lift = (index + 0.5) / len(figures), height * canvas.unit / canvas.image.height / 2
            if figure.name == "mountain":
                height *= 0.6
            paint(canvas.brush(x, 0.5 + lift, height), figure.name, figure.colour, random)
    return styled(canvas.finish(), style)


def styled(image: Image.Image, style: str | None) -> Image.Image:
    """A picture in the strength of colour that a style has."""
    return ImageEnhance.Color(image).enhance(_STYLES[style]) if style in _STYLES else image


def _scene(canvas: Canvas, wish: Wish) -> None:
    light = air(canvas, wish)
    if wish.home not in NO_SKY:
        canvas.gradient((*light.sky, light.sky[2]), 0.0, 0.95)
        _heaven(canvas, wish, light)
    PLACES[wish.home](canvas, wish, light)
    for figure, x, y, height in _placed(canvas, wish):
        if figure.name not in _AFLOAT | {"boat", "fish"}:
            _shadow(canvas, x, y, height)
        if figure.name == "lighthouse" and light.dim:
            lamp = y - 0.81 * height * canvas.unit / canvas.image.height
            canvas.glow(x, lamp, 0.45, (255, 226, 150), 0.7)
        mirrored = canvas.random.random() < 0.4
        paint(canvas.brush(x, y, height, mirrored=mirrored), figure.name, figure.colour, canvas.random)
    if wish.weather in ("snow", "rain"):
        _fall(canvas, wish.weather)


def _heaven(canvas: Canvas, wish: Wish, light: Air) -> None:
    """Sun or moon, stars or clouds."""
    random = canvas.random
    x, y = random.choice((random.uniform(0.14, 0.32), random.uniform(0.68, 0.86))), random.uniform(0.14, 0.24)
    if light.time in ("dusk", "dawn"):
        x, y = random.uniform(0.25, 0.75), random.uniform(0.36, 0.46)
    if light.time == "night":
        for star_x, star_y in canvas.scatter(120, 0, 0.55):
            canvas.oval(
                mix(WHITE, light.sky[1], random.uniform(0, 0.6)), star_x, star_y, 0.001 + 0.003 * random.random() ** 3
            )
        canvas.glow(x, y, 0.34, (200, 214, 255), 0.4)
        canvas.oval((240, 240, 226), x, y, 0.068)
        for shift_x, shift_y, radius in ((-0.018, -0.012, 0.014), (0.02, 0.016, 0.011), (0.012, -0.03, 0.008)):
            wide, high = shift_x * canvas.unit / canvas.image.width, shift_y * canvas.unit / canvas.image.height
            canvas.oval((216, 216, 206), x + wide, y + high, radius)
    elif wish.weather != "rain":
        core = (255, 246, 214) if light.time == "day" else (255, 222, 150)
        canvas.glow(x, y, 0.55, core, 0.75)
        canvas.oval(core, x, y, 0.062 if light.time == "day" else 0.1)
    if wish.weather != "clear" and light.time != "night":
        for _ in canvas.some(random.randint(3, 5) + (6 if wish.weather == "rain" else 0)):
            _cloud(canvas, light)


def _cloud(canvas: Canvas, light: Air) -> None:
    random = canvas.random
    x, y, size = random.random(), random.uniform(0.06, 0.42), random.uniform(0.05, 0.11)
    tone = mix(light.sky[2], WHITE, 0.55 if light.time == "day" else 0.12)
    flat = canvas.unit / canvas.image.width
    for layer, colour in ((0.012, mix(tone, light.sky[1], 0.35)), (0.0, tone)):
        for index, puff in enumerate((0.5, 0.85, 1.0, 0.7, 0.42)):
            radius = size * puff * 0.62
            rise = radius * canvas.unit / canvas.image.height
            canvas.oval(colour, x + (index - 2) * size * 0.62 * flat, y - rise * 0.55 + layer, radius)
        canvas.dash(colour, x, y + layer, size * 4.0, size * 0.36)


def _placed(canvas: Canvas, wish: Wish) -> Iterator[tuple[Figure, float, float, float]]:
    """Each figure with its place and height, those further off first."""
    count = len(wish.figures)
    turn = canvas.random.uniform(-0.06, 0.06) if count < 2 else 0.0
    crowd = 1.0 if count < 2 else 1.15 / math.sqrt(count)
    placed = []
    for index, figure in enumerate(wish.figures):
        name = figure.name
        height = _HEIGHTS.get(name, _USUAL_HEIGHT) * crowd * canvas.random.uniform(0.94, 1.06)
        x = (index + 0.5) / count + turn
        tall = height * canvas.unit / canvas.image.height
        if name in _AFLOAT or name == "fish":
            y = canvas.random.uniform(0.34, 0.46) + tall / 2 + (0.08 if name == "fish" else 0.0)
        elif name == "boat":
            y = canvas.random.uniform(0.7, 0.78)
        else:
            y = canvas.random.uniform(0.92, 0.955)
        placed.append((figure, x, y, height))
    return iter(sorted(placed, key=lambda item: item[2]))


def _shadow(canvas: Canvas, x: float, y: float, height: float) -> None:
    """Ground that lies in a figure's shade."""
    canvas.oval(mix(canvas.colour(x, y), (20, 24, 50), 0.3), x + 0.01, y, height * 0.36, 0.14)


def _fall(canvas: Canvas, weather: str) -> None:
    for x, y in canvas.scatter(210, 0, 1):
        if weather == "snow":
            canvas.oval((250, 252, 255), x, y, canvas.random.uniform(0.0015, 0.0065))
        else:
            brush = canvas.brush(x, y, canvas.random.uniform(0.02, 0.05))
            brush.stroke(lighter((150, 170, 196), canvas.random.uniform(0, 0.4)), 0.04, (0, 0), (-0.3, 1))

"""The places a scene may have: each paints what lies below its sky."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from providers.sketch.brush import INK, WHITE, darker, lighter, mix
from providers.sketch.canvas import Canvas
from providers.sketch.figures import paint
from providers.sketch.prompt import Colour, Wish

Sky = tuple[Colour, Colour, Colour]
_SKIES: Mapping[str, tuple[Sky, ...]] = {
    "day": (
        ((92, 164, 222), (158, 206, 236), (226, 240, 240)),
        ((64, 140, 200), (132, 192, 226), (250, 236, 214)),
    ),
    "dusk": (
        ((66, 54, 112), (216, 96, 104), (252, 190, 110)),
        ((40, 66, 122), (196, 110, 132), (255, 208, 140)),
    ),
    "dawn": (
        ((122, 150, 206), (232, 186, 200), (255, 230, 190)),
        ((104, 164, 196), (250, 214, 190), (255, 240, 206)),
    ),
    "night": (
        ((12, 16, 44), (30, 44, 92), (74, 88, 140)),
        ((10, 20, 38), (22, 54, 84), (70, 110, 132)),
    ),
}
_DIM: Mapping[str, float] = {"day": 0.0, "dawn": 0.1, "dusk": 0.3, "night": 0.58}
_LIT: Colour = (255, 220, 130)


@dataclass(frozen=True, slots=True)
class Air:
    """The light of a scene: the sky's colours from the top, the hour, how far it dims what it shines on."""

    sky: Sky
    time: str
    dim: float

    def on(self, colour: Colour, far: float = 0.0) -> Colour:
        """A colour in this light; what is far (0 to 1) takes the colour of the horizon."""
        return mix(mix(colour, (18, 20, 48), self.dim), self.sky[2], far)


def air(canvas: Canvas, wish: Wish) -> Air:
    """The light that a wish asks for, or a fair one."""
    usual = ("day", "day", "dawn", "dusk") if wish.home != "city" else ("dusk", "night", "day")
    time = wish.time or canvas.random.choice(usual)
    sky = canvas.random.choice(_SKIES[time])
    if wish.weather == "rain":
        sky = (mix(sky[0], (84, 92, 108), 0.75), mix(sky[1], (120, 128, 142), 0.75), mix(sky[2], (164, 170, 178), 0.75))
    if wish.sky is not None:
        sky = (darker(wish.sky, 0.3 + _DIM[time] / 2), wish.sky, lighter(wish.sky, 0.55))
    return Air(sky, time, _DIM[time] + (0.15 if wish.weather == "rain" else 0.0))


def _ground(wish: Wish, usual: Colour) -> Colour:
    return (232, 238, 246) if wish.weather == "snow" and wish.ground is None else wish.ground or usual


def hills(canvas: Canvas, wish: Wish, light: Air) -> None:
    """Rolling hills with trees far off and flowers near by."""
    colour = _ground(wish, canvas.random.choice(((104, 160, 84), (126, 168, 78), (88, 148, 96))))
    for layer, level in enumerate((0.58, 0.66, 0.75, 0.86)):
        far = (0.62, 0.4, 0.18, 0.0)[layer]
        tone = light.on(darker(colour, 0.05 * layer), far)
        ridge = canvas.wave(level, 0.035, canvas.random.uniform(0.8, 1.6))
        canvas.land(ridge, lighter(tone, 0.12), tone, darker(tone, 0.05), step=0.02)
        if layer in (1, 2):
            for _ in canvas.some(9):
                x, name = canvas.random.random(), canvas.random.choice(("tree", "pine", "pine"))
                leaf = light.on(mix(colour, (36, 100, 74), 0.7), far * 0.9)
                paint(canvas.brush(x, ridge(x) + 0.006, 0.03 + 0.035 * layer), name, leaf, canvas.random)
    _meadow(canvas, light, colour, wish)


def _meadow(canvas: Canvas, light: Air, colour: Colour, wish: Wish) -> None:
    for x, y in canvas.scatter(130, 0.88, 1.02):
        blade, size = light.on(mix(colour, (40, 96, 60), canvas.random.uniform(0.1, 0.5))), (y - 0.8) * 0.17
        brush = canvas.brush(x, y, size)
        lean = canvas.random.uniform(-0.4, 0.4)
        brush.shape(blade, (-0.12, 0), (0.12, 0), (lean, 1))
    if wish.weather is None:
        petals = wish.colours or ((248, 248, 240), (250, 207, 70), (236, 120, 150))
        for x, y in canvas.scatter(26, 0.89, 1.0):
            canvas.oval(light.on(canvas.random.choice(petals)), x, y, 0.004 + (y - 0.88) * 0.03)


def mountains(canvas: Canvas, wish: Wish, light: Air) -> None:
    """Two ranges, the near one higher, with a wooded foot."""
    colour = _ground(wish, canvas.random.choice(((104, 116, 148), (118, 110, 140), (96, 122, 138))))
    if wish.weather == "snow":
        colour = (120, 132, 160)
    for layer, (level, size, far) in enumerate(((0.68, 0.3, 0.6), (0.74, 0.46, 0.22))):
        spots = [(index + canvas.random.uniform(-0.3, 0.3)) / 3 for index in range(4)]
        canvas.random.shuffle(spots)
        for x in spots:
            height = size * canvas.random.uniform(0.7, 1.15)
            paint(canvas.brush(x, level, height), "mountain", light.on(colour, far), canvas.random)
        foot = canvas.wave(level - 0.01, 0.006, 0.9)
        canvas.land(foot, light.on(mix(colour, (60, 110, 90), 0.4), 0.4 - layer * 0.2))
    _woods(canvas, replace(wish, ground=None), light, ((0.76, 0.3), (0.84, 0.08)), 26)
    ground = light.on(_ground(replace(wish, ground=None), (96, 146, 88)))
    canvas.land(canvas.wave(0.88, 0.02, 1.2), lighter(ground, 0.12), ground, step=0.025)


def forest(canvas: Canvas, wish: Wish, light: Air) -> None:
    """Row upon row of firs, paler the further."""
    _woods(canvas, wish, light, ((0.58, 0.72), (0.66, 0.5), (0.75, 0.28), (0.84, 0.1)), 24)
    ground = light.on(_ground(wish, (86, 128, 78)))
    canvas.land(canvas.wave(0.89, 0.015, 1.0), lighter(ground, 0.14), ground, darker(ground, 0.08), step=0.03)


def _woods(canvas: Canvas, wish: Wish, light: Air, rows: Sequence[tuple[float, float]], each: int) -> None:
    """Rows of firs, each at a level and so far off."""
    green, floor = _ground(wish, (46, 110, 84)), _ground(wish, (74, 124, 82))
    if wish.weather == "snow" and wish.ground is None:
        green = (120, 152, 160)
    for level, far in rows:
        ridge = canvas.wave(level, 0.025, canvas.random.uniform(0.7, 1.4))
        canvas.land(ridge, light.on(floor, far))
        size = 0.1 + (level - 0.55) * 0.55
        for x in sorted(canvas.random.random() for _ in canvas.some(each)):
            tone = light.on(mix(green, INK, canvas.random.uniform(0, 0.18)), far)
            brush = canvas.brush(x, ridge(x) + 0.01, size * canvas.random.uniform(0.7, 1.2))
            paint(brush, "pine", tone, canvas.random)


def sea(canvas: Canvas, wish: Wish, light: Air) -> None:
    """Open water to the horizon, with the light upon it and a beach."""
    colour = light.on(wish.ground or canvas.random.choice(((38, 116, 160), (30, 130, 150), (52, 104, 168))))
    level = 0.56
    canvas.gradient((mix(colour, light.sky[2], 0.55), colour, darker(colour, 0.3)), level, 1.0)
    for x, y in canvas.scatter(170, level + 0.012, 0.9):
        near = (y - level) / (1 - level)
        tone = mix(colour, canvas.random.choice((light.sky[2], WHITE, INK)), 0.16 + 0.14 * canvas.random.random())
        canvas.dash(tone, x, y, 0.02 + near * 0.16, 0.002 + near * 0.004)
    sand = light.on((236, 214, 170))
    ridge = canvas.wave(0.915, 0.012, 1.3)
    canvas.land(ridge, mix(colour, WHITE, 0.75), mix(sand, colour, 0.35), sand, darker(sand, 0.06), step=0.014)
    for x, y in canvas.scatter(60, 0.965, 1.0):
        canvas.oval(darker(sand, canvas.random.uniform(0.06, 0.2)), x, y, 0.003, 0.6)


def city(canvas: Canvas, wish: Wish, light: Air) -> None:
    """Towers behind towers, with lit windows, over a quay."""
    walls = ((96, 110, 140), (120, 104, 130), (84, 120, 134), (140, 118, 116))
    tints = (wish.ground, *walls) if wish.ground else walls
    for layer, far in enumerate((0.6, 0.32, 0.05)):
        x = -0.05
        while x < 1.02:
            unit = canvas.unit / canvas.image.width
            wide = canvas.random.uniform(0.08, 0.16) * unit * (1 + layer * 0.15)
            top = 0.86 - canvas.random.uniform(0.18, 0.52) * (1 - layer * 0.24)
            _tower(canvas, light.on(canvas.random.choice(tints), far), light, (x, top, x + wide, 0.9))
            x += wide * canvas.random.uniform(1.0, 1.25)
    street = light.on((92, 94, 108))
    canvas.land(lambda _: 0.895, light.on((168, 166, 170)), street, darker(street, 0.12), step=0.016)
    for index in range(11):
        canvas.dash(light.on((226, 220, 200)), index / 10 + 0.02, 0.965, 0.045, 0.007)


def _tower(canvas: Canvas, wall: Colour, light: Air, box: tuple[float, float, float, float]) -> None:
    left, top, right, bottom = box
    (x0, y0), (x1, y1) = canvas.at(left, top), canvas.at(right, bottom)
    canvas.pen.rectangle((x0, y0, x1, y1), fill=wall)
    canvas.pen.rectangle((x0 + (x1 - x0) * 0.74, y0, x1, y1), fill=darker(wall, 0.14))
    if canvas.random.random() < 0.4:
        middle, high = (x0 + x1) / 2, canvas.unit * 0.05
        canvas.pen.rectangle((middle - 1, y0 - high, middle + canvas.unit * 0.003, y0), fill=wall)
    lit_share = {"night": 0.55, "dusk": 0.4}.get(light.time, 0.06)
    gap = canvas.unit * (0.03 if canvas.detail > 1 else 0.05)
    columns, storeys = int((x1 - x0) * 0.7 / gap), int((y1 - y0) / gap)
    for storey in range(storeys):
        for column in range(columns):
            lit = canvas.random.random() < lit_share
            x, y = x0 + (column + 0.5) * gap, y0 + (storey + 0.5) * gap
            tone = mix(wall, _LIT, 0.85) if lit else darker(wall, 0.22)
            canvas.pen.rectangle((x, y, x + gap * 0.5, y + gap * 0.6), fill=tone)


def desert(canvas: Canvas, wish: Wish, light: Air) -> None:
    """Dunes with a bright and a dark side."""
    colour = wish.ground or canvas.random.choice(((226, 168, 98), (216, 146, 92)))
    for level, far in ((0.6, 0.5), (0.68, 0.3), (0.78, 0.12), (0.9, 0.0)):
        ridge = canvas.wave(level, 0.05, canvas.random.uniform(0.9, 1.5))
        tone = light.on(colour, far)
        canvas.land(ridge, lighter(tone, 0.22), tone, darker(tone, 0.1), darker(tone, 0.16), step=0.03)


def deep(canvas: Canvas, wish: Wish, light: Air) -> None:
    """Under water: shafts of light, weed, bubbles, a sandy bed."""
    colour = wish.ground or canvas.random.choice(((24, 118, 160), (20, 128, 148)))
    top = light.on(lighter(colour, 0.55))
    canvas.gradient((top, light.on(colour), light.on(darker(colour, 0.55))))
    for _ in range(4):
        canvas.glow(canvas.random.random(), 0.0, canvas.random.uniform(0.3, 0.7), lighter(top, 0.4), 0.5)
    for level, far in ((0.84, 0.5), (0.92, 0.1)):
        bed = mix(light.on((214, 190, 140)), colour, far)
        ridge = canvas.wave(level, 0.03, 1.1)
        canvas.land(ridge, lighter(bed, 0.15), bed, darker(bed, 0.08))
        for _ in canvas.some(16):
            x, lean = canvas.random.random(), canvas.random.uniform(-0.2, 0.2)
            weed = mix(canvas.random.choice(((46, 140, 96), (214, 96, 110), (226, 150, 70))), colour, far)
            brush = canvas.brush(x, ridge(x) + 0.02, canvas.random.uniform(0.1, 0.3))
            brush.stroke(weed, 0.06, (0, 0), (lean, 0.3), (-lean, 0.65), (lean, 1))
    for x, y in canvas.scatter(40, 0.05, 0.85):
        radius = canvas.random.uniform(0.003, 0.012)
        canvas.oval(lighter(top, 0.5), x, y, radius)
        canvas.oval(mix(colour, top, 0.5), x, y, radius * 0.75)


def space(canvas: Canvas, wish: Wish, light: Air) -> None:
    """Stars, clouds of gas, the edge of a world."""
    tints = wish.colours or ((126, 72, 164), (36, 100, 160), (206, 60, 118))
    dark = (10, 12, 34)
    canvas.gradient(((8, 8, 26), (18, 16, 48), dark if wish.sky is None else light.sky[0]))
    for _ in range(4):
        radius = canvas.random.uniform(0.35, 0.65)
        canvas.glow(canvas.random.random(), canvas.random.random(), radius, canvas.random.choice(tints), 0.42)
    for x, y in canvas.scatter(260, 0, 1):
        radius = 0.0012 + 0.0035 * canvas.random.random() ** 4
        canvas.oval(mix(WHITE, canvas.random.choice(tints), canvas.random.uniform(0, 0.4)), x, y, radius)
    ground = wish.ground or canvas.random.choice(((96, 92, 120), (150, 96, 84)))
    ridge = canvas.wave(0.93, 0.012, 1.0)
    canvas.land(lambda x: ridge(x) + (x - 0.5) ** 2 * 0.2, lighter(ground, 0.3), ground, darker(ground, 0.3), step=0.02)


PLACES: Mapping[str, Callable[[Canvas, Wish, Air], None]] = {
    place.__name__: place for place in (hills, mountains, forest, sea, city, desert, deep, space)
}
NO_SKY = frozenset({"deep", "space"})
"""Places that fill the whole sheet."""

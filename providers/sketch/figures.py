"""The figures a prompt may name, each drawn one unit high upon its foot; creatures have a file of their own."""

import math
from collections.abc import Callable, Mapping
from random import Random

from providers.sketch.brush import INK, WHITE, Brush, darker, jagged, lighter, mix, ring
from providers.sketch.creatures import bird, cat, dog, fish, fox
from providers.sketch.prompt import Colour

Draw = Callable[[Brush, Colour, Random], None]
_CREAM: Colour = (250, 240, 224)
_BARK: Colour = (110, 76, 58)
_GLOW: Colour = (255, 222, 130)
_LEAF: Colour = (78, 140, 82)


def house(brush: Brush, colour: Colour, rng: Random) -> None:
    """A house with a chimney and lit windows."""
    roof = darker(mix(colour, (150, 60, 50), 0.55), 0.15)
    brush.shape(darker(roof, 0.2), (0.2, 0.7), (0.32, 0.7), (0.32, 1.0), (0.2, 1.0))
    brush.shape(colour, (-0.48, 0), (0.48, 0), (0.48, 0.55), (-0.48, 0.55))
    brush.shape(darker(colour, 0.16), (0.3, 0), (0.48, 0), (0.48, 0.55), (0.3, 0.55))
    brush.shape(roof, (-0.58, 0.52), (0.58, 0.52), (0.36, 0.9), (-0.36, 0.9))
    if brush.fine:
        for row in range(1, 4):
            y = 0.52 + 0.095 * row
            brush.stroke(lighter(roof, 0.14), 0.012, (-0.58 + 0.055 * row, y), (0.58 - 0.055 * row, y))
    door = rng.choice(((86, 62, 92), (52, 96, 110), (120, 62, 54)))
    brush.shape(door, (-0.09, 0), (0.09, 0), (0.09, 0.34), (-0.09, 0.34))
    brush.oval(_GLOW, 0.055, 0.16, 0.015)
    for x in (-0.3, 0.3):
        brush.shape(WHITE, (x - 0.105, 0.16), (x + 0.105, 0.16), (x + 0.105, 0.41), (x - 0.105, 0.41))
        brush.shape(_GLOW, (x - 0.085, 0.18), (x + 0.085, 0.18), (x + 0.085, 0.39), (x - 0.085, 0.39))
        brush.stroke(WHITE, 0.014, (x, 0.18), (x, 0.39))
        brush.stroke(WHITE, 0.014, (x - 0.085, 0.285), (x + 0.085, 0.285))


def tree(brush: Brush, colour: Colour, rng: Random) -> None:
    """A tree with a round crown."""
    brush.smooth(_BARK, (-0.08, 0), (-0.045, 0.2), (-0.04, 0.5), (0.04, 0.5), (0.045, 0.2), (0.08, 0), (0, 0.02))
    brush.stroke(_BARK, 0.035, (0, 0.32), (0.14, 0.5))
    clumps = [(x + rng.uniform(-0.03, 0.03), y, r) for x, y, r in _CROWN]
    for shift, tone in ((0.0, darker(colour, 0.28)), (0.035, colour), (0.085, lighter(colour, 0.16))):
        for x, y, r in clumps:
            brush.oval(tone, x - shift * 0.7, y + shift * 0.6, r * (1 - shift * 2.8))
    for _ in range(26 * brush.fine):
        x, y, r = rng.choice(clumps)
        tone = mix(colour, rng.choice((WHITE, INK)), rng.uniform(0.05, 0.22))
        brush.oval(tone, x + rng.uniform(-0.75, 0.75) * r, y + rng.uniform(-0.7, 0.7) * r, 0.012, 0.009)


_CROWN = (
    (-0.2, 0.56, 0.18),
    (0.2, 0.56, 0.18),
    (-0.13, 0.75, 0.17),
    (0.14, 0.75, 0.17),
    (0, 0.62, 0.21),
    (0, 0.83, 0.15),
)


def pine(brush: Brush, colour: Colour, rng: Random) -> None:
    """A fir of four tiers."""
    brush.shape(_BARK, (-0.035, 0), (0.035, 0), (0.03, 0.2), (-0.03, 0.2))
    lean = rng.uniform(-0.01, 0.01)
    for tier in range(4):
        low, half, top = 0.12 + tier * 0.2, 0.27 - tier * 0.055, 0.46 + tier * 0.18
        brush.shape(colour, (-half, low), (-half / 3, low + 0.03), (0, low - 0.02), (half, low), (lean, top))
        brush.shape(darker(colour, 0.2), (0, low - 0.02), (half / 3, low + 0.03), (half, low), (lean, top))


def mountain(brush: Brush, colour: Colour, rng: Random) -> None:
    """A mountain with its snow, lit from the left."""
    lean, left, right = rng.uniform(-0.12, 0.12), rng.uniform(0.75, 1.0), rng.uniform(0.75, 1.0)
    brush.shape(colour, (-left, 0), (lean, 1), (right, 0))
    spine = [(lean * (1 - t), 1 - t) for t in (0, 0.25, 0.5, 0.75, 1.0)]
    spine = [(x + (rng.uniform(0.02, 0.12) if 0 < y < 1 else 0), y) for x, y in spine]
    brush.shape(darker(colour, 0.28), *spine, (right, 0))
    line, snow = 0.66, (246, 248, 252)
    west, east = lean - (left + lean) * (1 - line), lean + (right - lean) * (1 - line)
    teeth = [(west + (east - west) * t, line) for t in (0, 0.2, 0.4, 0.6, 0.8, 1.0)]
    rough = list(jagged(teeth, 0.055))
    brush.shape(mix(snow, colour, 0.1), (lean, 1), *rough)
    shade = [(x, y) for x, y in rough if x > spine[1][0]]
    if shade:
        brush.shape(mix(snow, colour, 0.38), (lean, 1), spine[1], *shade)


def boat(brush: Brush, colour: Colour, rng: Random) -> None:
    """A sailing boat; its foot is the water line."""
    sail = mix(_CREAM, colour, rng.uniform(0, 0.12))
    brush.stroke(_BARK, 0.022, (0, 0.1), (0, 0.98))
    brush.smooth(sail, (0.03, 0.96), (0.03, 0.94), (0.24, 0.6), (0.4, 0.26), (0.38, 0.25), (0.03, 0.25))
    brush.smooth(darker(sail, 0.1), (-0.03, 0.86), (-0.04, 0.84), (-0.2, 0.5), (-0.3, 0.27), (-0.03, 0.25))
    if brush.fine:
        for y in (0.42, 0.6, 0.76):
            brush.stroke(darker(sail, 0.16), 0.008, (0.035, y), (0.44 - y * 0.42, y - 0.01))
        brush.shape((214, 58, 52), (0, 0.98), (0, 0.92), (-0.12, 0.95))
    brush.shape(colour, (-0.42, 0.2), (0.48, 0.2), (0.36, 0.0), (-0.3, 0.0))
    brush.shape(darker(colour, 0.3), (-0.36, 0.09), (0.415, 0.09), (0.36, 0.0), (-0.3, 0.0))
    brush.stroke(lighter(colour, 0.5), 0.022, (-0.42, 0.195), (0.48, 0.195))


def flower(brush: Brush, colour: Colour, rng: Random) -> None:
    """A flower on its stem."""
    lean = rng.uniform(-0.06, 0.06)
    brush.stroke(darker(_LEAF, 0.1), 0.03, (0, 0), (0.02 + lean / 2, 0.35), (lean, 0.72))
    brush.smooth(_LEAF, (0.01, 0.12), (0.14, 0.22), (0.28, 0.42), (0.12, 0.36))
    brush.smooth(darker(_LEAF, 0.15), (0.0, 0.08), (-0.15, 0.16), (-0.26, 0.34), (-0.1, 0.28))
    petals, turn = rng.choice((6, 8, 8, 10)), rng.uniform(0, 1)
    for tone, reach, wide in ((darker(colour, 0.18), 0.16, 0.1), (colour, 0.13, 0.088)):
        for x, y in ring(petals, reach, turn=turn if reach > 0.15 else turn + 0.4):
            brush.oval(tone, lean + x, 0.74 + y, wide)
    heart = (246, 190, 60) if colour[0] < 235 or colour[1] < 170 else (140, 86, 44)
    brush.oval(darker(heart, 0.15), lean, 0.74, 0.085)
    brush.oval(heart, lean - 0.008, 0.748, 0.068)


def kite(brush: Brush, colour: Colour, rng: Random) -> None:
    """A kite in the wind, with a tail of bows."""
    other = lighter(colour, 0.45)
    top, left, right, foot = (0.12, 1.0), (-0.2, 0.68), (0.38, 0.76), (-0.02, 0.3)
    middle = (0.06, 0.72)
    tail = [(-0.02, 0.3), (0.04, 0.2), (-0.04, 0.12), (0.03, 0.04), (-0.03, -0.06)]
    brush.stroke(INK, 0.01, *tail)
    brush.stroke(lighter(INK, 0.3), 0.006, middle, (-0.3, 0.1), (-0.75, -0.25))
    for tone, one, two in (
        (colour, top, left),
        (other, top, right),
        (other, left, foot),
        (darker(colour), right, foot),
    ):
        brush.shape(tone, one, middle, two)
    for x, y in tail[1:4]:
        bow = rng.choice((colour, other, (250, 207, 70)))
        brush.shape(bow, (x - 0.06, y + 0.035), (x - 0.06, y - 0.035), (x + 0.06, y + 0.035), (x + 0.06, y - 0.035))


def lighthouse(brush: Brush, colour: Colour, rng: Random) -> None:
    """A striped lighthouse upon its rock."""
    rock = (112, 104, 108)
    foot = [(-0.44 + 0.11 * step, 0.075 - abs(step - 4) * 0.017 + rng.uniform(-0.01, 0.01)) for step in range(9)]
    brush.shape(rock, *foot, (0.52, -0.03), (-0.52, -0.03))
    for band in range(5):
        low, high = 0.05 + band * 0.135, 0.05 + (band + 1) * 0.135
        wide, slim = 0.15 - 0.065 * low / 0.72, 0.15 - 0.065 * high / 0.72
        tone = colour if band % 2 == 0 else _CREAM
        brush.shape(tone, (-wide, low), (wide, low), (slim, high), (-slim, high))
        brush.shape(darker(tone, 0.16), (wide * 0.3, low), (wide, low), (slim, high), (slim * 0.3, high))
    brush.shape(INK, (-0.12, 0.72), (0.12, 0.72), (0.11, 0.755), (-0.11, 0.755))
    brush.shape(_GLOW, (-0.065, 0.755), (0.065, 0.755), (0.065, 0.87), (-0.065, 0.87))
    brush.stroke(INK, 0.012, (0, 0.755), (0, 0.87))
    brush.even(darker(colour, 0.2), (0, 0.985), (0.03, 0.96), (0.1, 0.87), (0, 0.865))
    for y in (0.3, 0.56) if brush.fine else ():
        brush.shape(INK, (-0.022, y), (0.022, y), (0.022, y + 0.06), (-0.022, y + 0.06))


def balloon(brush: Brush, colour: Colour, _: Random) -> None:
    """A hot-air balloon with a basket."""
    brush.stroke(_BARK, 0.008, (-0.16, 0.34), (-0.065, 0.12))
    brush.stroke(_BARK, 0.008, (0.16, 0.34), (0.065, 0.12))
    brush.even(colour, (0, 1.0), (0.24, 0.94), (0.36, 0.7), (0.26, 0.42), (0.1, 0.26), (0, 0.255))
    bands = ((lighter(colour, 0.55), 0.24), (colour, 0.15), (lighter(colour, 0.55), 0.07))
    for tone, wide in bands:
        brush.even(
            tone, (0, 1.0), (wide * 0.75, 0.93), (wide, 0.7), (wide * 0.75, 0.42), (wide * 0.35, 0.26), (0, 0.258)
        )
    brush.shape((150, 104, 66), (-0.075, 0.12), (0.075, 0.12), (0.06, 0.0), (-0.06, 0.0))
    brush.stroke((110, 76, 50), 0.02, (-0.075, 0.115), (0.075, 0.115))


def rocket(brush: Brush, colour: Colour, rng: Random) -> None:
    """A rocket with its fire."""
    flame = rng.uniform(0.0, 0.05)
    brush.even((240, 130, 40), (0, 0.24), (0.1, 0.2), (0.07, 0.08), (0, -0.02 - flame))
    brush.even(_GLOW, (0, 0.24), (0.055, 0.19), (0.035, 0.12), (0, 0.06))
    for side in (-1, 1):
        points = ((0.1, 0.5), (0.26, 0.3), (0.25, 0.14), (0.1, 0.26))
        brush.smooth(colour, *((side * x, y) for x, y in points))
    brush.even((238, 240, 244), (0, 1.0), (0.09, 0.88), (0.16, 0.62), (0.12, 0.24), (0, 0.225))
    brush.smooth((206, 210, 220), (0.03, 0.95), (0.09, 0.86), (0.16, 0.62), (0.12, 0.25), (0.05, 0.24), (0.08, 0.6))
    brush.even(colour, (0, 1.0), (0.06, 0.93), (0.11, 0.82), (0, 0.8))
    brush.oval(darker(colour, 0.4), 0, 0.6, 0.075)
    brush.oval((150, 214, 236), 0, 0.6, 0.053)
    brush.oval(WHITE, -0.018, 0.62, 0.016)


def planet(brush: Brush, colour: Colour, rng: Random) -> None:
    """A planet with a ring."""
    ringed = lighter(colour, 0.5)
    tilt = rng.uniform(0.12, 0.26)
    around = [(math.cos(turn / 16 * math.tau) * 0.72, math.sin(turn / 16 * math.tau) * 0.15) for turn in range(17)]
    path = [(x, y + 0.5 + x * tilt) for x, y in around]
    brush.stroke(darker(ringed, 0.3), 0.035, *path[:9])
    brush.oval(colour, 0, 0.5, 0.44)
    for x, y, wide, high in ((0, 0.72, 0.34, 0.045), (0, 0.55, 0.43, 0.05), (0, 0.24, 0.32, 0.04)):
        brush.oval(mix(colour, INK, 0.14), x, y, wide, high)
    brush.smooth(darker(colour, 0.3), (0.1, 0.07), (0.35, 0.24), (0.43, 0.5), (0.35, 0.76), (0.1, 0.93), (0.27, 0.5))
    brush.stroke(ringed, 0.04, *path[8:])


def heart(brush: Brush, colour: Colour, _: Random) -> None:
    """A heart with a gleam."""
    for tone, shrink in ((darker(colour, 0.2), 1.0), (colour, 0.92)):
        points = ((0, 0.8), (0.14, 0.96), (0.36, 0.96), (0.5, 0.74), (0.4, 0.44), (0.18, 0.18), (0, 0.02))
        brush.even(tone, *((x * shrink, 0.52 + (y - 0.52) * shrink) for x, y in points))
    brush.smooth(lighter(colour, 0.5), (-0.36, 0.66), (-0.34, 0.8), (-0.22, 0.87), (-0.28, 0.76))


def star(brush: Brush, colour: Colour, _: Random) -> None:
    """A star of five points, in facets."""
    outer, inner = list(ring(5, 0.54)), list(ring(5, 0.22, turn=0.6283))
    for index, tip in enumerate(outer):
        for tone, valley in ((lighter(colour, 0.25), inner[index - 1]), (darker(colour, 0.12), inner[index])):
            brush.shape(tone, *((x, y + 0.5) for x, y in ((0, 0), tip, valley)))


FIGURES: Mapping[str, tuple[Draw, Colour]] = {
    "cat": (cat, (232, 150, 70)),
    "dog": (dog, (176, 124, 78)),
    "fox": (fox, (222, 110, 50)),
    "house": (house, (236, 214, 178)),
    "tree": (tree, (86, 150, 82)),
    "pine": (pine, (52, 112, 88)),
    "mountain": (mountain, (112, 122, 150)),
    "boat": (boat, (190, 64, 56)),
    "flower": (flower, (232, 92, 120)),
    "kite": (kite, (224, 70, 60)),
    "lighthouse": (lighthouse, (206, 62, 58)),
    "bird": (bird, (84, 122, 176)),
    "fish": (fish, (242, 134, 52)),
    "balloon": (balloon, (226, 84, 70)),
    "rocket": (rocket, (214, 66, 58)),
    "planet": (planet, (214, 150, 96)),
    "heart": (heart, (220, 64, 84)),
    "star": (star, (246, 196, 66)),
}
"""Every figure with the colour it has where the prompt names none."""


def paint(brush: Brush, name: str, colour: Colour | None, rng: Random) -> None:
    """One figure."""
    draw, usual = FIGURES[name]
    draw(brush, colour or usual, rng)

"""Pictures of nothing in particular: colours and forms that the prompt's letters choose."""

import math
from collections.abc import Sequence
from random import Random

from providers.sketch.brush import INK, WHITE, Brush, darker, lighter, mix, ring
from providers.sketch.canvas import Canvas
from providers.sketch.prompt import Colour

_PALETTES: tuple[tuple[Colour, ...], ...] = (
    ((38, 70, 83), (42, 157, 143), (233, 196, 106), (244, 162, 97), (231, 111, 81)),
    ((34, 40, 80), (94, 84, 142), (224, 122, 152), (250, 184, 150), (252, 232, 206)),
    ((20, 60, 70), (44, 110, 112), (150, 182, 150), (236, 222, 180), (216, 118, 84)),
    ((50, 34, 66), (150, 44, 84), (228, 86, 74), (250, 172, 80), (254, 226, 170)),
    ((24, 48, 92), (40, 116, 178), (120, 190, 216), (240, 236, 224), (244, 148, 110)),
    ((54, 62, 52), (106, 128, 84), (190, 190, 120), (240, 224, 190), (200, 96, 74)),
    ((30, 30, 54), (84, 72, 160), (72, 166, 190), (170, 224, 196), (252, 214, 130)),
)


def palette(named: Sequence[Colour], random: Random) -> list[Colour]:
    """Five colours that go together; those the prompt names stand first."""
    chosen = list(random.choice(_PALETTES))
    if not named:
        random.shuffle(chosen)
        return chosen
    first = named[0]
    return [*named, darker(first, 0.6), lighter(first, 0.6), mix(first, chosen[3], 0.6), chosen[4]][:5]


def compose(canvas: Canvas, named: Sequence[Colour]) -> None:
    """One of three ways to fill a sheet."""
    colours = palette(named, canvas.random)
    canvas.random.choice((_tiles, _waves, _orbs))(canvas, colours)


def ornament(brush: Brush, named: Sequence[Colour], random: Random) -> None:
    """A rosette: what an abstract picture is without a ground."""
    colours = palette(named, random)
    count = random.choice((8, 10, 12))
    for index, reach in enumerate((0.36, 0.25, 0.14)):
        colour, turn = colours[index], index * math.pi / count
        for x, y in ring(count, reach, turn=turn):
            brush.oval(darker(colour, 0.15), x, y + 0.5, 0.13 - index * 0.02)
            brush.oval(colour, x * 0.96, y * 0.96 + 0.5, 0.115 - index * 0.02)
            if brush.fine:
                brush.oval(lighter(colour, 0.45), x * 1.1, y * 1.1 + 0.5, 0.025)
    brush.oval(colours[3], 0, 0.5, 0.1)
    brush.oval(lighter(colours[3], 0.5), 0, 0.5, 0.055)


def _tiles(canvas: Canvas, colours: list[Colour]) -> None:
    """Quarter discs, rings and leaves on a grid."""
    width, height = canvas.image.size
    side = canvas.unit / canvas.random.choice((4, 5, 6))
    across, down = math.ceil(width / side), math.ceil(height / side)
    ground = (lighter(colours[-1], 0.6), *colours)
    for row in range(down):
        for column in range(across):
            back, front, mark = canvas.random.sample(ground, 3)
            x, y = round(column * side), round(row * side)
            _tile(canvas, (x, y, round(x + side), round(y + side)), (back, front, mark))


def _tile(canvas: Canvas, box: tuple[int, int, int, int], colours: tuple[Colour, Colour, Colour]) -> None:
    left, top, right, _ = box
    back, front, mark = colours
    side = right - left
    tile = Canvas.blank((side, side), type(canvas.detail).LOW, canvas.random)
    tile.pen.rectangle((0, 0, side, side), fill=back)
    corner_x, corner_y = canvas.random.choice((0, side)), canvas.random.choice((0, side))
    kind = canvas.random.randrange(5)
    rings = ((1.0, front), (0.66, mark), (0.33, back)) if kind < 2 else ((1.0, front),)
    for share, colour in rings if kind < 4 else ((0.4, front), (0.2, mark)):
        at_x, at_y = (side / 2, side / 2) if kind == 4 else (corner_x, corner_y)
        reach = side * share
        tile.pen.ellipse((at_x - reach, at_y - reach, at_x + reach, at_y + reach), fill=colour)
    if kind == 3:
        far_x, far_y = side - corner_x, side - corner_y
        tile.pen.ellipse((far_x - side / 2, far_y - side / 2, far_x + side / 2, far_y + side / 2), fill=mark)
    canvas.image.paste(tile.image, (left, top))


def _waves(canvas: Canvas, colours: list[Colour]) -> None:
    """Bands that roll from top to bottom, under a disc."""
    random = canvas.random
    canvas.gradient((lighter(colours[-1], 0.5), mix(colours[0], WHITE, 0.55)))
    x, y, radius = random.uniform(0.25, 0.75), random.uniform(0.2, 0.34), random.uniform(0.13, 0.2)
    canvas.glow(x, y, radius * 2.4, lighter(colours[1], 0.5), 0.8)
    canvas.oval(colours[1], x, y, radius)
    count = random.randint(6, 9)
    for index in range(count):
        share = index / (count - 1)
        tone = mix(mix(colours[0], colours[2], share), INK, 0.08 + 0.4 * share**2)
        ridge = canvas.wave(0.36 + 0.6 * share, random.uniform(0.03, 0.07), random.uniform(0.7, 1.4))
        canvas.land(ridge, lighter(tone, 0.3), tone, step=0.008)


def _orbs(canvas: Canvas, colours: list[Colour]) -> None:
    """Discs afloat in soft light."""
    random = canvas.random
    dark = darker(colours[0], 0.75)
    canvas.gradient((dark, mix(dark, colours[2], 0.55), mix(colours[1], WHITE, 0.25)))
    for colour in colours[:2]:
        canvas.glow(random.random(), random.random(), random.uniform(0.4, 0.8), colour, 0.75)
    for x, y in canvas.scatter(70, 0, 1):
        canvas.oval(lighter(random.choice(colours), 0.5), x, y, random.uniform(0.002, 0.006))
    for index in range(random.randint(6, 9)):
        colour = colours[index % len(colours)]
        x, y, radius = random.random(), random.uniform(0.1, 0.9), random.uniform(0.05, 0.19)
        canvas.glow(x, y, radius * 1.4, darker(dark, 0.6), 0.5)
        for step in range(6):
            part = step / 6
            shift = radius * part * 0.35 * canvas.unit
            tone = mix(darker(colour, 0.3), lighter(colour, 0.45), part)
            spot_x, spot_y = x - shift / canvas.image.width, y - shift / canvas.image.height
            canvas.oval(tone, spot_x, spot_y, radius * (1 - part * 0.8))

"""The creatures a prompt may name, each drawn one unit high upon its foot."""

from random import Random

from providers.sketch.brush import INK, WHITE, Brush, darker, lighter, mix
from providers.sketch.prompt import Colour

_CREAM: Colour = (250, 240, 224)
_GLOW: Colour = (255, 222, 130)


def _eyes(brush: Brush, x: float, y: float, size: float) -> None:
    for side in (-x, x):
        brush.oval(INK, side, y, size)
        brush.oval(WHITE, side + size * 0.3, y + size * 0.35, size * 0.32)


def cat(brush: Brush, colour: Colour, rng: Random) -> None:
    """A cat that sits and looks at you."""
    dark = darker(colour, 0.35)
    brush.stroke(dark, 0.075, (0.2, 0.06), (0.36, 0.06), (0.43, 0.16), (0.4, 0.28), (0.45, 0.36))
    brush.even(colour, (0, 0.62), (0.13, 0.58), (0.22, 0.34), (0.28, 0.1), (0.22, 0.0), (0, -0.01))
    brush.even(lighter(colour, 0.55), (0, 0.5), (0.08, 0.42), (0.1, 0.22), (0.06, 0.08), (0, 0.05))
    for side in (-1, 1):
        brush.oval(lighter(colour, 0.2), side * 0.1, 0.035, 0.075, 0.045)
        brush.shape(colour, (side * 0.09, 0.9), (side * 0.235, 1.0), (side * 0.245, 0.76))
        brush.shape(mix(colour, (240, 150, 150), 0.6), (side * 0.14, 0.88), (side * 0.215, 0.95), (side * 0.22, 0.8))
    brush.even(colour, (0, 0.92), (0.14, 0.9), (0.25, 0.75), (0.19, 0.6), (0, 0.54))
    brush.even(lighter(colour, 0.6), (0, 0.69), (0.08, 0.64), (0.07, 0.585), (0, 0.56))
    if brush.fine and rng.random() < 0.7:
        for x in (-0.07, 0.0, 0.07):
            brush.stroke(dark, 0.022, (x, 0.9), (x * 0.8, 0.83))
    _eyes(brush, 0.105, 0.745, 0.042)
    brush.shape((222, 110, 120), (-0.03, 0.675), (0.03, 0.675), (0, 0.645))
    if brush.fine:
        for side in (-1, 1):
            brush.stroke(INK, 0.008, (0, 0.645), (side * 0.025, 0.62), (side * 0.05, 0.625))
            for rise in (-0.03, 0.0, 0.03):
                brush.stroke(dark, 0.006, (side * 0.1, 0.645 + rise / 2), (side * 0.3, 0.65 + rise * 1.6))


def dog(brush: Brush, colour: Colour, rng: Random) -> None:
    """A dog that sits, with long ears and a collar."""
    dark, collar = darker(colour, 0.4), rng.choice(((206, 60, 60), (58, 112, 200), (60, 150, 90)))
    brush.stroke(colour, 0.07, (0.2, 0.1), (0.36, 0.16), (0.42, 0.32))
    brush.even(colour, (0, 0.6), (0.17, 0.55), (0.24, 0.3), (0.26, 0.06), (0.2, 0), (0, -0.01))
    brush.even(_CREAM, (0, 0.5), (0.1, 0.42), (0.1, 0.2), (0, 0.12))
    for side in (-1, 1):
        brush.oval(lighter(colour, 0.2), side * 0.11, 0.04, 0.09, 0.05)
    brush.even(collar, (0, 0.58), (0.17, 0.575), (0.19, 0.5), (0, 0.47))
    brush.oval(_GLOW, 0, 0.475, 0.035)
    brush.even(colour, (0, 1.0), (0.16, 0.96), (0.23, 0.8), (0.19, 0.62), (0.1, 0.54), (0, 0.525))
    brush.even(_CREAM, (0, 0.94), (0.045, 0.86), (0.06, 0.74), (0.13, 0.66), (0.1, 0.56), (0, 0.54))
    for side in (-1, 1):
        points = ((0.13, 0.97), (0.25, 0.93), (0.33, 0.72), (0.29, 0.56), (0.22, 0.6), (0.2, 0.8))
        brush.smooth(dark, *((side * x, y) for x, y in points))
    _eyes(brush, 0.11, 0.8, 0.036)
    brush.oval(INK, 0, 0.69, 0.058, 0.04)
    if brush.fine:
        brush.stroke(INK, 0.012, (0, 0.66), (0, 0.62), (0.05, 0.595))
        brush.stroke(INK, 0.012, (0, 0.62), (-0.05, 0.595))
        brush.even((226, 110, 120), (0, 0.6), (0.035, 0.58), (0.03, 0.53), (0, 0.51))


def fox(brush: Brush, colour: Colour, _: Random) -> None:
    """A fox with its brush about its feet."""
    dark = darker(colour, 0.55)
    brush.smooth(colour, (0.1, 0.02), (0.4, 0.02), (0.56, 0.2), (0.5, 0.46), (0.4, 0.3), (0.24, 0.2))
    brush.smooth(_CREAM, (0.5, 0.46), (0.56, 0.3), (0.49, 0.28), (0.43, 0.32))
    brush.even(colour, (0, 0.62), (0.13, 0.56), (0.22, 0.3), (0.24, 0.06), (0.18, 0), (0, -0.01))
    brush.even(_CREAM, (0, 0.56), (0.12, 0.5), (0.1, 0.28), (0, 0.16))
    for side in (-1, 1):
        brush.shape(dark, (side * 0.05, 0.0), (side * 0.15, 0.0), (side * 0.1, 0.22))
        brush.shape(colour, (side * 0.08, 0.86), (side * 0.24, 1.02), (side * 0.26, 0.72))
        brush.shape(dark, (side * 0.15, 0.88), (side * 0.225, 0.96), (side * 0.235, 0.8))
        brush.shape(colour, (0, 0.9), (side * 0.14, 0.9), (side * 0.32, 0.68), (0, 0.48))
        brush.shape(_CREAM, (side * 0.02, 0.64), (side * 0.17, 0.7), (side * 0.32, 0.68), (0, 0.48))
    _eyes(brush, 0.11, 0.755, 0.034)
    brush.oval(INK, 0, 0.51, 0.045, 0.035)


def bird(brush: Brush, colour: Colour, rng: Random) -> None:
    """A bird on the wing."""
    lift = rng.uniform(-0.05, 0.12)
    dark = darker(colour, 0.3)
    brush.smooth(dark, (0.06, 0.5), (0.2, 0.78 + lift), (0.42, 0.98 + lift), (0.3, 0.66), (0.2, 0.46))
    brush.smooth(colour, (-0.62, 0.42), (-0.3, 0.4), (0.1, 0.3), (0.42, 0.44), (0.4, 0.56), (0.2, 0.58), (-0.2, 0.5))
    brush.shape(dark, (-0.48, 0.46), (-0.78, 0.52), (-0.72, 0.36), (-0.46, 0.4))
    brush.smooth(
        lighter(colour, 0.25), (0.2, 0.5), (0.02, 0.82 + lift), (-0.3, 1.0 + lift), (-0.24, 0.68), (-0.06, 0.44)
    )
    brush.oval(colour, 0.42, 0.51, 0.12, 0.11)
    brush.shape((240, 164, 50), (0.52, 0.55), (0.66, 0.49), (0.52, 0.46))
    brush.oval(INK, 0.45, 0.54, 0.022)


def fish(brush: Brush, colour: Colour, rng: Random) -> None:
    """A fish that swims."""
    fin = darker(colour, 0.25)
    brush.smooth(fin, (-0.5, 0.5), (-0.92, 0.86), (-0.82, 0.5), (-0.92, 0.14))
    brush.smooth(fin, (-0.25, 0.74), (0.0, 1.0), (0.3, 0.9), (0.3, 0.7))
    brush.smooth(colour, (-0.62, 0.5), (-0.2, 0.76), (0.25, 0.82), (0.66, 0.52), (0.3, 0.22), (-0.2, 0.24))
    brush.smooth(lighter(colour, 0.35), (-0.4, 0.42), (0.1, 0.4), (0.55, 0.45), (0.25, 0.25), (-0.15, 0.27))
    for x in (-0.22, 0.02, 0.26) if rng.random() < 0.75 else ():
        brush.stroke(lighter(colour, 0.6), 0.055, (x - 0.02, 0.68), (x + 0.03, 0.5), (x - 0.02, 0.34))
    brush.smooth(fin, (0.15, 0.46), (-0.12, 0.4), (-0.16, 0.24), (0.1, 0.34))
    brush.oval(WHITE, 0.46, 0.57, 0.065)
    brush.oval(INK, 0.475, 0.57, 0.036)

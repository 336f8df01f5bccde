"""The pen: colours and shapes in a figure's own units, so that a figure is drawn alike at every size."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from PIL import ImageDraw

from providers.sketch.prompt import Colour

Point = tuple[float, float]
WHITE: Colour = (255, 255, 255)
INK: Colour = (38, 34, 46)


def mix(one: Colour, other: Colour, share: float) -> Colour:
    """One colour with a share (0 to 1) of another."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return red, green, blue


def lighter(colour: Colour, share: float = 0.25) -> Colour:
    """Towards white."""
    return mix(colour, WHITE, share)


def darker(colour: Colour, share: float = 0.25) -> Colour:
    """Towards the night."""
    return mix(colour, INK, share)


@dataclass(frozen=True, slots=True)
class Brush:
    """Draws one figure: (0, 0) is the middle of its foot, y goes up, 1 is its height.

    `fine` is how much detail is worth drawing, 0 to 2.
    """

    pen: ImageDraw.ImageDraw
    x: float
    y: float
    size: float
    mirrored: bool = False
    fine: int = 1

    def at(self, x: float, y: float) -> Point:
        """A point on the canvas."""
        return self.x + (-x if self.mirrored else x) * self.size, self.y - y * self.size

    def shape(self, colour: Colour, *points: Point) -> None:
        """A filled polygon."""
        self.pen.polygon([self.at(*point) for point in points], fill=colour)

    def smooth(self, colour: Colour, *points: Point) -> None:
        """A filled closed curve through the points."""
        self.pen.polygon([self.at(*point) for point in _closed_curve(points)], fill=colour)

    def even(self, colour: Colour, *points: Point) -> None:
        """The same, the points being its right half from top to bottom."""
        half = curve(points)
        self.shape(colour, *half, *((-x, y) for x, y in reversed(half)))

    def oval(self, colour: Colour, x: float, y: float, across: float, down: float | None = None) -> None:
        """A filled ellipse about a middle."""
        middle_x, middle_y = self.at(x, y)
        wide, high = across * self.size, (across if down is None else down) * self.size
        self.pen.ellipse((middle_x - wide, middle_y - high, middle_x + wide, middle_y + high), fill=colour)

    def stroke(self, colour: Colour, width: float, *points: Point) -> None:
        """A smooth line with round ends."""
        thick = max(1, round(width * self.size))
        path = [self.at(*point) for point in (points if len(points) == 2 else curve(points))]
        self.pen.line(path, fill=colour, width=thick, joint="curve")
        for x, y in (path[0], path[-1]) if thick > 2 else ():
            half = thick / 2
            self.pen.ellipse((x - half, y - half, x + half, y + half), fill=colour)


def curve(points: Sequence[Point], steps: int = 8) -> list[Point]:
    """An open smooth path through points."""
    padded = (points[0], *points, points[-1])
    path = [
        spot for quad in zip(padded, padded[1:], padded[2:], padded[3:], strict=False) for spot in _bend(quad, steps)
    ]
    return [*path, points[-1]]


def jagged(points: Sequence[Point], depth: float) -> Iterator[Point]:
    """A path with a tooth in the middle of each part."""
    for index, (one, other) in enumerate(pairwise(points)):
        yield one
        tooth = depth if index % 2 else -depth
        yield (one[0] + other[0]) / 2, (one[1] + other[1]) / 2 + tooth
    yield points[-1]


def ring(count: int, radius: float, *, turn: float = 0.0) -> Iterator[Point]:
    """Points evenly about (0, 0), the first at the top."""
    for index in range(count):
        angle = math.tau * index / count + turn
        yield math.sin(angle) * radius, math.cos(angle) * radius


def _closed_curve(points: Sequence[Point], steps: int = 8) -> list[Point]:
    around = (points[-1], *points, *points[:2])
    quads = zip(around, around[1:], around[2:], around[3:], strict=False)
    return [spot for quad in quads for spot in _bend(quad, steps)]


def _bend(quad: tuple[Point, Point, Point, Point], steps: int) -> Iterator[Point]:
    """The Catmull-Rom arc from the second point to the third."""
    (ax, ay), (bx, by), (cx, cy), (dx, dy) = quad
    for step in range(steps):
        t = step / steps
        p, q, r, s = -t + 2 * t**2 - t**3, 2 - 5 * t**2 + 3 * t**3, t + 4 * t**2 - 3 * t**3, t**3 - t**2
        yield (p * ax + q * bx + r * cx + s * dx) / 2, (p * ay + q * by + r * cy + s * dy) / 2

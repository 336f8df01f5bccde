"""A picture being drawn: larger than it will be, and reduced at the end, so that its edges are smooth."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from random import Random
from typing import cast

from PIL import Image, ImageDraw

from providers.sketch.brush import Brush, Point, mix
from providers.sketch.prompt import Colour

_MOST_PIXELS = 2048 * 2048 * 4
_EDGE = 181  # what Pillow's radial gradient has at the middle of its sides
_LAMP = Image.radial_gradient("L").point([round(255 * max(0, 1 - value / _EDGE) ** 1.6) for value in range(256)])
Ridge = Callable[[float], float]


class Detail(IntEnum):
    """How much is drawn; the value is how many times larger than the result."""

    LOW = 1
    MEDIUM = 2
    HIGH = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Canvas:
    """A sheet; places are shares of its width and height, lengths are shares of its shorter side.

    `random` makes every choice, so that the same seed draws the same picture.
    """

    image: Image.Image
    pen: ImageDraw.ImageDraw
    size: tuple[int, int]
    detail: Detail
    random: Random

    @classmethod
    def blank(cls, size: tuple[int, int], detail: Detail, random: Random, *, clear: bool = False) -> "Canvas":
        """An empty sheet; `clear` makes it transparent."""
        factor = int(detail)
        while factor > 1 and size[0] * size[1] * factor**2 > _MOST_PIXELS:
            factor -= 1
        large = (size[0] * factor, size[1] * factor)
        image = Image.new("RGBA", large, (0, 0, 0, 0)) if clear else Image.new("RGB", large)
        return cls(image=image, pen=ImageDraw.Draw(image), size=size, detail=detail, random=random)

    def finish(self) -> Image.Image:
        """The picture in its true size."""
        factor = self.image.width // self.size[0]
        return self.image if factor == 1 else self.image.reduce(factor)

    @property
    def unit(self) -> int:
        """The shorter side in the sheet's own pixels."""
        return min(self.image.size)

    def at(self, x: float, y: float) -> Point:
        """A place in the sheet's own pixels."""
        return x * self.image.width, y * self.image.height

    def brush(self, x: float, y: float, size: float, *, mirrored: bool = False) -> Brush:
        """A brush for a figure that stands at a place."""
        return Brush(self.pen, *self.at(x, y), size * self.unit, mirrored, fine=int(self.detail) - 1)

    def some(self, number: float) -> range:
        """As many as the detail is worth: about a third, all, one and a half times."""
        return range(round(number * (0.35, 1, 1.5)[int(self.detail) - 1]))

    def colour(self, x: float, y: float) -> Colour:
        """What is painted at a place so far."""
        (at_x, at_y), (width, height) = self.at(x, y), self.image.size
        red, green, blue = cast("Colour", self.image.getpixel((min(int(at_x), width - 1), min(int(at_y), height - 1))))
        return red, green, blue

    def gradient(self, stops: Sequence[Colour], top: float = 0.0, bottom: float = 1.0) -> None:
        """Fills from edge to edge with colours that run into each other, top to bottom."""
        width, first = self.image.width, round(top * self.image.height)
        height = max(1, round(bottom * self.image.height) - first)
        for row in range(height):
            spot = row / height * (len(stops) - 1)
            colour = mix(stops[int(spot)], stops[min(int(spot) + 1, len(stops) - 1)], spot % 1)
            self.pen.rectangle((0, first + row, width, first + row), fill=colour)

    def glow(self, x: float, y: float, radius: float, colour: Colour, strength: float) -> None:
        """Soft light about a place."""
        middle_x, middle_y = map(round, self.at(x, y))
        reach = max(1, round(radius * self.unit))
        left, top = max(0, middle_x - reach), max(0, middle_y - reach)
        right, bottom = min(self.image.width, middle_x + reach), min(self.image.height, middle_y + reach)
        if left >= right or top >= bottom:
            return
        scale = _LAMP.width / (2 * reach)
        across = [(edge - middle_x + reach) * scale for edge in (left, right)]
        down = [(edge - middle_y + reach) * scale for edge in (top, bottom)]
        mask = _LAMP.point([round(value * strength) for value in range(256)])
        shown = (across[0], down[0], across[1], down[1])
        lamp = mask.resize((right - left, bottom - top), Image.Resampling.BILINEAR, box=shown)
        self.image.paste(colour, (left, top), lamp)

    def oval(self, colour: Colour, x: float, y: float, radius: float, squash: float = 1.0) -> None:
        """A disc, or one pressed flat."""
        middle_x, middle_y = self.at(x, y)
        wide, high = radius * self.unit, radius * self.unit * squash
        self.pen.ellipse((middle_x - wide, middle_y - high, middle_x + wide, middle_y + high), fill=colour)

    def dash(self, colour: Colour, x: float, y: float, length: float, width: float) -> None:
        """A short level line with its middle at a place."""
        middle_x, middle_y = self.at(x, y)
        half, thick = length * self.unit / 2, max(1.0, width * self.unit) / 2
        box = (middle_x - half, middle_y - thick, middle_x + half, middle_y + thick)
        self.pen.rounded_rectangle(box, thick, fill=colour)

    def land(self, ridge: Ridge, *colours: Colour, step: float = 0.05) -> None:
        """Everything below a ridge; each further colour starts one step lower."""
        width, height = self.image.size
        places = [index / 96 for index in range(97)]
        for index, colour in enumerate(colours):
            path = [(x * width, (ridge(x) + index * step) * height) for x in places]
            self.pen.polygon([*path, (width, height), (0, height)], fill=colour)

    def wave(self, level: float, height: float, length: float) -> Ridge:
        """A rolling ridge about a level; `length` is in widths."""
        waves = [
            (height / part, math.tau * part / length * self.random.uniform(0.8, 1.2), self.random.uniform(0, math.tau))
            for part in (1, 1.9, 3.1)
        ]
        return lambda x: level + sum(rise * math.sin(speed * x + phase) for rise, speed, phase in waves) / 1.8

    def scatter(self, number: float, top: float, bottom: float) -> Iterator[Point]:
        """Places anywhere between two levels, from far to near."""
        levels = sorted(self.random.uniform(top, bottom) for _ in self.some(number))
        return ((self.random.random(), level) for level in levels)

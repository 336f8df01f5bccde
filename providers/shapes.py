"""How a size is asked for: from a list or a grid, by words, by ratio. Nearest ratio first, then nearest area."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

_SAME_RATIO = 0.01  # the logarithm of two ratios' quotient below which they count as one


@dataclass(frozen=True, slots=True)
class Shape:
    """The form of a picture: pixels, or only a ratio (width / height) where `width` and `height` are 0."""

    width: int = 0
    height: int = 0
    aspect: float = 0.0

    @property
    def ratio(self) -> float:
        """Width divided by height."""
        return self.width / self.height if self.height else self.aspect

    def __str__(self) -> str:
        return f"{self.width}x{self.height}" if self.height else f"{self.aspect:.4g}:1"


@dataclass(frozen=True, slots=True)
class Fit:
    """What a rule makes of a value: the fields to send, and why they differ from what was asked (None: exact)."""

    fields: Mapping[str, Any]
    reason: str | None = None


Name = str | tuple[str, str]
"""Where a size goes: one field that says `WxH`, or one for the width and one for the height."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """A closed list of sizes: the nearest ratio first, then the nearest area."""

    name: Name
    sizes: tuple[tuple[int, int], ...]

    def __call__(self, value: Shape) -> Fit:
        nearest = _nearest(self.sizes, value)
        legal = " ".join(f"{w}x{h}" for w, h in self.sizes)
        return Fit(_spelled(self.name, nearest), None if _exact(nearest, value) else f"the model draws {legal}")


@dataclass(frozen=True, slots=True)
class Named:
    """A closed list of sizes that the backend knows by words, such as `square_hd`."""

    name: str
    words: Mapping[tuple[int, int], str]

    def __call__(self, value: Shape) -> Fit:
        nearest = _nearest(tuple(self.words), value)
        legal = " ".join(f"{w}x{h}" for w, h in self.words)
        return Fit({self.name: self.words[nearest]}, None if _exact(nearest, value) else f"the model draws {legal}")


@dataclass(frozen=True, slots=True)
class Ratios:
    """A closed list of aspect ratios, such as `16:9`; the backend decides on the pixels."""

    name: str
    ratios: tuple[str, ...]

    def __call__(self, value: Shape) -> Fit:
        nearest = min(self.ratios, key=lambda ratio: abs(math.log(_parsed(ratio) / value.ratio)))
        same = abs(math.log(_parsed(nearest) / value.ratio)) <= _SAME_RATIO
        exact = same and not value.height
        return Fit({self.name: nearest}, None if exact else f"the model takes a ratio of {' '.join(self.ratios)}")


@dataclass(frozen=True, slots=True)
class Tiered:
    """An aspect ratio, and where pixels are asked the word for so many: `words` are of rising most pixels."""

    ratios: Ratios
    name: str
    words: Mapping[str, int]

    def __call__(self, value: Shape) -> Fit:
        fit = self.ratios(value)
        if not value.height:
            return fit
        fitting = (word for word, most in self.words.items() if value.width * value.height <= most)
        return Fit({**fit.fields, self.name: next(fitting, list(self.words)[-1])}, fit.reason)


@dataclass(frozen=True, slots=True)
class Grid:
    """Any size on a grid: sides in multiples of `step`, within bounds of side, area and ratio."""

    name: Name
    step: int
    longest: int
    area: tuple[int, int]
    ratio: float
    shortest: int = 0

    def __call__(self, value: Shape) -> Fit:
        nearest = self._nearest(value)
        return Fit(_spelled(self.name, nearest), None if _exact(nearest, value) else self._law())

    def _nearest(self, value: Shape) -> tuple[int, int]:
        asked = (value.width, value.height)
        if not (asked[0] % self.step or asked[1] % self.step) and self._legal(asked):
            return asked  # the search below cannot tell 1001x1000 from 1000x1001
        wanted = value.width * value.height or 1 << 20
        ratio = min(max(value.ratio, 1 / self.ratio), self.ratio)
        area = min(max(wanted, self.area[0]), self.area[1])
        width = min(math.sqrt(area * ratio), self.longest, self.longest * ratio)
        width = max(width, self.shortest, self.shortest * ratio)
        across, down = width / self.step, width / ratio / self.step
        near = [(x * self.step, y * self.step) for x in _around(across) for y in _around(down)]
        legal = [*filter(self._legal, near)] or [*filter(self._legal, (self._narrowed(*size) for size in near))]
        return min(legal, key=lambda size: _distance(size, ratio, area, self.step / min(size)))

    def _narrowed(self, width: int, height: int) -> tuple[int, int]:
        """A size whose long side is cut to the utmost ratio: one step of the short side is many of the long one."""
        most_across, most_down = (math.floor(side * self.ratio / self.step) * self.step for side in (height, width))
        return min(width, most_across), min(height, most_down)

    def _legal(self, size: tuple[int, int]) -> bool:
        width, height = size
        return (
            min(size) >= max(self.shortest, 1)
            and max(size) <= self.longest
            and max(size) <= min(size) * self.ratio
            and self.area[0] <= width * height <= self.area[1]
        )

    def _law(self) -> str:
        least = f" from {self.shortest}" if self.shortest else ""
        return (
            f"sides must be multiples of {self.step}{least} up to {self.longest}, "
            f"{self.area[0]} to {self.area[1]} pixels, at most {self.ratio:g}:1"
        )


@dataclass(frozen=True, slots=True)
class Either:
    """Two rules for a size: the first where it is exact, or else the second."""

    first: Callable[[Shape], Fit]
    second: Callable[[Shape], Fit]

    def __call__(self, value: Shape) -> Fit:
        fit = self.first(value)
        return fit if fit.reason is None else self.second(value)


@dataclass(frozen=True, slots=True)
class AnySize:
    """Whatever size is asked; a mere ratio becomes about a megapixel, in steps of 16."""

    name: Name

    def __call__(self, value: Shape) -> Fit:
        if value.height:
            return Fit(_spelled(self.name, (value.width, value.height)))
        height = math.sqrt((1 << 20) / value.ratio)
        width, height = (max(round(side / 16), 1) * 16 for side in (height * value.ratio, height))
        return Fit(_spelled(self.name, (width, height)))


def _spelled(name: Name, size: tuple[int, int]) -> Mapping[str, Any]:
    if isinstance(name, str):
        return {name: f"{size[0]}x{size[1]}"}
    return dict(zip(name, size, strict=True))


def _parsed(ratio: str) -> float:
    width, _, height = ratio.partition(":")
    return float(width) / float(height)


def _nearest(sizes: tuple[tuple[int, int], ...], value: Shape) -> tuple[int, int]:
    area = value.width * value.height or 1 << 20
    return min(sizes, key=lambda size: _distance(size, value.ratio, area))


def _around(side: float) -> Iterable[int]:
    """Whole steps near a side, wide enough that one of them is legal at every edge of the bounds."""
    return range(math.floor(side) - 1, math.ceil(side) + 2)


def _exact(size: tuple[int, int], asked: Shape) -> bool:
    """Whether nothing was lost: the pixels asked, or where only a ratio was asked, that ratio within a percent."""
    return size == (asked.width, asked.height) if asked.height else _distance(size, asked.ratio, 1)[0] <= 1


def _distance(size: tuple[int, int], ratio: float, area: float, grain: float = _SAME_RATIO) -> tuple[float, float]:
    """How far a size is from a ratio, in whole grains below which ratios count as equal, and then from an area."""
    width, height = size
    return round(abs(math.log(width / height / ratio)) / grain), abs(math.log(width * height / area))

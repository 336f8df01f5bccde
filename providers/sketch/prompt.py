"""Reads what a prompt asks to see: figures, a place, an hour, the weather, colours."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

T = TypeVar("T")
Colour = tuple[int, int, int]

_COLOURS: Mapping[str, Colour] = {
    "red": (214, 58, 52),
    "crimson": (176, 28, 54),
    "orange": (240, 138, 44),
    "amber": (245, 176, 50),
    "yellow": (250, 207, 70),
    "golden": (232, 180, 60),
    "gold": (232, 180, 60),
    "green": (72, 152, 84),
    "olive": (128, 132, 62),
    "teal": (36, 140, 140),
    "turquoise": (64, 196, 190),
    "cyan": (60, 190, 215),
    "blue": (58, 112, 200),
    "navy": (34, 54, 104),
    "indigo": (74, 66, 156),
    "purple": (126, 72, 164),
    "violet": (146, 96, 196),
    "lavender": (184, 164, 222),
    "magenta": (206, 60, 148),
    "pink": (242, 148, 180),
    "brown": (132, 88, 58),
    "beige": (226, 208, 176),
    "cream": (246, 236, 210),
    "white": (246, 246, 242),
    "silver": (192, 198, 206),
    "grey": (138, 142, 150),
    "gray": (138, 142, 150),
    "black": (42, 42, 50),
}


def _by_word(**lists: str) -> Mapping[str, str]:
    return {word: name for name, words in lists.items() for word in words.split()}


_FIGURES = _by_word(
    cat="cat kitten kitty tomcat feline",
    dog="dog puppy hound terrier corgi",
    fox="fox vixen",
    house="house home cottage cabin hut barn villa",
    tree="tree oak maple apple",
    pine="pine fir spruce conifer",
    mountain="peak volcano",
    boat="boat ship sailboat yacht sail",
    flower="flower rose tulip daisy poppy sunflower blossom",
    kite="kite",
    lighthouse="lighthouse beacon",
    bird="bird gull seagull eagle swallow",
    fish="fish goldfish salmon",
    balloon="balloon airship",
    rocket="rocket spaceship spacecraft",
    planet="planet saturn jupiter",
    heart="heart love valentine",
    star="star",
)
_PLACES = _by_word(
    sea="sea ocean beach coast shore harbour harbor bay lake island wave",
    mountains="mountain alps alpine summit cliff glacier valley",
    hills="hill meadow field garden park countryside farm grass landscape",
    forest="forest wood woodland jungle grove",
    city="city skyline town street downtown skyscraper building tower",
    desert="desert dune sahara sand",
    deep="underwater reef aquarium coral",
    space="space galaxy cosmos nebula universe orbit",
)
_TIMES = _by_word(
    day="day noon morning sun sunny daylight",
    dusk="sunset sunrise dusk evening twilight",
    dawn="dawn daybreak",
    night="night midnight moon moonlight moonlit starry nocturnal dark",
)
_WEATHER = _by_word(snow="snow snowy winter snowfall blizzard", rain="rain rainy storm", clear="cloudless clear")
_COUNTS: Mapping[str, int] = {"two": 2, "pair": 2, "couple": 2, "three": 3, "several": 4, "four": 4, "five": 5}
_HOMES = {
    "boat": "sea",
    "lighthouse": "sea",
    "fish": "deep",
    "rocket": "space",
    "planet": "space",
    "mountain": "mountains",
}
_ONE_THING = frozenset({*((name, name) for name in _FIGURES.values()), ("pine", "tree")})  # "an oak tree"
_MOST_FIGURES = 6
_COLOUR_REACH = 2  # "a red and shiny kite": words between a colour and what it colours


@dataclass(frozen=True, slots=True)
class Figure:
    """One thing to draw; `colour` is None where the prompt leaves it open."""

    name: str
    colour: Colour | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """All that a prompt asks to see. Without figures and place, the picture is an abstract one."""

    figures: tuple[Figure, ...] = ()
    place: str | None = None
    time: str | None = None
    weather: str | None = None
    sky: Colour | None = None
    ground: Colour | None = None
    colours: tuple[Colour, ...] = ()

    @property
    def abstract(self) -> bool:
        """Whether the prompt names nothing that can be drawn."""
        return not (self.figures or self.place or self.time or self.weather or self.sky)

    @property
    def home(self) -> str:
        """Where the scene is: as asked, or where the first figure lives."""
        return self.place or next((_HOMES[figure.name] for figure in self.figures if figure.name in _HOMES), "hills")


def read(prompt: str) -> Wish:
    """The wish in a prompt; a colour belongs to the thing named just after it."""
    figures: list[Figure] = []
    colours: list[Colour] = []
    said: dict[str, Any] = {}
    colour: Colour | None = None
    age, count, last = 0, 1, ""
    for word in re.findall(r"[a-z]+", prompt[:4000].lower()):
        age += 1
        if (named := _look(word, _COLOURS)) is not None:
            colour, age = named, 0
            colours.append(named)
            continue
        count = _COUNTS.get(word, count)
        near = colour if age <= _COLOUR_REACH else None
        name = _look(word, _FIGURES)
        if name is not None and (last, name) not in _ONE_THING:
            plural = word not in _FIGURES and count == 1
            figures += [Figure(name, near)] * (3 if plural else count)
            colour, count = None, 1
        last = name or ""
        for kind, words in (("place", _PLACES), ("time", _TIMES), ("weather", _WEATHER)):
            if (found := _look(word, words)) is not None:
                said.setdefault(kind, found)
                if kind == "place" and near is not None:
                    said.setdefault("ground", near)
        if word == "sky" and near is not None:
            said.setdefault("sky", near)
    return Wish(figures=tuple(figures[:_MOST_FIGURES]), colours=tuple(dict.fromkeys(colours)), **said)


def _look(word: str, words: Mapping[str, T]) -> T | None:
    """A word in a list, in the singular too."""
    for form in (word, word.removesuffix("s"), word.removesuffix("es")):
        if form in words:
            return words[form]
    return None

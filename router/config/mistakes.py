"""What is wrong with a file, in sentences that name the place and the remedy."""

import difflib
from collections.abc import Iterable
from dataclasses import dataclass

Place = tuple[str | int, ...]
"""The way to a value in a file: keys and list positions."""

_LONGEST_QUOTE = 60


@dataclass(frozen=True, slots=True)
class Mistake:
    """One mistake or warning. `line` and `column` count from 1; 0 where it concerns the whole file."""

    file: str
    line: int
    column: int
    where: str
    message: str

    def __str__(self) -> str:
        position = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        return ": ".join(filter(None, (position, self.where, self.message)))


class ConfigError(Exception):
    """A file that cannot be used, with every mistake in it."""

    def __init__(self, mistakes: Iterable[Mistake]) -> None:
        self.mistakes = in_order(mistakes)
        super().__init__("\n".join(map(str, self.mistakes)))


def in_order(mistakes: Iterable[Mistake]) -> tuple[Mistake, ...]:
    """Mistakes as a reader meets them, each once."""
    unique = dict.fromkeys(mistakes)
    return tuple(sorted(unique, key=lambda mistake: (mistake.file, mistake.line, mistake.column, mistake.message)))


def spell(place: Place) -> str:
    """A place as people write it: `models.flux.chain[1]`."""
    text = ""
    for part in place:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return _printable(text)


def quoted(text: str) -> str:
    """Text in quotes, shortened where it is long."""
    shown = _printable(text[:_LONGEST_QUOTE])
    return f"'{shown}'" if len(text) <= _LONGEST_QUOTE else f"'{shown}...'"


def _printable(text: str) -> str:
    """Text that cannot break a line of a log."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def suggestion(word: str, known: Iterable[str]) -> str:
    """` (did you mean 'x'?)`, or nothing where no known word is near."""
    near = difflib.get_close_matches(word, list(known), n=1)
    return f" (did you mean {quoted(near[0])}?)" if near else ""


def listed(words: Iterable[str]) -> str:
    """Words in a row: `a, b or c`."""
    *first, last = words
    return f"{', '.join(first)} or {last}" if first else last

"""Names of stored pictures: when they may go, whose they are, and an id that nobody guesses."""

import hashlib
import re
import secrets
from dataclasses import dataclass
from typing import Self

HOUR = 3600
CLOCK_SKEW = 60
"""Seconds that the clocks of two machines may differ."""

MEDIA_TYPES = {"png": "image/png", "jpg": "image/jpeg", "webp": "image/webp", "gif": "image/gif"}
"""By extension: every kind of picture that is stored and served, and never anything that could hold a script."""

_EXTENSIONS = {media_type: extension for extension, media_type in MEDIA_TYPES.items()}
_NAME = re.compile(rf"([0-9]{{1,7}})/([0-9a-f]{{16}})/([0-9a-f]{{32}})\.({'|'.join(MEDIA_TYPES)})")
_HOUR = re.compile(r"[0-9]{1,7}")
_KEPT = re.compile(r"[0-9]{1,7}/answers/[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class PictureName:
    """The name of a stored picture; as text `<hour>/<owner>/<id>.<extension>`.

    `hour` counts from 1970 and is the one in which the picture's promised life ends, so that what has expired is found
    by its folder. `owner` is a digest: a link tells nobody who asked for the picture.
    """

    hour: int
    owner: str
    id: str
    extension: str

    @classmethod
    def new(cls, owner: str, media_type: str, until: float) -> Self:
        """A fresh name.

        Raises:
            ValueError: pictures of this kind are not stored.
        """
        if media_type not in _EXTENSIONS:
            raise ValueError(f"{media_type!r} is no kind of picture that is stored: give one of {list(_EXTENSIONS)}")
        return cls(int(until // HOUR), owner_digest(owner), secrets.token_hex(16), _EXTENSIONS[media_type])

    @classmethod
    def read(cls, text: str) -> Self | None:
        """The name in a text; None where it is no name of ours."""
        found = _NAME.fullmatch(text)
        return cls(int(found[1]), found[2], found[3], found[4]) if found else None

    def __str__(self) -> str:
        return f"{self.hour}/{self.owner}/{self.file}"

    @property
    def file(self) -> str:
        """The last part, which a browser saves it under."""
        return f"{self.id}.{self.extension}"

    @property
    def media_type(self) -> str:
        """What kind of picture it is."""
        return MEDIA_TYPES[self.extension]

    @property
    def kept_until(self) -> int:
        """The second up to which the picture is surely there."""
        return (self.hour + 1) * HOUR


def kept_name(until: float) -> str:
    """A fresh name for what is kept beside the pictures. It is no picture's name, so that no link can open it."""
    return f"{int(until // HOUR)}/answers/{secrets.token_hex(16)}"


def is_ours(name: str) -> bool:
    """Whether a file in the store was put there by a router."""
    return PictureName.read(name) is not None or _KEPT.fullmatch(name) is not None


def owner_digest(owner: str) -> str:
    """What a name holds of its owner."""
    return hashlib.sha256(owner.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def is_over(folder: str, now: float) -> bool:
    """Whether all pictures in a folder have expired, for everybody's clock. A folder not named by an hour never has."""
    return _HOUR.fullmatch(folder) is not None and (int(folder) + 1) * HOUR + CLOCK_SKEW <= now

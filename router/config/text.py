"""A file to its text, or to what keeps it from being read."""

from collections.abc import Callable
from pathlib import Path

from router.config.mistakes import ConfigError, Mistake

MAX_BYTES = 4 << 20
MISSING = "no such file: check the path"

Reader = Callable[[Path], str]
"""What gives the text of a file, or raises `ConfigError`."""


def read_text(path: Path) -> str:
    """A file's text.

    Raises:
        ConfigError: it is not there, too large, or no UTF-8.
    """
    file = str(path)
    try:
        with path.open("rb") as opened:
            raw = opened.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise ConfigError([Mistake(file, 0, 0, "", MISSING)]) from None
    except OSError as error:
        raise ConfigError([Mistake(file, 0, 0, "", f"cannot be read ({error.strerror}): check the path")]) from None
    if len(raw) > MAX_BYTES:
        raise ConfigError([Mistake(file, 0, 0, "", "larger than 4MiB: no config is, so check the path")])
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = raw[: error.start].decode("utf-8-sig", "replace")
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
        raise ConfigError([Mistake(file, line, column, "", "not UTF-8: save the file in that encoding")]) from None

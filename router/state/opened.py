"""The store that the configuration names by a URL."""

from pathlib import Path
from urllib.parse import unquote, urlsplit

from router.config import states
from router.state.base import StateStore
from router.state.degrading import DegradingStore, OnAnswer, OnChange, unheard, untimed
from router.state.memory import MemoryStore


def open_state(
    url: str, on_change: OnChange | None = None, on_answer: OnAnswer | None = None
) -> MemoryStore | DegradingStore:
    """The store named by `url`, ready at once: a shared one is connected to at the first call, and may be lost.

    Args:
        url: `memory`, `sqlite:///path`, or the URL of a Redis or Valkey.
        on_change: hears whether a shared store is up, and why, each time that changes.
        on_answer: hears how long each question to a shared store took.

    Raises:
        ValueError: no store can be made of `url`. The message does not repeat it, as it may hold a password.
    """
    if url == states.MEMORY:
        return MemoryStore()
    scheme = url.partition("://")[0]
    if scheme == states.SQLITE:
        shared = _sqlite(url)
    elif states.known(url):
        shared = _redis(states.REDIS[scheme] + url.removeprefix(scheme))
    else:
        raise ValueError(f"The state is none of the stores there are: write {states.FORMS}.")
    return DegradingStore(shared, on_change or unheard, on_answer=on_answer or untimed)


def _sqlite(url: str) -> StateStore:
    parts = urlsplit(url)
    if parts.netloc or parts.query or len(parts.path) < 2 or parts.path.endswith("/"):
        raise ValueError(f"The state '{url}' names no file: write 'sqlite:///' and the file's path from the root.")
    # Only here: one process on one machine does without.
    from router.state.sqlite import SqliteStore  # noqa: PLC0415 - said above

    path = Path("/" + unquote(parts.path).lstrip("/"))
    if path.is_dir():
        raise ValueError(f"The state '{url}' names a directory: add the name of a file in it.")
    return SqliteStore(path)


def _redis(url: str) -> StateStore:
    try:
        # Only here: the library is an extra that one process and one machine do without.
        from router.state.redis import RedisStore  # noqa: PLC0415 - said above
    except ImportError:
        raise ValueError(
            "The state is in Redis, and its client is not installed: install 'image-router[redis]'."
        ) from None
    try:
        return RedisStore(url)
    except ValueError:
        raise ValueError(
            "The state's Redis URL cannot be read: write 'redis://user:password@host:6379/0', with every special "
            "character of the password percent-encoded, and only options that redis-py has."
        ) from None

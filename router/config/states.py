"""The names that a shared state may have: known to who reads a configuration, and to who opens the state."""

from collections.abc import Mapping

MEMORY = "memory"
SQLITE = "sqlite"
REDIS: Mapping[str, str] = {
    "redis": "redis",
    "rediss": "rediss",
    "valkey": "redis",
    "valkeys": "rediss",
    "unix": "unix",
}
"""The schemes of a Redis or Valkey, each as its client has it."""

FORMS = "'memory', 'sqlite:///path/to/file', 'redis://host:6379/0', 'rediss://…' with TLS, or 'unix:///path/to/socket'"


def known(url: str) -> bool:
    """Whether it is written as one of these. The file or host may still not be there."""
    scheme, stands, place = url.partition("://")
    return url == MEMORY or (scheme == SQLITE and place.startswith("/")) or (scheme in REDIS and bool(stands))

"""Where the files that come with the router are: beside the code in a source tree, within it when installed."""

from pathlib import Path

_PACKAGE = Path(__file__).parent
_INSTALLED = _PACKAGE / "_shipped"
_SOURCE = _PACKAGE.parent / "config"


def path(name: str = "") -> Path:
    """A shipped file or directory, such as `router.yaml` or `catalog`."""
    return (_INSTALLED if _INSTALLED.is_dir() else _SOURCE) / name

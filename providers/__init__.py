"""Adapters by kind: the file name is the kind, and a dotted kind is any installed module with an `adapter`."""

import importlib
import pkgutil
from functools import cache

from providers.base import Adapter

_SHARED = frozenset({
    "answers",
    "auth",
    "base",
    "cargo",
    "dialect",
    "errors",
    "http",
    "images_api",
    "self_hosted",
    "shapes",
    "stable_image",
})  # fmt: skip
"""Modules beside the adapters that are none."""


@cache
def kinds() -> tuple[str, ...]:
    """The kinds that come with the router, in order."""
    return tuple(sorted(module.name for module in pkgutil.iter_modules(__path__) if module.name not in _SHARED))


@cache
def load(kind: str) -> Adapter:
    """The adapter of a kind.

    Raises:
        LookupError: there is no such kind; the text says what to write instead.
    """
    dotted = "." in kind
    if not dotted and kind not in kinds():
        raise LookupError(
            f"kind '{kind}' is unknown; use one of {', '.join(kinds())}, or the dotted name of an installed module",
        )
    try:
        module = importlib.import_module(kind if dotted else f"providers.{kind}")
    except (ImportError, TypeError) as error:
        raise LookupError(f"kind '{kind}' cannot be imported: {error}; install the module that holds it") from error
    adapter = getattr(module, "adapter", None)
    if not isinstance(adapter, Adapter):
        raise LookupError(f"kind '{kind}' has no adapter; its module must set `adapter = Adapter(...)`")  # noqa: TRY004 - a kind is looked up
    return adapter

"""Fills `${NAME}`, `${NAME:-default}` and `${file:PATH}` into the values of a tree. `$$` is a dollar.

They are filled in after the YAML is read, so what an environment or a file holds can never change the structure.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from router.config.mistakes import Mistake, quoted
from router.config.nodes import Node

MAX_FILE = 64 * 1024

_REFERENCE = re.compile(r"\$\$|\$\{([^{}]*)\}?")
_NAME = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(:-(.*))?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Unset:
    """A value whose reference leads nowhere: why, and what to do. An error or a warning, by who needs the value."""

    node: Node
    why: str
    remedy: str


class _Nowhere(Exception):  # noqa: N818 - becomes an `Unset`
    """A reference to what is not there: why, and what to do."""


class _Malformed(Exception):  # noqa: N818 - becomes a mistake
    """No reference at all."""


def fill(
    tree: Node,
    file: str,
    environ: Mapping[str, str],
    directory: Path,
    named: set[Path],
) -> tuple[list[Mistake], list[Unset]]:
    """Fill in every reference; returns the malformed ones and those that lead nowhere, whose nodes are broken then.

    The files that references name are added to `named`.
    """
    mistakes = []
    unset = []
    for node in tree.walk():
        if node.broken or not isinstance(node.value, str) or "$" not in node.value:
            continue
        try:
            node.value = _REFERENCE.sub(lambda found: _filled(found, environ, directory, named), node.value)
        except _Malformed as error:
            node.broken = True
            mistakes.append(node.mistake(file, str(error)))
        except _Nowhere as error:
            node.broken = True
            unset.append(Unset(node, *error.args))
    return mistakes, unset


def stands_there(node: Node, environ: Mapping[str, str]) -> bool:
    """Whether all of a value stands in the file itself: there is no reference, or only the default of one."""
    return all(_by_default(found.group(1), environ) for found in _REFERENCE.finditer(node.text) if found.group(1))


def _by_default(inner: str, environ: Mapping[str, str]) -> bool:
    name = None if inner.startswith("file:") else _NAME.fullmatch(inner)
    return name is not None and name.group(2) is not None and not environ.get(name.group(1))


def _filled(found: re.Match[str], environ: Mapping[str, str], directory: Path, named: set[Path]) -> str:
    whole, inner = found.group(), found.group(1)
    if whole == "$$":
        return "$"
    if whole.endswith("}") and inner.startswith("file:") and inner != "file:":
        named.add(directory / inner.removeprefix("file:"))
        return _read(directory / inner.removeprefix("file:"), inner.removeprefix("file:"))
    name = _NAME.fullmatch(inner)
    if name is None or not whole.endswith("}"):
        raise _Malformed(
            f"{quoted(whole)} is no reference: write ${{NAME}}, ${{NAME:-default}} or ${{file:PATH}}, "
            "and $$ for a dollar",
        )
    value = environ.get(name.group(1), "")
    if value:
        return value
    if name.group(2) is not None:
        return name.group(3)
    state = "empty" if name.group(1) in environ else "not set"
    remedy = f"set it, or give a default as in ${{{name.group(1)}:-default}}"
    raise _Nowhere(f"the environment variable {quoted(name.group(1))} is {state}", remedy)


def _read(path: Path, name: str) -> str:
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_FILE + 1)
        text = raw.decode().strip("\r\n")
    except UnicodeDecodeError:
        raise _Nowhere(f"the file {quoted(name)} is not UTF-8", "write the value into it as text") from None
    except (OSError, ValueError) as error:  # a path with a NUL is a ValueError
        why = getattr(error, "strerror", None) or "no path"
        raise _Nowhere(f"the file {quoted(name)} cannot be read ({why})", "create it, or correct the path") from None
    if len(raw) > MAX_FILE:
        raise _Nowhere(f"the file {quoted(name)} is larger than 64KiB", "name a file that holds one value")
    if not text:
        raise _Nowhere(f"the file {quoted(name)} is empty", "write the value into it")
    return text

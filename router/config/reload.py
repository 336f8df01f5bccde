"""Watches the configuration's files and takes up what changed: whole, or not at all."""

import asyncio
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from router.config.load import ConfigError, Loaded, load
from router.config.mistakes import Mistake

# Files are looked at, not waited for: this sees what a link leads to, as Kubernetes swaps links, and network drives.
_EVERY = 0.5  # seconds
_TRIES = 5  # readings of a file that is being written
_PAUSE = 0.05  # seconds between them


@dataclass(frozen=True, slots=True)
class Reload:
    """How one look at the files ended. Mistakes mean that nothing changed."""

    version: str
    changed: bool = False
    mistakes: tuple[Mistake, ...] = ()
    warnings: tuple[Mistake, ...] = ()

    @property
    def good(self) -> bool:
        """Whether what is on disk is what is served."""
        return not self.mistakes


class Reloader:
    """Keeps what is served in step with its files.

    Args:
        file: the configuration.
        environ: what its references are filled from.
        loaded: what is served now.
        apply: takes up another; a `ValueError` says in its words why that cannot be served.
        observe: is told of every look that found something.
    """

    def __init__(
        self,
        file: Path,
        environ: Mapping[str, str],
        loaded: Loaded,
        apply: Callable[[Loaded], None],
        observe: Callable[[Reload], None],
    ) -> None:
        self.loaded = loaded
        self.last: Reload | None = None
        self._file = file
        self._environ = environ
        self._apply = apply
        self._observe = observe
        self._one_at_a_time = asyncio.Lock()
        self._seen = _stamps(self._watched)

    async def once(self) -> Reload:
        """Look at the files now, and take up what is there."""
        async with self._one_at_a_time:
            done = await self._read()
        if done.changed or not done.good or (self.last is not None and not self.last.good):
            self._observe(done)
        self.last = done
        return done

    async def run(self) -> None:
        """Look whenever a file changes, for as long as the router runs."""
        while True:
            await asyncio.sleep(_EVERY)
            if await asyncio.to_thread(_stamps, self._watched) != self._seen:
                await self.once()

    async def _read(self) -> Reload:
        for _ in range(_TRIES):
            self._seen = _stamps(self._watched)
            try:
                found = await asyncio.to_thread(load, self._file, self._environ)
            except ConfigError as error:
                result = Reload(self.loaded.text_hash, mistakes=tuple(error.mistakes))
                await asyncio.sleep(_PAUSE)
                if _stamps(self._watched) == self._seen:
                    return result
            else:
                return self._take(found)
        return result

    def _take(self, found: Loaded) -> Reload:
        if found.same(self.loaded):
            return Reload(found.text_hash, warnings=found.warnings)
        try:
            self._apply(found)
        except ValueError as why:
            mistake = Mistake(str(self._file), 1, 1, "", str(why))
            return Reload(self.loaded.text_hash, mistakes=(mistake,))
        self.loaded = found
        return Reload(found.text_hash, changed=True, warnings=found.warnings)

    @property
    def _watched(self) -> frozenset[Path]:
        return self.loaded.files | {self._file}


def _stamps(files: frozenset[Path]) -> Mapping[Path, tuple[int, int, int] | None]:
    return {file: _stamp(file) for file in files}


def _stamp(file: Path) -> tuple[int, int, int] | None:
    try:
        found = os.stat(file)  # noqa: PTH116 - of what a link leads to
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino

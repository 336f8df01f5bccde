"""What a process serves: the configuration on disk, or the last good one where that has mistakes."""

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from router import shipped
from router.catalog import load_catalog
from router.config.keys import loopback, refusal
from router.config.last_good import LastGood, NotKept
from router.config.load import ConfigError, Loaded, Mistake, load
from router.config.model import Secret
from router.config.reload import Reload, Reloader
from router.images.store import StoreFailed
from router.observe import logs
from router.service import Service
from router.tracing.start import NotInstalled, start


class CannotServe(Exception):  # noqa: N818 - named as what happens
    """A configuration without mistakes that cannot be served here, and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where a process finds its configuration.

    Args:
        file: the configuration; None for the one shipped.
        strict: whether a file with mistakes is an error, whatever was good before.
        state_dir: where the last good one is kept, if not where the file or the system says.
        state: what workers share where the configuration has them share nothing.
    """

    file: Path | None
    strict: bool
    state_dir: Path | None = None
    state: str | None = None

    @property
    def path(self) -> Path:
        """The file."""
        return self.file or shipped.path("router.yaml")

    @property
    def last_good(self) -> LastGood | None:
        """Where the last good state of the file is; the shipped one never changes."""
        return None if self.file is None else LastGood(self.path, os.environ, self.state_dir)


@dataclass(frozen=True, slots=True)
class Found:
    """A configuration to serve. `mistakes` are those of the file on disk, where an older state of it is served."""

    loaded: Loaded
    mistakes: Sequence[Mistake] = ()

    def guard(self, host: str) -> None:
        """Keep a router that anyone may use, or whose keys anyone may read, to this machine.

        Raises:
            CannotServe: others could reach it, and nobody said that they may.
        """
        server = self.loaded.settings.server
        if loopback(host):
            return
        if self.loaded.plain_keys:
            raise CannotServe(refusal(self.loaded.plain_keys[0], host))
        if not (server.keys or server.open):
            raise CannotServe(
                f"without keys the router listens to this machine only, not on {host}: "
                "name who may call in server.keys, or set server.open: true",
            )

    def service(self, source: Source, hosts: Sequence[str]) -> Service:
        """The router that it describes, on these addresses, which looks for what comes after it.

        Raises:
            CannotServe: its picture store or its state cannot be opened.
        """
        state = source.state
        loaded, settings = self.loaded, self.loaded.settings
        if state is not None and settings.server.state == Secret("memory"):
            server = settings.server.model_copy(update={"state": Secret(state)})
            loaded = replace(loaded, settings=settings.model_copy(update={"server": server}))
        try:
            service = Service.of(loaded, load_catalog(shipped.path("catalog")), len(self.mistakes))
        except (StoreFailed, ValueError) as why:
            raise CannotServe(str(why)) from None
        try:
            start(os.environ)
        except NotInstalled as why:
            logs.untraced(str(why))
        if source.file is not None:
            service.reloader = _reloader(service, self.loaded, source, hosts)
            if self.mistakes:
                service.reloader.last = Reload(self.loaded.text_hash, mistakes=tuple(self.mistakes))
        return service


def _reloader(service: Service, loaded: Loaded, source: Source, hosts: Sequence[str]) -> Reloader:
    """What keeps a service in step with its file; a file that could not be started with is not taken up either."""

    def apply(fresh: Loaded) -> None:
        try:
            for host in hosts:
                Found(fresh).guard(host)
        except CannotServe as why:
            raise ValueError(str(why)) from None
        service.apply(fresh)

    def observe(look: Reload) -> None:
        service.mistakes = len(look.mistakes)
        service.metrics.config_loaded(good=look.good)
        logs.reloaded(look.version, [str(mistake) for mistake in look.mistakes], [str(each) for each in look.warnings])
        if look.good and (kept := source.last_good) is not None and not source.strict:
            with suppress(NotKept):  # which was told at the start
                kept.keep(reloader.loaded)

    reloader = Reloader(source.path, os.environ, loaded, apply, observe)
    return reloader


def found(source: Source) -> Found:
    """The configuration on disk, else the last good one.

    Raises:
        ConfigError: the file has mistakes, and there is nothing to serve in its stead.
    """
    try:
        return Found(load(source.path, os.environ))
    except ConfigError as error:
        kept = source.last_good
        older = kept.load(os.environ) if kept is not None and not source.strict else None
        if older is None:
            raise
        return Found(older, error.mistakes)


def report(what: Found, source: Source) -> bool:
    """Say loudly what is wrong with the file, else keep it for the next start; False where that is not possible."""
    if what.mistakes:
        logs.stale(str(source.path), [str(mistake) for mistake in what.mistakes])
    elif (kept := source.last_good) is not None and not source.strict:
        try:
            kept.keep(what.loaded)
        except NotKept as why:
            logs.not_kept(str(why))
            return False
    return True

"""The picture store: pictures wait in a directory or a bucket for those who asked for links, and go when these end."""

import asyncio
import os
import stat
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import obstore
from obstore.exceptions import BaseError
from obstore.store import AzureStore, GCSStore, LocalStore, S3Store

from router.config.model import Store
from router.images.links import FILES_PATH, Claim, LinkRefused, Links, kept_key
from router.images.names import PictureName, is_ours, is_over, kept_name

Cloud = S3Store | GCSStore | AzureStore

_CLOUDS: Final[Mapping[str, Callable[..., Cloud]]] = {
    "s3": S3Store.from_url,
    "gs": GCSStore.from_url,
    "az": AzureStore.from_url,
}
_FAULTS = (BaseError, OSError, ValueError, NotImplementedError)
_PIECE = 256 * 1024
_MOST_AT_ONCE = 100_000  # pictures one sweep deletes: the rest has time until the next
_BATCH = 1000
_PARTING = 0.05

# A caller waits meanwhile, so an ailing cloud is not asked for the three minutes that obstore would take.
_TRIES: Any = {"max_retries": 2, "retry_timeout": timedelta(seconds=20)}

# Options of the HTTP client, which obstore takes apart from the store's own.
_HTTP_OPTIONS = frozenset({
    "allow_http",
    "allow_invalid_certificates",
    "connect_timeout",
    "http1_only",
    "http2_only",
    "pool_idle_timeout",
    "pool_max_idle_per_host",
    "proxy_ca_certificate",
    "proxy_excludes",
    "proxy_url",
    "read_timeout",
    "timeout",
    "user_agent",
})  # fmt: skip


class StoreFailed(Exception):  # noqa: N818 - named as what happened, like its neighbours
    """The store could not do its part. The message is for ops: it may name the bucket."""


class NotStored(StoreFailed):
    """There is no such picture: it was deleted, or never kept here."""


class PictureStore:
    """Keeps pictures and links to them. A directory's links lead to the router, a cloud's to the cloud itself."""

    def __init__(
        self,
        store: LocalStore | Cloud,
        lifetime: float,
        links: Links | None = None,
        directory: Path | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._lifetime = lifetime
        self._links = links
        self._directory = directory
        self._clock = clock
        self.failed: Callable[[], None] = _nothing
        """Is told whenever the store could not do its part."""

    @contextmanager
    def _told(self, task: str) -> Iterator[None]:
        try:
            with _told(task):
                yield
        except NotStored:
            raise
        except StoreFailed:
            self.failed()
            raise

    @classmethod
    def open(cls, settings: Store, clock: Callable[[], float] = time.time) -> "PictureStore":
        """The store that the configuration names; a directory that is not there is made.

        Raises:
            StoreFailed: the directory cannot be used, or the cloud's options are wrong.
        """
        scheme = (settings.url or "").partition("://")[0]
        if settings.url is not None and scheme in _CLOUDS:
            cloud = _cloud(scheme, settings.url, {name: value.reveal() for name, value in settings.options.items()})
            return cls(cloud, settings.lifetime, clock=clock)
        directory = Path(settings.url) if settings.url is not None else _temporary()
        with _told(f"use the directory '{directory}'", "correct server.store, or the directory"):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            if settings.url is None:
                _require_private(directory)
            keys = [key.reveal() for key in settings.signing_keys] or [kept_key(directory)]
            store = LocalStore(directory)
        return cls(store, settings.lifetime, Links(keys), directory, clock)

    async def put(self, data: bytes | Sequence[bytes | memoryview], media_type: str, owner: str) -> PictureName:
        """Keep a picture for at least the lifetime of links. It is there whole once this returns, and not before.

        Raises:
            StoreFailed: it could not be kept; nothing of it is left.
            ValueError: pictures of this kind are not stored.
        """
        name = PictureName.new(owner, media_type, self._clock() + self._lifetime)
        attributes = None
        if self._directory is None:
            attributes = {
                "Content-Type": media_type,
                "Content-Disposition": f'inline; filename="{name.file}"',
                "Cache-Control": f"private, max-age={int(self._lifetime)}",
            }
        with self._told("keep a picture"):
            # in one piece: an upload in parts that is cut short leaves them in the bucket, hidden and paid for
            await obstore.put_async(self._store, str(name), data, attributes=attributes, use_multipart=False)
        return name

    async def link(self, name: PictureName, base_url: str, lifetime: float | None = None) -> str:
        """An address that opens a picture for so many seconds, but never longer than the picture is kept.

        Raises:
            StoreFailed: the cloud's credentials sign nothing.
        """
        now = self._clock()
        expires_at = min(now + (lifetime or self._lifetime), name.kept_until)
        if self._links is not None:
            return f"{base_url}{FILES_PATH}/{self._links.sign(name, expires_at)}"
        assert not isinstance(self._store, LocalStore)  # noqa: S101 - a directory always has its links
        with self._told("sign a link"):
            return await obstore.sign_async(self._store, "GET", str(name), timedelta(seconds=int(expires_at - now)))

    def claim(self, token: str) -> tuple[Claim, int]:
        """What a token grants, and for how many seconds more.

        Raises:
            LinkRefused: nothing, or no longer. A cloud's links are the cloud's, so that no token is known.
        """
        if self._links is None:
            raise LinkRefused(expired=False)
        now = self._clock()
        claim = self._links.read(token, now)
        return claim, max(0, int(claim.expires_at - now))

    async def size(self, name: PictureName) -> int:
        """The bytes of a picture.

        Raises:
            NotStored, StoreFailed: it is not there, or cannot be read.
        """
        with self._told("find a picture"):
            return int((await obstore.head_async(self._store, str(name)))["size"])

    async def read(self, name: PictureName, start: int, end: int) -> AsyncIterator[bytes]:
        """The bytes from `start` up to `end`, a piece at a time.

        Raises:
            NotStored, StoreFailed: it is not there, or cannot be read.
        """
        for at in range(start, end, _PIECE):
            with self._told("read a picture"):
                piece = await obstore.get_range_async(self._store, str(name), start=at, end=min(at + _PIECE, end))
            yield piece.to_bytes()

    async def keep(self, data: Sequence[bytes | memoryview], seconds: float) -> str:
        """Keep what no link shall ever open, for at least so long; the name to ask for it by.

        Raises:
            StoreFailed: it could not be kept; nothing of it is left.
        """
        name = kept_name(self._clock() + seconds)
        with self._told("keep an answer"):
            await obstore.put_async(self._store, name, data, use_multipart=False)
        return name

    async def kept(self, name: str) -> bytes:
        """What was kept.

        Raises:
            NotStored, StoreFailed: it is not there, or cannot be read.
        """
        with self._told("read an answer"):
            found = await obstore.get_async(self._store, name)
            return (await found.bytes_async()).to_bytes()

    async def sweep(self) -> int:
        """Delete the pictures whose time is over; how many these were.

        Raises:
            StoreFailed: not all could be deleted.
        """
        with self._told("delete what has expired"):
            if self._directory is not None:
                return await asyncio.to_thread(_sweep_directory, self._directory, self._clock())
            return await self._sweep_cloud()

    async def run_sweeper(self, interval: float, failed: Callable[[StoreFailed], object]) -> None:
        """Sweep now and every `interval` seconds, until cancelled; each failure is handed to `failed`."""
        while True:
            try:
                await self.sweep()
            except StoreFailed as error:
                failed(error)
            await asyncio.sleep(interval)

    async def aclose(self) -> None:
        """Let obstore's threads let go of the interpreter: one that ends right after a call of theirs is aborted."""
        await asyncio.sleep(_PARTING)

    async def _sweep_cloud(self) -> int:
        deleted = 0
        folders = (await obstore.list_with_delimiter_async(self._store))["common_prefixes"]
        now = self._clock()
        for folder in folders:
            if not is_over(folder, now):
                continue
            async for batch in obstore.list(self._store, folder, chunk_size=_BATCH):
                names = [each["path"] for each in batch if is_ours(each["path"])]
                with suppress(FileNotFoundError):  # another router was faster
                    await obstore.delete_async(self._store, names)
                deleted += len(names)
                if deleted >= _MOST_AT_ONCE:
                    return deleted
        return deleted


def _cloud(scheme: str, url: str, options: Mapping[str, str]) -> Cloud:
    http = {name: value for name, value in options.items() if name in _HTTP_OPTIONS}
    config = {name: value for name, value in options.items() if name not in _HTTP_OPTIONS}
    if any(value.startswith("http://") for name, value in config.items() if name.endswith("endpoint")):
        http.setdefault("allow_http", "true")  # who writes such an address has allowed it
    try:
        return _CLOUDS[scheme](url, config=config, client_options=http, retry_config=_TRIES)
    except _FAULTS as error:
        said = _first_line(error)
        for value in options.values():  # obstore quotes what it cannot read, and it may be a key
            said = said.replace(value, "********")
        raise StoreFailed(f"the picture store cannot open '{url}' ({said}): correct server.store") from None


def _temporary() -> Path:
    return Path(tempfile.gettempdir()) / f"image-router-pictures-{os.getuid()}"


def _require_private(directory: Path) -> None:
    """Everyone may write to the system's directory for temporary files: one laid out for us there is not used."""
    found = directory.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise PermissionError(None, "it is not this user's alone")


def _sweep_directory(directory: Path, now: float) -> int:
    """The same for a directory, with what a write left that was killed, and the folders that are empty now."""
    deleted = 0
    for folder in [each for each in directory.iterdir() if is_over(each.name, now)]:
        for file in folder.glob("*/*"):
            finished = file.name.partition("#")[0]  # what is being written has a number behind its name
            if deleted < _MOST_AT_ONCE and is_ours(f"{folder.name}/{file.parent.name}/{finished}"):
                file.unlink(missing_ok=True)
                deleted += 1
        for empty in (*folder.glob("*"), folder):
            with suppress(OSError):  # it holds what is not ours
                empty.rmdir()
    return deleted


@contextmanager
def _told(task: str, remedy: str = "see that server.store can be reached and has room") -> Iterator[None]:
    """Whatever goes wrong becomes a sentence."""
    try:
        yield
    except _FAULTS as error:
        kind = NotStored if isinstance(error, FileNotFoundError) else StoreFailed
        raise kind(f"the picture store could not {task} ({_first_line(error)}): {remedy}") from error


def _nothing() -> None:
    """Nobody counts."""


def _first_line(error: Exception) -> str:
    """The reason without obstore's debugging notes."""
    said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return said.partition("\n")[0][:300]

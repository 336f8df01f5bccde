"""Finished answers kept as they went out: small ones in the state itself, large ones beside the pictures."""

from collections.abc import Mapping, Sequence

import msgspec

from router.images.store import PictureStore
from router.messages.response import Piece

_INLINE = 8 * 1024  # bytes of a body that the state may hold itself


class Kept(msgspec.Struct, frozen=True, omit_defaults=True):
    """An answer: its body is `small`, or kept by the store under `name`."""

    status: int
    headers: Mapping[str, str]
    small: bytes = b""
    name: str | None = None
    error: str | None = None


async def keep(
    store: PictureStore,
    body: Sequence[Piece],
    seconds: float,
    *,
    status: int,
    headers: Mapping[str, str],
    error: str | None = None,
) -> Kept:
    """Keep an answer for so long.

    Raises:
        StoreFailed: the store could not.
    """
    if sum(map(len, body)) <= _INLINE:
        return Kept(status, headers, small=b"".join(body), error=error)
    return Kept(status, headers, name=await store.keep(body, seconds), error=error)


async def body_of(kept: Kept, store: PictureStore) -> bytes:
    """The bytes of an answer.

    Raises:
        NotStored, StoreFailed: they are gone, or cannot be read.
    """
    return kept.small if kept.name is None else await store.kept(kept.name)

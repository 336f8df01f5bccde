"""Pictures that callers give as addresses: fetched through the guard into the request's spool, where ops allow it."""

import asyncio

from msgspec.structs import replace

from providers.base import Upload
from router.admission.memory import current
from router.api.bodies import Body
from router.images.spool import Spool
from router.messages.errors import Refused
from router.wire.fetch import Fetcher, FetchFailed


async def with_fetched(body: Body, fetcher: Fetcher | None) -> Body:
    """The body with its addresses turned into pictures; unchanged where there are none, or none may be fetched.

    Raises:
        Refused: 400 `invalid_image`, for an address that gives no picture.
    """
    if fetcher is None or not any(isinstance(picture, str) for picture in (*body.images, body.mask)):
        return body
    images = tuple(
        [
            await _upload(picture, "image" if at == 0 else f"image[{at}]", fetcher, body.spool)
            for at, picture in enumerate(body.images)
        ],
    )
    mask = None if body.mask is None else await _upload(body.mask, "mask", fetcher, body.spool)
    return replace(body, images=images, mask=mask)


async def _upload(picture: Upload | str, param: str, fetcher: Fetcher, spool: Spool) -> Upload:
    if isinstance(picture, Upload):
        return picture
    try:
        data = await fetcher.fetch(picture)
    except FetchFailed as failed:
        raise Refused(400, "invalid_image", f"{param}: {failed.reason}", param=param) from failed
    offset = spool.size
    spool.append(data)
    await asyncio.to_thread(spool.flush)
    if (held := current.get()) is not None:
        held.drop(len(data))
    return spool.upload(offset, len(data))

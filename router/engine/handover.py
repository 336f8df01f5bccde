"""From what a backend gave to what the caller asked: links fetched or kept, formats changed, bytes turned into links.

Base64 that already has the form asked passes through untouched. Whatever decodes runs in a thread, few at a time.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from providers.base import Image, bad_response
from providers.dialect import ParameterWarning, Shape
from router.config.pictures import Resize
from router.engine.decoding import Decoding
from router.engine.plan import Plan
from router.engine.request import Form, ImageRequest
from router.engine.route import Provider
from router.images.pixels import FORMATS, CannotChange, Picture, decoded, encoded, recognise
from router.images.store import PictureStore, StoreFailed
from router.images.want import Want, needs_change
from router.wire.fetch import Fetcher, FetchFailed

if TYPE_CHECKING:
    from router.images.transcode import Changed

_MEDIA_TYPES = {word: media_type for media_type, word in FORMATS.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """How a caller wants its pictures: as links or bytes, of which kind and size.

    `form` None leaves it to the backend: a link stays a link. `place` is the router's own address for links, `owner`
    whose they are.
    """

    form: Form | None
    want: Want
    recompress: bool
    place: str
    owner: str


class Handover:
    """Gives pictures the form asked for."""

    def __init__(self, fetcher: Fetcher, store: PictureStore, lifetime: float) -> None:
        self._fetcher = fetcher
        self._store = store
        self._lifetime = lifetime
        self.decoding = Decoding()

    async def all(
        self,
        images: Sequence[Image],
        wish: Wish,
        provider: Provider,
    ) -> tuple[tuple[Picture, ...], tuple[ParameterWarning, ...]]:
        """The usable ones of a result's pictures, in the form asked, and what could not be given it.

        Raises:
            ProviderError: `bad_response`, when none is usable.
        """
        found = [picture for picture in map(recognise, images) if picture is not None]
        if len(found) == 1:
            given = [await self._one(found[0], wish, provider)]
        else:
            given = await asyncio.gather(*(self._one(picture, wish, provider) for picture in found))
        pictures = tuple(picture for picture, _ in given if picture is not None)
        if not pictures:
            reasons = "; ".join(dict.fromkeys(warning.reason for _, warning in given if warning is not None))
            raise bad_response(reasons or "the backend answered without a usable picture")
        return pictures, tuple(warning for _, warning in given if warning is not None)

    async def _one(
        self,
        picture: Picture,
        wish: Wish,
        provider: Provider,
    ) -> tuple[Picture | None, ParameterWarning | None]:
        as_link = wish.form is Form.URL or (wish.form is None and picture.url is not None)
        try:
            if picture.url is not None and not self._may_pass(wish, provider):
                picture = await self._fetched(picture, provider)
            if picture.url is None and (wish.recompress or needs_change(picture, wish.want)):
                picture = await self._changed(picture, wish.want)
            if picture.url is None and as_link:
                return await self._linked(picture, wish)
        except FetchFailed as failed:
            if wish.form is Form.B64_JSON:
                return None, ParameterWarning("response_format", "b64_json", None, failed.reason)
            return picture, ParameterWarning(
                "response_format", "url", "url", "the link is the backend's and may end soon"
            )
        except CannotChange as why:
            return None, ParameterWarning("output_format", "a picture", None, why.reason)
        return await self._inlined(picture), None

    def _may_pass(self, wish: Wish, provider: Provider) -> bool:
        """Whether a backend's link is good as it is: it is known to live as long as ours, and nothing is to change."""
        untouched = wish.want.media_type is None and wish.want.resize is Resize.OFF
        long_enough = provider.link_life is not None and provider.link_life >= self._lifetime
        return wish.form is not Form.B64_JSON and untouched and long_enough

    async def _fetched(self, picture: Picture, provider: Provider) -> Picture:
        assert picture.url is not None  # noqa: S101 - only links come here
        base = urlsplit(provider.base_url)
        data = await self._fetcher.fetch(
            picture.url,
            own_origin=f"{base.scheme}://{base.netloc}" if base.netloc else None,
            insecure=provider.insecure_links,
        )
        found = recognise(Image(data=data, revised_prompt=picture.revised_prompt))
        if found is None:
            raise CannotChange("the backend's link holds no usable picture")
        return found

    async def _changed(self, picture: Picture, want: Want) -> Picture:
        made = await self.decoding.run(lambda: _change(picture, want))
        return replace(
            picture,
            b64=None,
            data=made.data,
            media_type=made.media_type,
            width=made.width,
            height=made.height,
            animated=False,
        )

    async def _linked(self, picture: Picture, wish: Wish) -> tuple[Picture, ParameterWarning | None]:
        data = await asyncio.to_thread(decoded, picture)
        try:
            name = await self._store.put(data, picture.media_type or "image/png", wish.owner)
            url = await self._store.link(name, wish.place, self._lifetime)
        except StoreFailed:
            said = ParameterWarning(
                "response_format", "url", "data:", "the picture store failed, so the link holds it all"
            )
            return await self._inlined(picture), said
        return replace(picture, b64=None, data=None, url=url, kept=len(data)), None

    async def _inlined(self, picture: Picture) -> Picture:
        """A link stays one; bytes become base64."""
        if picture.data is None:
            return picture
        return replace(picture, data=None, b64=await asyncio.to_thread(encoded, picture.data))


def _change(picture: Picture, want: Want) -> "Changed":
    from router.images.transcode import change  # noqa: PLC0415 - what decodes takes megabytes, and few answers need it

    return change(decoded(picture), want)


def wish_for(request: ImageRequest, planned: Plan, resize: Resize, place: str, owner: str) -> Wish:
    """What a request wants of the pictures that a plan makes."""
    shape = request.asked.get("shape")
    pixels = shape if isinstance(shape, Shape) and shape.height else Shape()
    media_type = _MEDIA_TYPES.get(str(request.asked.get("output_format")))
    compression = request.asked.get("output_compression")
    left_out = any(warning.parameter == "output_compression" for warning in planned.warnings)
    return Wish(
        form=Form.B64_JSON if request.stream else request.form,
        want=Want(
            media_type=media_type,
            quality=compression,
            width=pixels.width,
            height=pixels.height,
            resize=resize,
            transparent=request.asked.get("background") == "transparent",
        ),
        recompress=left_out and media_type in ("image/jpeg", "image/webp"),
        place=place,
        owner=owner,
    )

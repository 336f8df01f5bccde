"""One conversation with a target, and what it made, handed over in the form asked."""

from collections.abc import Awaitable, Callable

from msgspec import Struct

from providers.base import ImageResult, Job, Partial
from providers.dialect import ParameterWarning
from router.engine.handover import Handover, Wish
from router.engine.prepare import prepared
from router.engine.record import Progress
from router.engine.route import Target
from router.images.pixels import Picture, recognise
from router.wire.conversation import Journal, converse, converse_stream


class Made(Struct, frozen=True):
    """What one attempt made: the adapter's result, its usable pictures, and what they could not be given."""

    result: ImageResult
    pictures: tuple[Picture, ...]
    warnings: tuple[ParameterWarning, ...]


class Drawing(Struct, frozen=True):
    """How the pictures of one request are made, whichever target draws them.

    `progress` is told of early looks, `partials` of them for each picture, where the target sends any.
    """

    handover: Handover
    progress: Progress | None
    partials: int

    async def draw(self, target: Target, job: Job, wish: Wish, journal: Journal, *, streaming: bool) -> Made:
        """One attempt's work, written down in `journal` where it goes on after the submit.

        Raises:
            ProviderError: there is no usable picture.
        """
        provider = target.provider
        job = await prepared(job, target.dialect, self.handover.decoding)
        if streaming and self.progress is not None:
            early = _early(self.progress)
            result = await converse_stream(provider.adapter, job, self.partials, provider.send, early)
        else:
            result = await converse(provider.adapter, job, provider.send, journal)
        pictures, warnings = await self.handover.all(result.images, wish, provider)
        return Made(result, pictures, warnings)


def _early(progress: Progress) -> Callable[[Partial], Awaitable[None]]:
    async def tell(partial: Partial) -> None:
        picture = recognise(partial.image)
        if picture is not None and picture.b64 is not None:
            await progress.early(picture, partial.index)

    return tell

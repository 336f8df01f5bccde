"""One request at one provider, over a real socket: planned, prepared, sent and answered."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import providers
from providers.base import ImageResult, Operation
from router.engine.decoding import Decoding
from router.engine.plan import Plan, plan
from router.engine.prepare import prepared
from router.engine.request import ImageRequest
from router.engine.route import Policy, Provider, Target
from router.images.pixels import recognise
from router.wire.conversation import converse
from router.wire.send import Wire
from router.wire.transport import TransportSettings, build_transport

PLAIN = ImageRequest(id="r", operation=Operation.GENERATE, model="", prompt="a paper lantern on a pier")


@asynccontextmanager
async def provider_at(kind: str, url: str, key: str, **options: str) -> AsyncIterator[Callable[..., Any]]:
    """Makes what serves a request there: a coroutine of (model, changes of a plain request) to the result."""
    adapter = providers.load(kind)
    wire = Wire(adapter, url, key, build_transport(TransportSettings()))
    provider = Provider(name=kind, kind=kind, adapter=adapter, send=wire, options=options, base_url=url)

    async def serve(model: str, **changes: Any) -> ImageResult:
        (shard,) = planned(provider, model, **changes).shards
        job = await prepared(shard.job, adapter.dialect(model), Decoding())
        return await converse(adapter, job, wire)

    try:
        yield serve
    finally:
        await wire.aclose()


def planned(provider: Provider, model: str, **changes: Any) -> Plan:
    """What a request becomes at one of a provider's models."""
    dialect = provider.adapter.dialect(model)
    target = Target(name=f"{provider.name}/x", provider=provider, model=model, dialect=dialect, policy=Policy())
    return plan(replace(PLAIN, model=model, **changes), {}, target)


def seen(result: ImageResult) -> tuple[str | None, int, int]:
    """The kind and size of a result's one picture."""
    (image,) = result.images
    picture = recognise(image)
    assert picture is not None
    return picture.media_type, picture.width, picture.height

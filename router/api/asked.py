"""From a body to the one record of the request: what a request that is served and one that is explained share."""

from collections.abc import Mapping

from providers.base import Operation
from router.api.bodies import Body
from router.api.fetched import with_fetched
from router.engine.request import ImageRequest
from router.messages.controls import read_controls
from router.messages.request import read_request, requested_model
from router.runtime import Runtime
from router.wire.fetch import Fetcher


async def read_asked(
    operation: Operation,
    body: Body,
    runtime: Runtime,
    fetcher: Fetcher | None,
    *,
    id: str,  # noqa: A002 - the record's own word
    headers: Mapping[str, str],
    default: str | None,
) -> ImageRequest:
    """The request in a body. `default` is the model of one that names none; `fetcher` follows addresses of pictures.

    Raises:
        Refused: 400, with the field at fault.
    """
    model = requested_model(body.fields, form=body.form, default=default)
    controls, trace = read_controls(body.fields, form=body.form, headers=headers)
    entry = runtime.entry(model)
    body = await with_fetched(body, fetcher)
    return read_request(
        operation,
        body.fields,
        body.images,
        body.mask,
        form=body.form,
        id=id,
        model=model,
        entry=entry,
        controls=controls,
        trace=trace,
    )

"""Says what the router would do with a request instead of doing it, to those who may know."""

from collections.abc import Callable, Mapping

import msgspec

from providers.base import Operation
from router.api.asked import read_asked
from router.api.bodies import Body
from router.api.exchange import Exchange
from router.auth import ANYONE, Caller
from router.engine.guard import Guard, held_back
from router.engine.request import ImageRequest
from router.engine.route import Target
from router.explain.explain import Way, explain
from router.explain.explanation import Explanation
from router.messages.errors import Refused
from router.messages.response import Rendered
from router.messages.rules import check
from router.observe import logs
from router.runtime import Runtime


async def dry_run(
    exchange: Exchange, runtime: Runtime, operation: Operation, body: Body, default: str | None
) -> Rendered:
    """The answer to a dry run.

    Raises:
        Refused: 403 where the key may not ask for one, and as the request itself would be.
    """
    caller = exchange.caller
    assert caller is not None  # noqa: S101 - authenticated first
    if not _may(caller, runtime):
        words = "this key may not ask for dry runs: leave dry_run out, or have dry_run: true set for the key"
        raise Refused(403, "dry_run_not_allowed", words, param="dry_run")
    explanation = await rehearse(
        operation,
        body,
        runtime,
        caller,
        id=exchange.id,
        headers=exchange.http.headers,
        default=default,
        left_out=_left_out(exchange.service.guard),
    )
    logs.dry_run(exchange.id, caller, explanation.model)
    told = msgspec.json.encode({"dry_run": True, **explanation.plain()})
    return Rendered(200, (told,), {"cache-control": "no-store"})


async def rehearse(
    operation: Operation,
    body: Body,
    runtime: Runtime,
    caller: Caller,
    *,
    id: str,  # noqa: A002 - the record's own word
    headers: Mapping[str, str],
    default: str | None,
    left_out: Callable[[Target], str | None] = lambda _: None,
    barred: bool = False,
) -> Explanation:
    """What would become of the request in a body. `barred`: a model that the caller may not use is explained too.

    Raises:
        Refused: as the request itself would be, but for an operation that no target has.
    """
    if any(isinstance(picture, str) for picture in (*body.images, body.mask)):
        words = "image: a dry run fetches nothing; send the bytes, a data URI or base64 instead of an address"
        raise Refused(400, "invalid_image", words, param="image")
    asked = await read_asked(operation, body, runtime, None, id=id, headers=headers, default=default)
    ways = _ways(asked, runtime, caller, barred=barred)
    if (entry := runtime.entry(asked.model)) is not None:
        check(asked, entry)
    return await explain(asked, ways, runtime.handover.decoding, left_out)


def _ways(asked: ImageRequest, runtime: Runtime, caller: Caller, *, barred: bool) -> list[Way]:
    """The models that the request may come to."""

    def way(model: str, role: str, param: str) -> Way:
        route = runtime.require(model, ANYONE if barred else caller, param)
        allowed = caller.may(model) or caller.may(route.name)
        return Way(route, role, None if allowed else f"scope: the key {caller.name!r} may not use the model {model!r}")

    balancer = asked.controls.balancer
    if balancer is None:
        first = [way(asked.model, "primary", "model")]
    else:
        first = [
            way(
                member.model, f"drawn by {balancer.type}, weight {member.weight:g}", f"load_balancer.models[{at}].model"
            )
            for at, member in enumerate(balancer.members)
        ]
    fallbacks = enumerate(asked.controls.fallbacks)
    return [*first, *(way(name, f"fallback {at + 1}", f"fallbacks[{at}].model") for at, name in fallbacks)]


def _may(caller: Caller, runtime: Runtime) -> bool:
    """Whether a caller may see what would be sent. Without keys the router is this machine's own, unless opened."""
    return caller.dry_run or (caller is ANYONE and not runtime.server.open)


def _left_out(guard: Guard) -> Callable[[Target], str | None]:
    def why(target: Target) -> str | None:
        standing = guard.standing(target)
        if not standing.blocked:
            return None
        error = held_back(standing, guard.health.clock())
        return f"{error.message}; it may be asked again in {error.retry_after:.0f} s"

    return why

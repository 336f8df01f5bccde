"""The models a caller may use: all of them, or one."""

from typing import Any

import msgspec
from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from providers.base import Operation
from router.api.answers import send_answer
from router.api.request_id import request_id
from router.catalog import Entry, Price
from router.engine.route import Route
from router.messages.errors import Refused
from router.messages.response import Rendered, refusal
from router.service import Service


class Models:
    """`GET .../models` and `GET .../models/{id}`, as an ASGI application."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Request(scope, receive)
        service: Service = scope["app"].state.service
        try:
            body = _body(request, service)
            answer = Rendered(200, (msgspec.json.encode(body),), {})
        except Refused as refused:
            answer = refusal(refused)
        await send_answer(answer, request_id(request.headers), send)


def _body(request: Request, service: Service) -> dict[str, Any]:
    runtime = service.runtime
    caller = runtime.keys.caller(request.headers.get("authorization"))
    name = request.path_params.get("id")
    if name is not None:
        return _described(name, runtime.require(name, caller, "id"))
    named = [(name, route) for name, route in runtime.named() if caller.may(name)]
    return {"object": "list", "data": [_described(name, route) for name, route in named]}


def _described(name: str, route: Route) -> dict[str, Any]:
    entry = route.entry
    first = route.targets[0]
    return {
        "id": name,
        "object": "model",
        "owned_by": entry.owner if entry else first.provider.name,
        "created": entry.created if entry else 0,
        "image": _image(route, entry),
    }


def _image(route: Route, entry: Entry | None) -> dict[str, Any]:
    operations = {operation for operation in Operation for target in route.targets if target.can(operation)}
    promised = {operation for operation in operations if entry is None or entry.can(operation)}
    found: dict[str, Any] = {"operations": sorted(promised)}
    if entry is not None and entry.retires is not None:
        found["retires"] = entry.retires.isoformat()
    if entry is not None and entry.successor is not None:
        found["successor"] = entry.successor
    if entry is None or entry.unconstrained:
        return found
    found |= {
        "sizes": list(entry.sizes),
        "qualities": list(entry.qualities),
        "n_max": entry.n_max,
        "max_images": entry.max_images,
        "mask": entry.mask,
    }
    if entry.size_rule is not None:
        found["size_rule"] = entry.size_rule.model_dump()
    price = next((target.price for target in route.targets if target.price is not None), None)
    if price is not None:
        found["prices"] = _prices(price)
    return found


def _prices(price: Price) -> dict[str, Any]:
    return price.model_dump(exclude_none=True, exclude_defaults=True)

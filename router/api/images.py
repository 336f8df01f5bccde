"""The three image operations: a request is read, its work started, and its answer sent if the client still waits."""

import asyncio
from contextlib import AbstractContextManager

from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from providers.base import Operation
from router.admission.gate import Left
from router.api.admitted import Admitted, Ear
from router.api.answers import send_answer, send_patiently
from router.api.arrived import Arrived
from router.api.asked import read_asked
from router.api.bodies import Body, read_body
from router.api.draining import Said
from router.api.dry_run import dry_run
from router.api.event_stream import EventStream
from router.api.exchange import CLIENT_LEFT, Exchange
from router.api.execution import Execution
from router.api.request_id import request_id
from router.auth import Caller
from router.engine.request import Controls, ImageRequest
from router.engine.route import Route
from router.messages.errors import Refused
from router.messages.request import wants_dry_run
from router.messages.response import Rendered, refusal
from router.messages.rules import check
from router.observe import logs
from router.replay.idempotency import HEADER, read_key
from router.runtime import Runtime
from router.service import Service
from router.tracing import names, spans
from router.wire.waiting import noted


class Images:
    """The endpoint of one operation under one prefix. `default_model`: whether a request may leave out the model."""

    def __init__(self, service: Service, operation: Operation, *, default_model: bool) -> None:
        self.operation = operation
        self._service = service
        self._default_model = default_model

    async def __call__(self, scope: Scope, receive: Receive, said: Said) -> None:
        """Answer one request."""
        service = self._service
        request = Arrived(scope, ear := Ear(scope, receive))
        exchange = Exchange(request, service, service.runtime, request_id(request.headers), self.operation)
        noted.set(exchange.waiting)
        said.also = ((b"x-router-config", exchange.runtime.version[:12].encode()),)
        service.pin(exchange.runtime)
        try:
            with _span(exchange) as exchange.span:
                logs.about(exchange.id, spans.trace_id())
                await self._exchange(exchange, ear, said)
        finally:
            service.unpin(exchange.runtime)

    async def _exchange(self, exchange: Exchange, ear: Ear, said: Said) -> None:
        request = exchange.http
        try:
            exchange.caller = exchange.runtime.keys.caller(request.headers.get("authorization"))
            await exchange.service.allowance.admit(exchange.caller)
            async with Admitted(exchange.service, request.headers, ear):
                begun = await self._begun(exchange)
                if isinstance(begun, Execution):
                    await _answer(begun, ear, said)
                else:
                    await send_answer(begun, exchange.id, said)
        except Refused as refused:
            await exchange.end(refusal(refused), said)
        except ClientDisconnect as left:
            exchange.service.metrics.client_left("queue" if isinstance(left.__cause__, Left) else "body")
            exchange.observe(CLIENT_LEFT)
        except Exception:  # noqa: BLE001 - whatever went wrong, the caller gets the envelope
            logs.logger().exception("internal error", request_id=exchange.id)
            if not said.begun:
                words = "the router failed; the log has the reason"
                await exchange.end(refusal(Refused(500, "internal_error", words)), said)

    async def _begun(self, exchange: Exchange) -> Execution | Rendered:
        """Everything that can be refused before anything is claimed or paid for. A dry run has its answer then.

        Raises:
            Refused: 400 to 415.
            ClientDisconnect: the client left while it sent the body.
        """
        runtime = exchange.runtime
        headers = exchange.http.headers
        key = read_key(headers.get(HEADER))
        with exchange.waiting:
            body = await read_body(exchange.http, runtime.limits)
        try:
            if wants_dry_run(body.fields, form=body.form):
                with body:
                    return await dry_run(exchange, runtime, self.operation, body, self._default(runtime))
            routes = await self._read(exchange, runtime, body)
            return Execution(exchange, runtime, routes, body, key)
        except BaseException:
            body.close()
            raise

    async def _read(self, exchange: Exchange, runtime: Runtime, body: Body) -> list[Route]:
        """The request in the body, and the routes in the order of the caller's wish.

        Raises:
            Refused: 400 to 404.
        """
        assert exchange.caller is not None  # noqa: S101 - authenticated first
        asked = await read_asked(
            self.operation,
            body,
            runtime,
            runtime.images_fetcher,
            id=exchange.id,
            headers=exchange.http.headers,
            default=self._default(runtime),
        )
        exchange.request = asked
        routes = _chain(asked.model, asked.controls, exchange, exchange.caller)
        exchange.routes = routes
        if (entry := runtime.entry(asked.model)) is not None:
            check(asked, entry)
        for at, route in enumerate(routes):
            _require_operation(asked, route, "model" if at == 0 else f"fallbacks[{at - 1}].model")
        return routes

    def _default(self, runtime: Runtime) -> str | None:
        """The model of a request that names none."""
        return runtime.server.default_model if self._default_model else None


async def _answer(execution: Execution, ear: Ear, send: Send) -> None:
    """Start the work, and send what it comes to while the client is there."""
    exchange, presence = execution.exchange, execution.presence
    presence.work = work = exchange.service.start(execution.run(), exchange.runtime)
    gone = ear.gone()
    try:
        if execution.queue is not None:
            await EventStream(execution.queue, exchange.id, send).run(work, gone)
        else:
            await send_patiently(work, gone, execution.routes[0].heartbeat, exchange.id, send)
    except asyncio.CancelledError:
        presence.counted_elsewhere = True  # by who answers in our place, as the router stops
        raise
    finally:
        if not work.done():
            presence.leave()


def _span(exchange: Exchange) -> AbstractContextManager[spans.Span]:
    said: dict[str, spans.Value] = {
        names.OPERATION: names.GENERATE_CONTENT,
        names.OUTPUT_TYPE: names.IMAGE,
        names.IMAGE_OPERATION: exchange.operation,
        names.REQUEST_ID: exchange.id,
    }
    return spans.request(f"image {exchange.operation}", exchange.http.headers.get("traceparent"), said)


def _chain(model: str, controls: Controls, exchange: Exchange, caller: Caller) -> list[Route]:
    """The primary's route, drawn where there is a balancer, then the fallbacks'."""
    runtime = exchange.runtime
    if controls.balancer is None:
        primary = runtime.require(model, caller, "model")
    else:
        members = [
            runtime.require(member.model, caller, f"load_balancer.models[{at}].model")
            for at, member in enumerate(controls.balancer.members)
        ]
        primary = members[exchange.service.balance.draw(controls.balancer, members)]
    fallbacks = (runtime.require(name, caller, f"fallbacks[{at}].model") for at, name in enumerate(controls.fallbacks))
    return [primary, *fallbacks]


def _require_operation(asked: ImageRequest, route: Route, param: str) -> None:
    """Refuse a model none of whose targets has the operation.

    Raises:
        Refused: 400 `unsupported_operation`.
    """
    if not any(target.can(asked.operation) for target in route.targets):
        words = f"the model {route.name!r} cannot {asked.operation}: choose one that can"
        raise Refused(400, "unsupported_operation", words, param=param)

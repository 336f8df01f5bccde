"""The three image operations: a request is read, served, rendered, counted and logged, in that order."""

import asyncio
from dataclasses import dataclass

from starlette.requests import ClientDisconnect, Request
from starlette.types import Receive, Scope, Send

from providers.base import Operation, OutcomeClass
from router.api.answers import send_answer
from router.api.bodies import Body, read_body
from router.api.body_limits import limits_of
from router.api.request_id import request_id
from router.auth import Caller
from router.engine.record import Outcome
from router.engine.request import Controls, ImageRequest
from router.engine.route import Route
from router.engine.serve import serve
from router.messages.controls import read_controls
from router.messages.errors import Refused
from router.messages.request import read_request, requested_model
from router.messages.response import Rendered, failure, refusal, success
from router.messages.rules import check
from router.observe import logs
from router.runtime import Runtime, Service

_CLIENT_LEFT = 499  # what logs and metrics call a client that did not wait
_CLIENT_SLACK = 0.98  # share of the client's own time-out in which it is answered


@dataclass(slots=True)
class _Exchange:
    """What is known of one exchange so far; the log line and the metrics are read from it."""

    id: str
    caller: Caller | None = None
    route: Route | None = None
    request: ImageRequest | None = None
    outcome: Outcome | None = None


class Images:
    """The endpoint of one operation under one prefix, as an ASGI application.

    `default_model`: whether a request may leave out the model.
    """

    def __init__(self, operation: Operation, *, default_model: bool) -> None:
        self._operation = operation
        self._default_model = default_model

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Request(scope, receive)
        service: Service = scope["app"].state.service
        started = asyncio.get_running_loop().time()
        exchange = _Exchange(request_id(request.headers))
        try:
            answer = await self._answer(request, service, exchange)
        except Refused as refused:
            answer = refusal(refused)
        except ClientDisconnect:  # before a backend was called: nobody waits, nothing was spent
            answer = Rendered(_CLIENT_LEFT, (b"",), {}, "client_left")
            _observe(request, service, exchange, answer, started)
            return
        except Exception:  # noqa: BLE001 - whatever went wrong, the caller gets the envelope
            logs.logger().exception("internal error", request_id=exchange.id)
            answer = refusal(Refused(500, "internal_error", "the router failed; the log has the reason"))
        _observe(request, service, exchange, answer, started)
        await send_answer(answer, exchange.id, send)

    async def _answer(self, request: Request, service: Service, exchange: _Exchange) -> Rendered:
        runtime = service.runtime
        exchange.caller = runtime.keys.caller(request.headers.get("authorization"))
        body = await read_body(request, limits_of(runtime.server))
        try:
            routes = self._read(request, service, runtime, exchange, body)
            asked = exchange.request
            assert asked is not None  # noqa: S101 - _read has just set it
            deadline = asyncio.get_running_loop().time() + _patience(request, routes[0])
            outcome = await serve(asked, routes, service.metrics, service.rng, deadline)
        finally:
            body.close()
        exchange.outcome = outcome
        for attempt in outcome.attempts:
            if attempt.outcome is OutcomeClass.SUCCEEDED:
                service.balance.served(routes[attempt.fallback_index], attempt.seconds)
        render = success if outcome.deliveries else failure
        return render(asked, outcome, disclose=runtime.server.disclose)

    def _read(
        self,
        request: Request,
        service: Service,
        runtime: Runtime,
        exchange: _Exchange,
        body: Body,
    ) -> list[Route]:
        """Everything that can be refused before a backend is called; the routes in the order of the caller's wish."""
        assert exchange.caller is not None  # noqa: S101 - authenticated first
        default = runtime.server.default_model if self._default_model else None
        model = requested_model(body.fields, form=body.form, default=default)
        controls, trace = read_controls(body.fields, form=body.form, headers=request.headers)
        entry = runtime.entry(model)
        asked = read_request(
            self._operation,
            body.fields,
            body.images,
            body.mask,
            form=body.form,
            id=exchange.id,
            model=model,
            entry=entry,
            controls=controls,
            trace=trace,
        )
        exchange.request = asked
        routes = _chain(model, controls, service, exchange.caller)
        exchange.route = routes[0]
        if entry is not None:
            check(asked, entry)
        for at, route in enumerate(routes):
            _require_operation(asked, route, "model" if at == 0 else f"fallbacks[{at - 1}].model")
        return routes


def _chain(model: str, controls: Controls, service: Service, caller: Caller) -> list[Route]:
    """The primary's route, drawn where there is a balancer, then the fallbacks'."""
    runtime = service.runtime
    if controls.balancer is None:
        primary = runtime.require(model, caller, "model")
    else:
        members = [
            runtime.require(member.model, caller, f"load_balancer.models[{at}].model")
            for at, member in enumerate(controls.balancer.members)
        ]
        primary = members[service.balance.draw(controls.balancer, members)]
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


def _patience(request: Request, route: Route) -> float:
    """Seconds in which this caller is answered: the route's, or less where the client itself gives up sooner."""
    timeout = route.policy.timeout
    try:
        client = float(request.headers.get("x-stainless-read-timeout", "nan"))
    except ValueError:
        return timeout
    return min(timeout, client * _CLIENT_SLACK) if client > 0 else timeout


def _observe(request: Request, service: Service, exchange: _Exchange, answer: Rendered, started: float) -> None:
    seconds = asyncio.get_running_loop().time() - started
    route = exchange.route.name if exchange.route else None
    service.metrics.request_ended(route, answer.status, seconds, exchange.outcome)
    logs.request_line(
        request_id=exchange.id,
        route=route,
        caller=exchange.caller,
        status=answer.status,
        seconds=seconds,
        request=exchange.request,
        outcome=exchange.outcome,
        error=answer.error,
        client_retry=request.headers.get("x-stainless-retry-count"),
    )

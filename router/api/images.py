"""The three image operations: a request is read, served, rendered, counted and logged, in that order."""

import asyncio
import re
from dataclasses import dataclass, field

from starlette.requests import ClientDisconnect, Request
from starlette.types import Message, Receive, Scope, Send

from providers.base import Operation, OutcomeClass
from router.api.answers import send_answer, send_patiently
from router.api.bodies import Body, read_body
from router.api.event_stream import ClientLeft, EventStream
from router.api.fetched import with_fetched
from router.api.request_id import request_id
from router.auth import Caller
from router.engine.record import Outcome, Progress
from router.engine.request import Controls, ImageRequest
from router.engine.route import Route
from router.engine.serve import Setting, serve
from router.messages.controls import read_controls
from router.messages.errors import Refused
from router.messages.request import read_request, requested_model
from router.messages.response import Rendered, failure, refusal, success
from router.messages.rules import check
from router.observe import logs
from router.runtime import Runtime, Service

_HOST = re.compile(r"[A-Za-z0-9.\-]+(:\d{1,5})?|\[[0-9A-Fa-f:.]+\](:\d{1,5})?")
_CLIENT_LEFT = 499  # what logs and metrics call a client that did not wait
_CLIENT_SLACK = 0.98  # share of the client's own time-out in which it is answered


@dataclass(slots=True)
class _Exchange:
    """What is known of one exchange so far; the log line and the metrics are read from it, once, at its end."""

    http: Request
    service: Service
    id: str
    caller: Caller | None = None
    route: Route | None = None
    request: ImageRequest | None = None
    outcome: Outcome | None = None
    started: float = field(default_factory=lambda: asyncio.get_running_loop().time())

    async def end(self, answer: Rendered, send: Send) -> None:
        """Count, log and send an answer, in this order: who has the answer can see it counted."""
        self.observe(answer)
        await send_answer(answer, self.id, send)

    def observe(self, answer: Rendered) -> None:
        """Count and log an answer."""
        seconds = asyncio.get_running_loop().time() - self.started
        route = self.route.name if self.route else None
        self.service.metrics.request_ended(route, answer.status, seconds, self.outcome)
        logs.request_line(
            request_id=self.id,
            route=route,
            caller=self.caller,
            status=answer.status,
            seconds=seconds,
            request=self.request,
            outcome=self.outcome,
            error=answer.error,
            client_retry=self.http.headers.get("x-stainless-retry-count"),
        )


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
        exchange = _Exchange(request, scope["app"].state.service, request_id(request.headers))
        sent = False

        async def tracked(message: Message) -> None:
            nonlocal sent
            sent = True
            await send(message)

        try:
            runtime = exchange.service.runtime
            exchange.caller = runtime.keys.caller(request.headers.get("authorization"))
            with await read_body(request, runtime.limits) as body:
                routes = await self._read(exchange, runtime, body)
                await _Answering(exchange, runtime, routes).run(tracked)
        except Refused as refused:
            await exchange.end(refusal(refused), send)
        except (ClientDisconnect, ClientLeft):
            exchange.observe(Rendered(_CLIENT_LEFT, (), {}, "client_left"))
        except Exception:  # noqa: BLE001 - whatever went wrong, the caller gets the envelope
            logs.logger().exception("internal error", request_id=exchange.id)
            answer = refusal(Refused(500, "internal_error", "the router failed; the log has the reason"))
            if not sent:
                await exchange.end(answer, send)

    async def _read(self, exchange: _Exchange, runtime: Runtime, body: Body) -> list[Route]:
        """Everything that can be refused before a backend is called; the routes in the order of the caller's wish.

        Raises:
            Refused: 400 to 404.
        """
        assert exchange.caller is not None  # noqa: S101 - authenticated first
        default = runtime.server.default_model if self._default_model else None
        model = requested_model(body.fields, form=body.form, default=default)
        controls, trace = read_controls(body.fields, form=body.form, headers=exchange.http.headers)
        entry = runtime.entry(model)
        body = await with_fetched(body, runtime.images_fetcher)
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
        routes = _chain(model, controls, exchange.service, exchange.caller)
        exchange.route = routes[0]
        if entry is not None:
            check(asked, entry)
        for at, route in enumerate(routes):
            _require_operation(asked, route, "model" if at == 0 else f"fallbacks[{at - 1}].model")
        return routes


@dataclass(frozen=True, slots=True)
class _Answering:
    """A request that was read: served, and sent in the way its caller wants it."""

    exchange: _Exchange
    runtime: Runtime
    routes: list[Route]

    async def run(self, send: Send) -> None:
        """Serve and send.

        Raises:
            ClientLeft: a streaming client went away.
        """
        pause = self.routes[0].heartbeat
        if self._asked.stream:
            stream = EventStream(self._asked, self.exchange.http.receive, send, disclose=self.runtime.server.disclose)
            await stream.run(self._serve, self.exchange.observe)
        elif pause is not None:
            await send_patiently(self._rendered(), pause, self.exchange.id, send, self.exchange.observe)
        else:
            await self.exchange.end(await self._rendered(), send)

    @property
    def _asked(self) -> ImageRequest:
        assert self.exchange.request is not None  # noqa: S101 - it was read before it is answered
        return self.exchange.request

    async def _rendered(self) -> Rendered:
        outcome = await self._serve(None)
        enough = outcome.complete or (bool(outcome.deliveries) and self.routes[0].partial)
        render = success if enough else failure
        return render(self._asked, outcome, disclose=self.runtime.server.disclose)

    async def _serve(self, progress: Progress | None) -> Outcome:
        setting = Setting(
            handover=self.runtime.handover,
            observer=self.exchange.service.metrics,
            rng=self.exchange.service.rng,
            deadline=asyncio.get_running_loop().time() + _patience(self.exchange.http, self.routes[0]),
            place=self.runtime.server.public_url or _own_address(self.exchange.http),
            owner=self.exchange.caller.name if self.exchange.caller else "",
            progress=progress,
        )
        outcome = await serve(self._asked, self.routes, setting)
        self.exchange.outcome = outcome
        for attempt in outcome.attempts:
            if attempt.outcome is OutcomeClass.SUCCEEDED:
                self.exchange.service.balance.served(self.routes[attempt.fallback_index], attempt.seconds)
        return outcome


def _own_address(request: Request) -> str:
    """The router's address as this client wrote it."""
    host = request.headers.get("host", "")
    sound = host if _HOST.fullmatch(host) else "localhost"
    return f"{request.scope['scheme']}://{sound}"


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

"""Image work while the router stops: new work is sent elsewhere, and what is late is answered before it is cut off."""

import asyncio

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from providers.base import Operation
from router.admission.draining import Drain
from router.api.answers import send_answer
from router.api.request_id import request_id
from router.engine.ledger import Spending, spending
from router.messages.errors import Refused, envelope
from router.messages.events import failed
from router.messages.response import Rendered, refusal
from router.observe import logs
from router.observe.requests import Answered
from router.service import Service

_RETRY_AFTER = 5.0
_CLOSE = (b"connection", b"close")


class Drained:
    """An endpoint as an ASGI application that knows how to end."""

    def __init__(self, app: ASGIApp, operation: Operation) -> None:
        self._app = app
        self._operation = operation

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, if need be with 503."""
        service: Service = scope["app"].state.service
        if service.drain.begun:
            refused = _draining("the router is stopping: send the request again", should_retry=True)
            _observe(service, scope, self._operation, refusal(refused))
            await send_answer(refusal(refused, {"connection": "close"}), request_id(Headers(scope=scope)), send)
            return
        await _Working(service, self._operation, scope, receive, _Said(send, service.drain)).run(self._app)


class _Said:
    """The way to the client, and what has gone out on it."""

    def __init__(self, send: Send, drain: Drain) -> None:
        self._send = send
        self._drain = drain
        self._headers: Headers | None = None
        self.ended = False

    async def __call__(self, message: Message) -> None:
        """Pass a message on; the last answer on a connection says so."""
        if message["type"] == "http.response.start":
            if self._drain.ending:
                message = {**message, "headers": [*message.get("headers", ()), _CLOSE]}
            self._headers = Headers(raw=message.get("headers", []))
        else:
            self.ended = not message.get("more_body", False)
        await self._send(message)

    @property
    def begun(self) -> bool:
        """Whether the answer has begun."""
        return self._headers is not None

    @property
    def whole(self) -> bool:
        """Whether the answer is made and only has to go out."""
        return self.ended or (self._headers is not None and "content-length" in self._headers)

    async def break_off(self, refused: Refused) -> None:
        """End an answer that has begun with the reason why it does."""
        assert self._headers is not None  # noqa: S101 - said above
        events = self._headers.get("content-type", "").startswith("text/event-stream")
        for piece in failed(refused) if events else [envelope(refused)]:
            await self._send({"type": "http.response.body", "body": bytes(piece), "more_body": True})
        await self._send({"type": "http.response.body", "body": b""})


class _Working:
    """One request under way."""

    def __init__(self, service: Service, operation: Operation, scope: Scope, receive: Receive, said: _Said) -> None:
        self._service = service
        self._operation = operation
        self._scope = scope
        self._receive = receive
        self._said = said
        self._spending = Spending()

    async def run(self, app: ASGIApp) -> None:
        """Work until there is an answer, or it is too late for one."""
        spending.set(self._spending)
        loop = asyncio.get_running_loop()
        maybe_billed = False

        def late() -> None:
            nonlocal maybe_billed
            maybe_billed = self._spending.possible
            if not self._said.whole:
                limit.reschedule(loop.time())

        try:
            async with asyncio.timeout(None) as limit:
                with self._service.drain.working(late):
                    await app(self._scope, self._receive, self._said)
        except TimeoutError:
            if not limit.expired():
                raise
            await self._break_off(maybe_billed=maybe_billed)

    async def _break_off(self, *, maybe_billed: bool) -> None:
        if self._said.ended:
            return
        if maybe_billed:
            words = "the router stopped before the pictures were there; they may be billed, so ask again with care"
        else:
            words = "the router stopped before the request's turn came: send it again"
        refused = _draining(words, should_retry=not maybe_billed)
        _observe(self._service, self._scope, self._operation, refusal(refused))
        if self._said.begun:
            await self._said.break_off(refused)
        else:
            await send_answer(refusal(refused), request_id(Headers(scope=self._scope)), self._said)


def _draining(words: str, *, should_retry: bool) -> Refused:
    return Refused(503, "draining", words, type="server_error", retry_after=_RETRY_AFTER, should_retry=should_retry)


def _observe(service: Service, scope: Scope, operation: Operation, answer: Rendered) -> None:
    ended = Answered(operation=operation, status=answer.status, seconds=0.0, own=0.0, error=answer.error)
    service.metrics.request_ended(ended)
    logs.logger().info(
        "request",
        request_id=request_id(Headers(scope=scope)),
        status=answer.status,
        **{"error.type": answer.error},
    )

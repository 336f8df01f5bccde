"""Image work while the router stops: new work is sent elsewhere, and what is late is answered before it is cut off."""

import asyncio
from collections.abc import Awaitable, Sequence
from typing import Protocol

from starlette.datastructures import Headers
from starlette.types import Message, Receive, Scope, Send

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
_FAILED = Refused(500, "internal_error", "the router failed; the log has the reason")


class Said:
    """The way to the client, and what has gone out on it. `also` are headers that every answer has."""

    def __init__(self, send: Send, drain: Drain) -> None:
        self.also: Sequence[tuple[bytes, bytes]] = ()
        self.begun = False
        """Whether the answer has begun."""

        self.ended = False
        self._send = send
        self._drain = drain
        self._headers: list[tuple[bytes, bytes]] = []

    def __call__(self, message: Message) -> Awaitable[None]:
        """Pass a message on; the last answer on a connection says so."""
        if message["type"] == "http.response.start":
            self.begun = True
            self._headers = [*message["headers"], *self.also]
            if self._drain.ending:
                self._headers.append(_CLOSE)
            message = {**message, "headers": self._headers}
        else:
            self.ended = not message.get("more_body", False)
        return self._send(message)

    @property
    def whole(self) -> bool:
        """Whether the answer is made and only has to go out."""
        return self.ended or "content-length" in Headers(raw=self._headers)

    async def break_off(self, refused: Refused) -> None:
        """End an answer that has begun with the reason why it does."""
        events = Headers(raw=self._headers).get("content-type", "").startswith("text/event-stream")
        for piece in failed(refused) if events else [envelope(refused)]:
            await self._send({"type": "http.response.body", "body": bytes(piece), "more_body": True})
        await self._send({"type": "http.response.body", "body": b""})


class Endpoint(Protocol):
    """What is drained: an ASGI application that may ask what was said already."""

    operation: Operation

    async def __call__(self, scope: Scope, receive: Receive, said: Said) -> None:
        """Answer one request."""


class Drained:
    """An endpoint that knows how to end."""

    def __init__(self, service: Service, endpoint: Endpoint) -> None:
        self._service = service
        self._endpoint = endpoint

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, if need be with 503."""
        drain = self._service.drain
        said = Said(send, drain)
        if drain.begun:
            refused = _draining("the router is stopping: send the request again", should_retry=True)
            await self._refuse(refused, scope, said)
            return
        late = _Late(said)
        drain.enter(late)
        try:
            await self._endpoint(scope, receive, said)
        except asyncio.CancelledError:
            if not late.is_why():
                raise
        except Exception:
            if not said.begun:
                await send_answer(refusal(_FAILED), request_id(Headers(scope=scope)), said)
            raise
        else:
            return
        finally:
            drain.leave(late)
        await self._break_off(late, scope, said)

    async def _break_off(self, late: "_Late", scope: Scope, said: Said) -> None:
        if said.ended:
            return
        if late.maybe_billed:
            words = "the router stopped before the pictures were there; they may be billed, so ask again with care"
        else:
            words = "the router stopped before the request's turn came: send it again"
        refused = _draining(words, should_retry=not late.maybe_billed)
        if said.begun:
            self._observe(refusal(refused), scope)
            await said.break_off(refused)
        else:
            said.also = ()
            await self._refuse(refused, scope, said)

    async def _refuse(self, refused: Refused, scope: Scope, said: Said) -> None:
        answer = refusal(refused)
        self._observe(answer, scope)
        await send_answer(answer, request_id(Headers(scope=scope)), said)

    def _observe(self, answer: Rendered, scope: Scope) -> None:
        ended = Answered(
            operation=self._endpoint.operation, status=answer.status, seconds=0.0, own=0.0, error=answer.error
        )
        self._service.metrics.request_ended(ended)
        logs.logger().info(
            "request",
            request_id=request_id(Headers(scope=scope)),
            status=answer.status,
            **{"error.type": answer.error},
        )


class _Late:
    """Breaks off the current task when it is called, but for an answer that only has to go out."""

    def __init__(self, said: Said) -> None:
        self.maybe_billed = False
        self._said = said
        self._task = asyncio.current_task()
        self._spending = Spending()
        self._called = False
        spending.set(self._spending)

    def __call__(self) -> None:
        """It is late."""
        assert self._task is not None  # noqa: S101 - requests are served in tasks
        self.maybe_billed = self._spending.possible
        if not self._said.whole:
            self._called = True
            self._task.cancel()

    def is_why(self) -> bool:
        """Whether the task was cancelled because of this alone."""
        assert self._task is not None  # noqa: S101 - as above
        return self._called and not self._task.uncancel()


def _draining(words: str, *, should_retry: bool) -> Refused:
    return Refused(503, "draining", words, type="server_error", retry_after=_RETRY_AFTER, should_retry=should_retry)

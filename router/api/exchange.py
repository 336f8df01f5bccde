"""One exchange with a client: what is known of it so far, and its one log line and count."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from starlette.requests import Request
from starlette.types import Send

from providers.base import Operation
from router.api.answers import send_answer
from router.auth import Caller
from router.engine.record import Outcome
from router.engine.request import ImageRequest
from router.engine.route import Route
from router.messages.response import Rendered
from router.observe import logs
from router.observe.recent import Ended
from router.observe.requests import CLIENT_LEFT as LEFT, Answered
from router.runtime import Runtime
from router.service import Service
from router.tracing import names
from router.tracing.spans import Span
from router.wire.waiting import Waiting

CLIENT_LEFT = Rendered(499, (), {}, LEFT)
"""What logs and metrics call the answer to a client that did not wait."""


@dataclass(slots=True)
class Exchange:
    """What is known of one exchange so far; the log line and the metrics are read from it, once, at its end."""

    http: Request
    service: Service
    runtime: Runtime
    id: str
    operation: Operation
    caller: Caller | None = None
    routes: Sequence[Route] = ()
    request: ImageRequest | None = None
    outcome: Outcome | None = None
    waiting: Waiting = field(default_factory=Waiting)
    span: Span | None = None
    started: float = field(default_factory=lambda: asyncio.get_running_loop().time())

    @property
    def owner(self) -> str:
        """Whose pictures these are."""
        return self.caller.name if self.caller else ""

    @property
    def asked(self) -> ImageRequest:
        """The request, once it was read."""
        assert self.request is not None  # noqa: S101 - nobody asks before
        return self.request

    async def end(self, answer: Rendered, send: Send) -> None:
        """Count, log and send an answer, in this order: who has the answer can see it counted."""
        self.observe(answer)
        await send_answer(answer, self.id, send)

    def observe(self, answer: Rendered) -> None:
        """Count and log an answer."""
        seconds = asyncio.get_running_loop().time() - self.started
        route = self.routes[0].name if self.routes else None
        self.service.metrics.request_ended(
            Answered(
                operation=self.operation,
                status=answer.status,
                seconds=seconds,
                own=seconds - self.waiting.seconds,
                error=answer.error,
                group=self.caller.name if self.caller else None,
                routes=self.routes,
                request=self.request,
                outcome=self.outcome,
            )
        )
        if self.span is not None:
            self.span.note(names.STATUS, answer.status)
            self.span.note(names.REQUEST_MODEL, route)
            self.span.note(names.ERROR_TYPE, answer.error)
        self.service.recent.ended(self._ended(route, answer, seconds))
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

    def _ended(self, route: str | None, answer: Rendered, seconds: float) -> Ended:
        return Ended(
            id=self.id,
            caller=self.caller.name if self.caller else None,
            model=route,
            status=answer.status,
            error=answer.error,
            at=time.time() - seconds,
            began=self.started,
            seconds=seconds,
            request=self.request,
            outcome=self.outcome,
            prompts=self.runtime.server.console_prompts,
        )

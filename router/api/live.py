"""What the console shows while it is open, as server-sent events: requests as they end, and how every target is."""

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from router import __version__
from router.api.answers import send_answer
from router.api.event_stream import HEAD, QUIET
from router.api.request_id import request_id
from router.auth import ANYONE, Caller
from router.engine.route import Target
from router.messages.errors import Refused
from router.messages.response import refusal
from router.observe.recent import Entry
from router.service import Service

_EVERY = 1.0  # seconds between two looks at what changes by itself
_FIRST = 60  # requests that a new watcher is told of
_MOST = 64  # watchers at once

_encode = msgspec.json.encode


class Live:
    """`GET /console/live`, as an ASGI application."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Tell one watcher what happens until it leaves, or the router stops."""
        request = Request(scope, receive)
        service: Service = scope["app"].state.service
        if not service.runtime.server.console or scope["method"] != "GET":
            raise HTTPException(404)
        try:
            caller = service.runtime.keys.caller(request.headers.get("authorization"))
            _require_room(service)
        except Refused as refused:
            await send_answer(refusal(refused), request_id(request.headers), send)
            return
        await _Watch(service, caller, request.headers.get("authorization"), send).run(receive)


def _require_room(service: Service) -> None:
    if service.recent.watchers >= _MOST:
        words = f"{_MOST} consoles watch already: close one"
        raise Refused(503, "router_overloaded", words, type="server_error", retry_after=30.0)


class _Watch:
    """One watcher. Whoever may not watch sees its own requests only."""

    def __init__(self, service: Service, caller: Caller, authorization: str | None, send: Send) -> None:
        self._service = service
        self._caller = caller
        self._authorization = authorization
        self._send = send
        self._last = 0
        self._state = b""
        self._spoke = 0.0

    async def run(self, receive: Receive) -> None:
        """Until the watcher leaves."""
        headers = [(name.encode(), value.encode()) for name, value in HEAD.items()]
        await self._send({"type": "http.response.start", "status": 200, "headers": headers})
        gone = asyncio.ensure_future(_gone(receive))
        try:
            with self._service.recent.watching() as news:
                await self._tell_all(news, gone)
        finally:
            gone.cancel()
        if not gone.done() or gone.cancelled():
            await self._send({"type": "http.response.body", "body": b""})

    async def _tell_all(self, news: asyncio.Event, gone: asyncio.Future[None]) -> None:
        *_, first = [0, *(entry.number - _FIRST for entry in self._service.recent.since(0))]
        self._last = max(0, first)
        while not gone.done() and not self._service.drain.begun and self._still_may():
            news.clear()
            await self._tell()
            ringing = asyncio.ensure_future(news.wait())
            either: set[asyncio.Future[Any]] = {ringing, gone}
            await asyncio.wait(either, timeout=_EVERY, return_when=asyncio.FIRST_COMPLETED)
            ringing.cancel()

    def _still_may(self) -> bool:
        """Whether the console is still on and the key still opens it; its rights may have changed."""
        runtime = self._service.runtime
        try:
            self._caller = runtime.keys.caller(self._authorization)
        except Refused:
            return False
        return runtime.server.console

    async def _tell(self) -> None:
        for entry in self._service.recent.since(self._last):
            self._last = entry.number
            if (told := self._seen(entry)) is not None:
                await self._write(b"request", _encode(told))
        state = _encode(self._whole() if self._watches else {"config": {"version": self._service.runtime.version}})
        if state != self._state:
            self._state = state
            now = b'{"now":%.3f,"caller":%b,' % (time.time(), _encode(self._caller.name))
            await self._write(b"state", now + state[1:])
        elif time.monotonic() - self._spoke > QUIET:
            await self._write(b"quiet", b"{}")

    async def _write(self, name: bytes, data: bytes) -> None:
        self._spoke = time.monotonic()
        body = b"event: %b\ndata: %b\n\n" % (name, data)
        await self._send({"type": "http.response.body", "body": body, "more_body": True})

    @property
    def _watches(self) -> bool:
        """Whether this caller sees everything. Without keys the router is this machine's own, unless opened."""
        return self._caller.watch or (self._caller is ANYONE and not self._service.runtime.server.open)

    def _seen(self, entry: Entry) -> dict[str, Any] | None:
        """What this caller sees of a request, if anything."""
        server = self._service.runtime.server
        hidden = set() if server.console_prompts else {"prompt"}
        if not self._watches:
            if entry.caller != self._caller.name:
                return None
            hidden |= set() if server.disclose else {"attempts", "skipped"}
        return {name: value for name, value in entry.told.items() if name not in hidden}

    def _whole(self) -> dict[str, Any]:
        runtime, recent = self._service.runtime, self._service.recent
        targets = {target.key: target for _, route in runtime.routes() for target in route.targets}
        tallies = recent.tallies(targets.keys())
        return {
            "version": __version__,
            "config": self._config(),
            "models": [
                {"name": name, "order": route.order, "chain": [target.key for target in route.targets]}
                for name, route in runtime.routes()
            ],
            "targets": {key: {**self._standing(target), **tallies[key]} for key, target in targets.items()},
        }

    def _standing(self, target: Target) -> dict[str, Any]:
        health = self._service.guard.health
        standing = self._service.guard.standing(target)
        left = max(0.0, standing.until - health.clock()) if standing.blocked else 0.0
        return {
            "name": target.name,
            "kind": target.provider.kind,
            "state": standing.state,
            "until": round(time.time() + left) if left else None,
            "reason": standing.reason,
        }

    def _config(self) -> dict[str, Any]:
        service = self._service
        return {
            "version": service.runtime.version,
            "loaded": round(service.loaded_at),
            "mistakes": list(_mistakes(service)),
            "count": service.mistakes,
        }


def _mistakes(service: Service) -> Iterator[dict[str, Any]]:
    """Those of the configuration on disk, where an older one is served in its stead."""
    last = service.reloader.last if service.reloader is not None else None
    for each in last.mistakes if last is not None else ():
        yield {
            "file": each.file,
            "line": each.line,
            "column": each.column,
            "where": each.where,
            "message": each.message,
        }


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass

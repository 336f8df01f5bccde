"""Where the demonstration's backends and callers run: a thread and an event loop of their own, beside the router."""

import asyncio
import itertools
import random
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import msgspec
import uvicorn

from providers.http import AsyncHTTPTransport, HTTPError, Request
from router.demo.backends import backends

_EVERY = 1.3  # seconds between two requests
_MODELS = ("poster", "portrait", "poster", "draft")
_PROMPTS = (
    "a lighthouse at dusk, gouache",
    "three foxes under a birch, woodcut",
    "a teapot on a blue table",
    "a harbour in fog, seen from above",
    "a bicycle against a yellow wall",
    "a mountain village at night, snow falling",
    "a bowl of lemons, oil on canvas",
    "an owl on a signpost, ink",
)
_chance = random.SystemRandom()


class Stage:
    """The backends while they run, at `address`; `call_at` begins the requests."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._server = uvicorn.Server(uvicorn.Config(backends(), log_config=None, lifespan="off", ws="none"))
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._callers: set[asyncio.Future[Any]] = set()

    def call_at(self, router: str) -> None:
        """Let the callers begin, at a router's address."""
        self._loop.call_soon_threadsafe(self._begin, router)

    @contextmanager
    def open(self) -> Iterator[None]:
        """While it is open, the backends answer."""
        self._thread.start()
        try:
            yield
        finally:
            self._loop.call_soon_threadsafe(self._end)
            self._thread.join(5)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._server.serve([self._socket]))

    def _begin(self, router: str) -> None:
        self._keep(self._loop.create_task(self._call(router)))

    def _end(self) -> None:
        self._server.should_exit = self._server.force_exit = True
        for caller in self._callers:
            caller.cancel()

    def _keep(self, caller: asyncio.Future[Any]) -> None:
        self._callers.add(caller)
        caller.add_done_callback(self._callers.discard)

    async def _call(self, router: str) -> None:
        """One request after another, whether or not the one before has its answer."""
        async with AsyncHTTPTransport() as transport:
            for model in itertools.cycle(_MODELS):
                body = {"model": model, "prompt": _chance.choice(_PROMPTS)}
                self._keep(asyncio.ensure_future(_ask(transport, router, body)))
                await asyncio.sleep(_EVERY)


async def _ask(transport: AsyncHTTPTransport, router: str, body: dict[str, str]) -> None:
    data = msgspec.json.encode({**body, "response_format": "b64_json"})
    request = Request(
        "POST", f"{router}/v1/images/generations", content=data, headers={"content-type": "application/json"}
    )
    with suppress(HTTPError):  # the console shows what became of it
        await (await transport.handle_async_request(request)).aread()

"""The HTTP server around the application: uvicorn on httptools and uvloop, and the line that says it listens."""

import importlib.util
import socket
import sys

import click
import uvicorn
from starlette.applications import Starlette

from router.runtime import Service

_LEAVE_SECONDS = 60  # how long requests under way may still take when the server is told to stop


class Server(uvicorn.Server):
    """A server that says where it listens and what it serves, once it really does."""

    def __init__(self, config: uvicorn.Config, service: Service) -> None:
        super().__init__(config)
        self._service = service

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, then say so."""
        await super().startup(sockets)
        if self.should_exit:
            return
        host, port = self.servers[0].sockets[0].getsockname()[:2]
        shown = f"[{host}]" if ":" in host else host
        models = ", ".join(name for name, _ in self._service.runtime.named()) or "none"
        click.echo(f"image-router listens on http://{shown}:{port} and serves: {models}")
        sys.stdout.flush()


def run(app: Starlette, service: Service, host: str, port: int) -> None:
    """Serve until told to stop."""
    fast = importlib.util.find_spec("uvloop") is not None
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        http="httptools",
        loop="uvloop" if fast else "asyncio",
        lifespan="on",
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_LEAVE_SECONDS,
    )
    Server(config, service).run()

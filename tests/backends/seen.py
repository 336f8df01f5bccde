"""A backend that checks nothing: it writes down what arrives and answers as it is told."""

from collections.abc import Callable
from typing import Any

import msgspec

from backends.server import Reply, Request, Server


class SeenBackend(Server):
    """`told(request, origin)` is the JSON of each answer."""

    def __init__(self, told: Callable[[Request, str], Any]) -> None:
        super().__init__()
        self.requests: list[Request] = []
        self._told = told

    def answer(self, request: Request) -> Reply:
        """Whatever is told."""
        self.requests.append(request)
        return Reply(200, msgspec.json.encode(self._told(request, self.origin)))

    def seen(self) -> list[tuple[str, str, Any]]:
        """Method, path and JSON of each request so far, which are then forgotten."""
        found = [
            (request.method, request.path, msgspec.json.decode(request.body) if request.body else None)
            for request in self.requests
        ]
        self.requests.clear()
        return found

"""The official JavaScript clients, called from Python: each call is a line of JSON to a Node that runs them."""

import base64
import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
from client_scenarios import CAT, KEY, OPERATIONS

HERE = Path(__file__).parent / "clients" / "js"


class Failure(Exception):  # noqa: N818 - named for what it holds
    """The error that a client threw: its class as `failure`, and what it says."""

    def __init__(self, told: Mapping[str, Any]) -> None:
        super().__init__(told["message"])
        self.told = told


class Node:
    """The runner, one process for all tests: starting Node and loading the clients takes a second."""

    def __init__(self, url: str) -> None:
        self._url = url
        surroundings = {"PATH": os.environ["PATH"]}
        self._process = subprocess.Popen(
            ["node", "runner.mjs"], cwd=HERE, env=surroundings, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def call(
        self, client: str, method: str, *args: Any, key: str | None = KEY, prefix: str = "/v2/router"
    ) -> tuple[Any, Mapping[str, str]]:
        """What a client's method returns, as JSON, and the response's headers; or the `Failure` it threw."""
        url = self._url if client == "orq" else self._url + prefix
        asked = {"client": client, "url": url, "key": key, "method": method, "args": args}
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(msgspec.json.encode(asked) + b"\n")
        self._process.stdin.flush()
        told = msgspec.json.decode(self._process.stdout.readline())
        if "failure" in told:
            raise Failure(told)
        return told["value"], told["headers"]

    def close(self) -> None:
        """End the process: it leaves when its input does."""
        self._process.communicate(timeout=30)


def file(data: bytes, name: str = "cat.png") -> dict[str, str]:
    """A JavaScript File."""
    return {"$name": name, "$bytes": base64.b64encode(data).decode()}


def camel(value: Any) -> Any:
    """The names of an orq call in the spelling of its JavaScript client."""
    match value:
        case dict() if "$bytes" not in value:
            return {re.sub("_(.)", lambda found: found[1].upper(), key): camel(item) for key, item in value.items()}
        case list():
            return [camel(item) for item in value]
        case _:
            return value


def ask(
    node: Node, client: str, operation: str, fields: Mapping[str, Any], **how: Any
) -> tuple[Any, Mapping[str, str]]:
    """One call in the way that the client has for it, with a prompt and an image where the operation needs them."""
    given = {
        "generate": {"prompt": "a cat"},
        "edit": {"prompt": "a hat", "image": file(CAT)},
        "variation": {"image": file(CAT)},
        "models": {},
    }[operation]
    methods = {
        "openai": ("images.generate", "images.edit", "images.createVariation"),
        "orq": tuple(f"router.images.{name}.create" for name in ("generations", "edits", "variations")),
    }[client]
    if operation == "models":
        return node.call(client, "models.list", **how)
    method = methods[OPERATIONS.index(operation)]
    asked = {**given, **fields}
    return node.call(client, method, camel(asked) if client == "orq" else asked, **how)

"""Explains one request to a configuration, or has a running router explain it. Nothing goes to a backend."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from providers.base import Operation
from providers.http import HTTPError, InvalidURL, Request
from router.api.bodies import json_body
from router.api.dry_run import rehearse
from router.auth import ANYONE, Caller
from router.catalog import load_catalog
from router.config.load import Loaded
from router.explain.explanation import Explanation
from router.images.spool import Spool
from router.messages.errors import Refused
from router.runtime import Runtime
from router.wire.transport import TransportSettings, build_transport

_ID = "explain"
_PATHS = {
    Operation.GENERATE: "/v2/router/images/generations",
    Operation.EDIT: "/v2/router/images/edits",
    Operation.VARIATION: "/v2/router/images/variations",
}
_PATIENCE = 60.0  # seconds that a running router has to explain


class CannotAsk(Exception):  # noqa: N818 - named as what happens
    """A running router that gives no explanation, and why."""


@dataclass(frozen=True, slots=True)
class Question:
    """The request to explain, as a client would send it: `fields` hold its pictures as data URIs."""

    operation: Operation
    fields: Mapping[str, Any]


def explained(question: Question, loaded: Loaded, caller: Caller = ANYONE) -> Explanation:
    """What a router with this configuration would do, for this caller.

    Raises:
        Refused: it would refuse the request.
        StoreFailed: its picture store cannot be opened.
    """
    return asyncio.run(_explained(question, loaded, caller))


def asked_of(question: Question, address: str, key: str | None) -> dict[str, Any]:
    """The explanation of a running router, as JSON has it.

    Raises:
        CannotAsk: it gives none.
        Refused: it would refuse the request.
    """
    return asyncio.run(_asked_of(question, address, key))


def caller_of(loaded: Loaded, name: str) -> Caller | None:
    """The key of that name in a configuration."""
    return next((Caller(key.name, key.models) for key in loaded.settings.server.keys if key.name == name), None)


async def _explained(question: Question, loaded: Loaded, caller: Caller) -> Explanation:
    runtime = Runtime(loaded, load_catalog())
    try:
        with json_body(msgspec.json.encode(question.fields), Spool(runtime.limits.spool_dir), runtime.limits) as body:
            return await rehearse(
                question.operation,
                body,
                runtime,
                caller,
                id=_ID,
                headers={},
                default=runtime.server.default_model,
                barred=True,
            )
    finally:
        await runtime.aclose()


async def _asked_of(question: Question, address: str, key: str | None) -> dict[str, Any]:
    try:
        status, body = await _post(question, address, key)
        told: dict[str, Any] = msgspec.json.decode(body, type=dict[str, Any])
    except (HTTPError, InvalidURL, OSError) as error:
        raise CannotAsk(f"{address} does not answer: is it the address of a running router?") from error
    except msgspec.MsgspecError as error:
        raise CannotAsk(
            f"what answers at {address} is no Image Router: it answered {status}, and not in JSON"
        ) from error
    if status == 200 and told.get("dry_run") is True:
        return told
    error_told = told.get("error")
    if not isinstance(error_told, dict):
        raise CannotAsk(f"what answers at {address} explains nothing: is it an Image Router?")
    code, message = error_told.get("code"), str(error_told.get("message"))
    if status in (401, 404, 503) or code in ("dry_run_not_allowed", "model_not_allowed"):
        raise CannotAsk(f"the router at {address} explains nothing: {message}")
    raise Refused(status, code, message)


async def _post(question: Question, address: str, key: str | None) -> tuple[int, bytes]:
    headers = {"content-type": "application/json", "x-request-id": _ID}
    if key is not None:
        headers["authorization"] = f"Bearer {key}"
    body = msgspec.json.encode({**question.fields, "dry_run": True})
    transport = build_transport(TransportSettings(patience=_PATIENCE))
    try:
        url = address.rstrip("/") + _PATHS[question.operation]
        response = await transport.handle_async_request(Request("POST", url, headers=headers, content=body))
        try:
            return response.status_code, await response.aread()
        finally:
            await response.aclose()
    finally:
        await transport.aclose()

"""Stored pictures by their links: whole or in part, and nothing but pictures. The link is the key."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass

from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from router.api.answers import send_answer
from router.api.request_id import request_id
from router.auth import ANYONE
from router.images.links import LinkRefused
from router.images.names import PictureName, owner_digest
from router.images.store import NotStored, StoreFailed
from router.messages.errors import Refused
from router.messages.response import refusal
from router.observe import logs
from router.service import Service

_RANGE = re.compile(r"bytes=([0-9]{0,15})-([0-9]{0,15})", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Reply:
    """What is answered; `pieces` are None where only the headers are wanted."""

    status: int
    headers: dict[str, str]
    pieces: AsyncIterator[bytes] | None = None


class Files:
    """`GET` and `HEAD` of a stored picture, as an ASGI application."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Request(scope, receive)
        service: Service = scope["app"].state.service
        exchange_id = request_id(request.headers)
        try:
            reply = await _reply(request, service)
        except (Refused, StoreFailed) as error:
            answer = refusal(_refused(error), {"cache-control": "no-store", **_unsatisfied(error)})
            await send_answer(answer, exchange_id, send)
            return
        headers = {**reply.headers, "x-request-id": exchange_id}
        encoded = [(name.encode(), value.encode("latin-1", "replace")) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": reply.status, "headers": encoded})
        try:
            if reply.pieces is not None:
                async for piece in reply.pieces:
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
        except StoreFailed as error:
            # too late for a status: the server closes the connection, as the promised length was not sent
            logs.logger().warning("a picture was cut short", request_id=exchange_id, reason=str(error))
        else:
            await send({"type": "http.response.body"})


async def _reply(request: Request, service: Service) -> _Reply:
    """The picture, or as much of it as is asked for.

    Raises:
        Refused: 404 `not_found`, 410 `link_expired`, 416 `range_not_satisfiable`.
        StoreFailed: the store could not do its part.
    """
    store = service.runtime.store
    name, headers = _granted(request, service)
    if _has_it(request, headers["etag"]):
        return _Reply(304, headers)
    size = await store.size(name)
    span = _span(request, size, headers["etag"])
    start, end = span or (0, size)
    headers |= {
        "content-type": name.media_type,
        "content-length": str(end - start),
        "content-disposition": f'inline; filename="{name.file}"',
        "accept-ranges": "bytes",
    }
    if span is not None:
        headers["content-range"] = f"bytes {start}-{end - 1}/{size}"
    pieces = store.read(name, start, end) if request.method == "GET" else None
    return _Reply(200 if span is None else 206, headers, pieces)


def _granted(request: Request, service: Service) -> tuple[PictureName, dict[str, str]]:
    """The picture that the link opens for this caller, and what is said with it.

    Raises:
        Refused: 404 `not_found`, 410 `link_expired`.
    """
    try:
        claim, remaining = service.runtime.store.claim(request.path_params["token"])
    except LinkRefused as refused:
        if refused.expired:
            words = "this link has expired: ask for the picture again"
            raise Refused(410, "link_expired", words) from None
        raise _no_such_picture() from None
    name = claim.name
    if _is_someone_else(request, service, name.owner):
        raise _no_such_picture()
    return name, {
        "etag": f'"{name.id}"',
        "cache-control": f"private, max-age={remaining}",
        "x-content-type-options": "nosniff",
        "content-security-policy": "sandbox; default-src 'none'",
    }


def _is_someone_else(request: Request, service: Service, owner: str) -> bool:
    """Whether the request comes with the key of another caller than the picture's. Without a known key nobody is."""
    try:
        caller = service.runtime.keys.caller(request.headers.get("authorization"))
    except Refused:
        return False
    return caller is not ANYONE and owner_digest(caller.name) != owner


def _has_it(request: Request, etag: str) -> bool:
    given = request.headers.get("if-none-match", "")
    return any(each.strip().removeprefix("W/") in {etag, "*"} for each in given.split(","))


class _OutOfRange(Refused):
    """A part that the picture does not have."""

    def __init__(self, size: int) -> None:
        super().__init__(416, "range_not_satisfiable", f"the picture has {size} bytes: ask for some of them")
        self.size = size


def _span(request: Request, size: int, etag: str) -> tuple[int, int] | None:
    """The part asked for, as start and end; None for the whole, also where several parts or nonsense are asked for.

    Raises:
        _OutOfRange: the picture ends before.
    """
    found = _RANGE.fullmatch(request.headers.get("range", "")) if request.method == "GET" else None
    if found is None or request.headers.get("if-range", etag) != etag:
        return None
    first, last = found[1], found[2]
    if not first:
        if not last:
            return None
        if int(last) == 0 or size == 0:
            raise _OutOfRange(size)
        return max(0, size - int(last)), size
    if last and int(last) < int(first):
        return None
    if int(first) >= size:
        raise _OutOfRange(size)
    return int(first), min(size, int(last) + 1) if last else size


def _no_such_picture() -> Refused:
    return Refused(404, "not_found", "there is no such picture: check the link, or ask for the picture again")


def _refused(error: Refused | StoreFailed) -> Refused:
    if isinstance(error, Refused):
        return error
    if isinstance(error, NotStored):
        return _no_such_picture()
    logs.logger().warning("the picture store failed", reason=str(error))
    words = "the picture store cannot be reached; ask again in a while"
    return Refused(503, "storage_unavailable", words, type="server_error", should_retry=True)


def _unsatisfied(error: Exception) -> dict[str, str]:
    return {"content-range": f"bytes */{error.size}"} if isinstance(error, _OutOfRange) else {}

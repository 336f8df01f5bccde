"""The console's page and its files, as they lie in the package; nothing in them is secret."""

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import Receive, Scope, Send

from router.service import Service

_FILES = Path(__file__).parent.parent / "console"
_PAGE, _OPEN_PAGE = "index.html", "of a router without keys"
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
# Only the package's own files run, nothing goes elsewhere, and no text can become markup or code.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
_HEADERS = {
    "content-security-policy": _POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-cache",
}


@dataclass(frozen=True, slots=True)
class _File:
    data: bytes
    media_type: str
    tag: str

    @classmethod
    def of(cls, data: bytes, suffix: str) -> "_File":
        return cls(data, _TYPES[suffix], f'"{hashlib.sha256(data).hexdigest()[:16]}"')


class Console:
    """`GET /console` and `GET /console/{file}`, as an ASGI application; where it is off there is no such path."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Request(scope, receive)
        service: Service = scope["app"].state.service
        if not service.runtime.server.console or request.method not in {"GET", "HEAD"}:
            raise HTTPException(404)
        await _answer(request, keyless=not service.runtime.keys.closed)(scope, receive, send)


def _answer(request: Request, *, keyless: bool) -> Response:
    name = request.path_params.get("file")
    if name is None and request.scope["path"].endswith("/"):
        return RedirectResponse("../console", 308)
    file = _files().get((_OPEN_PAGE if keyless else _PAGE) if name is None else name)
    if file is None:
        raise HTTPException(404)
    headers = {**_HEADERS, "etag": file.tag}
    if request.headers.get("if-none-match") == file.tag:
        return Response(status_code=304, headers=headers)
    return Response(file.data, 200, headers, file.media_type)


@cache
def _files() -> dict[str, _File]:
    found = {}
    for path in _FILES.iterdir():
        if path.suffix in _TYPES:
            data = path.read_bytes()
            found[path.name] = _File.of(data, path.suffix)
    page = found[_PAGE].data
    return {**found, _OPEN_PAGE: _File.of(page.replace(b'data-key="needed"', b'data-key="none"'), ".html")}

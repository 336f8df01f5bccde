"""A call as its backend would get it, fit to be read: written by what also sends it, secrets and pictures masked."""

import asyncio
import binascii
import hashlib
import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from providers.base import Call, FreshSeed, FreshUUID, Inline, Upload
from router.explain.explanation import Upstream
from router.wire.bodies import filename
from router.wire.send import Send

_PIECE = 192 * 1024  # a multiple of three
_LONG = 256  # characters from which on base64 is a picture
_BASE64 = re.compile(r"(data:[^,]{0,100},)?([A-Za-z0-9+/_-]+={0,2})")
_BOUNDARY = re.compile(r"(?<=boundary=)[0-9a-f]+")
_DRAWN = "<drawn for each sending>"


class Shown:
    """Shows the calls of one explanation; each picture is read once."""

    def __init__(self) -> None:
        self._digests: dict[tuple[Callable[[int, int], bytes], bool], str] = {}

    async def upstream(self, send: Send, call: Call, places: tuple[int, ...], *, events: bool) -> Upstream:
        """What a call would send.

        Raises:
            ProviderError: its address cannot be called.
        """
        preview = await send.preview(call, events=events)
        body = await asyncio.to_thread(self._body, call)
        headers = {
            name: "[key]" if name in preview.keyed else _BOUNDARY.sub(_DRAWN, value)
            for name, value in preview.headers.items()
        }
        if _draws_a_number(call.json) and "content-length" in headers:
            headers["content-length"] = "<as the number drawn has digits>"
        before = None
        if preview.errand is not None:
            before = f"the key is exchanged for a token at {preview.errand}, unless one is at hand; it goes along"
        return Upstream(
            phase=call.phase,
            send=f"{preview.method} {preview.url}",
            headers=headers,
            body=body,
            places=places,
            before=before,
        )

    def _body(self, call: Call) -> Mapping[str, Any] | None:
        if call.form is not None:
            return {"form": self._form(call.form)}
        if call.json is not None:
            return {"json": shortened(msgspec.json.decode(msgspec.json.encode(call.json, enc_hook=self._placeholder)))}
        return None if call.data is None else {"bytes": self._picture(call.data)}

    def _form(self, parts: Any) -> list[dict[str, str]]:
        shown: list[dict[str, str]] = []
        number = 0
        for name, value in parts:
            if isinstance(value, str):
                shown.append({"name": name, "text": shortened(value)})
                continue
            number += 1
            shown.append({"name": name, "filename": filename(value, number), "picture": self._picture(value)})
        return shown

    def _placeholder(self, found: object) -> str:
        if isinstance(found, FreshUUID | FreshSeed):
            return _DRAWN
        if not isinstance(found, Inline):
            raise TypeError(f"{type(found).__name__} is nothing that JSON can say")
        length = -(-found.upload.size // 3) * 4
        return f"{found.prefix}{_base64(length, self._digest(found.upload, text=True))}"

    def _picture(self, upload: Upload) -> str:
        kind = upload.media_type or "application/octet-stream"
        return f"<{kind}, {upload.size} bytes, sha256 {self._digest(upload, text=False)}>"

    def _digest(self, upload: Upload, *, text: bool) -> str:
        """The SHA-256 of a picture, or of its base64."""
        known = (upload.read, text)
        if known not in self._digests:
            digest = hashlib.sha256()
            for piece in upload.pieces(_PIECE):
                digest.update(binascii.b2a_base64(piece, newline=False) if text else piece)
            self._digests[known] = digest.hexdigest()
        return self._digests[known]


def shortened(value: Any) -> Any:
    """A JSON value whose long base64 is only told by its length and digest."""
    if isinstance(value, Mapping):
        return {name: shortened(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [shortened(inner) for inner in value]
    if not isinstance(value, str) or len(value) < _LONG or (found := _BASE64.fullmatch(value)) is None:
        return value
    return (found[1] or "") + _base64(len(found[2]), hashlib.sha256(found[2].encode()).hexdigest())


def _base64(length: int, digest: str) -> str:
    return f"<base64, {length} characters, sha256 {digest}>"


def _draws_a_number(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(map(_draws_a_number, value.values()))
    if isinstance(value, list | tuple):
        return any(map(_draws_a_number, value))
    return isinstance(value, FreshSeed)

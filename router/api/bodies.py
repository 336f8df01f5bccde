"""Reads a request's body, whatever its encoding, into one shape: plain fields, and pictures at rest on disk."""

import asyncio
from types import TracebackType
from typing import Any, Self

import msgspec
from starlette.requests import Request

from providers.base import Upload
from router.admission.memory import current
from router.api.body_limits import Intake
from router.api.form_fields import nest
from router.api.form_parts import FormParts
from router.api.json_pictures import image_sources, mask_source, place
from router.api.multipart import read_multipart
from router.api.pictures import Extent
from router.api.urlencoded import read_urlencoded
from router.images.spool import Spool
from router.messages.errors import Refused
from router.messages.limits import MIB, BodyLimits

__all__ = ["Body", "BodyLimits", "read_body"]

JSON = "application/json"
MULTIPART = "multipart/form-data"
URLENCODED = "application/x-www-form-urlencoded"

# A picture's base64 has no comma, so this bounds the objects a body can become, whatever its size.
_MOST_COMMAS = 100_000

_PICTURES = frozenset({"image", "images", "mask"})

_raw_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_value = msgspec.json.Decoder().decode


class Body(msgspec.Struct, frozen=True, kw_only=True):
    """What a body said. Close it, or leave it as a context manager, when the pictures are no longer needed.

    `images` are in wire order; text among them, or as `mask`, is an http(s) address not followed yet. `form`: it came
    from a form, so that scalars are text.
    """

    fields: dict[str, Any]
    images: tuple[Upload | str, ...] = ()
    mask: Upload | str | None = None
    form: bool = False
    spool: Spool = msgspec.field(default_factory=Spool)

    def close(self) -> None:
        """Gives the disk space back; the pictures can no longer be read. Closing twice is fine."""
        self.spool.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


async def read_body(request: Request, limits: BodyLimits) -> Body:
    """The body of a request, at most as large and as slow as allowed.

    Raises:
        Refused: the body cannot be read, or is beyond a limit.
        ClientDisconnect: the client left before the end.
    """
    spool = Spool(limits.spool_dir)
    try:
        async with asyncio.timeout(limits.patience) as clock:
            body = await _read(request, Intake(request, limits, clock), spool, limits)
    except TimeoutError as error:
        spool.close()
        words = (
            f"the body took longer than {limits.patience:g} s and {limits.seconds_per_mib:g} s a MiB: send it faster"
        )
        raise Refused(408, "request_timeout", words) from error
    except BaseException:
        spool.close()
        raise
    if (held := current.get()) is not None:
        held.drop_all()  # its pictures are on disk
    return body


async def _read(request: Request, intake: Intake, spool: Spool, limits: BodyLimits) -> Body:
    content_type = request.headers.get("content-type", "")
    kind = content_type.partition(";")[0].strip().lower() or await _guess(intake)
    if kind == MULTIPART:
        intake.allow(limits.max_body)
        form = await read_multipart(intake, content_type, spool, limits)
        if spool.pending:
            await asyncio.to_thread(spool.flush)
        return _form_body(form, spool)
    if kind not in {JSON, URLENCODED}:
        shown = f"the Content-Type {kind[:80]!r} cannot be read" if kind else "the request has no Content-Type"
        raise Refused(415, "unsupported_media_type", f"{shown}: send {JSON}, {MULTIPART} or {URLENCODED}")
    intake.allow(min(limits.max_json, limits.max_body))
    body = await intake.whole()
    read = json_body if kind == JSON else _urlencoded_body
    if len(body) > MIB:
        return await asyncio.to_thread(read, body, spool, limits)
    return read(body, spool, limits)


async def _guess(intake: Intake) -> str:
    """The encoding of a body that does not say: JSON where it looks like an object."""
    first = await intake.piece()
    intake.put_back(first)
    return JSON if first.lstrip()[:1] == b"{" else ""


def json_body(body: bytes | bytearray, spool: Spool, limits: BodyLimits) -> Body:
    """What a JSON body says; its pictures go to the spool.

    Raises:
        Refused: 400, where it cannot be read.
    """
    if len(body) > MIB and body.count(b",") > _MOST_COMMAS:
        raise _not_json(f"it has more than {_MOST_COMMAS} values")
    try:
        raw = _raw_object(body)
        apart = {name: raw.pop(name) for name in _PICTURES & raw.keys()}
        fields = {name: _value(value) for name, value in raw.items()}
        if not apart:
            return Body(fields=fields, spool=spool)
        sources = image_sources(apart.get("image"), apart.get("images"), limits.max_images)
        masked = mask_source(apart.get("mask"))
        found = [place(source, spool, limits) for source in sources]
        covered = place(masked, spool, limits) if masked else None
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise _not_json(str(error)) from error
    except RecursionError as error:
        raise _not_json("it is nested too deeply") from error
    if spool.pending:
        spool.flush()
    return Body(
        fields=fields,
        images=tuple(_settled(spool, picture) for picture in found if picture is not None),
        mask=None if covered is None else _settled(spool, covered),
        spool=spool,
    )


def _urlencoded_body(body: bytes | bytearray, spool: Spool, limits: BodyLimits) -> Body:
    form = read_urlencoded(body, spool, limits)
    if spool.pending:
        spool.flush()
    return _form_body(form, spool)


def _form_body(form: FormParts, spool: Spool) -> Body:
    return Body(
        fields=nest(form.fields),
        images=tuple(_settled(spool, picture) for picture in form.images),
        mask=_settled(spool, form.masks[0]) if form.masks else None,
        form=True,
        spool=spool,
    )


def _settled(spool: Spool, picture: Extent | str) -> Upload | str:
    return picture if isinstance(picture, str) else spool.upload(picture.offset, picture.size)


def _not_json(why: str) -> Refused:
    return Refused(400, "invalid_request_body", f"the body is not a JSON object this server can read: {why}")

"""Digests of requests: what makes two of them the same, whatever their encoding."""

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

import msgspec

from providers.base import Upload
from router.engine.request import Controls, Form, ImageRequest

_NOT_SAID = frozenset({"id", "images", "mask", "retires"})
_NOTHING: tuple[object, ...] = (None, (), {}, False)
_DRAWN = ("operation", "prompt", "n", "form", "extras", "options", "strictness")


async def fingerprint(request: ImageRequest) -> str:
    """All that a caller said: the fields as they were understood, and the bytes of the pictures."""
    said = {name: value for name, value in _told(request).items() if name not in _NOT_SAID}
    said["controls"] = _told(request.controls)
    return _digest(said, await _pictures(request))


async def cache_key(request: ImageRequest, owner: str, place: str, defaults: Mapping[str, Any]) -> str:
    """What decides how the pictures look and who may have them; how they are routed does not matter.

    `place` is the router's address, which links begin with; `defaults` are used where the caller is silent.
    """
    balancer = request.controls.balancer
    models = sorted(member.model for member in balancer.members) if balancer is not None else [request.model]
    wanted = {name: getattr(request, name) for name in _DRAWN}
    wanted |= {"models": models, "asked": {**defaults, **request.asked}, "owner": owner}
    wanted["place"] = None if request.form is Form.B64_JSON else place
    return _digest(wanted, await _pictures(request))


def scope(owner: str, operation: str, key: str) -> str:
    """Where a caller's key holds: for this caller and this operation."""
    return _digest([owner, operation, key], ())


def _told(record: ImageRequest | Controls) -> dict[str, Any]:
    """What of a record says anything: a field that a later release adds is not in a digest until it is used."""
    found = {field.name: getattr(record, field.name) for field in fields(record)}
    return {name: value for name, value in found.items() if value not in _NOTHING}


def _digest(said: Any, pictures: Sequence[str]) -> str:
    return hashlib.sha256(msgspec.json.encode([said, pictures], order="sorted")).hexdigest()


async def _pictures(request: ImageRequest) -> list[str]:
    uploads = [*request.images, *([] if request.mask is None else [request.mask])]
    if not uploads:
        return []
    return [str(len(request.images)), *await asyncio.to_thread(lambda: [_of(upload) for upload in uploads])]


def _of(upload: Upload) -> str:
    found = hashlib.sha256()
    for piece in upload.pieces():
        found.update(piece)
    return found.hexdigest()

"""Reads what a caller says about itself: identity, name and metadata, for logs and never for a provider."""

from collections.abc import Mapping, Sequence
from typing import Any

from router.engine.request import Trace
from router.messages.fields import (
    Fields,
    as_record,
    as_text,
    illegal,
    missing,
    shown,
    too_long,
    unsupported,
    wrong_type,
)

MAX_IDENTITY = 255
MAX_IDENTITY_FIELDS = 20
MAX_METADATA = 512

_IDENTITIES = ("identity", "contact")
_IDENTITY_HEADERS = ("x-orq-identity-id", "x-orq-contact-id")
_FIELDS = frozenset({*_IDENTITIES, "name", "metadata", "plugins"})
_NO_TRACE = Trace()


def read_trace(top: Fields, orq: Fields, headers: Mapping[str, str]) -> Trace:
    """The trace of a body: `top` is its top level, `orq` the object of that name. Header names are lower-case.

    Raises:
        Refused: 400, with the place as the caller wrote it.
    """
    if _FIELDS.isdisjoint(top.values) and _FIELDS.isdisjoint(orq.values):
        return headed_trace(headers)
    bodies = [_identity(place, name) for name in _IDENTITIES for place in (top, orq) if place.has(name)]
    headed = _headed(headers)
    names = [place.text("name") for place in (top, orq)]
    return Trace(
        identity=bodies[0] if bodies else headed,
        name=next((name for name in names if name is not None), None),
        metadata=_metadata(top),
        notes=tuple(note for place in (top, orq) for note in _plugins(place)),
    )


def headed_trace(headers: Mapping[str, str]) -> Trace:
    """The trace of a request whose body says nothing of the kind.

    Raises:
        Refused: 400, with the header at fault.
    """
    identity = _headed(headers)
    return _NO_TRACE if identity is None else Trace(identity=identity)


def _identity(place: Fields, name: str) -> str:
    identity = as_record(place.get(name), place.at(name), form=place.form)
    for part in ("display_name", "email", "logo_url"):
        identity.text(part)
    tags = identity.items("tags") or ()
    for i, tag in enumerate(tags):
        as_text(tag, f"{identity.at('tags')}[{i}]")
    count = sum(map(len, _objects(identity.get("metadata"), identity.at("metadata"))))
    if count > MAX_IDENTITY_FIELDS:
        raise illegal(identity.at("metadata"), f"has {count} fields; at most {MAX_IDENTITY_FIELDS} are allowed")
    found = identity.text("id", longest=MAX_IDENTITY)
    if not found:
        raise missing(identity.at("id"))
    return found


def _objects(value: Any, place: str) -> Sequence[Mapping[str, Any]]:
    """One object, or an array of them."""
    objects = value if isinstance(value, list | tuple) else [] if value is None else [value]
    for item in objects:
        if not isinstance(item, Mapping):
            raise wrong_type(place, "an object or an array of objects", item)
    return objects


def _headed(headers: Mapping[str, str]) -> str | None:
    """The identity in the headers: the first counts, each must be right."""
    found = None
    for name in _IDENTITY_HEADERS:
        if value := headers.get(name):
            if len(value) > MAX_IDENTITY:
                raise too_long(name, len(value), MAX_IDENTITY)
            found = found or value
    return found


def _metadata(top: Fields) -> Mapping[str, str]:
    metadata = top.record("metadata")
    if metadata is None:
        return {}
    for key, value in metadata.values.items():
        place = metadata.at(key[:64])
        as_text(key, place)
        length = len(as_text(value, place))
        if length > MAX_METADATA:
            raise illegal(place, f"has {length} characters; at most {MAX_METADATA} are allowed")
    return dict(metadata.values)


def _plugins(place: Fields) -> list[str]:
    """Notes on plugins that may be passed over; one that may not is refused, never ignored."""
    notes = []
    for i, entry in enumerate(place.items("plugins") or ()):
        plugin = as_record(entry, f"{place.at('plugins')}[{i}]", form=place.form)
        name = plugin.text("id")
        if not name:
            raise missing(plugin.at("id"))
        if name != "pii_redaction":
            raise unsupported(plugin.at("id"), f"this server has no plugin {shown(name)}")
        if plugin.word("on_failure", ("block", "passthrough")) != "passthrough":
            raise unsupported(
                plugin.place, "this server does not redact; leave the plugin out, or set its on_failure to passthrough"
            )
        notes.append("plugin pii_redaction passed over")
    return notes

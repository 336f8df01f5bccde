"""What a caller asked for, read and checked: the only form in which a request travels below the API."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Any

from providers.base import Operation, Upload
from providers.dialect import Strictness


class Form(StrEnum):
    """How a caller wants a picture handed over."""

    URL = "url"
    B64_JSON = "b64_json"


class BalancerType(StrEnum):
    """How a balancer chooses among its members."""

    WEIGHT_BASED = "weight_based"
    ROUND_ROBIN = "round_robin"
    LATENCY_BASED = "latency_based"


@dataclass(frozen=True, slots=True)
class Retry:
    """The caller's own retries: `count` after the first attempt, on these raw statuses (408: our own timeout)."""

    count: int
    on_codes: frozenset[int]


@dataclass(frozen=True, slots=True)
class Member:
    """One model of a balancer; weights are relative."""

    model: str
    weight: float


@dataclass(frozen=True, slots=True)
class Balancer:
    """One of several models is drawn to be the primary."""

    type: BalancerType
    members: tuple[Member, ...]


@dataclass(frozen=True, slots=True)
class Cache:
    """The caller agrees to an earlier answer no older than `ttl` seconds."""

    ttl: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Controls:
    """The caller's routing controls; None where the caller said nothing and the route's policy holds.

    `call_timeout` is in seconds.
    """

    retry: Retry | None = None
    fallbacks: tuple[str, ...] = ()
    fallback_on_codes: frozenset[int] | None = None
    call_timeout: float | None = None
    balancer: Balancer | None = None
    cache: Cache | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """What the caller says about itself: for logs, never for a provider."""

    identity: str | None = None
    name: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageRequest:
    """One request.

    `asked` holds the common parameters the caller gave (`providers.dialect.PARAMETERS`), `shape` as a `Shape`.
    `stream`: pictures are wanted as events, each after `partial_images` early looks where the backend gives them.
    `extras` are fields nobody here knows; `options` are fields for one kind of provider, by kind.
    `retires` is when the model asked for goes, where the catalogue knows of that.
    """

    id: str
    operation: Operation
    model: str
    prompt: str = ""
    n: int = 1
    asked: Mapping[str, Any] = field(default_factory=dict)
    images: tuple[Upload, ...] = ()
    mask: Upload | None = None
    form: Form | None = None
    extras: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    strictness: Strictness | None = None
    stream: bool = False
    partial_images: int = 0
    controls: Controls = field(default_factory=Controls)
    trace: Trace = field(default_factory=Trace)
    retires: date | None = None

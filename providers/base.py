"""The contract between the router and a provider: an `Adapter` is a value, its conversation a generator.

An adapter does no I/O. It yields a `Call`, is sent the `Answer`, and returns an `ImageResult`. The network, the
clock, the key and the patience belong to the router, so a text file can test every adapter.
"""

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence, Set as AbstractSet
from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

import msgspec

from providers.answers import Answer, Image
from providers.errors import (
    ErrorKind,
    OutcomeClass,
    ProviderError,
    bad_response,
    by_status,
    json_error,
)
from providers.http import Auth

if TYPE_CHECKING:
    from providers.dialect import Dialect

__all__ = [
    "Adapter",
    "Answer",
    "Call",
    "ErrorKind",
    "Flow",
    "FreshSeed",
    "FreshUUID",
    "Image",
    "ImageResult",
    "Inline",
    "Job",
    "Operation",
    "OutcomeClass",
    "Partial",
    "Phase",
    "ProviderError",
    "Stream",
    "Upload",
    "Usage",
    "Workflows",
    "bad_response",
    "by_status",
    "json_error",
    "parts",
    "poll",
    "submit",
]


class Operation(StrEnum):
    """What a caller asks for."""

    GENERATE = "generate"
    EDIT = "edit"
    VARIATION = "variation"


class Phase(StrEnum):
    """Why a call is made; it decides whether the call may be repeated."""

    PREPARE = "prepare"  # before the paid work, such as an upload: free, repeated at will
    SUBMIT = "submit"  # starts the paid work: repeated only where the backend said that it did none
    POLL = "poll"  # asks how the work is getting on: free, repeated at will
    FETCH = "fetch"  # brings a result home: free, repeated at will


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """A picture the caller sent, at rest: read in pieces, as often as wanted, never held whole.

    `read(offset, length)` returns at most `length` bytes and may be called from any thread. `media_type` is what
    the first bytes say; None where they were not looked at (an unconstrained model). Pixels are 0 where unknown.
    """

    read: Callable[[int, int], bytes]
    size: int
    media_type: str | None
    width: int = 0
    height: int = 0

    @classmethod
    def of(cls, data: bytes, media_type: str | None = "image/png", *, width: int = 0, height: int = 0) -> "Upload":
        """An upload of bytes already in memory."""
        view = memoryview(data)
        return cls(
            read=lambda offset, length: bytes(view[offset : offset + length]),
            size=len(data),
            media_type=media_type,
            width=width,
            height=height,
        )

    def pieces(self, length: int = 256 * 1024) -> Iterator[bytes]:
        """The picture from its first byte to its last."""
        for offset in range(0, self.size, length):
            yield self.read(offset, length)


class Inline:
    """A picture as base64 text within JSON, after `prefix`: written while it is sent, never held."""

    __slots__ = ("prefix", "upload")  # no dataclass, which the JSON encoder would write field by field

    def __init__(self, upload: Upload, prefix: str = "") -> None:
        self.upload = upload
        self.prefix = prefix

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Inline) and (self.upload, self.prefix) == (other.upload, other.prefix)

    def __hash__(self) -> int:
        return hash((self.upload, self.prefix))

    @classmethod
    def data_uri(cls, upload: Upload) -> "Inline":
        """The picture as a `data:` address."""
        return cls(upload, f"data:{upload.media_type or 'application/octet-stream'};base64,")


class FreshUUID:
    """A random UUID as text within JSON, another each time that the call is sent; all are equal until then."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FreshUUID)

    def __hash__(self) -> int:
        return hash(FreshUUID)


class FreshSeed:
    """A random whole number of 48 bits within JSON, as a `FreshUUID` is a name."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FreshSeed)

    def __hash__(self) -> int:
        return hash(FreshSeed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One HTTP exchange an adapter wants. The body is `json`, `form` or `data`, or none.

    In `json` an `Inline` stands for a picture's base64, a `FreshUUID` for a new name, a `FreshSeed` for a new number.
    `pause` is how many seconds to wait before the call.

    `path` is joined to the provider's base URL; a full address stands alone, and gets the key only where it is of
    the base URL's origin. A form's parts are `(name, text or picture)` in wire order.
    """

    phase: Phase
    method: str
    path: str
    json: Mapping[str, Any] | Sequence[Any] | None = None
    form: Sequence[tuple[str, "str | Upload"]] | None = None
    data: "Upload | None" = None
    headers: Mapping[str, str] = field(default_factory=dict)
    pause: float = 0.0


def submit(
    path: str,
    *,
    json: Mapping[str, Any] | Sequence[Any] | None = None,
    form: Sequence[tuple[str, str | Upload]] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Call:
    """The call that starts the paid work."""
    return Call(phase=Phase.SUBMIT, method="POST", path=path, json=json, form=form, headers=headers or {})


def parts(fields: Mapping[str, Any]) -> tuple[tuple[str, str | Upload], ...]:
    """The parts of a form: text and pictures as they are, all else as JSON writes it."""
    return tuple(
        (name, value if isinstance(value, str | Upload) else msgspec.json.encode(value).decode())
        for name, value in fields.items()
    )


def poll(
    path: str,
    *,
    status: str | Callable[[Answer], str],
    pending: AbstractSet[str],
    done: AbstractSet[str],
    failed: Mapping[str, ErrorKind | Callable[[Answer], ProviderError]],
    every: float = 1.0,
    why: Callable[[Answer], str | None] = lambda _: None,
    headers: Mapping[str, str] | None = None,
    json: Mapping[str, Any] | Sequence[Any] | None = None,
) -> Generator[Call, Answer, Answer]:
    """Ask until the work is done; the answer that says so. The router's deadline ends a wait without end.

    Args:
        path: what to ask; a full address may be one the backend gave.
        status: where the state stands in an answer, as a dotted path; or what reads it.
        pending: states in which to go on asking.
        done: states that end it well.
        failed: states that end it badly, and whose fault that is; or what reads it from the answer.
        every: seconds between two calls.
        why: the backend's own words about a failure.
        headers: sent with each call.
        json: the body of each call, for backends that are asked by POST.

    Raises:
        ProviderError: the work failed, or its state is in none of the three sets.
    """
    method = "GET" if json is None else "POST"
    call = Call(phase=Phase.POLL, method=method, path=path, json=json, headers=headers or {}, pause=every)
    while True:
        answer = yield call
        state = answer.word(status) if isinstance(status, str) else status(answer)
        if state in done:
            return answer
        if state in failed:
            fault = failed[state]
            if not isinstance(fault, ErrorKind):
                raise fault(answer)
            raise ProviderError(fault, why(answer) or f"the job ended as {state!r}", outcome=OutcomeClass.FAILED)
        if state not in pending:
            raise bad_response(f"the job is in a state its backend does not document: {state[:80]!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What the backend says it used. None where it says nothing; None is not zero."""

    input_tokens: int | None = None
    input_text_tokens: int | None = None
    input_image_tokens: int | None = None
    output_tokens: int | None = None
    output_text_tokens: int | None = None
    output_image_tokens: int | None = None
    total_tokens: int | None = None
    megapixels: float | None = None
    credits: float | None = None
    seconds: float | None = None  # of the backend's own machine
    cost: float | None = None  # US dollars

    def or_none(self) -> "Usage | None":
        """None where the backend says nothing at all."""
        return None if self == _UNKNOWN else self


_UNKNOWN = Usage()


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageResult:
    """The end of a conversation. `facts` are words the backend says of the pictures: quality, background."""

    images: tuple[Image, ...]
    usage: Usage | None = None
    created: int | None = None
    facts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Partial:
    """An early look at a picture that is still being drawn; `index` counts from 0."""

    image: Image
    index: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """All that an adapter may look at.

    `params` are already in the backend's words; `extras` are fields nobody here knows, passed on because the
    dialect allows it. `options` are the provider's from the configuration, and so is `base_url`, for backends whose
    paths depend on where they live. `id` stays the same for every retry.
    """

    id: str
    operation: Operation
    model: str
    prompt: str
    n: int = 1
    params: Mapping[str, Any] = field(default_factory=dict)
    extras: Mapping[str, Any] = field(default_factory=dict)
    images: tuple[Upload, ...] = ()
    mask: Upload | None = None
    options: Mapping[str, str] = field(default_factory=dict)
    base_url: str = ""


Flow = Generator[Call, Answer, ImageResult]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """How a backend that sends events is asked for them, and how one event is read.

    Args:
        request: the call for a job, which asks for this many early looks (0 to 3) besides the finished picture.
        event: one server-sent event, by its name and its data as an `Answer`: an early look, a finished picture
            (an `ImageResult` of one image), what was used where that has an event of its own (an `ImageResult` of
            no image), or None for what means nothing. Raises `ProviderError` for a failure.
    """

    request: Callable[[Job, int], Call]
    event: Callable[[str, Answer], Partial | ImageResult | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Workflows:
    """How a backend is put to use that runs graphs of one's own, each a JSON file that the configuration names.

    Args:
        flaws: what is wrong with the graphs of one model: which graph, where in it, a sentence with the remedy.
        equipped: the adapter that runs these graphs, by model; they have no flaws.
    """

    flaws: Callable[[Sequence[Any]], Iterator[tuple[int, tuple[str | int, ...], str]]]
    equipped: Callable[[Mapping[str, Sequence[Any]]], "Adapter"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapter:
    """A provider, whole.

    Args:
        dialects: what its models accept; the first pattern that matches the model's name wins, the last is `*`.
        generate: the conversation that makes the pictures.
        error: reads a failing answer into a `ProviderError`.
        base_url: where the backend lives; None where the configuration must say.
        auth: turns the key into an authentication flow; None where there is no key.
        options: what the configuration may set for such a provider, each with its meaning.
        local: for a backend inside the process: answers a call in a worker thread, no wire between.
        failed_is_billed: whether the backend charges for work that it says failed.
        stream: for a backend that can send a picture in events.
        key_hosts: hosts beside the base URL's that may be sent the key; `*.` stands for any name below.
        link_life: how many seconds the addresses that it gives are good for; None where nobody says.
        workflows: for a backend that runs graphs of one's own.
    """

    dialects: Mapping[str, "Dialect"]
    generate: Callable[[Job], Flow]
    error: Callable[[Answer], ProviderError]
    base_url: str | None = None
    auth: Callable[[str], Auth] | None = None
    options: Mapping[str, str] = field(default_factory=dict)
    local: Callable[[Call], Answer] | None = None
    failed_is_billed: bool = False
    stream: Stream | None = None
    key_hosts: tuple[str, ...] = ()
    link_life: float | None = None
    workflows: Workflows | None = None

    def dialect(self, model: str) -> "Dialect":
        """What a model of this name accepts."""
        return next(dialect for pattern, dialect in self.dialects.items() if fnmatchcase(model, pattern))

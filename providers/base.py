"""The contract between the router and a provider: an `Adapter` is a value, its conversation a generator.

An adapter does no I/O. It yields a `Call`, is sent the `Answer`, and returns an `ImageResult`. The network, the
clock, the key and the patience belong to the router, so a text file can test every adapter.
"""

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import fnmatchcase
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from providers.http import Auth

if TYPE_CHECKING:
    from providers.dialect import Dialect

T = TypeVar("T")

_UNREADABLE = (msgspec.MsgspecError, UnicodeError, RecursionError)
"""What reading a strange body can raise; the last is a body nested without end."""


class Operation(StrEnum):
    """What a caller asks for."""

    GENERATE = "generate"
    EDIT = "edit"
    VARIATION = "variation"


class Phase(StrEnum):
    """Why a call is made; it decides whether the call may be repeated."""

    SUBMIT = "submit"  # starts the paid work: repeated only where the backend said that it did none
    FETCH = "fetch"  # brings a result home: free, repeated at will


class ErrorKind(StrEnum):
    """Whose fault a failure is; it decides whether the chain goes on and what the caller is told."""

    INVALID_REQUEST = "invalid_request"
    UNSUPPORTED = "unsupported"
    CONTENT_POLICY = "content_policy"
    AUTHENTICATION = "authentication"
    QUOTA = "quota"
    RATE_LIMITED = "rate_limited"
    UNAVAILABLE = "unavailable"
    TIMEOUT = "timeout"
    BAD_RESPONSE = "bad_response"


class OutcomeClass(StrEnum):
    """How an attempt ended, seen from the bill."""

    NOT_SENT = "not_sent"  # never reached the backend's application
    REJECTED = "rejected"  # the backend answered that it did no work
    FAILED = "failed"  # the backend answered that the work failed
    AMBIGUOUS = "ambiguous"  # nobody can know: it may have been billed
    SUCCEEDED = "succeeded"


class ProviderError(Exception):
    """A failure of one attempt, typed where the fact is known.

    Args:
        kind: whose fault it is.
        message: one sentence; the backend's own words where it gave some.
        outcome: what it means for the bill.
        status: the backend's raw HTTP status; None where there was no answer.
        code: the backend's own code.
        type: the backend's own error type.
        param: the parameter the backend blames.
        retry_after: seconds the backend asked to wait.
    """

    def __init__(
        self,
        kind: ErrorKind,
        message: str,
        *,
        outcome: OutcomeClass,
        status: int | None = None,
        code: str | None = None,
        type: str | None = None,  # noqa: A002 - the envelope's own word
        param: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.outcome = outcome
        self.status = status
        self.code = code
        self.type = type
        self.param = param
        self.retry_after = retry_after


def bad_response(message: str) -> ProviderError:
    """A 200 that carries no usable picture: the work was done, so it may have been billed."""
    return ProviderError(ErrorKind.BAD_RESPONSE, message, outcome=OutcomeClass.AMBIGUOUS)


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One HTTP exchange an adapter wants. The body is `json`, or `form`, or none.

    `path` is joined to the provider's base URL; a full address stands alone, and gets the key only where it is of
    the base URL's origin. A form's parts are `(name, text or picture)` in wire order.
    """

    phase: Phase
    method: str
    path: str
    json: Mapping[str, Any] | None = None
    form: Sequence[tuple[str, "str | Upload"]] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


def submit(
    path: str,
    *,
    json: Mapping[str, Any] | None = None,
    form: Sequence[tuple[str, str | Upload]] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Call:
    """The call that starts the paid work."""
    return Call(phase=Phase.SUBMIT, method="POST", path=path, json=json, form=form, headers=headers or {})


@dataclass(frozen=True)
class Answer:
    """What came back: a status, headers by lower-case name, the whole body."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def read(self, shape: type[T]) -> T:
        """The body as `shape`, a Struct that names only the fields used.

        Raises:
            ProviderError: `bad_response`, with the path of what is missing or of the wrong type.
        """
        try:
            return msgspec.json.decode(self.body, type=shape)
        except _UNREADABLE as error:
            raise bad_response(f"the backend's answer is not what it documents: {error}") from error

    @cached_property
    def _escaped(self) -> bool:
        return b"\\" in self.body

    def cargo(self, raw: msgspec.Raw) -> memoryview:
        """The text of a JSON string as a slice of the body; copied only where the body has an escape.

        Raises:
            ProviderError: `bad_response`, when it is no string.
        """
        view = memoryview(raw)
        if len(view) < 2 or view[0] != ord('"'):
            raise bad_response("the backend's answer has something else where a picture's base64 belongs")
        if self._escaped and b"\\" in bytes(view):
            try:
                return memoryview(msgspec.json.decode(raw, type=str).encode())
            except _UNREADABLE as error:
                raise bad_response(f"the backend's answer has a broken string for a picture: {error}") from error
        return view[1:-1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """One picture as the backend gave it: exactly one of `b64` (base64 text) and `url`."""

    b64: memoryview | None = None
    url: str | None = None
    revised_prompt: str | None = None


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
    cost: float | None = None  # US dollars


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageResult:
    """The end of a conversation. `facts` are words the backend says of the pictures: quality, background."""

    images: tuple[Image, ...]
    usage: Usage | None = None
    created: int | None = None
    facts: Mapping[str, str] = field(default_factory=dict)


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
    """

    dialects: Mapping[str, "Dialect"]
    generate: Callable[[Job], Flow]
    error: Callable[[Answer], ProviderError]
    base_url: str | None = None
    auth: Callable[[str], Auth] | None = None
    options: Mapping[str, str] = field(default_factory=dict)
    local: Callable[[Call], Answer] | None = None
    failed_is_billed: bool = False

    def dialect(self, model: str) -> "Dialect":
        """What a model of this name accepts."""
        return next(dialect for pattern, dialect in self.dialects.items() if fnmatchcase(model, pattern))


# status -> (kind, outcome); a status in neither table is judged by its hundred
_BY_STATUS: Mapping[int, tuple[ErrorKind, OutcomeClass]] = {
    401: (ErrorKind.AUTHENTICATION, OutcomeClass.REJECTED),
    402: (ErrorKind.QUOTA, OutcomeClass.REJECTED),
    403: (ErrorKind.AUTHENTICATION, OutcomeClass.REJECTED),
    404: (ErrorKind.UNSUPPORTED, OutcomeClass.REJECTED),
    405: (ErrorKind.UNSUPPORTED, OutcomeClass.REJECTED),
    408: (ErrorKind.TIMEOUT, OutcomeClass.AMBIGUOUS),
    429: (ErrorKind.RATE_LIMITED, OutcomeClass.REJECTED),
    499: (ErrorKind.TIMEOUT, OutcomeClass.AMBIGUOUS),
    500: (ErrorKind.UNAVAILABLE, OutcomeClass.FAILED),
    501: (ErrorKind.UNSUPPORTED, OutcomeClass.REJECTED),
    503: (ErrorKind.UNAVAILABLE, OutcomeClass.REJECTED),
    529: (ErrorKind.UNAVAILABLE, OutcomeClass.REJECTED),
}


def by_status(status: int) -> tuple[ErrorKind, OutcomeClass]:
    """What a status means where the body says no more; unknown 5xx are gateways' and tell nothing of the work."""
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    if 400 <= status < 500:
        return ErrorKind.INVALID_REQUEST, OutcomeClass.REJECTED
    return ErrorKind.UNAVAILABLE, OutcomeClass.AMBIGUOUS


def json_error(
    *,
    message: Sequence[str],
    code: Sequence[str] = (),
    type: Sequence[str] = (),  # noqa: A002 - the envelope's own word
    param: Sequence[str] = (),
    codes: Mapping[str, ErrorKind] | None = None,
) -> Callable[[Answer], ProviderError]:
    """Reads errors that are JSON: each argument lists dotted paths, of which the first that is there counts.

    `codes` gives a backend's codes their kind, and outranks the status: codes are facts, words are not.
    """

    def read(answer: Answer) -> ProviderError:
        try:
            body = msgspec.json.decode(answer.body)
        except _UNREADABLE:
            body = None
        kind, outcome = by_status(answer.status)
        if body is None and outcome is OutcomeClass.FAILED:
            outcome = OutcomeClass.AMBIGUOUS  # a 500 without the backend's own words may be a gateway's
        words = [_first(body, paths) for paths in (message, code, type, param)]
        for name in (_first(body, (path,)) for path in code):
            if name is not None and codes and name in codes:
                kind = codes[name]
        return ProviderError(
            kind,
            words[0] or f"the backend answered {answer.status}",
            outcome=outcome,
            status=answer.status,
            code=words[1],
            type=words[2],
            param=words[3],
        )

    return read


def _first(body: Any, paths: Sequence[str]) -> str | None:
    for path in paths:
        value = body
        for step in path.split("."):
            value = value.get(step) if isinstance(value, dict) else None
        if isinstance(value, str | int) and value != "":
            return str(value)
    return None

"""Work that takes its time: what backends say of it, how it is waited for, and the links it ends in."""

from collections.abc import Generator, Mapping
from typing import Any
from urllib.parse import urlsplit

import msgspec

from providers.base import Answer, Call, Image, ImageResult, poll
from providers.errors import ErrorKind, OutcomeClass, ProviderError, bad_response

ENDS = {"failed": ErrorKind.UNAVAILABLE, "canceled": ErrorKind.TIMEOUT, "aborted": ErrorKind.TIMEOUT}
_REFUSED = ("nsfw", "flagged as sensitive", "e005", "content policy", "safety", "moderat")


class Link(msgspec.Struct):
    """Where a picture is."""

    url: str


class _Addresses(msgspec.Struct, frozen=True):
    get: str = ""


class Work(msgspec.Struct):
    """One state of some work, in the words of all backends."""

    id: str = ""
    status: str = ""
    task_status: str = ""
    response_url: str = ""
    urls: _Addresses = _Addresses()
    error: Any = None
    output: str | list[str] | None = None
    outputs: list[str] | None = None
    images: list[Link] | None = None
    image_result: list[Link] | None = None
    has_nsfw_concepts: list[bool] | None = None
    data: "Work | None" = None


def said(answer: Answer) -> Work:
    """What an answer says of the work."""
    work = answer.read(Work)
    return work.data or work


def wait(
    path: str,
    *,
    pending: set[str],
    done: str,
    failed: Mapping[str, ErrorKind],
    every: float,
    headers: Mapping[str, str] | None = None,
) -> Generator[Call, Answer, Work]:
    """What there is in the end.

    Raises:
        ProviderError: the work failed; that it was refused is known by the backend's words alone.
    """
    try:
        answer = yield from poll(
            path,
            status=lambda answer: said(answer).status or said(answer).task_status,
            pending=pending,
            done={done},
            failed=failed,
            every=every,
            why=lambda answer: str(said(answer).error or "") or None,
            headers=headers,
        )
    except ProviderError as error:
        if error.outcome is OutcomeClass.FAILED and any(word in error.message.lower() for word in _REFUSED):
            error.kind = ErrorKind.CONTENT_POLICY
        raise
    return said(answer)


def path_of(address: str) -> str:
    """The path of an address that a backend gave: the router has the same behind the backend's name.

    Raises:
        ProviderError: `bad_response`, when it is none.
    """
    try:
        path = urlsplit(address).path
    except ValueError:
        path = ""
    if not path:
        raise bad_response("the backend took the work and gave no address to ask for it")
    return path


def links(urls: list[str], flags: list[bool] | None = None) -> ImageResult:
    """The pictures at these addresses, but for those that a safety check has blackened.

    Raises:
        ProviderError: it has blackened all.
    """
    flagged = [*(flags or ()), *(False for _ in urls)]
    sound = [url for url, flag in zip(urls, flagged, strict=False) if not flag]
    if urls and not sound:
        told = "the backend's safety check flagged every picture"
        raise ProviderError(ErrorKind.CONTENT_POLICY, told, outcome=OutcomeClass.AMBIGUOUS)  # they were drawn
    return ImageResult(images=tuple(Image(url=url) for url in sound))

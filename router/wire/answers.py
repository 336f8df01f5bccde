"""Reads what came back over the wire: an answer whole, or its events one by one."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing, suppress
from io import BytesIO
from typing import cast

from providers.base import Answer, ErrorKind, OutcomeClass, ProviderError, bad_response
from providers.http import AsyncByteStream, ConnectError, ConnectTimeout, PoolTimeout, Response
from router.admission.memory import Holding, current
from router.wire.marks import HEADERS
from router.wire.sse import Event, Events

_LONGEST_WORDS = 64 * 1024
"""Bytes of an event that may be words and quote the key; a longer one is a picture, and not searched for it."""

_READ_AHEAD = 1280 * 1024
"""Bytes that the transport holds of a large answer besides those that it handed over."""

_DIGITS = 12  # of a length; no answer is longer

# What a transport raises only where no byte of the request left us.
_UNSENT: Mapping[type[Exception], str] = {
    PoolTimeout: "no connection to the provider came free in time",
    ConnectTimeout: "connecting to the provider took too long",
    ConnectError: "the provider could not be reached",
}


def says_events(status: int, headers: Mapping[str, str]) -> bool:
    """Whether what came back is a stream of events."""
    media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    return 200 <= status < 300 and media_type == "text/event-stream"


async def read_answer(response: Response, secret: bytes, max_answer: int) -> Answer:
    """The answer whole, and the response closed. A refusal that quotes the `secret` does so no more.

    Raises:
        ProviderError: it broke off, or must not be used.
    """
    try:
        return await _whole(response, secret, max_answer)
    except ProviderError:
        raise
    except Exception as error:
        raise lost(error) from error
    finally:
        await close(response)


async def read_events(response: Response, secret: bytes) -> AsyncGenerator[Event, None]:
    """The events as they come. Whoever reads them closes the response.

    Raises:
        ProviderError: the stream broke off, or must not be used.
    """
    events = Events()
    held = current.get()
    _compressed(headers_of(response), response.status_code)
    pieces = cast("AsyncGenerator[bytes, None]", aiter(cast("AsyncByteStream", response.stream)))
    try:
        async with aclosing(pieces):
            async for piece in pieces:
                for event in events.feed(piece):
                    yield _redacted(event, secret)
                if held is not None and not held.add(len(piece)):
                    await held.room()
    except ProviderError:
        raise
    except Exception as error:
        raise lost(error) from error
    for event in events.end():
        yield _redacted(event, secret)


async def events_of(answer: Answer) -> AsyncGenerator[Event, None]:
    """The events of an answer that is already whole."""
    events = Events()
    for event in (*events.feed(answer.body), *events.end()):
        yield event


def lost(error: Exception) -> ProviderError:
    """What a transport's failure means for the bill."""
    for unsent, message in _UNSENT.items():
        if isinstance(error, unsent):
            return ProviderError(ErrorKind.UNAVAILABLE, message, outcome=OutcomeClass.NOT_SENT)
    message = "the connection to the provider broke before its answer was whole"
    return ProviderError(ErrorKind.UNAVAILABLE, message, outcome=OutcomeClass.AMBIGUOUS)


def headers_of(response: Response) -> Mapping[str, str]:
    """A response's headers by lower-case name."""
    found: Mapping[str, str] | None = response.extensions.get(HEADERS)
    return found if found is not None else dict(response.headers.items())


async def close(response: Response) -> None:
    """Let go of a response, read to its end or not. A failure to do so says nothing of what was read."""
    with suppress(Exception):
        await response.aclose()


async def _whole(response: Response, secret: bytes, max_answer: int) -> Answer:
    status = response.status_code
    if 300 <= status < 400:
        raise _redirect(status)
    headers = headers_of(response)
    body = b"" if _compressed(headers, status) else await _body(response, _length(headers), max_answer)
    if status >= 400 and secret:
        body = body.replace(secret, b"[redacted]")
    return Answer(status, headers, body)


async def _body(response: Response, length: int | None, max_answer: int) -> bytes:
    """All of it; `length` is what the backend says of it, if anything."""
    # Pieces in a list would be held twice while they are joined. This gives up its bytes without a copy, and is as
    # large as it will be from the start: a buffer that grows copies what it holds again and again.
    body = BytesIO(bytes(length)) if length is not None and length <= max_answer else BytesIO()
    if (held := current.get()) is None:
        await _fill(body, response, max_answer, None)
        return _filled(body)
    ahead = 0 if length is not None and length < _READ_AHEAD else _READ_AHEAD
    held.add(ahead)
    try:
        await _fill(body, response, max_answer, held)
    except BaseException:
        held.drop(body.tell())
        raise
    finally:
        held.drop(ahead)
    return _filled(body)


def _filled(body: BytesIO) -> bytes:
    body.truncate()  # what was announced and did not come
    return body.getvalue()


async def _fill(body: BytesIO, response: Response, max_answer: int, held: Holding | None) -> None:
    """Read into `body`. Where all requests together hold too much, the rest waits in the socket until there is room."""
    async for piece in cast("AsyncByteStream", response.stream):
        body.write(piece)
        on = held is None or held.add(len(piece))
        if body.tell() > max_answer:
            raise bad_response(f"the backend's answer is larger than {max_answer} bytes")
        if held is not None and not on:
            await held.room()


def _length(headers: Mapping[str, str]) -> int | None:
    told = headers.get("content-length", "")
    return int(told) if told.isdecimal() and len(told) < _DIGITS else None


def _redacted(event: Event, secret: bytes) -> Event:
    if secret and len(event.data) <= _LONGEST_WORDS and secret in event.data:
        return Event(event.name, event.data.replace(secret, b"[redacted]"))
    return event


def _redirect(status: int) -> ProviderError:
    message = (
        f"the backend answered {status}, a redirect, and redirects are not followed; set base_url to where it leads"
    )
    return ProviderError(ErrorKind.UNAVAILABLE, message, outcome=OutcomeClass.REJECTED, status=status)


def _compressed(headers: Mapping[str, str], status: int) -> bool:
    """Whether a failing answer's body cannot be read; its status alone says enough."""
    if headers.get("content-encoding", "identity").strip().lower() in ("", "identity"):
        return False
    if status < 300:
        raise bad_response("the backend compressed its answer although it was asked not to")
    return True

"""Server-sent events: read the same however their bytes are cut, in bounded memory and time."""

import itertools
import time
import tracemalloc

import pytest
from hypothesis import given, settings, strategies as st

from providers.base import ErrorKind, OutcomeClass, ProviderError
from router.wire.sse import Event, Events


def read(stream, *cuts, max_event=1 << 20):
    """The events of a stream whose bytes come in the pieces between these places."""
    events = Events(max_event)
    places = [0, *sorted(cuts), len(stream)]
    found = [event for at, to in itertools.pairwise(places) for event in events.feed(stream[at:to])]
    return [*found, *events.end()]


@pytest.mark.parametrize(
    ("stream", "events"),
    [
        (b"", []),
        (b"\n\n\n", []),
        (b"data: a\n\n", [("", b"a")]),
        (b"data:a\n\n", [("", b"a")]),
        (b"data:  a\n\n", [("", b" a")]),
        (b"data\n\n", [("", b"")]),
        (b"data:\n\n", [("", b"")]),
        (b"event: x\ndata: a\n\ndata: b\n\n", [("x", b"a"), ("", b"b")]),
        (b"data: a\nevent: x\n\n", [("x", b"a")]),
        (b"event: x\n\ndata: a\n\n", [("", b"a")]),
        (b"event: x\nevent: y\ndata: a\n\n", [("y", b"a")]),
        (b"event\ndata: a\n\n", [("", b"a")]),
        (b"event: \xff\ndata: \xff\n\n", [("\ufffd", b"\xff")]),
        (b"data: a\ndata: b\ndata\ndata: c\n\n", [("", b"a\nb\n\nc")]),
        (b"event: x\r\ndata: a\r\n\r\ndata: b\r\n\r\n", [("x", b"a"), ("", b"b")]),
        (b"event: x\rdata: a\r\rdata: b\r\r", [("x", b"a"), ("", b"b")]),
        (b"data: a\r\n\ndata: b\n\r\ndata: c\r\r\n", [("", b"a"), ("", b"b"), ("", b"c")]),
        (b": still here\n\n:\n\ndata: a\n: there\n\n", [("", b"a")]),
        (b"id: 7\nretry: 10\ndatabase: x\neventful: y\nx\ndata: a\n\n", [("", b"a")]),
        (b"\xef\xbb\xbfdata: a\n\n", [("", b"a")]),
        (b"\xef\xbb\xbf\ndata: a\n\n", [("", b"a")]),
        (b"data: a\n\n\xef\xbb\xbfdata: b\n\n", [("", b"a")]),
        (b"data: a: b\n\n", [("", b"a: b")]),
        (b"data: a\n\ndata: [DONE]", [("", b"a"), ("", b"[DONE]")]),
        (b"event: x\ndata: a\n", [("x", b"a")]),
        (b"event: x", []),
    ],
)
def test_a_stream_is_read(stream, events):
    """Each form that the standard allows is read, whole and byte by byte; an end stands for the last blank line."""
    expected = [Event(*event) for event in events]
    assert read(stream) == expected
    assert read(stream, *range(len(stream))) == expected


@settings(max_examples=200, deadline=None, database=None, derandomize=True)
@given(data=st.data())
def test_cuts_change_nothing(data):
    """Wherever the bytes are cut, the events are the same, and as plain reading line by line has them."""
    lines = st.sampled_from([b"", b"data: a", b"data:", b"data", b"event: x", b": c", b"data:b\xff", b"id: 1", b"dat"])
    ends = st.sampled_from([b"\n", b"\r\n", b"\r"])
    pairs = data.draw(st.lists(st.tuples(lines, ends), max_size=12))
    stream = b"".join(line + end for line, end in pairs)
    cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=8))
    assert read(stream, *cuts) == read(stream) == plainly(stream)


def plainly(stream):
    """The events, line by line, for as long as the stream is short."""
    events, name, data = [], "", []
    for line in [*stream.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")[:-1], b""]:
        field, _, value = line.partition(b":")
        if not line:
            events += [Event(name, b"\n".join(data))] if data else []
            name, data = "", []
        elif field == b"data":
            data.append(value.removeprefix(b" "))
        elif field == b"event":
            name = value.removeprefix(b" ").decode()
    return events


@pytest.mark.parametrize(
    "stream",
    [
        b"data: " + b"x" * 100_000,
        b"data: " + b"x" * 60_000 + b"\ndata: " + b"x" * 60_000,
        b": " + b"x" * 100_000,
        b"data\n" * 1000,
        b"data:\n" * 1000,
    ],
)
def test_too_large(stream):
    """An event beyond the limit is refused before it ends, be it long or of a great many lines."""
    with pytest.raises(ProviderError, match="larger than 100000 bytes") as raised:
        read(stream, *range(0, len(stream), 1000), max_event=100_000)
    assert (raised.value.kind, raised.value.outcome) == (ErrorKind.BAD_RESPONSE, OutcomeClass.AMBIGUOUS)


def test_the_limit_is_of_one_event():
    """A stream may be as long as it likes, of events and of comments."""
    events = Events(max_event=10_000)
    for _ in range(100):
        assert events.feed(b"data: " + b"x" * 5_000 + b"\n\n: " + b"y" * 5_000 + b"\n")


def test_a_picture_is_copied_once():
    """An event of 24 MB in pieces of 64 KB takes its own size, once more for the copy, and little besides."""
    size, piece = 24 << 20, bytes(range(48, 112)) * 1024
    tracemalloc.start()
    events = Events()
    events.feed(b"event: image_generation.completed\ndata: ")
    for _ in range(size // len(piece)):
        assert events.feed(bytes(bytearray(piece))) == []
    (event,) = events.feed(b"\n\n")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(event.data) == size
    assert peak < 2.1 * size


@pytest.mark.parametrize(
    "stream",
    [b"\n" * (1 << 20), b":\n" * (1 << 20), b"\r" * (1 << 20) + b"\n" * (1 << 20), b"data: a\n\n" * (1 << 17)],
)
def test_time_grows_with_length_alone(stream):
    """Millions of lines in one piece take seconds at most, whichever ends they have."""
    started = time.process_time()
    Events().feed(stream)
    assert time.process_time() - started < 10

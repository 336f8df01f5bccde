"""Request bodies in every encoding: decoded alike, refused with reasons, never held in memory."""

import asyncio
import base64
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote, urlencode

import pytest
from hypothesis import given, settings, strategies as st
from starlette.requests import ClientDisconnect, Request
from virtual_time import run
from wire_bodies import (
    CAT,
    CAT_B64,
    CAT_URI,
    DOG,
    LIMITS,
    MASK,
    MULTIPART,
    URLENCODED,
    ask,
    form,
    picture,
    plain,
    refused,
)

from router.api.bodies import Body, read_body
from router.messages.errors import Refused


@pytest.mark.parametrize(
    "text",
    [
        CAT_URI,
        CAT_B64,
        CAT_B64.rstrip("="),
        f"\n{CAT_B64}\n",
        base64.encodebytes(CAT).decode(),
        f"DATA:image/png;name=a.png;Base64,{CAT_B64}",
    ],
)  # fmt: skip
@pytest.mark.parametrize("piece", [0, 1])
def test_text_pictures_are_decoded(text, piece):
    """A data URI or base64 is the same picture in a text part and in JSON, with line ends or without padding."""
    assert plain(ask(form(("image", text)), MULTIPART, piece=piece))[1] == [CAT]
    assert plain(ask({"image": text}))[1] == [CAT]


@pytest.mark.parametrize("size", [8190, 8192, 300_000])
def test_long_text_pictures_are_decoded_as_they_come(size):
    """Base64 of any length is decoded piece by piece to exactly its bytes, escaped or not."""
    data = CAT + bytes(range(256)) * (size // 256)
    text = base64.b64encode(data).decode()
    assert plain(ask(form(("image", text)), MULTIPART, piece=1000))[1] == [data]
    assert plain(ask(b'{"image":"' + text.replace("/", "\\/").encode() + b'"}', piece=5000))[1] == [data]
    assert plain(ask(f"image={quote(text, safe='')}".encode(), URLENCODED, piece=5000))[1] == [data]


@pytest.mark.parametrize(
    "text",
    [
        "not base64!",
        "abcde",
        "AA==AA==",
        CAT_B64 + "====",
        "data:image/png,abc",
        "data:image/png;base64",
        "b'\\x89PNG'",
        "{'image': 1}",
        "<_io.BufferedReader>",
        "http://a b/",
        "https://ä/",
        "http://a/" + "x" * 9000,
        "A" * 9000 + "!",
        "AA==" * 4000,
    ],
)  # fmt: skip
def test_other_text_is_no_picture(text):
    """Contract 3.2.6: what is neither a data URI, base64 nor an address is an invalid image, in every encoding."""
    expected = (400, "invalid_image", "image")
    assert refused({"image": text}) == expected
    assert refused(form(("image", text)), MULTIPART) == expected
    assert refused(urlencode({"image": text}).encode(), URLENCODED) == expected


def test_addresses_stay_text():
    """An http(s) address is handed on as it is, in its place among the pictures."""
    body = {"images": [CAT_URI, {"image_url": {"url": "https://a/b.png"}}], "mask": {"image_url": "HTTP://a/m.png"}}
    assert plain(ask(body)) == ({}, [CAT, "https://a/b.png"], "HTTP://a/m.png")
    texts = form(("images[][image_url]", "https://a/b.png"), ("mask[image_url]", "HTTP://a/m.png"))
    assert plain(ask(texts, MULTIPART)) == ({}, ["https://a/b.png"], "HTTP://a/m.png")


@pytest.mark.parametrize(
    ("body", "images"),
    [
        ({"image": CAT_URI, "images": [CAT_URI]}, [CAT]),
        ({"image": [CAT_URI, CAT_B64]}, [CAT, CAT]),
        ({"image": {"image_url": CAT_URI}}, [CAT]),
        ({"image": None, "images": CAT_B64, "mask": None}, [CAT]),
        ({"image": "", "images": []}, []),
    ],
)
def test_json_pictures_have_many_shapes(body, images):
    """The union of what gateways' clients send: text, arrays, objects, and null for none."""
    assert plain(ask(body)) == ({}, images, None)


@pytest.mark.parametrize(
    ("body", "code", "param"),
    [
        ({"image": CAT_URI, "images": [CAT_B64]}, "invalid_request_body", "images"),
        ({"images": [{"file_id": "f"}]}, "unsupported_parameter", "images[0].file_id"),
        ({"mask": {"file_id": "f"}}, "unsupported_parameter", "mask.file_id"),
        ({"mask": [CAT_URI, CAT_URI]}, "invalid_request_body", "mask"),
        ({"image": [CAT_URI, "!"]}, "invalid_image", "image[1]"),
        ({"image": 5}, "invalid_type", "image"),
        ({"image": [[CAT_URI]]}, "invalid_type", "image[0]"),
        ({"image": {"url": CAT_URI}}, "invalid_image", "image"),
        ({"image": {"image_url": {"url": {"image_url": "x"}}}}, "invalid_type", "image.image_url.url"),
        ({"image": [CAT_URI] * 17}, "too_many_images", "image"),
    ],
)
def test_json_pictures_are_refused_with_the_place(body, code, param):
    """A picture that is none is a 400 that names its place in the body."""
    assert refused(body) == (400, code, param)


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[1]", b'"x"', b'{"a":NaN}', b'{"a":"\xff"}', b'{"\xff":1}', b'{"a":' + b"[" * 100_000, b'{"a":1e999}',
     b'{"image":"\xff"}', b'{"image":' + b"[" * 100_000 + b"]" * 100_000 + b"}", b'{"a":[' + b"0," * 600_000 + b"0]}"],
)  # fmt: skip
def test_broken_json_is_a_400(body):
    """Whatever is wrong with the JSON, its text, depth or number of values, the answer is a refusal."""
    assert refused(body)[0] == 400


def test_json_scalars_are_themselves():
    """A JSON body's fields are its values, and it is not called a form."""
    body = ask({"prompt": "p", "n": 2.0, "size": None})
    assert not body.form
    assert plain(body)[0] == {"prompt": "p", "n": 2.0, "size": None}


def test_the_encoding_is_taken_from_the_content_type():
    """Case and parameters do not matter; no type means JSON where it looks so; another type is a 415."""
    assert plain(ask(b'{"n":1}', "Application/JSON; charset=utf-8"))[0] == {"n": 1}
    assert plain(ask(b' {"n":1}', None, piece=3))[0] == {"n": 1}
    assert refused(b"n=1", None) == (415, "unsupported_media_type", None)
    assert refused(b'{"n":1}', "text/plain") == (415, "unsupported_media_type", None)
    assert refused(b'{"n":1}', URLENCODED) == (400, "invalid_request_body", None)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", MULTIPART),
        (b"hello", MULTIPART),
        (form(picture())[:-9], MULTIPART),
        (form(picture()), "multipart/form-data"),
        (form(picture()), "multipart/form-data; boundary=" + "x" * 300),
        (b"--B\r\nContent-Type: text/plain\r\n\r\nx\r\n--B--", MULTIPART),
        (b"--B\r\nX: " + b"y" * 9000 + b"\r\n\r\nx\r\n--B--", MULTIPART),
        (b"--B\r\n" + b"X: y\r\n" * 9 + b"\r\nx\r\n--B--", MULTIPART),
        (form(*[(f"f{i}", "x") for i in range(257)]), MULTIPART),
        (b"&".join(b"f%d=x" % i for i in range(257)), URLENCODED),
        (b"%ff=x", URLENCODED),
    ],
)
def test_broken_forms_are_a_400(body, kind):
    """A form that is cut, has no boundary, nameless parts, long headers or too many parts is refused."""
    assert refused(body, kind)[:2] == (400, "invalid_request_body")


SMALL = replace(LIMITS, max_body=5000, max_json=500, max_text=40, max_all_text=60, max_image=1000, max_images=2)
LARGE = bytes(1001)


@pytest.mark.parametrize(
    ("body", "kind", "expected"),
    [
        (form(picture(data=bytes(6000))), MULTIPART, (413, "file_too_large", "image")),
        (form(picture(data=LARGE)), MULTIPART, (413, "file_too_large", "image")),
        (form(picture("image[]"), picture("image[]", LARGE)), MULTIPART, (413, "file_too_large", "image[1]")),
        (form(("image", base64.b64encode(LARGE).decode())), MULTIPART, (413, "file_too_large", "image")),
        (form(*[picture()] * 3), MULTIPART, (400, "too_many_images", "image")),
        (form(("prompt", "x" * 41)), MULTIPART, (400, "string_above_max_length", "prompt")),
        (form(("prompt", "x" * 40), ("user", "x" * 40)), MULTIPART, (400, "string_above_max_length", "user")),
        (form(*[("a", "")] * 120), MULTIPART, (413, "request_too_large", None)),
        (b"prompt=" + b"x" * 41, URLENCODED, (400, "string_above_max_length", "prompt")),
        (b"x=" + b"&" * 600, URLENCODED, (413, "request_too_large", None)),
        ({"prompt": "x" * 600}, "application/json", (413, "request_too_large", None)),
    ],
)
def test_limits_hold_while_the_body_comes(body, kind, expected):
    """Every limit is an answer that names the limit's field, whatever the length that was declared."""
    assert refused(body, kind, limits=SMALL, piece=100) == expected


def test_two_pictures_and_a_mask_are_within_two():
    """The mask does not count among the pictures."""
    body = form(picture("image[]"), picture("image[]", DOG), picture("mask", MASK))
    assert plain(ask(body, MULTIPART, limits=SMALL)) == ({}, [CAT, DOG], MASK)


@pytest.mark.parametrize(("kind", "size"), [("application/json", 501), (URLENCODED, 501), (MULTIPART, 5001)])
def test_a_declared_length_is_refused_unread(kind, size):
    """A body that says it is too large is refused before a byte of it is asked for."""
    assert refused(b"not even read", kind, limits=SMALL, length=size) == (413, "request_too_large", None)


@pytest.mark.parametrize(("kind", "data"), [(MULTIPART, b"\r"), ("application/json", b"{"), (None, b"{")])
def test_a_slow_body_runs_out_of_time(kind, data):
    """A body has thirty seconds and one more for each MiB, and then gets a 408."""

    async def read():
        async def receive():
            await asyncio.sleep(20)
            return {"type": "http.request", "body": data, "more_body": True}

        headers = [(b"content-type", kind.encode())] if kind else []
        return await read_body(Request({"type": "http", "headers": headers}, receive), LIMITS)

    with pytest.raises(Refused) as caught:
        run(read())
    assert (caught.value.status, caught.value.code) == (408, "request_timeout")


def test_a_fast_enough_body_has_all_the_time_it_needs():
    """Time grows with what has come: a MiB a second is never too slow."""
    body, sent = form(("a", "x")) + bytes(60 * 1024 * 1024), []

    async def read():
        async def receive():
            await asyncio.sleep(0.99)
            at = len(sent) * 1024 * 1024
            sent.append(at)
            return {
                "type": "http.request",
                "body": body[at : at + 1024 * 1024],
                "more_body": at + 1024 * 1024 < len(body),
            }

        scope = {"type": "http", "headers": [(b"content-type", MULTIPART.encode())]}
        return await read_body(Request(scope, receive), replace(LIMITS, patience=2.0))

    assert plain(run(read()))[0] == {"a": "x"}


def test_a_client_that_leaves_is_no_refusal():
    """A disconnect before the end is told apart: nobody waits for an answer."""

    async def read():
        async def receive():
            return {"type": "http.disconnect"}

        return await read_body(
            Request({"type": "http", "headers": [(b"content-type", b"application/json")]}, receive), LIMITS
        )

    with pytest.raises(ClientDisconnect):
        asyncio.run(read())


def test_no_refusal_quotes_a_picture():
    """Messages name fields and limits, never what was in them."""
    with pytest.raises(Refused) as caught:
        ask({"image": "secret" * 3 + "!"})
    assert "secret" not in caught.value.message


TOKENS = st.sampled_from(
    [
        *(b"--B\r\n", b"--B--", b"\r\n", b"\r\n\r\n", b"--B", b"--B \r\n", b"Content-Type: application/json"),
        *(b'Content-Disposition: form-data; name="image"', b'; filename="x"', CAT, CAT_URI.encode(), b'{"a":1}'),
        *(b'Content-Disposition: form-data; name="fallbacks[][model]"', b"[object Object]", b"null"),
    ]
)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(TOKENS | st.binary(max_size=12), max_size=14).map(b"".join),
    st.sampled_from([MULTIPART, URLENCODED, "application/json", "multipart/form-data; boundary=\xff;=", None]),
    st.integers(0, 9),
)
def test_any_bytes_are_a_body_or_a_refusal(body, kind, piece):
    """No bytes in any encoding, cut anywhere, make anything but a body or a refusal."""
    with suppress(Refused), ask(body, kind, piece=piece) as read:
        assert isinstance(read, Body)


GROWTH = """
import asyncio, pathlib
from starlette.requests import Request
from router.api.bodies import BodyLimits, read_body

CHUNK = bytes(range(256)) * 256
HEAD = b'--B\\r\\nContent-Disposition: form-data; name="image[]"; filename="a.png"\\r\\n\\r\\n'

def pieces(count, size):
    for _ in range(count):
        yield HEAD
        for _ in range(size // len(CHUNK)):
            yield CHUNK
        yield b"\\r\\n"
    yield b"--B--"

async def read(count, size):
    body = pieces(count, size)
    async def receive():
        data = next(body, None)
        return {"type": "http.request", "body": data or b"", "more_body": data is not None}
    scope = {"type": "http", "headers": [(b"content-type", b"multipart/form-data; boundary=B")]}
    with await read_body(Request(scope, receive), BodyLimits()) as got:
        assert [one.size for one in got.images] == [size] * count
        assert got.images[-1].read(size - 4, 9) == CHUNK[-4:]

def peak():
    status = pathlib.Path("/proc/self/status").read_text()  # rusage would tell the peak of the test's own process
    return int(status.partition("VmHWM:")[2].split()[0]) // 1024

async def main():
    await read(2, 1024 * 1024)
    before = peak()
    await read(16, 20 * 1024 * 1024)
    print(peak() - before)

asyncio.run(main())
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak of a process is read from /proc")
def test_three_hundred_megabytes_do_not_grow_the_process():
    """Sixteen pictures of 20 MiB pass through in less than 16 MiB of memory."""
    done = subprocess.run([sys.executable, "-c", GROWTH], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 16

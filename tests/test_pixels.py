"""Recognising pictures in answers: true ones by their bytes, without decoding them; never an exception."""

import base64
import io
import random
import struct
from dataclasses import replace

import pytest
from hypothesis import given, strategies as st
from pictures import png
from PIL import Image as Drawing

from providers.base import Image
from router.images import pixels
from router.images.pixels import decoded, encoded, recognise


def drawn(kind, **options):
    """A true picture of 40 by 24 pixels."""
    file = io.BytesIO()
    Drawing.new("RGB", (40, 24), "teal").save(file, kind, **options)
    return file.getvalue()


def seen(data, **words):
    """What is recognised in these bytes as base64."""
    return recognise(Image(b64=memoryview(base64.b64encode(data)), **words))


FRAMES = {"save_all": True, "append_images": [Drawing.new("RGB", (40, 24), "red")]}
KINDS = {
    "png": ("image/png", drawn("PNG")),
    "jpeg": ("image/jpeg", drawn("JPEG")),
    "jpeg with a colour profile": ("image/jpeg", drawn("JPEG", icc_profile=bytes(150_000))),
    "moving png": ("image/png", drawn("PNG", **FRAMES)),
    "webp": ("image/webp", drawn("WEBP")),
    "webp with alpha and more": ("image/webp", drawn("WEBP", exif=b"Exif\0\0MM", icc_profile=bytes(200))),
    "lossless webp": ("image/webp", drawn("WEBP", lossless=True)),
    "moving webp": ("image/webp", drawn("WEBP", **FRAMES)),
    "gif": ("image/gif", drawn("GIF", **FRAMES)),
}


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind(kind):
    """Each kind is named by its bytes, with its size, and keeps the words that came with it."""
    media_type, data = KINDS[kind]
    picture = seen(data, revised_prompt="a hill")
    assert (picture.media_type, picture.width, picture.height) == (media_type, 40, 24)
    assert (bytes(picture.b64), picture.url, picture.revised_prompt) == (base64.b64encode(data), None, "a hill")


@pytest.mark.parametrize("kind", KINDS)
def test_bytes(kind):
    """A picture given as bytes is recognised as the same in base64 is, and its bytes are carried, not copied."""
    data = KINDS[kind][1]
    picture = recognise(Image(data=data, revised_prompt="a hill"))
    assert picture.data is data
    assert replace(picture, data=None) == replace(seen(data), b64=None, revised_prompt="a hill")


@pytest.mark.parametrize("kind", KINDS)
def test_moving(kind):
    """A picture that may hold more than one frame says so; a still never does."""
    assert seen(KINDS[kind][1]).animated is (kind.startswith("moving") or kind == "gif")


@pytest.mark.parametrize("kind", KINDS)
def test_there_and_back(kind):
    """Base64 and bytes become each other without a change."""
    text = base64.b64encode(KINDS[kind][1])
    data = decoded(recognise(Image(b64=memoryview(text))))
    assert (data, bytes(encoded(data))) == (KINDS[kind][1], text)
    assert decoded(recognise(Image(data=data))) is data


@pytest.mark.parametrize(
    ("width", "height", "usable"), [(10_000, 5000, True), (10_000, 5001, False), (1 << 31, 1, False)]
)
def test_too_large(width, height, usable):
    """By its header alone a picture of more than fifty megapixels is not usable, and one of just fifty is."""
    data = png()[:16] + struct.pack(">II", width, height) + png()[24:]
    assert (seen(data) is not None) is usable
    assert (recognise(Image(data=data)) is not None) is usable


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_cut_off(kind, share):
    """A picture whose end is missing is not usable."""
    data = KINDS[kind][1]
    cut = data[: int(len(data) * share)]
    assert seen(cut) is None
    assert recognise(Image(data=cut)) is None


@pytest.mark.parametrize("trailer", [0, 1, 2, 3])
def test_every_padding(trailer):
    """Base64 of any length modulo three is read, padded or not; what was unpadded comes back padded."""
    text = base64.b64encode(png() + bytes(trailer))
    for given_text in (text, text.rstrip(b"=")):
        picture = recognise(Image(b64=memoryview(given_text)))
        assert bytes(picture.b64) == text


def test_no_copy():
    """Well-formed base64 is carried as it came, not copied."""
    text = memoryview(base64.b64encode(png()))
    assert recognise(Image(b64=text)).b64 is text


def test_not_decoded(monkeypatch):
    """Of a picture of megabytes only a few kilobytes are decoded."""
    data = png()[:-12] + random.Random(1).randbytes(3_000_000) + png()[-12:]
    read, lengths = pixels._Encoded.read, []

    def counting(encoded, offset, length):
        lengths.append(length)
        return read(encoded, offset, length)

    monkeypatch.setattr(pixels._Encoded, "read", counting)
    assert seen(data).media_type == "image/png"
    assert sum(lengths) < 10_000


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"=",
        b"====",
        b"A",
        base64.b64encode(b"<svg xmlns='http://www.w3.org/2000/svg'/>"),
        base64.b64encode(b"%PDF-1.7"),
        base64.b64encode(b'{"error": "no"}'),
        base64.urlsafe_b64encode(png()[:-12] + b"\xfb\xff\xbf" * 20 + png()[-12:]),
        base64.b64encode(png())[:-1] + b"\n",
        base64.encodebytes(png()),
        base64.b64encode(png())[:40] + b"!" + base64.b64encode(png())[41:],
        base64.b64encode(base64.b64encode(png())),
        base64.b64encode(png()[:16] + bytes(8) + png()[24:]),
        "é".encode() * 40,
    ],
)
def test_no_picture(text):
    """What is no base64, or base64 of no usable picture, is none."""
    assert recognise(Image(b64=memoryview(text))) is None


@pytest.mark.parametrize("url", ["https://host/a.png?sig=%2F", "http://10.0.0.1:8000/é.png", "HTTPS://host"])
def test_address(url):
    """An HTTP address is a picture whose bytes were not seen."""
    picture = recognise(Image(url=url, revised_prompt="a hill"))
    assert (picture.url, picture.b64, picture.media_type, picture.revised_prompt) == (url, None, None, "a hill")


@pytest.mark.parametrize("head", ["data:image/png;base64,", "data:;base64,", "DATA:image/jpeg;name=a;BASE64,"])
def test_data_address(head):
    """A `data:` address becomes base64, named by its bytes and not by its label."""
    text = base64.b64encode(png())
    picture = recognise(Image(url=head + text.decode()))
    assert (bytes(picture.b64), picture.url, picture.media_type) == (text, None, "image/png")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "ftp://host/a.png",
        "file:///a.png",
        "/a.png",
        "https://",
        "http://[::1",
        "https://host/a b",
        "data:image/png,abc",
        "data:image/png;base64,",
        "data:image/png;base64,éé",
    ],
)
def test_no_address(url):
    """Any other address is none."""
    assert recognise(Image(url=url)) is None


def test_nothing():
    """An answer's image that holds nothing is none."""
    assert recognise(Image()) is None


@given(st.sampled_from([data for _, data in KINDS.values()]), st.data())
def test_broken_pictures(data, draw):
    """A true picture with bytes changed and cut is recognised or not, without an exception."""
    broken = bytearray(data[: draw.draw(st.integers(0, len(data)))])
    for _ in range(min(len(broken), 4)):
        broken[draw.draw(st.integers(0, len(broken) - 1))] = draw.draw(st.integers(0, 255))
    seen(bytes(broken))


@given(st.binary(max_size=200))
def test_any_bytes(data):
    """Whatever the text, the bytes or the address, there is a picture or none."""
    for text in (data, base64.b64encode(b"\xff\xd8\xff" + data), base64.b64encode(b"RIFF\1\0\0\0WEBP" + data)):
        recognise(Image(b64=memoryview(text)))
        recognise(Image(data=text))
    recognise(Image(data=data))
    recognise(Image(url=data.decode("latin-1")))
    recognise(Image(url="http://" + data.decode("latin-1")))

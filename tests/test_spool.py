"""The spool and what it tells of a picture: appended once, read from anywhere, judged by its bytes."""

import io
import struct
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, strategies as st
from pictures import png
from PIL import Image

from router.images.sniff import Sniffed, is_whole, sniff
from router.images.spool import Spool

KINDS = {"PNG": "image/png", "JPEG": "image/jpeg", "WEBP": "image/webp", "GIF": "image/gif"}
HEADS = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"RIFF\x10\0\0\0WEBP", b"RIFF\xff\xff\xff\xffWEBPVP8X", b"GIF89a", b"")


def drawn(kind, **options):
    """A true picture of 40 by 24 pixels."""
    file = io.BytesIO()
    Image.new("RGB", (40, 24), "teal").save(file, kind, **options)
    return file.getvalue()


def reader(data):
    """`read(offset, length)` over bytes."""
    return lambda offset, length: data[offset : offset + length]


def filled(*pictures):
    """A spool of these pictures, and its uploads."""
    spool, places = Spool(), []
    for picture in pictures:
        places.append((spool.size, len(picture)))
        spool.append(picture)
    spool.flush()
    return spool, [spool.upload(*place) for place in places]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_tells_its_type_and_pixels(kind):
    """A picture that another library wrote is named with its true size."""
    data = drawn(kind)
    assert sniff(reader(data), len(data)) == Sniffed(KINDS[kind], 40, 24)


@pytest.mark.parametrize(
    ("kind", "options"),
    [("WEBP", {"lossless": True}), ("WEBP", {"exif": b"Exif\0\0MM"}), ("JPEG", {"progressive": True})],
)
def test_the_variants_of_a_kind_tell_their_pixels(kind, options):
    """Lossless and extended WebP, and progressive JPEG, keep their size in other places."""
    data = drawn(kind, **options)
    assert sniff(reader(data), len(data)) == Sniffed(KINDS[kind], 40, 24)


def test_a_jpeg_is_read_past_long_metadata():
    """The frame header of a JPEG is found behind segments of any length and fill bytes."""
    data = drawn("JPEG")
    padded = data[:2] + b"\xff\xe2\xff\xff" + b"\0" * 65533 + b"\xff\xff\xff\xe1\0\x04ab" + data[2:]
    assert sniff(reader(padded), len(padded)) == Sniffed("image/jpeg", 40, 24)


@pytest.mark.parametrize("data", [b"", b"\x89PN", b"<svg/>", b"BM1234", b"RIFF\0\0\0\0WAVE", b"\xff\xd8"])
def test_anything_else_is_not_named(data):
    """Bytes of no known picture are None, however short."""
    assert sniff(reader(data), len(data)) is None


@pytest.mark.parametrize("kind", KINDS)
def test_a_picture_without_its_end_is_not_whole(kind):
    """A picture is whole with its last bytes and not without them."""
    data = drawn(kind)
    assert is_whole(KINDS[kind], len(data), reader(data))
    cut = data[: len(data) - 3]
    assert not is_whole(KINDS[kind], len(cut), reader(cut))


@pytest.mark.parametrize("zeros", [1, 63, 64, 5000])
def test_zero_bytes_after_a_jpeg_are_padding(zeros):
    """Cameras and disks pad: zeros after the end do not make a JPEG broken."""
    data = drawn("JPEG") + bytes(zeros)
    assert is_whole("image/jpeg", len(data), reader(data))


def test_a_kind_without_an_end_counts_as_whole():
    """What has no mark at its end cannot be called cut."""
    assert is_whole("image/svg+xml", 3, reader(b"abc"))


@given(st.sampled_from(HEADS), st.binary(max_size=200), st.integers(0, 300))
def test_hostile_bytes_get_an_answer(head, rest, claimed):
    """No bytes, and no size that is claimed for them, make the readers fail."""
    data = head + rest
    sniff(reader(data), claimed)
    for media_type in KINDS.values():
        is_whole(media_type, claimed, reader(data))


@given(st.sampled_from(sorted(KINDS)), st.data())
def test_a_cut_picture_gets_an_answer(kind, data):
    """A true picture cut anywhere is named or not, and never an exception."""
    whole = drawn(kind)
    cut = whole[: data.draw(st.integers(0, len(whole)))]
    sniff(reader(cut), len(cut))


def test_endless_segments_end():
    """A JPEG of nothing but empty segments is given up after a bounded number of reads."""
    data = b"\xff\xd8" + b"\xff\xe0\0\x02" * 100_000
    reads = []
    assert sniff(lambda offset, length: reads.append(1) or data[offset : offset + length], len(data)) == Sniffed(
        "image/jpeg"
    )
    assert len(reads) < 2000


def test_pictures_come_out_as_they_went_in():
    """Each upload reads its own bytes and no neighbour's, in any order and piece."""
    first, second = png(3, 5), png(7, 2)
    spool, (one, two) = filled(first, second)
    assert (b"".join(two.pieces(10)), b"".join(one.pieces())) == (second, first)
    assert (one.media_type, one.width, one.height, one.size) == ("image/png", 3, 5, len(first))
    assert (one.read(len(first) - 4, 100), one.read(len(first), 1), one.read(9999, 5)) == (first[-4:], b"", b"")
    spool.close()


def test_unknown_bytes_have_no_type():
    """An upload of unknown bytes is kept and called None."""
    spool, (upload,) = filled(b"hello")
    assert (upload.media_type, upload.width, upload.read(0, 9)) == (None, 0, b"hello")
    spool.close()


def test_reads_from_many_threads_agree():
    """Threads share one file and each gets the bytes it asked for."""
    data = struct.pack(">20000I", *range(20000))
    spool, (upload,) = filled(data)
    with ThreadPoolExecutor(8) as pool:
        found = pool.map(lambda at: upload.read(at * 4, 4), range(0, 20000, 97))
    assert [int.from_bytes(word, "big") for word in found] == list(range(0, 20000, 97))
    spool.close()


def test_nothing_is_left_on_disk(tmp_path: Path):
    """The file has no name while it is open, and there is none before the first byte is written."""
    spool = Spool(tmp_path)
    spool.append(png())
    spool.flush()
    assert spool.upload(0, spool.size).media_type == "image/png"
    assert list(tmp_path.iterdir()) == []
    spool.close()


def test_without_bytes_there_is_no_file(tmp_path: Path):
    """A request without pictures costs no file, so its directory need not even be there."""
    spool = Spool(tmp_path / "missing")
    assert not spool.pending
    spool.close()


def test_a_closed_spool_refuses_instead_of_reading_another_file():
    """After closing, reading and writing are errors: the file's number may be another request's by then."""
    spool, (upload,) = filled(png())
    spool.close()
    spool.close()
    with pytest.raises(ValueError, match="closed"):
        upload.read(0, 1)
    with pytest.raises(ValueError, match="closed"):
        spool.flush()


def test_it_is_full_before_it_is_large():
    """The buffer asks to be written at a quarter of a MiB, and is empty after it."""
    spool = Spool()
    spool.append(bytes(256 * 1024 - 1))
    assert not spool.full
    spool.append(b"x")
    assert spool.full
    spool.flush()
    assert (spool.full, spool.pending, spool.size) == (False, False, 256 * 1024)
    spool.close()

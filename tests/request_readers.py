"""What the tests of request reading share: catalogue entries, uploads, and readers that answer briefly."""

import struct

import pytest

from providers.base import Operation, Upload
from router.catalog import Entry, SizeRule
from router.engine.request import Controls, Trace
from router.messages.errors import Refused
from router.messages.request import read_request
from router.messages.rules import check

GENERATE, EDIT, VARIATION = Operation.GENERATE, Operation.EDIT, Operation.VARIATION

GPT = Entry(
    id="openai/gpt-image-1",
    operations=frozenset({GENERATE, EDIT}),
    sizes=("auto", "1024x1024", "1536x1024", "1024x1536"),
    default_size="auto",
    qualities=("auto", "low", "medium", "high"),
    default_quality="auto",
    backgrounds=("auto", "opaque", "transparent"),
    output_formats=("png", "jpeg", "webp"),
    moderations=("auto", "low"),
    input_fidelities=("high", "low"),
    stream=True,
    max_images=16,
    mask=True,
)
MINI = GPT.model_copy(update={"id": "openai/gpt-image-1-mini", "input_fidelities": ("low",)})
GPT2 = GPT.model_copy(
    update={
        "id": "openai/gpt-image-2",
        "size_rule": SizeRule(step=16, longest=3840, area=(655_360, 8_294_400), ratio=3),
        "input_fidelities": (),
    }
)
DALLE3 = Entry(
    id="openai/dall-e-3",
    operations=frozenset({GENERATE}),
    sizes=("1024x1024", "1792x1024", "1024x1792"),
    default_size="1024x1024",
    qualities=("standard", "hd"),
    default_quality="standard",
    styles=("vivid", "natural"),
    default_style="vivid",
    links=True,
    n_max=1,
    prompt_max=4000,
)
DALLE2 = Entry(
    id="openai/dall-e-2",
    operations=frozenset(Operation),
    sizes=("256x256", "512x512", "1024x1024"),
    default_size="1024x1024",
    qualities=("standard",),
    default_quality="standard",
    links=True,
    prompt_max=1000,
    max_images=1,
    max_image_bytes=4_000_000,
    input_types=frozenset({"image/png"}),
    square_input=True,
    mask=True,
)
FREE = DALLE3.model_copy(update={"unconstrained": True})
P = {"prompt": "p"}


def png(width=8, height=8, *, colour=6, chunks=b"", size=None, media_type="image/png"):
    """The upload of a PNG's head; `size` may claim more bytes than there are."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + b"crc." + chunks + struct.pack(">I", 1) + b"IDAT"
    upload = Upload.of(data, media_type, width=width, height=height)
    return upload if size is None else Upload(read=upload.read, size=size, media_type=media_type, width=8, height=8)


PNG = png()


def read(operation=GENERATE, fields=None, entry=None, *, images=(), mask=None, form=False):
    """A body read and checked."""
    request = read_request(
        operation,
        P if fields is None else fields,
        images,
        mask,
        form=form,
        id="r1",
        model="m",
        entry=entry,
        controls=Controls(),
        trace=Trace(),
    )
    if entry is not None:
        check(request, entry)
    return request


def asked(entry=None, **fields):
    """What a generation asks for."""
    return dict(read(fields={**P, **fields}, entry=entry).asked)


def outcome(*args, **kwargs):
    """What becomes of a body: the request, or the refusal."""
    try:
        return read(*args, **kwargs)
    except Refused as refusal:
        return refusal


def refused(*args, **kwargs):
    """The refusal of a body."""
    with pytest.raises(Refused) as caught:
        read(*args, **kwargs)
    return caught.value

"""Pictures in a request: which are refused, and what the model must be able to read."""

import struct

import pytest
from request_readers import (
    DALLE2,
    DALLE3,
    EDIT,
    FREE,
    GENERATE,
    GPT,
    GPT2,
    MINI,
    PNG,
    VARIATION,
    P,
    asked,
    png,
    read,
    refused,
)

from providers.base import Upload
from providers.dialect import Shape
from router.engine.request import Form
from router.messages.uploads import has_alpha


def test_a_generation_with_a_picture_is_an_edit() -> None:
    """A picture sent with a generation is never dropped: the generation becomes an edit."""
    request = read(GENERATE, P, GPT, images=(PNG,))
    assert (request.operation, request.images) == (EDIT, (PNG,))


def test_a_variation_needs_no_prompt() -> None:
    """A variation is read from its picture alone, with what clients always send; a prompt is a field nobody knows."""
    fields = {"n": 1.0, "response_format": "url", "size": "1024x1024", "prompt": "p"}
    request = read(VARIATION, fields, DALLE2, images=(PNG,))
    assert (request.form, request.asked, request.prompt) == (Form.URL, {"shape": Shape(1024, 1024)}, "")
    assert request.extras == {"prompt": "p"}


def test_an_edit_takes_a_mask() -> None:
    """A PNG of the image's size with an alpha channel is a mask."""
    assert read(EDIT, P, GPT, images=(PNG,), mask=PNG).mask is PNG


UPLOADS = {
    "an edit without a picture": (EDIT, None, (), None, 400, "missing_required_parameter", "image"),
    "a variation without a picture": (VARIATION, None, (), None, 400, "missing_required_parameter", "image"),
    "a mask without a picture": (GENERATE, None, (), PNG, 400, "missing_required_parameter", "image"),
    "an address": (EDIT, None, ("https://example.com/a.png",), None, 400, "invalid_image", "image"),
    "a mask by address": (EDIT, None, (PNG,), "https://example.com/a.png", 400, "invalid_image", "mask"),
    "seventeen pictures": (EDIT, None, (PNG,) * 17, None, 400, "too_many_images", "image"),
    "two pictures for dall-e-2": (EDIT, DALLE2, (PNG,) * 2, None, 400, "too_many_images", "image"),
    "two pictures to vary": (VARIATION, DALLE2, (PNG,) * 2, None, 400, "too_many_images", "image"),
    "an edit by dall-e-3": (EDIT, DALLE3, (PNG,), None, 400, "unsupported_operation", "model"),
    "a variation by dall-e-3": (VARIATION, DALLE3, (PNG,), None, 400, "unsupported_operation", "model"),
    "bytes nobody knows": (
        EDIT,
        GPT,
        (png(media_type=None),),
        None,
        400,
        "unsupported_file_mimetype",
        "image",
    ),
    "a gif": (EDIT, GPT, (png(media_type="image/gif"),), None, 400, "unsupported_file_mimetype", "image"),
    "a jpeg for dall-e-2": (
        EDIT,
        DALLE2,
        (png(media_type="image/jpeg"),),
        None,
        400,
        "unsupported_file_mimetype",
        "image",
    ),
    "fifty megabytes": (EDIT, GPT, (png(size=50_000_000),), None, 413, "file_too_large", "image"),
    "four megabytes for dall-e-2": (EDIT, DALLE2, (png(size=4_000_000),), None, 413, "file_too_large", "image"),
    "a wide picture for dall-e-2": (EDIT, DALLE2, (png(16, 8),), None, 400, "invalid_image", "image"),
    "a mask of another size": (EDIT, GPT, (PNG,), png(16, 8), 400, "invalid_image", "mask"),
    "a mask that is a jpeg": (EDIT, GPT, (PNG,), png(media_type="image/jpeg"), 400, "invalid_image", "mask"),
    "a mask of unknown bytes": (EDIT, GPT, (PNG,), png(media_type=None), 400, "invalid_image", "mask"),
    "a mask without alpha": (EDIT, GPT, (PNG,), png(colour=2), 400, "invalid_image", "mask"),
    "a mask of four megabytes": (EDIT, GPT, (PNG,), png(size=4_000_000), 413, "file_too_large", "mask"),
    "a mask on a variation": (VARIATION, DALLE2, (PNG,), PNG, 400, "unsupported_parameter", "mask"),
    "a mask for a model that takes none": (
        EDIT,
        GPT.model_copy(update={"mask": False}),
        (PNG,),
        PNG,
        400,
        "unsupported_parameter",
        "mask",
    ),
}


@pytest.mark.parametrize(
    ("operation", "entry", "images", "mask", "expected"),
    [(*row[:4], row[4:]) for row in UPLOADS.values()],
    ids=UPLOADS,
)
def test_a_wrong_picture_is_refused(operation, entry, images, mask, expected) -> None:
    """Pictures that are missing, too many, too large or of the wrong kind are refused before anything is sent."""
    found = refused(operation, P, entry, images=images, mask=mask)
    assert (found.status, found.code, found.param) == expected


@pytest.mark.parametrize("entry", [None, FREE])
def test_pictures_for_unknown_models_are_not_inspected(entry) -> None:
    """Without a catalogue entry, or with an unconstrained one, an upload is passed on as it is."""
    upload = png(3, 5, media_type=None)
    assert read(EDIT, P, entry, images=(upload,), mask=upload).images == (upload,)


FIDELITY = {
    "gpt-image-1 takes high": (GPT, "high", None),
    "gpt-image-1-mini takes low": (MINI, "low", None),
    "gpt-image-1-mini has no high": (MINI, "high", "unsupported_parameter"),
    "gpt-image-2 has none": (GPT2, "low", "unsupported_parameter"),
    "an unknown model takes either": (None, "high", None),
    "nobody has medium": (None, "medium", "invalid_value"),
}


@pytest.mark.parametrize(("entry", "value", "code"), FIDELITY.values(), ids=FIDELITY)
def test_input_fidelity_is_the_models(entry, value, code) -> None:
    """An edit may ask for the fidelity its model has."""
    fields = {**P, "input_fidelity": value}
    if code is None:
        assert read(EDIT, fields, entry, images=(PNG,)).asked["input_fidelity"] == value
    else:
        assert refused(EDIT, fields, entry, images=(PNG,)).code == code


def test_an_edit_has_no_hd() -> None:
    """The edit's list of qualities is the generation's without hd."""
    assert refused(EDIT, {**P, "quality": "hd"}, images=(PNG,)).code == "invalid_value"
    assert asked(quality="hd") == {"quality": "hd"}


ALPHA = {
    "colour with alpha": (png(colour=6), True),
    "grey with alpha": (png(colour=4), True),
    "colour without": (png(colour=2), False),
    "a palette without": (png(colour=3), False),
    "a palette with transparent colours": (png(colour=3, chunks=struct.pack(">I", 2) + b"tRNSabcrc."), True),
    "transparency behind another chunk": (
        png(colour=2, chunks=struct.pack(">I", 3) + b"tEXTabccrc." + struct.pack(">I", 2) + b"tRNSabcrc."),
        True,
    ),
    "a picture cut short": (Upload.of(b"\x89PNG\r\n\x1a\n"), False),
    "chunks without end": (png(colour=2, chunks=(struct.pack(">I", 0) + b"tEXTcrc.") * 1000), False),
}


@pytest.mark.parametrize(("upload", "expected"), ALPHA.values(), ids=ALPHA)
def test_transparency_is_read_from_a_pngs_chunks(upload, expected) -> None:
    """An alpha channel or a transparency chunk before the pixels makes a PNG transparent."""
    assert has_alpha(upload) is expected

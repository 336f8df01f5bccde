"""Bodies read into requests, and the strict rules of the models that the catalogue knows."""

import pytest
from hypothesis import given, strategies as st
from request_readers import (
    DALLE2,
    DALLE3,
    FREE,
    GENERATE,
    GPT,
    GPT2,
    PNG,
    P,
    asked,
    outcome,
    read,
    refused,
)

from providers.base import Operation
from providers.dialect import Shape, Strictness
from router.engine.request import Form, ImageRequest
from router.messages.errors import Refused
from router.messages.request import read_size, requested_model

ASKED = {
    "nothing asked is nothing sent": (None, {}, {}),
    "nulls are absent": (None, {"n": None, "size": None, "quality": None, "user": None}, {}),
    "an empty user is absent": (None, {"user": ""}, {}),
    "words pass": (None, {"quality": "xhigh", "background": "opaque"}, {"quality": "xhigh", "background": "opaque"}),
    "a form is asked of an unknown model": (None, {"response_format": "url"}, {"response_format": "url"}),
    "a form is asked of an unconstrained one": (FREE, {"response_format": "url"}, {"response_format": "url"}),
    "no form is asked of a known model": (GPT, {"response_format": "url"}, {}),
    "a size": (None, {"size": "512x256"}, {"shape": Shape(512, 256)}),
    "a size of auto is absent": (GPT, {"size": "auto"}, {}),
    "a size of auto is absent for an unknown model": (None, {"size": "auto"}, {}),
    "a ratio": (None, {"aspect_ratio": "16:9"}, {"shape": Shape(aspect=16 / 9)}),
    "a ratio as a size": (None, {"size": "4:3"}, {"shape": Shape(aspect=4 / 3)}),
    "a ratio and a size that agree": (
        None,
        {"size": "1600x900", "aspect_ratio": "16:9"},
        {"shape": Shape(1600, 900)},
    ),
    "a ratio where size is auto": (None, {"size": "auto", "aspect_ratio": "2:1"}, {"shape": Shape(aspect=2)}),
    "a ratio on a known model": (GPT, {"aspect_ratio": "16:9"}, {"shape": Shape(aspect=16 / 9)}),
    "a model's own size": (DALLE3, {}, {"shape": Shape(1024, 1024)}),
    "no size of an unconstrained model": (FREE, {}, {}),
    "the other parameters": (
        None,
        {"seed": 7.0, "negative_prompt": "x", "guidance": 3.5, "steps": 20.0, "strength": 1},
        {"seed": 7, "negative_prompt": "x", "guidance": 3.5, "steps": 20, "strength": 1},
    ),
    "compression of jpeg": (
        GPT,
        {"output_format": "jpeg", "output_compression": 80},
        {"output_format": "jpeg", "output_compression": 80},
    ),
    "full compression of png": (GPT, {"output_compression": 100}, {"output_compression": 100}),
    "defaults a model lacks are dropped": (
        DALLE3,
        {"background": "auto", "output_format": "png", "output_compression": 100, "moderation": "auto"},
        {"shape": Shape(1024, 1024)},
    ),
    "automatic quality of a model that has none": (DALLE3, {"quality": "auto"}, {"shape": Shape(1024, 1024)}),
    "a default a model has": (DALLE3, {"style": "vivid"}, {"style": "vivid", "shape": Shape(1024, 1024)}),
    "a user named auto": (GPT, {"user": "auto"}, {"user": "auto"}),
    "a size by rule": (GPT2, {"size": "3840x2160"}, {"shape": Shape(3840, 2160)}),
    "a listed size beside a rule": (GPT2, {"size": "1024x1024"}, {"shape": Shape(1024, 1024)}),
    "partial images without a stream": (GPT, {"partial_images": 3, "stream": False}, {}),
}


@pytest.mark.parametrize(("entry", "fields", "expected"), ASKED.values(), ids=ASKED)
def test_only_what_the_caller_gave_is_asked(entry, fields, expected) -> None:
    """`asked` holds what the caller gave, in canonical values, and a known model's own size."""
    assert asked(entry, **fields) == expected


REFUSED = {
    "no prompt": (None, {"prompt": None}, "missing_required_parameter", "prompt"),
    "an empty prompt": (None, {"prompt": ""}, "missing_required_parameter", "prompt"),
    "a numeric prompt": (None, {"prompt": 1}, "invalid_type", "prompt"),
    "a NUL in the prompt": (None, {"prompt": "a\0b"}, "invalid_value", "prompt"),
    "half a letter in the prompt": (None, {"prompt": "a\ud800"}, "invalid_value", "prompt"),
    "a long prompt": (None, {"prompt": "x" * 32_001}, "string_above_max_length", "prompt"),
    "a prompt long for dall-e-3": (DALLE3, {"prompt": "x" * 4001}, "string_above_max_length", "prompt"),
    "a prompt long for dall-e-2": (DALLE2, {"prompt": "x" * 1001}, "string_above_max_length", "prompt"),
    "no pictures": (None, {"n": 0}, "invalid_value", "n"),
    "eleven pictures": (None, {"n": 11}, "invalid_value", "n"),
    "half a picture": (None, {"n": 2.5}, "invalid_value", "n"),
    "pictures by text": (None, {"n": "2"}, "invalid_type", "n"),
    "pictures by truth": (None, {"n": True}, "invalid_type", "n"),
    "two pictures of dall-e-3": (DALLE3, {"n": 2}, "invalid_value", "n"),
    "a numeric size": (None, {"size": 1024}, "invalid_type", "size"),
    "a size of nothing": (None, {"size": "0x100"}, "invalid_value", "size"),
    "an empty size": (None, {"size": ""}, "invalid_value", "size"),
    "a size no model can read": (GPT, {"size": "huge"}, "invalid_value", "size"),
    "a ratio as a known model's size": (GPT, {"size": "16:9"}, "invalid_value", "size"),
    "a size that is not listed": (GPT, {"size": "512x512"}, "invalid_value", "size"),
    "an automatic size of dall-e": (DALLE3, {"size": "auto"}, "invalid_value", "size"),
    "a side off the grid": (GPT2, {"size": "1000x1000"}, "invalid_value", "size"),
    "too few pixels": (GPT2, {"size": "512x512"}, "invalid_value", "size"),
    "too many pixels": (GPT2, {"size": "3840x3840"}, "invalid_value", "size"),
    "too long a side": (GPT2, {"size": "3856x2048"}, "invalid_value", "size"),
    "too wide": (GPT2, {"size": "3200x1024"}, "invalid_value", "size"),
    "an odd ratio": (None, {"aspect_ratio": "wide"}, "invalid_value", "aspect_ratio"),
    "a ratio of pixels": (None, {"aspect_ratio": "1024x1024"}, "invalid_value", "aspect_ratio"),
    "an endless ratio": (None, {"aspect_ratio": "99999:1"}, "invalid_value", "aspect_ratio"),
    "a ratio by zero": (None, {"aspect_ratio": "1:0"}, "invalid_value", "aspect_ratio"),
    "a ratio that fights the size": (None, {"size": "8x8", "aspect_ratio": "2:1"}, "invalid_value", "aspect_ratio"),
    "an odd quality": (None, {"quality": "ultra"}, "invalid_value", "quality"),
    "a quality of others": (GPT, {"quality": "hd"}, "invalid_value", "quality"),
    "a numeric quality": (None, {"quality": 1}, "invalid_type", "quality"),
    "an odd style": (None, {"style": "bold"}, "invalid_value", "style"),
    "a style of gpt-image-1": (GPT, {"style": "vivid"}, "unsupported_parameter", "style"),
    "an odd background": (None, {"background": "red"}, "invalid_value", "background"),
    "a background of dall-e-3": (DALLE3, {"background": "opaque"}, "unsupported_parameter", "background"),
    "a transparent jpeg": (
        None,
        {"background": "transparent", "output_format": "jpeg"},
        "invalid_value",
        "background",
    ),
    "an odd format": (None, {"output_format": "bmp"}, "invalid_value", "output_format"),
    "a gif of gpt-image-1": (GPT, {"output_format": "gif"}, "invalid_value", "output_format"),
    "a webp of dall-e-3": (DALLE3, {"output_format": "webp"}, "unsupported_parameter", "output_format"),
    "compression of 101": (None, {"output_compression": 101}, "invalid_value", "output_compression"),
    "compression of a png": (GPT, {"output_compression": 80}, "invalid_value", "output_compression"),
    "compression of dall-e-3": (DALLE3, {"output_compression": 80}, "unsupported_parameter", "output_compression"),
    "odd moderation": (None, {"moderation": "none"}, "invalid_value", "moderation"),
    "moderation of dall-e-3": (DALLE3, {"moderation": "low"}, "unsupported_parameter", "moderation"),
    "fidelity to no input": (GPT, {"input_fidelity": "high"}, "unsupported_parameter", "input_fidelity"),
    "a stream by text": (GPT, {"stream": "true"}, "invalid_type", "stream"),
    "four partial images": (GPT, {"partial_images": 4}, "invalid_value", "partial_images"),
    "an odd form": (None, {"response_format": "file"}, "invalid_value", "response_format"),
    "an odd form of gpt-image-1": (GPT, {"response_format": "file"}, "invalid_value", "response_format"),
    "a numeric user": (None, {"user": 1}, "invalid_type", "user"),
    "strength of two": (None, {"strength": 2}, "invalid_value", "strength"),
    "half a seed": (None, {"seed": 0.5}, "invalid_value", "seed"),
    "half a letter in a field nobody knows": (None, {"mood": {"a": ["\ud800"]}}, "invalid_value", "mood"),
    "a router that is no object": (None, {"router": 1}, "invalid_type", "router"),
    "an odd word to the router": (None, {"router": {"unsupported": "x"}}, "invalid_value", "router.unsupported"),
    "a wish the router lacks": (None, {"router": {"dry_run": True}}, "unsupported_parameter", "router.dry_run"),
    "options that are no object": (None, {"router": {"options": {"bfl": 1}}}, "invalid_type", "router.options.bfl"),
}


@pytest.mark.parametrize(("entry", "fields", "code", "param"), REFUSED.values(), ids=REFUSED)
def test_a_wrong_field_is_refused_by_name(entry, fields, code, param) -> None:
    """A wrong value is a 400 with the contract's code, and its message names the field."""
    found = refused(GENERATE, {**P, **fields}, entry)
    assert (found.status, found.code, found.param) == (400, code, param)
    assert param in found.message


@pytest.mark.parametrize(
    ("entry", "fields", "words"),
    [
        (DALLE3, {"size": "auto"}, "1024x1024, 1792x1024, 1024x1792"),
        (GPT, {"size": "1x1"}, "auto, 1024x1024, 1536x1024, 1024x1536"),
        (GPT2, {"size": "1x1"}, "multiples of 16 and at most 3840, 655360 to 8294400 pixels, at most 3:1"),
        (GPT, {"quality": "hd"}, "auto, low, medium, high"),
        (None, {"quality": "x"}, "auto, high, medium, low, hd, standard, xhigh, max"),
        (None, {"n": 11}, "from 1 to 10"),
        (DALLE3, {"n": 2}, "use 1"),
    ],
)
def test_a_refusal_lists_what_is_legal(entry, fields, words) -> None:
    """Whoever sends an illegal value reads the legal ones in the answer."""
    assert words in refused(GENERATE, {**P, **fields}, entry).message


@pytest.mark.parametrize("text", ["1024x768", "1024X768", "1024×768", "1024*768", "1024 x 768", " 1024 768 "])  # noqa: RUF001 - a spelling
def test_a_size_has_many_spellings(text) -> None:
    """Each usual way to write a size means the same."""
    assert read_size(text) == Shape(1024, 768)


@pytest.mark.parametrize("text", ["2K", "1024", "x", "1x2x3", "-1x5", "123456x1", "\u0661x\u0662"])
def test_what_is_no_size_is_none(text) -> None:
    """Anything else is no size."""
    assert read_size(text) is None


FORMS = {
    "an unknown model, silent": (None, {}, None),
    "an unknown model, asked": (None, {"response_format": "url"}, Form.URL),
    "an unconstrained model, silent": (FREE, {}, None),
    "dall-e, silent": (DALLE3, {}, Form.URL),
    "dall-e, asked": (DALLE3, {"response_format": "b64_json"}, Form.B64_JSON),
    "gpt-image, silent": (GPT, {}, Form.B64_JSON),
    "gpt-image, asked for links": (GPT, {"response_format": "url"}, Form.B64_JSON),
}


@pytest.mark.parametrize(("entry", "fields", "expected"), FORMS.values(), ids=FORMS)
def test_the_form_is_the_models(entry, fields, expected) -> None:
    """A model without links answers in base64 whatever was asked; DALL-E in links unless asked otherwise."""
    assert read(fields={**P, **fields}, entry=entry).form is expected


def test_the_request_carries_who_and_how() -> None:
    """Identifier, model, prompt, count, strictness and options are taken as given."""
    request = read(
        fields={**P, "n": 2.0, "router": {"unsupported": "drop", "options": {"bfl": {"safety_tolerance": 2}}}}
    )
    assert (request.id, request.model, request.prompt, request.n) == ("r1", "m", "p", 2)
    assert request.strictness is Strictness.DROP
    assert request.options == {"bfl": {"safety_tolerance": 2}}


def test_fields_nobody_knows_are_kept_apart() -> None:
    """An unknown field is an extra; routing, tracing, pictures and other routers' controls never are."""
    ours = {"retry": {}, "name": "n", "metadata": {}, "orq": {}, "image": "x", "providerOptions": {}, "router": {}}
    theirs = {"provider": {"order": []}, "api_key": "k", "num_retries": 1}
    request = read(fields={**P, **ours, **theirs, "watermark": False, "svg": {"model": "x"}, "nothing": None})
    assert request.extras == {"watermark": False, "svg": {"model": "x"}}


def test_a_size_only_the_backend_can_read_is_passed_on() -> None:
    """A model nobody here knows may have sizes nobody here knows."""
    request = read(fields={**P, "size": "2K"})
    assert (request.extras, request.asked) == ({"size": "2K"}, {})


SEVERAL = {"quality": "high", "style": "vivid", "seed": 3, "guidance": 2.5, "user": "u", "prompt": "p"}


@given(st.permutations(list(SEVERAL.items())))
def test_the_order_of_a_body_changes_nothing(items) -> None:
    """However a body's fields are ordered, the same is asked in the same order, and the same field is refused."""
    fields = dict(items)
    assert list(read(fields=fields).asked.items()) == list(read(fields=SEVERAL).asked.items())
    assert refused(fields={**dict.fromkeys(fields, ()), "prompt": "p"}).param == "quality"


def test_scalars_of_a_form_are_text() -> None:
    """Numbers, booleans and absence are read from a form's text."""
    fields = {**P, "n": "2.0", "stream": "FALSE", "size": "null", "quality": "", "seed": "7", "guidance": "3.5"}
    request = read(fields=fields, form=True)
    assert request.n == 2
    assert request.asked == {"seed": 7, "guidance": 3.5}


@pytest.mark.parametrize("text", ["true", "TRUE", "1"])
def test_a_form_can_ask_for_a_stream(text) -> None:
    """In a form a stream is asked for by text, in any case."""
    asked_for = read(GENERATE, {**P, "stream": text, "partial_images": "2"}, form=True)
    assert (asked_for.stream, asked_for.partial_images) == (True, 2)


MODELS = {
    "the model named": ({"model": "a/b"}, None, "a/b"),
    "the model named before the default": ({"model": "a/b"}, "c", "a/b"),
    "the default": ({}, "c", "c"),
    "the default for null": ({"model": None}, "c", "c"),
}


@pytest.mark.parametrize(("fields", "default", "expected"), MODELS.values(), ids=MODELS)
def test_the_model_is_named_or_the_default(fields, default, expected) -> None:
    """A request's model is the one it names, else the configured default."""
    assert requested_model(fields, form=False, default=default) == expected


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({}, "missing_required_parameter"),
        ({"model": ""}, "missing_required_parameter"),
        ({"model": 1}, "invalid_type"),
        ({"model": "a\0"}, "invalid_value"),
    ],
)
def test_a_request_without_a_model_is_refused(fields, code) -> None:
    """Where there is no default, a model must be named, and in text."""
    with pytest.raises(Refused) as caught:
        requested_model(fields, form=False, default=None)
    assert (caught.value.code, caught.value.param) == (code, "model")


FIELDS = ["prompt", "n", "size", "quality", "response_format", "style", "background", "output_format", "user"]
FIELDS += ["output_compression", "moderation", "stream", "partial_images", "seed", "guidance", "router", "mood"]
FIELDS += ["aspect_ratio", "input_fidelity", "negative_prompt", "steps", "strength", "safety_identifier"]
WORDS = st.sampled_from(
    ["auto", "1024x1024", "16:9", "high", "hd", "png", "transparent", "url", "null", "", "1", "9x0"]
)
TEXT = st.text(st.characters(codec=None), max_size=8)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | WORDS | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT | st.just("options"), inner, max_size=3),
    max_leaves=6,
)


@given(
    fields=st.dictionaries(st.sampled_from(FIELDS) | TEXT, JSON, max_size=5),
    operation=st.sampled_from(Operation),
    entry=st.sampled_from([None, FREE, GPT, GPT2, DALLE2, DALLE3]),
    images=st.sampled_from([(), (PNG,), ("http://x",)]),
    form=st.booleans(),
)
def test_any_object_is_read_or_refused(fields, operation, entry, images, form) -> None:
    """No body breaks the reading: it becomes a request or a refusal."""
    answer = outcome(operation, {**P, **fields}, entry, images=images, form=form)
    assert isinstance(answer, ImageRequest) or (answer.status in {400, 413} and answer.code)

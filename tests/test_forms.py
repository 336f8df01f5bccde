"""Forms in the dialects of the clients that send them: all become the values a JSON body would hold."""

from contextlib import suppress
from urllib.parse import urlencode

import msgspec
import pytest
from hypothesis import given, settings, strategies as st
from wire_bodies import (
    CAT,
    CAT_B64,
    CAT_URI,
    DOG,
    MASK,
    MULTIPART,
    URLENCODED,
    ask,
    fields,
    form,
    part,
    picture,
    plain,
    refused,
)

from router.messages.errors import Refused

ORQ_PYTHON = form(
    ("model", "openai/gpt-image-1"),
    ("prompt", "hat"),
    ("n", "2.0"),
    ("fallback_on_codes[]", "429"),
    ("fallback_on_codes[]", "503"),
    picture(),
    part("fallbacks", '[{"model":"openai/dall-e-2"}]', kind="application/json"),
    part("retry", '{"count":2.0,"on_codes":[429.0,500.0]}', kind="application/json"),
    part(
        "orq", '{"name":"n2","prompt":{"id":"p1","version":"latest"},"identity":{"id":"u1"}}', kind="application/json"
    ),
)
OPENAI_PYTHON = form(
    ("prompt", "hat"),
    ("model", "openai/gpt-image-1"),
    ("n", "2"),
    ("fallbacks[][model]", "x/y"),
    ("fallbacks[][model]", "z"),
    ("retry[count]", "2"),
    ("retry[on_codes][]", "429"),
    ("retry[on_codes][]", "500"),
    ("cache[type]", "exact_match"),
    ("cache[ttl]", "60"),
    ("timeout[call_timeout]", "1000"),
    ("fallback_on_codes[]", "500"),
    ("fallback_on_codes[]", "503"),
    ("orq[identity][id]", "u"),
    ("orq[identity][tags][]", "a"),
    ("orq[identity][tags][]", "b"),
    ("orq[fallbacks][][model]", "q"),
    picture("image[]", CAT, "a.png"),
    picture("image[]", DOG, "b.png"),
    picture("mask", MASK, "m.png"),
)


@pytest.mark.parametrize("piece", [0, 1, 7, 64])
def test_the_orq_python_edit(piece):
    """Contract 12.2: JSON parts become what they say and `[]` parts a list, however the wire cuts them."""
    got, images, mask = plain(ask(ORQ_PYTHON, MULTIPART, piece=piece))
    assert got == {
        "model": "openai/gpt-image-1",
        "prompt": "hat",
        "n": "2.0",
        "fallback_on_codes": ["429", "503"],
        "fallbacks": [{"model": "openai/dall-e-2"}],
        "retry": {"count": 2.0, "on_codes": [429.0, 500.0]},
        "orq": {"name": "n2", "prompt": {"id": "p1", "version": "latest"}, "identity": {"id": "u1"}},
    }
    assert (images, mask) == ([CAT], None)


@pytest.mark.parametrize("piece", [0, 1, 33])
def test_the_openai_python_edit(piece):
    """Contract 12.6: bracket paths and columns become the nested fields, pictures keep their order."""
    got, images, mask = plain(ask(OPENAI_PYTHON, MULTIPART, piece=piece))
    assert got == {
        "prompt": "hat",
        "model": "openai/gpt-image-1",
        "n": "2",
        "fallbacks": [{"model": "x/y"}, {"model": "z"}],
        "retry": {"count": "2", "on_codes": ["429", "500"]},
        "cache": {"type": "exact_match", "ttl": "60"},
        "timeout": {"call_timeout": "1000"},
        "fallback_on_codes": ["500", "503"],
        "orq": {"identity": {"id": "u", "tags": ["a", "b"]}, "fallbacks": [{"model": "q"}]},
    }
    assert (images, mask) == ([CAT, DOG], MASK)


def test_the_orq_node_edit():
    """Contract 12.4: a structured field is JSON text also where the part does not say so."""
    got = fields(("n", "2"), ("cache", '{"ttl":1800,"type":"exact_match"}'), picture())
    assert got == {"n": "2", "cache": {"ttl": 1800, "type": "exact_match"}}


def test_the_minimal_variation():
    """Contract 12.7: only an image is a whole body."""
    assert plain(ask(form(picture()), MULTIPART)) == ({}, [CAT], None)


def test_the_vercel_edit():
    """Contract 12.9: files named `blob` are pictures; the options it made text are refused with the field's name."""
    assert plain(ask(form(("n", "1"), picture(filename="blob")), MULTIPART))[1] == [CAT]
    stringified = form(("n", "1"), picture(filename="blob"), ("providerOptions", "[object Object]"))
    assert refused(stringified, MULTIPART) == (400, "invalid_request_body", "providerOptions")


def test_the_orq_python_edit_without_an_image():
    """Contract 12.2: without a file the same client sends an urlencoded form, which is read as a form."""
    body = ask(b"model=openai%2Fgpt-image-1&prompt=a+hat&n=1.0", URLENCODED)
    assert body.form
    assert plain(body) == ({"model": "openai/gpt-image-1", "prompt": "a hat", "n": "1.0"}, [], None)


def numbers(value):
    """The same with every number and every text of one as a float."""
    if isinstance(value, dict):
        return {key: numbers(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [numbers(inner) for inner in value]
    try:
        return float(value)
    except ValueError:
        return value


def test_five_encodings_of_one_edit_are_one_body():
    """JSON, JSON parts, brackets, an urlencoded form and text pictures say the same."""
    asked = {
        "prompt": "hat",
        "n": 2,
        "retry": {"count": 2, "on_codes": [429, 500]},
        "fallbacks": [{"model": "x/y"}, {"model": "z"}],
    }
    scalars = (("prompt", "hat"), ("n", "2.0"))
    structured = [(name, msgspec.json.encode(asked[name]).decode()) for name in ("retry", "fallbacks")]
    brackets = [
        *(("fallbacks[][model]", "x/y"), ("fallbacks[][model]", "z"), ("retry[count]", "2")),
        *(("retry[on_codes][]", "429"), ("retry[on_codes][]", "500")),
    ]
    bodies = [
        ask({**asked, "image": CAT_URI}),
        ask({**asked, "images": [{"image_url": CAT_URI}]}),
        ask(form(*scalars, *(part(*one, kind="application/json") for one in structured), picture()), MULTIPART),
        ask(form(picture(), *brackets, *scalars), MULTIPART),
        ask(form(*scalars, ("image", CAT_URI), *structured), MULTIPART),
        ask(urlencode([*brackets, *scalars, ("image", CAT_B64)]).encode(), URLENCODED),
    ]
    read = [plain(body) for body in bodies]
    assert all((numbers(got), images) == (numbers(asked), [CAT]) for got, images, _ in read)


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ([("fallback_on_codes[]", "429"), ("fallback_on_codes[]", "503")], ["429", "503"]),
        ([("fallback_on_codes", "429"), ("fallback_on_codes", "503")], ["429", "503"]),
        ([("fallback_on_codes", "[429,503]")], [429, 503]),
        ([("fallback_on_codes", "429, 503")], ["429", "503"]),
        ([("fallback_on_codes", "429")], ["429"]),
    ],
)
def test_codes_have_four_spellings(parts, expected):
    """Contract 3.2.4: repeated with or without brackets, as JSON, or with commas."""
    assert fields(*parts) == {"fallback_on_codes": expected}


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ([("fallbacks", "x/y"), ("fallbacks", "z")], {"fallbacks": ["x/y", "z"]}),
        ([("fallbacks", '{"model":"x/y"}'), ("fallbacks", "z")], {"fallbacks": [{"model": "x/y"}, "z"]}),
        ([("fallbacks[]", "x/y")], {"fallbacks": ["x/y"]}),
        ([("fallbacks[1][model]", "z"), ("fallbacks[0][model]", "x")], {"fallbacks": [{"model": "x"}, {"model": "z"}]}),
        ([("orq[fallback_on_codes]", "429,503")], {"orq": {"fallback_on_codes": ["429", "503"]}}),
        ([("orq[retry]", '{"count":2}')], {"orq": {"retry": {"count": 2}}}),
        ([("metadata[2024]", "x"), ("metadata[team]", "y")], {"metadata": {"2024": "x", "team": "y"}}),
        ([("metadata[7]", "x")], {"metadata": {"7": "x"}}),
        ([("identity[metadata][][k]", "1")], {"identity": {"metadata": [{"k": "1"}]}}),
        ([("p[][id]", "p"), ("p[][on][]", "a"), ("p[][on][]", "b")], {"p": [{"id": "p", "on": ["a", "b"]}]}),
        ([("retry[count]", ""), ("size", "null"), ("n", ""), ("cache", "null"), ("orq[name]", "")], {}),
        ([("prompt", "an [object Object]"), ("user", '{"a":1}')], {"prompt": "an [object Object]", "user": '{"a":1}'}),
        ([part("extra", '{"a":1}', kind="application/json")], {"extra": {"a": 1}}),
        ([part("retry", '{"count":1}', filename="blob", kind="application/json")], {"retry": {"count": 1}}),
        ([("loras[][path]", "p"), ("loras[][path]", "q")], {"loras": [{"path": "p"}, {"path": "q"}]}),
    ],
)  # fmt: skip
def test_forms_nest(parts, expected):
    """Each spelling of a nested field becomes the value a JSON body would hold; absent fields are not there."""
    assert fields(*parts) == expected


def test_columns_are_zipped_only_where_every_key_is_complete():
    """Contract 3.2.3: as many weights as models pair up by position, an empty one is none; fewer are ambiguous."""
    models = [("load_balancer[models][][model]", name) for name in "abc"]
    weights = [("load_balancer[models][][weight]", text) for text in ("", "0.7", "0.1")]
    assert fields(*models, *weights)["load_balancer"]["models"] == [
        {"model": "a"},
        {"model": "b", "weight": "0.7"},
        {"model": "c", "weight": "0.1"},
    ]
    ambiguous = (400, "ambiguous_form_array", "load_balancer.models")
    assert refused(form(*models, *weights[1:]), MULTIPART) == ambiguous


@pytest.mark.parametrize(
    ("parts", "code", "param"),
    [
        ([("retry", "{}"), ("retry[count]", "2")], "invalid_request_body", "retry"),
        ([("fallback_on_codes", "429"), ("fallback_on_codes[]", "503")], "invalid_request_body", "fallback_on_codes"),
        ([("prompt", "a"), ("prompt", "b")], "invalid_request_body", "prompt"),
        ([("retry[count]", "1"), ("retry[count]", "2")], "invalid_request_body", "retry.count"),
        ([("retry", "two")], "invalid_request_body", "retry"),
        ([("retry", "[" * 100_000)], "invalid_request_body", "retry"),
        ([("retry", '{"count":"[object Object]"}')], "invalid_request_body", "retry"),
        ([("fallbacks", "[object Object],[object Object]")], "invalid_request_body", "fallbacks"),
        ([("orq[cache]", "[object Object]")], "invalid_request_body", "orq.cache"),
        ([("image", "[object Object]")], "invalid_request_body", "image"),
        ([("a[999999999]", "x")], "invalid_request_body", "a"),
        ([("a[300]", "x")], "invalid_request_body", "a"),
        ([("a[1]", "x")], "invalid_request_body", "a"),
        ([("a[٣]", "x")], "invalid_request_body", "a"),
        ([("a" + "[b]" * 100, "x")], "invalid_request_body", "a"),
        ([("a[b", "x")], "invalid_request_body", "a[b"),
        ([("a[]", "x"), ("a[b]", "y")], "invalid_request_body", "a"),
        ([("a[][]", "x")], "ambiguous_form_array", "a"),
        ([("plugins[][id]", "p"), ("plugins[][id]", "q"), ("plugins[][on][]", "a")], "ambiguous_form_array", "plugins"),
        ([("fallbacks", "[]"), ("fallbacks", "x")], "invalid_request_body", "fallbacks"),
        ([("prompt", b"\xff\xfe")], "invalid_request_body", "prompt"),
        ([picture("file")], "unsupported_parameter", "file"),
        ([picture("mask"), picture("mask")], "invalid_request_body", "mask"),
        ([picture("image[a]")], "invalid_request_body", "image"),
        ([picture(data=b"")], "invalid_image", "image"),
        ([("image[]", CAT_URI), ("image[]", "b'\\x89PNG\\r\\n'")], "invalid_image", "image[1]"),
        ([("images[][file_id]", "f")], "unsupported_parameter", "images.file_id"),
    ],
)  # fmt: skip
def test_forms_are_refused_with_the_field(parts, code, param):
    """A form that cannot be understood for sure is a 400 that names the field."""
    assert refused(form(*parts), MULTIPART) == (400, code, param)


@pytest.mark.parametrize(
    "names", [["image", "image"], ["image[]", "image[]"], ["image[0]", "image[1]"], ["images[]", "image"]]
)
def test_pictures_keep_wire_order(names):
    """Contract 3.2.1: whatever the spelling, the first on the wire is the first picture."""
    body = form(picture(names[0], CAT), ("prompt", "hat"), picture(names[1], DOG))
    assert plain(ask(body, MULTIPART))[1] == [CAT, DOG]


def test_files_are_known_by_their_bytes():
    """Contract 3.2.8: an octet-stream named `upload`, or a file with an empty name, is what its bytes say."""
    body = form(picture(filename="upload", kind="application/octet-stream"), picture(filename="", kind=None))
    with ask(body, MULTIPART) as read:
        assert [(one.media_type, one.width) for one in read.images] == [("image/png", 4)] * 2


def test_an_unchosen_file_is_absent():
    """A browser's empty file without a name means that none was chosen."""
    assert plain(ask(form(picture(data=b"", filename="", kind="application/octet-stream")), MULTIPART)) == (
        {},
        [],
        None,
    )


PATHS = st.lists(st.sampled_from(["[]", "[0]", "[1]", "[model]", "[weight]", "[255]", "[a]"]), max_size=4).map("".join)
NAMES = st.tuples(
    st.sampled_from(["a", "orq", "fallbacks", "metadata", "fallback_on_codes", "image", "mask", "["]), PATHS
)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.tuples(NAMES.map("".join), st.sampled_from(["", "x", "null", "{}", "[1]", CAT_B64, "1,2"])), max_size=8)
)
def test_any_names_are_a_body_or_a_refusal(pairs):
    """No mixture of paths makes anything but fields that can be written as JSON, or a refusal."""
    with suppress(Refused), ask(urlencode(pairs).encode(), URLENCODED) as read:
        assert msgspec.json.encode(read.fields)

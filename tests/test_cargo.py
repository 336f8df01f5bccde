"""A body without its long strings reads as the whole body does."""

import json
from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given, settings, strategies as st

from providers.answers import Answer
from providers.cargo import lightened
from providers.errors import ProviderError

LONG = 70_000
BASE64 = b"iVBORw0KGgo=" * (LONG // 12)


class Item(msgspec.Struct):
    """One picture."""

    b64_json: msgspec.Raw = msgspec.Raw()
    revised_prompt: str | None = None
    url: str | None = None


class Body(msgspec.Struct):
    """An answer."""

    data: list[Item]
    created: int | None = None


def body(*items: str | bytes, after: bytes = b"") -> bytes:
    """A body with items as they are written."""
    written = b",".join(each.encode() if isinstance(each, str) else each for each in items)
    return b'{"created": 7, "data": [' + written + b"]" + after + b"}"


def picture(text: bytes = BASE64, prompt: str = "a hill") -> bytes:
    """An item with a picture."""
    return b'{"b64_json": "' + text + b'", "revised_prompt": ' + json.dumps(prompt).encode() + b"}"


def read(written: bytes) -> tuple[Body, list[bytes]]:
    """What an adapter reads."""
    answer = Answer(200, {}, written)
    found = answer.read(Body)
    return found, [
        bytes(answer.cargo(item.b64_json)) for item in found.data if bytes(item.b64_json) not in (b"", b"null")
    ]


@pytest.mark.parametrize(
    "prompt", ["a hill", 'a sign: "hello"', "a\\b", "ends in a backslash \\", '\\"', "line\nbreak"]
)
def test_pictures_are_slices_of_the_body(prompt: str) -> None:
    """Whatever stands beside them, pictures come out as they stand in the body, and all else is read."""
    other = BASE64[::-1]
    found, pictures = read(body(picture(prompt=prompt), picture(other, prompt), '{"b64_json": null}'))
    assert pictures == [BASE64, other]
    assert (found.created, found.data[0].revised_prompt, found.data[1].revised_prompt) == (7, prompt, prompt)


def test_no_copy_is_made() -> None:
    """A picture is a view of the body, not a copy."""
    answer = Answer(200, {}, body(picture()))
    assert answer.cargo(answer.read(Body).data[0].b64_json).obj is answer.body


def test_what_stands_after_a_data_address_is_the_picture() -> None:
    """Its head is left out."""
    _, pictures = read(body(picture(b"data:image/png;base64," + BASE64)))
    assert pictures == [BASE64]


def test_long_words_stay_words() -> None:
    """A long string in a place of text is text."""
    found, _ = read(body('{"url": "data:image/png;base64,' + BASE64.decode() + '"}'))
    assert found.data[0].url == "data:image/png;base64," + BASE64.decode()


@pytest.mark.parametrize(
    "text", [BASE64 + b"\\n" + BASE64, BASE64.replace(b"iV", b"\\u0069V", 1), b"\\/" + BASE64], ids=range(3)
)
def test_a_string_with_escapes_is_read_as_json(text: bytes) -> None:
    """Escapes are what they stand for."""
    assert lightened(body(picture(text))) is None
    assert read(body(picture(text)))[1] == [json.loads(b'"' + text + b'"').encode()]


@pytest.mark.parametrize(
    "written",
    [
        body(picture(BASE64 + b"\n" + BASE64)),
        body(picture(BASE64 + b"\0" + BASE64)),
        body(picture())[: -LONG // 2],
        body(picture())[:-2],
        body(picture(), after=b', "x": "' + b"\\" * 40),
        b'"' + BASE64,
        body(b'{"b64_json": 7}', after=b', "x": "' + BASE64 + b'"'),
        body(b'{"b64_json": -1.25e-300}', after=b', "x": "' + BASE64 + b'"'),
    ],
    ids=[
        "line break",
        "zero byte",
        "cut in the picture",
        "cut after it",
        "cut in backslashes",
        "one string",
        "a number",
        "ours",
    ],
)
def test_what_is_broken_is_said_to_be(written: bytes) -> None:
    """An answer that is no JSON, or has no string where a picture belongs, is refused as ever."""
    with pytest.raises(ProviderError):
        read(written)


def test_a_body_of_many_strings_is_left_to_the_parser() -> None:
    """So are many quotes within one, so that no backend can keep the loop busy."""
    assert lightened(body(picture(), after=b', "x": [' + b",".join([b'""'] * 10_000) + b"]")) is None
    assert lightened(body(picture(), after=b', "x": "' + b'\\"' * 10_000 + b'"')) is None


TEXTS = st.lists(st.text(alphabet='"\\ab\n\u00e9', max_size=8), max_size=6)


@settings(max_examples=200, deadline=None)
@given(TEXTS, TEXTS)
def test_reads_as_the_parser_does(before: Sequence[str], after: Sequence[str]) -> None:
    """With any strings around a long one, the light body is the whole one but for that."""
    whole = {"before": before, "picture": BASE64.decode(), "after": after}
    light = lightened(json.dumps(whole).encode())
    assert light is not None
    (number,) = light.cargo
    assert json.loads(light.text) == {**whole, "picture": json.loads(number)}
    assert light.cargo[number] == BASE64

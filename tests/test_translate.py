"""What is asked, and what is sent of it: the rules of a dialect, one table each."""

from dataclasses import replace

import pytest

from providers.base import Operation
from providers.dialect import (
    AnySize,
    As,
    Between,
    Dialect,
    Grid,
    OneOf,
    ParameterWarning,
    Shape,
    Sizes,
    Strictness,
    Translation,
    Unsupported,
    translate,
)

GENERATE, EDIT = Operation.GENERATE, Operation.EDIT
DIALECT = Dialect(
    params={
        "shape": Sizes("size", ((1024, 1024), (1536, 1024), (1024, 1536), (512, 512))),
        "quality": OneOf("quality", {"auto": "auto", "high": "high", "hd": "high"}),
        "output_format": OneOf("format", {"png": "png", "jpeg": "jpeg"}),
        "output_compression": Between("compression", 0, 100),
        "seed": As("seed"),
        "guidance": Between("cfg", 1.5, 5.0),
        "user": As("who"),
        "safety_identifier": As("who"),
        "background": OneOf("background", {"opaque": "opaque", "transparent": "transparent"}),
    },
    edit_params={"background": None, "strength": As("strength")},
)
GRID = Grid("size", 16, 3840, (655_360, 8_294_400), 3)


def sent(asked, operation=GENERATE, strictness=Strictness.ADAPT):
    """The fields, and per warning the parameter and what was sent of it."""
    translation = translate(asked, DIALECT, operation, strictness)
    return dict(translation.params), {warning.parameter: warning.sent for warning in translation.warnings}


@pytest.mark.parametrize(
    ("asked", "fields", "warned"),
    [
        ({}, {}, {}),
        ({"seed": 7}, {"seed": 7}, {}),
        ({"quality": "high"}, {"quality": "high"}, {}),
        ({"quality": "hd"}, {"quality": "high"}, {"quality": "high"}),
        ({"quality": "max"}, {}, {"quality": None}),
        ({"quality": "auto"}, {"quality": "auto"}, {}),
        ({"background": "auto"}, {}, {}),
        ({"style": "vivid"}, {}, {"style": None}),
        ({"moderation": "auto"}, {}, {}),
        ({"response_format": "url"}, {}, {}),
        ({"guidance": 3}, {"cfg": 3}, {}),
        ({"guidance": 9}, {"cfg": 5.0}, {"guidance": "5.0"}),
        ({"guidance": 0}, {"cfg": 1.5}, {"guidance": "1.5"}),
        ({"user": "a"}, {"who": "a"}, {}),
        ({"safety_identifier": "b", "user": "a"}, {"who": "b"}, {}),
        ({"user": "a", "safety_identifier": "b"}, {"who": "b"}, {}),
        ({"strength": 0.5}, {}, {"strength": None}),
        ({"output_format": "jpeg", "output_compression": 50}, {"format": "jpeg", "compression": 50}, {}),
        ({"output_compression": 50, "output_format": "jpeg"}, {"format": "jpeg", "compression": 50}, {}),
        ({"output_format": "png", "output_compression": 50}, {"format": "png"}, {"output_compression": None}),
        ({"output_format": "png", "output_compression": 100}, {"format": "png"}, {}),
        ({"output_compression": 100}, {}, {}),
        ({"output_format": "webp", "output_compression": 50}, {}, {"output_format": None, "output_compression": None}),
        ({"shape": Shape(1024, 1024)}, {"size": "1024x1024"}, {}),
        ({"shape": Shape(1000, 1000)}, {"size": "1024x1024"}, {"size": "1024x1024"}),
        ({"shape": Shape(300, 300)}, {"size": "512x512"}, {"size": "512x512"}),
        ({"shape": Shape(1792, 1024)}, {"size": "1536x1024"}, {"size": "1536x1024"}),
        ({"shape": Shape(aspect=1.5)}, {"size": "1536x1024"}, {}),
        ({"shape": Shape(aspect=0.5)}, {"size": "1024x1536"}, {"size": "1024x1536"}),
    ],
)
def test_adapt(asked, fields, warned):
    """The nearest legal value is sent, what has no equivalent is left out, and both are said."""
    assert sent(asked) == (fields, warned)


@pytest.mark.parametrize(
    ("asked", "fields", "warned"),
    [
        ({"seed": 7, "quality": "high"}, {"seed": 7, "quality": "high"}, {}),
        ({"quality": "hd", "seed": 7}, {"seed": 7}, {"quality": None}),
        ({"guidance": 9}, {}, {"guidance": None}),
        ({"shape": Shape(1000, 1000)}, {}, {"size": None}),
        ({"style": "vivid"}, {}, {"style": None}),
    ],
)
def test_drop(asked, fields, warned):
    """Only what is exact is sent; the rest is left out and said."""
    assert sent(asked, strictness=Strictness.DROP) == (fields, warned)


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        ({"quality": "hd"}, "quality: hd cannot be sent as asked, the nearest the model knows"),
        ({"quality": "max"}, "quality: max cannot be sent as asked, the model's quality knows no max"),
        ({"style": "vivid"}, "style: vivid cannot be sent as asked, the model has no style"),
        ({"guidance": 9}, "guidance: 9 cannot be sent as asked, must be 1.5 to 5.0"),
        ({"shape": Shape(1000, 1000)}, "size: 1000x1000 cannot be sent as asked, the model draws 1024x1024"),
        ({"output_compression": 50}, "output_compression: 50 cannot be sent as asked, only jpeg and webp"),
    ],
)
def test_error(asked, reason):
    """Anything inexact rules the target out, with the reason."""
    with pytest.raises(Unsupported, match=f"^{reason}"):
        translate(asked, DIALECT, GENERATE, Strictness.ERROR)


@pytest.mark.parametrize("asked", [{"seed": 7}, {"moderation": "auto"}, {"response_format": "url"}, {}])
def test_error_lets_the_exact_pass(asked):
    """What is exact, or asks for nothing in particular, passes the strictest policy."""
    assert translate(asked, DIALECT, GENERATE, Strictness.ERROR).warnings == ()


@pytest.mark.parametrize("strictness", list(Strictness))
def test_transparency_is_a_requirement(strictness):
    """A model that cannot draw on a transparent background is ruled out, whatever the policy."""
    assert translate({"background": "transparent"}, DIALECT, GENERATE, strictness).params
    with pytest.raises(Unsupported, match="transparent background"):
        translate({"background": "transparent"}, DIALECT, EDIT, strictness)


def test_masked_edits_have_their_own_rules():
    """Where there is a mask, its rules lie over those of edits, and None takes a parameter away."""
    dialect = replace(DIALECT, mask_params={"seed": None, "strength": As("denoise")})
    asked = {"seed": 7, "strength": 0.5}
    assert translate(asked, dialect, EDIT).params == {"seed": 7, "strength": 0.5}
    masked = translate(asked, dialect.masked(), EDIT)
    assert (masked.params, [warning.parameter for warning in masked.warnings]) == ({"denoise": 0.5}, ["seed"])


def test_edits_have_their_own_rules():
    """A rule for edits stands over the common one, also to take a parameter away."""
    assert sent({"strength": 0.5, "background": "opaque"}, EDIT) == ({"strength": 0.5}, {"background": None})


def test_warning_says_all():
    """A warning names the parameter as callers know it, what was asked, what was sent and why."""
    assert translate({"shape": Shape(1000, 1001)}, DIALECT, GENERATE) == Translation(
        {"size": "1024x1024"},
        (
            ParameterWarning(
                "size",
                "1000x1001",
                "1024x1024",
                "the model draws 1024x1024 1536x1024 1024x1536 512x512",
            ),
        ),
    )


@pytest.mark.parametrize(
    ("rule", "shape", "size", "exact"),
    [
        (GRID, Shape(1792, 1024), "1792x1024", True),
        (GRID, Shape(3840, 2160), "3840x2160", True),
        (GRID, Shape(1000, 1000), "1008x1008", False),
        (GRID, Shape(256, 256), "816x816", False),
        (GRID, Shape(512, 512), "816x816", False),
        (GRID, Shape(4096, 4096), "2880x2880", False),
        (GRID, Shape(8000, 1000), "3840x1280", False),
        (GRID, Shape(100, 1000), "480x1424", False),
        (GRID, Shape(aspect=1), "1024x1024", True),
        (GRID, Shape(aspect=16 / 9), "1360x768", True),
        (GRID, Shape(aspect=10), "1776x592", False),
        (AnySize("size"), Shape(1000, 3), "1000x3", True),
        (AnySize("size"), Shape(aspect=1), "1024x1024", True),
        (AnySize("size"), Shape(aspect=16 / 9), "1360x768", True),
    ],
)
def test_shapes(rule, shape, size, exact):
    """The nearest ratio first, then the nearest area; a legal size is untouched."""
    fit = rule(shape)
    assert fit.fields == {"size": size}
    assert (fit.reason is None) == exact

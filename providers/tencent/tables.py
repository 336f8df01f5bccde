"""What Tencent's image models accept. The signed API has an action for each model, and no model's name within."""

from dataclasses import replace

from providers.dialect import As, Between, Dialect, Either, Fit, Grid, OneOf, Rule, Shape, Sizes, Spelled

_FOUR = ((768, 768), (768, 1024), (1024, 768), (1024, 1024))
_EIGHT = (*_FOUR, (720, 1280), (1280, 720), (768, 1280), (1280, 768))
_TWICE = tuple((2 * width, 2 * height) for width, height in _EIGHT)
_NEAREST = Sizes("Resolution", (*_EIGHT, *_TWICE))
_TYPES = frozenset({"image/png", "image/jpeg"})
_SEED = Between("seed", 1, (1 << 32) - 1)  # 0 would be any
_BARE = {"LogoAdd": 0}  # else a mark is drawn into the picture
_STYLES = (
    *("riman", "shuimo", "monai", "bianping", "xiangsu", "ertonghuiben", "3dxuanran", "manhua", "heibaimanhua"),
    *("xieshi", "dongman", "bijiasuo", "saibopengke", "youhua", "masaike", "qinghuaci"),
    *("xinnianjianzhi", "xinnianhuayi"),
)
_LITE_STYLES = ("000", *map(str, range(101, 120)), "201", "202", "203", "204", "301", "401")


def _resolution(value: Shape) -> Fit:
    """A listed size, or one twice as wide and high, which is drawn smaller and enlarged."""
    fit = _NEAREST(value)
    width, height = map(int, fit.fields["Resolution"].split("x"))
    if (width, height) in _EIGHT:
        return fit
    return Fit({"Resolution": f"{width // 2}x{height // 2}", "Clarity": "x2"}, fit.reason)


def _seeded(value: int) -> Fit | None:
    """A seed is above 0, and counts only where the prompt is not rewritten."""
    return Fit({"Seed": value, "Revise": 0}) if value > 0 else None


def _words(*words: str) -> Rule:
    return Spelled("Style", {word: word for word in words})


LITE = Dialect(
    params={
        "shape": Sizes("Resolution", (*_EIGHT, (1080, 1920), (1920, 1080))),
        "negative_prompt": As("NegativePrompt"),
        "style": _words(*_LITE_STYLES),
        "response_format": Spelled("RspImgType", {"b64_json": "base64", "url": "url"}),
    },
    defaults={**_BARE, "Style": "000"},  # else it draws in the manner of Japanese cartoons
    extras=True,
)
JOBS = Dialect(
    params={
        "shape": _resolution,
        "negative_prompt": As("NegativePrompt"),
        "style": _words(*_STYLES),
        "quality": OneOf("Clarity", {"high": "x2", "hd": "x2"}),  # the picture is enlarged twice
        "seed": _seeded,
    },
    edit_params={"shape": Sizes("Resolution", _FOUR), "seed": None},  # with a picture the prompt is always rewritten
    defaults=_BARE,
    edit_defaults=_BARE,
    max_n=4,
    input_types=_TYPES,
    extras=True,
).editing()
TALKS = "hy-image-v3.5"
_MEGAPIXEL = Grid("size", step=1, shortest=512, longest=2048, area=(512**2, 1 << 20), ratio=4)
_TALKED = Dialect(
    params={
        "shape": Grid("size", step=1, shortest=256, longest=8192, area=(256**2, 1 << 24), ratio=32),
        "seed": _SEED,
    },
    extras=True,
)
_DRAWN = Dialect(
    params={"shape": Either(_MEGAPIXEL, replace(_MEGAPIXEL, step=32)), "seed": _SEED},
    input_types=_TYPES,
    extras=True,
).editing(3)

DIALECTS = {"hunyuan-image": JOBS, "hunyuan-image-lite": LITE, f"{TALKS}*": _TALKED, "*": _DRAWN}

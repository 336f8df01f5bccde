"""Reads a body's fields into the one record that travels below the API. What depends on the model is in `rules`."""

import re
from collections.abc import Mapping, Sequence
from operator import methodcaller
from typing import Any

from providers.base import Operation, Upload
from providers.dialect import Shape, Strictness
from router.catalog import Entry
from router.engine.request import Controls, Form, ImageRequest, Trace
from router.messages.controls import CONTROL_FIELDS
from router.messages.errors import Refused
from router.messages.fields import Fields, as_record, illegal, is_clean, missing, shown, texts, unsupported
from router.messages.rules import exempt, legal_sizes

MAX_PROMPT = 32_000
MAX_N = 10
MAX_IMAGES = 16
MAX_PARTIAL_IMAGES = 3

WORDS: Mapping[str, tuple[str, ...]] = {
    "quality": ("auto", "high", "medium", "low", "hd", "standard", "xhigh", "max"),
    "style": ("vivid", "natural"),
    "background": ("transparent", "opaque", "auto"),
    "output_format": ("png", "jpeg", "webp", "gif", "svg"),
    "moderation": ("low", "auto"),
    "input_fidelity": ("high", "low"),
}
EDIT_QUALITIES = tuple(word for word in WORDS["quality"] if word != "hd")
INTEGERS = {"output_compression": (0, 100), "seed": (-(2**62), 2**62), "steps": (1, 1000)}
NUMBERS = {"guidance": (0, 100), "strength": (0, 1)}
TEXTS = ("negative_prompt", "user", "safety_identifier")
_BOOLEANS = {"true": True, "false": False}  # the words of a form that can mean nothing else
_OPAQUE_FORMATS = frozenset({"jpeg"})
_FORMS = tuple(Form)

_COMMON = {  # how each common parameter is read out of the fields
    **{name: methodcaller("word", name, words) for name, words in WORDS.items()},
    **{name: methodcaller("integer", name, *bounds) for name, bounds in INTEGERS.items()},
    **{name: methodcaller("number", name, *bounds) for name, bounds in NUMBERS.items()},
    **{name: methodcaller("text", name, longest=MAX_PROMPT) for name in TEXTS},
}
_COMMON_EDIT = {**_COMMON, "quality": methodcaller("word", "quality", EDIT_QUALITIES)}
_IN_ORDER = tuple(_COMMON)  # the first that is wrong is complained of

_PICTURES = frozenset({"image", "images", "mask"})
_READ = frozenset(
    {
        *("model", "n", "size", "aspect_ratio", "response_format", "stream", "partial_images", "router"),
        *("extra_fields", "dry_run"),
    }
)
_FOREIGN = frozenset(  # other routers' controls and credentials: nothing for a provider
    {
        *("provider", "route", "strategy", "targets", "max_retries", "allowed_fails", "num_retries_per_request"),
        *("context_window_fallbacks", "content_policy_fallbacks", "api_key", "api_base", "base_url", "extra_headers"),
    }
)
_NOT_EXTRA = frozenset({*CONTROL_FIELDS, *_PICTURES, *_READ, *_FOREIGN, *_COMMON})
_NONE_EXTRA = (_NOT_EXTRA | {"prompt"}) - {"extra_fields"}

_SIZE = re.compile(r"([0-9]{1,5})\s*[xX*\u00d7\s]\s*([0-9]{1,5})")
_RATIO = re.compile(r"([0-9]{1,5}(?:\.[0-9]{1,5})?)\s*:\s*([0-9]{1,5}(?:\.[0-9]{1,5})?)")
_WIDEST = 100


def requested_model(fields: Mapping[str, Any], *, form: bool, default: str | None) -> str:
    """The model the caller names, else `default`.

    Raises:
        Refused: 400 `missing_required_parameter` where there is neither.
    """
    model = Fields(fields, form).text("model") or default
    if not model:
        raise missing("model", "is required: the name of a model")
    return model


def wants_dry_run(fields: Mapping[str, Any], *, form: bool) -> bool:
    """Whether the caller only asks what would be done.

    Raises:
        Refused: 400, where that is no yes or no: a request meant as a dry run must not cost money.
    """
    return bool(Fields(fields, form).boolean("dry_run"))


def read_request(
    operation: Operation,
    fields: Mapping[str, Any],
    images: Sequence[Upload | str],
    mask: Upload | str | None,
    *,
    form: bool,
    id: str,  # noqa: A002 - the record's own word
    model: str,
    entry: Entry | None,
    controls: Controls,
    trace: Trace,
) -> ImageRequest:
    """The request in a body, its limits that no model sets checked. A generation with pictures is an edit.

    `entry` is what the catalogue knows of `model`; where it knows nothing, values are not judged by model.

    Raises:
        Refused: 400, with the field at fault.
    """
    top = Fields(fields, form)
    known = None if entry is None or entry.unconstrained else entry
    uploads = tuple([_upload(image, "image") for image in images])
    if operation is Operation.GENERATE and uploads:
        operation = Operation.EDIT
    _require_pictures(operation, uploads, mask)
    partial_images = top.integer("partial_images", 0, MAX_PARTIAL_IMAGES)
    prompt = None if operation is Operation.VARIATION else _prompt(top)
    n = top.integer("n", 1, MAX_N)
    size = _size(top, known)
    strictness, options = _router(top.record("router"))
    return ImageRequest(
        id=id,
        operation=operation,
        model=model,
        prompt=prompt or "",
        n=1 if n is None else n,
        asked=_asked(top, operation, size, known),
        images=uploads,
        mask=None if mask is None else _upload(mask, "mask"),
        form=_form(top, known),
        extras=_extras(top, size, prompt),
        options=options,
        strictness=strictness,
        stream=bool(top.boolean("stream")),
        partial_images=partial_images or 0,
        controls=controls,
        trace=trace,
        retires=None if entry is None else entry.retires,
    )


def read_size(text: str) -> Shape | None:
    """A size in any usual spelling (`1024x1024`, `1024*1024`), or a ratio (`16:9`); None where it is neither."""
    if found := _SIZE.fullmatch(text.strip()):
        width, height = int(found[1]), int(found[2])
        return Shape(width, height) if width and height else None
    if found := _RATIO.fullmatch(text.strip()):
        across, down = float(found[1]), float(found[2])
        fits = across and down and 1 / _WIDEST <= across / down <= _WIDEST
        return Shape(aspect=across / down) if fits else None
    return None


def _upload(picture: Upload | str, name: str) -> Upload:
    if isinstance(picture, Upload):
        return picture
    raise Refused(
        400,
        "invalid_image",
        f"{name}: this server does not fetch addresses; send the bytes, a data URI or base64",
        param=name,
    )


def _require_pictures(operation: Operation, images: Sequence[Upload], mask: Upload | str | None) -> None:
    if not images and operation is not Operation.GENERATE:
        raise missing("image", "is required: the picture to start from")
    if not images and mask is not None:
        raise missing("image", "is required: the picture that the mask belongs to")
    if len(images) > MAX_IMAGES:
        words = f"image: {len(images)} were sent; at most {MAX_IMAGES} are allowed"
        raise Refused(400, "too_many_images", words, param="image")


def _prompt(top: Fields) -> str:
    prompt = top.text("prompt", longest=MAX_PROMPT)
    if not prompt:
        raise missing("prompt", "is required: what the picture shall show")
    return prompt


def _form(top: Fields, known: Entry | None) -> Form | None:
    """How the pictures are handed over; a model without links always sends base64, whatever was asked."""
    word = top.word("response_format", _FORMS)
    asked = None if word is None else Form(word)
    if known is None:
        return asked
    return asked or Form.URL if known.links else Form.B64_JSON


def _asked(top: Fields, operation: Operation, size: Shape | str | None, known: Entry | None) -> Mapping[str, Any]:
    """The common parameters the caller gave."""
    readers = _COMMON_EDIT if operation is Operation.EDIT else _COMMON
    given = sorted(readers.keys() & top.values.keys(), key=_IN_ORDER.index)
    asked: dict[str, Any] = {name: readers[name](top) for name in given}
    asked["shape"] = size if isinstance(size, Shape) else None
    if known is None:
        asked["response_format"] = _form(top, known)
    elif size is None and known.default_size is not None:
        asked["shape"] = read_size(known.default_size)
    if asked.get("background") == "transparent" and asked.get("output_format") in _OPAQUE_FORMATS:
        raise illegal("background", "jpeg cannot be transparent; use output_format png or webp")
    return {
        name: value
        for name, value in asked.items()
        if value is not None and value != "" and (known is None or not exempt(known, name, value))
    }


def _size(top: Fields, known: Entry | None) -> Shape | str | None:
    """The shape of the picture; text where only a backend that nobody here knows can read it."""
    size, aspect = top.text("size"), _aspect(top)
    if size is None:
        return aspect
    if size == "auto":
        if known is not None and known.sizes and "auto" not in known.sizes:
            raise illegal("size", f"auto is not legal for {known.id}; use {legal_sizes(known)}")
        return aspect
    shape = read_size(size)
    if shape is None or (known is not None and not shape.height):
        if known is None and size.strip() and not _SIZE.fullmatch(size.strip()):
            return size
        legal = legal_sizes(known) if known is not None else "WIDTHxHEIGHT in pixels"
        raise illegal("size", f"{shown(size)} is not legal; use {legal}")
    if aspect is not None and abs(shape.ratio / aspect.ratio - 1) > 0.02:
        raise illegal("aspect_ratio", f"differs from size {shape}; send one of them")
    return shape


def _aspect(top: Fields) -> Shape | None:
    text = top.text("aspect_ratio")
    if text is None or text == "auto":
        return None
    shape = read_size(text)
    if shape is None or shape.height:
        raise illegal("aspect_ratio", f"{shown(text)} is not legal; use WIDTH:HEIGHT, such as 16:9, or auto")
    return shape


def _router(router: Fields | None) -> tuple[Strictness | None, Mapping[str, Mapping[str, Any]]]:
    """The caller's word on inexact parameters, and fields for one kind of provider."""
    if router is None:
        return None, {}
    for name in router.values:
        if name not in {"unsupported", "options"}:  # ignoring one, say a dry run, could cost money
            raise unsupported(router.at(name[:64]), "this server has no such control; it has unsupported and options")
    word = router.word("unsupported", tuple(Strictness))
    options = router.record("options") or Fields()
    for kind, extra in options.values.items():
        _require_clean(as_record(extra, options.at(kind[:64]), form=router.form).values, options.at(kind[:64]))
    return None if word is None else Strictness(word), options.values


def _extras(top: Fields, size: Shape | str | None, prompt: str | None) -> Mapping[str, Any]:
    """Fields nobody here knows, and those within `extra_fields`, where some clients put them."""
    if prompt is not None and not isinstance(size, str) and top.values.keys() <= _NONE_EXTRA:  # as in most bodies
        return {}
    apart = top.record("extra_fields") or Fields(form=top.form)
    extras = {
        name: _BOOLEANS.get(value, value) if top.form and isinstance(value, str) else value
        for place in (apart, top)
        for name, value in place.values.items()
        if name not in _NOT_EXTRA and place.get(name) is not None and (name != "prompt" or prompt is None)
    }
    for name, value in extras.items():
        _require_clean({name: value}, name[:64])
    return extras | {"size": size} if isinstance(size, str) else extras


def _require_clean(value: Any, place: str) -> None:
    if not all(map(is_clean, texts(value))):
        raise illegal(place, "holds a NUL or half a character; send well-formed text")

"""Gives a picture another kind and size. Synchronous: it decodes, so whoever calls it does so in a thread.

What a backend sends is hostile until decoded, so each case has one end:

- no PNG, JPEG, WEBP or GIF (an SVG too), bytes cut short or broken, more than `MAX_PIXELS`: `CannotChange`, and no
  other exception. The header is asked first, so that a bomb is refused before any memory is taken for it;
- moving pictures: their first frame, as a still;
- a picture that lies on its side and says so (EXIF): turned upright;
- 16 bits a channel, CMYK, palettes: 8 bits of grey or RGB, with alpha where there was some;
- alpha in what shall be a JPEG: laid upon white;
- metadata is left behind, save the colour profile of an RGB picture.

A call takes at most about 900 MB, which is some four times what `MAX_PIXELS` fill; a picture of 1024x1024 takes 20 MB.
How many run at once is the caller's business.
"""

import io
import warnings
from dataclasses import dataclass
from typing import Any

from PIL import Image, ImageOps

from router.config.pictures import Resize
from router.images.pixels import MAX_PIXELS, CannotChange
from router.images.sniff import Sniffed, is_whole, sniff
from router.images.want import JPEG, PNG, WEBP, Want

_WRITTEN = {PNG: "PNG", JPEG: "JPEG", WEBP: "WEBP"}
_READ = (*_WRITTEN.values(), "GIF")
_ORIENTATION = 0x0112
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_BEST_JPEG = 95  # above it a JPEG only grows
_FULL_COLOUR = 90  # from here on a JPEG keeps the colour of every pixel
warnings.filterwarnings("error", category=Image.DecompressionBombWarning)


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """A picture made anew."""

    data: bytes
    media_type: str
    width: int
    height: int


def change(data: bytes, want: Want) -> Changed:
    """The picture in the form asked, whether or not it had that already.

    Raises:
        CannotChange: and nothing else, whatever the bytes.
    """
    seen = _sniffed(data)
    if not is_whole(seen.media_type, len(data), lambda offset, length: data[offset : offset + length]):
        raise CannotChange("the picture is cut short")
    kind = want.kind(seen.media_type)
    if kind == JPEG and want.transparent:
        raise CannotChange("a JPEG cannot be transparent")
    image = still(data, want.size)
    if want.size is not None:
        image = resized(image, want.size, want.resize)
    return Changed(data=written(image, kind, want.quality), media_type=kind, width=image.width, height=image.height)


def still(data: bytes, size: tuple[int, int] | None = None) -> Image.Image:
    """A picture's first frame, upright, as `L`, `RGB` or `RGBA`; with `size`, maybe smaller but enough to shrink to it.

    Raises:
        CannotChange: and nothing else, whatever the bytes.
    """
    _sniffed(data)  # before the decoder sees them: the one for WEBP takes memory as it opens
    try:
        image: Image.Image = Image.open(io.BytesIO(data), formats=_READ)
        _refuse_large(*image.size)  # a JPEG can hold two headers, and a GIF a frame larger than itself
        if size is not None:
            side = 2 * max(size)  # a JPEG is decoded at a half, a quarter or an eighth where that still leaves plenty
            image.draft(None, (side, side))
        image.load()
        turn = _turn(image)
        return _plain(image if turn is None else image.transpose(turn))
    except CannotChange:
        raise
    except Exception as error:  # hostile bytes fail in ways of their own
        raise CannotChange("the picture cannot be decoded: its bytes are broken") from error


def resized(image: Image.Image, size: tuple[int, int], resize: Resize) -> Image.Image:
    """A still in the size asked: stretched, or scaled and cut to its ratio.

    Raises:
        CannotChange: the size is none, or beyond reason.
    """
    if image.size == size:
        return image
    _refuse_large(size[0], max(size[1], image.height))  # scaling is done across first, then down
    try:
        if resize is Resize.COVER:
            return ImageOps.fit(image, size, Image.Resampling.LANCZOS)
        return image.resize(size, Image.Resampling.LANCZOS)
    except Exception as error:
        raise CannotChange(f"the picture cannot be scaled to {size[0]}x{size[1]}") from error


def written(image: Image.Image, kind: str, quality: int | None = None) -> bytes:
    """The bytes of a still.

    Raises:
        CannotChange: no such kind is written, or the still has more pixels than a picture of that kind can have.
    """
    best = 100 if quality is None else quality
    options: dict[str, Any] = {"compress_level": 4}
    if kind == JPEG:
        sampling = "4:4:4" if best >= _FULL_COLOUR else "4:2:0"
        options = {"quality": max(1, min(best, _BEST_JPEG)), "subsampling": sampling}
    elif kind == WEBP:
        options = {"quality": best, "method": 2}
    out = io.BytesIO()
    try:
        paper = _on_white(image) if kind == JPEG else image
        paper.save(out, _WRITTEN[kind], icc_profile=image.info.get("icc_profile"), **options)
    except Exception as error:
        raise CannotChange(f"{image.width}x{image.height} pixels cannot be written as {kind}") from error
    return out.getvalue()


def _sniffed(data: bytes) -> Sniffed:
    seen = sniff(lambda offset, length: data[offset : offset + length], len(data))
    if seen is None:
        raise CannotChange("the picture is no PNG, JPEG, WEBP or GIF")
    _refuse_large(seen.width, seen.height)
    return seen


def _refuse_large(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise CannotChange(f"{width}x{height} pixels are more than {MAX_PIXELS // 1_000_000} million")


def _turn(image: Image.Image) -> Image.Transpose | None:
    try:
        return _TURNS.get(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # noqa: BLE001 - broken metadata turns nothing
        return None


def _plain(image: Image.Image) -> Image.Image:
    """As `L`, `RGB` or `RGBA`, with no more metadata than a colour profile that holds for it."""
    profile = image.info.get("icc_profile") if image.mode in {"RGB", "RGBA", "P"} else None
    if image.mode.startswith("I"):
        image = image.point(lambda value: value / 256).convert("L")  # converting alone would clip 16 bits
        image.info.pop("transparency", None)
    opaque = "L" if image.mode in {"1", "L"} else "RGB"
    mode = "RGBA" if image.has_transparency_data else opaque
    image = image.convert(mode)  # a copy even where the mode stays, so that a decoder and its buffers can go
    image.info = {"icc_profile": profile} if profile else {}
    return image


def _on_white(image: Image.Image) -> Image.Image:
    if image.mode != "RGBA":
        return image
    paper = Image.new("RGB", image.size, "white")
    paper.paste(image, mask=image)
    return paper

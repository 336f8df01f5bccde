"""Sums what backends say they used, and prices it. Unknown stays unknown: it is never counted as nothing."""

import math
from collections.abc import Iterable, Sequence

from providers.base import Usage
from providers.dialect import Shape
from router.catalog import Price, TokenPrice
from router.images.pixels import Picture

_COUNTS = (
    "input_tokens",
    "input_text_tokens",
    "input_image_tokens",
    "output_tokens",
    "output_text_tokens",
    "output_image_tokens",
    "total_tokens",
)


def total(usages: Iterable[Usage]) -> Usage:
    """The sum, field by field; None where no part knows."""
    parts = list(usages)
    if len(parts) == 1:
        return parts[0]
    sums = {}
    for name in (*_COUNTS, "cost"):
        known = [value for value in (getattr(part, name) for part in parts) if value is not None]
        sums[name] = sum(known) if known else None
    return Usage(**sums)


def cost(price: Price | None, usage: Usage | None, pictures: Sequence[Picture], quality: str | None) -> float | None:
    """What an attempt cost in US dollars: the backend's own figure, else by tokens, else by picture, else unknown."""
    if usage is not None and usage.cost is not None:
        return usage.cost
    if price is None:
        return None
    if price.tokens is not None and usage is not None and usage.output_tokens is not None:
        return _by_tokens(price.tokens, usage)
    tiers = [_by_picture(price, picture, quality) for picture in pictures]
    known = [tier for tier in tiers if tier is not None]
    return sum(known) if known and len(known) == len(tiers) else None


_PIXELS_PER_TOKEN = 250  # of a picture of the best quality
_PIXELS = 1024 * 1024  # of a picture whose size nobody gave


def at_most(price: Price | None, pictures: int, quality: str | None, shape: Shape | None) -> float | None:
    """What an attempt costs at most that nobody saw the end of: an estimate, by the dearest price that may hold."""
    if price is None:
        return None
    known = shape is not None and shape.height > 0
    fit = [
        tier.usd
        for tier in price.images
        if (quality in (None, "auto") or tier.quality in (None, quality))
        and (not known or tier.size in (None, str(shape)))
    ] or [tier.usd for tier in price.images]
    if fit:
        return pictures * max(fit)
    if price.tokens is None:
        return None
    pixels = shape.width * shape.height if shape is not None and known else _PIXELS
    return pictures * math.ceil(pixels / _PIXELS_PER_TOKEN) * price.tokens.image_out / 1_000_000


def _by_tokens(price: TokenPrice, usage: Usage) -> float:
    image_in = usage.input_image_tokens or 0
    text_in = usage.input_text_tokens if usage.input_text_tokens is not None else (usage.input_tokens or 0) - image_in
    text_out = usage.output_text_tokens or 0
    image_out = usage.output_image_tokens
    if image_out is None:
        image_out = (usage.output_tokens or 0) - text_out
    millions = (
        text_in * price.text_in + image_in * price.image_in + image_out * price.image_out + text_out * price.text_out
    )
    return millions / 1_000_000


def _by_picture(price: Price, picture: Picture, quality: str | None) -> float | None:
    size = f"{picture.width}x{picture.height}"
    for tier in price.images:
        if tier.quality in (None, quality) and tier.size in (None, size):
            return tier.usd
    return None

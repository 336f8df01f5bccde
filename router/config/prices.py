"""What pictures cost: the records that the catalogue and the config share."""

from typing import Annotated

from pydantic import Field

from router.config.values import Number, Record

Dollars = Annotated[float, Field(ge=0, le=1_000_000), Number]


class ImagePrice(Record):
    """US dollars for one picture of a tier; a tier left out matches any."""

    usd: Dollars
    quality: str | None = None
    size: str | None = None


class TokenPrice(Record):
    """US dollars per million tokens."""

    text_in: Dollars = 0.0
    cached_text_in: Dollars = 0.0
    image_in: Dollars = 0.0
    cached_image_in: Dollars = 0.0
    image_out: Dollars = 0.0
    text_out: Dollars = 0.0


class Price(Record):
    """By tokens where the backend counts them, else by picture; the first matching tier counts."""

    tokens: TokenPrice | None = None
    images: tuple[ImagePrice, ...] = ()

"""How much one client may ask for in a minute, and spend: of its key."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from router.config.values import Number, Record, Whole

_MOST = 1_000_000_000


class Per(StrEnum):
    """After which time a budget is whole again; `total` never is."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    TOTAL = "total"


class Limits(Record):
    """What a client may ask for within a minute, whichever minute that is; what is left out is not limited."""

    requests_per_minute: Annotated[
        int | None,
        Field(ge=1, le=_MOST, description="Requests, also those answered from the cache."),
        Whole,
    ] = None
    images_per_minute: Annotated[
        int | None,
        Field(ge=1, le=_MOST, description="Pictures asked for."),
        Whole,
    ] = None
    megapixels_per_minute: Annotated[
        float | None,
        Field(
            gt=0,
            le=1_000_000,
            description="Millions of pixels asked for; where no size is given, the largest size listed.",
        ),
        Number,
    ] = None


class Budget(Record):
    """What a client may spend."""

    usd: Annotated[float, Field(gt=0, le=1_000_000, description="US dollars."), Number]
    per: Annotated[
        Per,
        Field(description="The day, week (from Monday) or month of UTC in which they may be spent, or `total`: once."),
    ] = Per.MONTH
    unknown_price: Annotated[
        float,
        Field(ge=0, le=1000, description="US dollars that a picture counts for where nobody knows its price."),
        Number,
    ] = 0.25

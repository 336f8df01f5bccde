"""When a target is left out for a while, and how much retries may add: of `defaults`, and per provider."""

from typing import Annotated, TypeVar

from pydantic import Field

from router.config.values import Duration, Number, Pause, Record, Whole


class Circuit(Record):
    """When a target's circuit opens, after which it is called no more, and how it closes again."""

    failures: Annotated[
        int,
        Field(ge=1, le=1000, description="Failures in a row that open it."),
        Whole,
    ] = 5
    share: Annotated[
        float,
        Field(gt=0, le=1, description="Or this share of the calls within `window`."),
        Number,
    ] = 0.5
    calls: Annotated[
        int,
        Field(ge=1, le=100_000, description="The fewest calls within `window` that `share` is taken of."),
        Whole,
    ] = 8
    window: Annotated[Duration, Field(description="The time that `share` looks back.")] = 60.0
    open_for: Annotated[
        Duration,
        Field(description="How long it stays open: once over, one call probes. Each opening lasts longer."),
    ] = 30.0
    longest: Annotated[Duration, Field(description="No opening lasts longer.")] = 300.0


class Cooldown(Record):
    """How long a target or account is left out after it limited or refused us; 0s does not leave it out."""

    first: Annotated[
        Pause,
        Field(description="After a 429 that does not say until when; twice as long each time."),
    ] = 5.0
    longest: Annotated[Pause, Field(description="No such pause is longer.")] = 60.0
    faulty: Annotated[
        Pause,
        Field(description="For an account whose key is refused or whose credit is used up, and a model that is gone."),
    ] = 300.0
    most: Annotated[Pause, Field(description="The longest `Retry-After` that is believed.")] = 300.0


class RetryBudget(Record):
    """How much load retries may add at one account. Fallbacks do not draw on it."""

    share: Annotated[
        float,
        Field(ge=0, le=10, description="Retries per request, over time."),
        Number,
    ] = 0.2
    most: Annotated[
        float,
        Field(ge=0, le=100_000, description="Retries that may be saved up for bad times."),
        Number,
    ] = 100.0
    trickle: Annotated[Duration, Field(description="One retry this often is always possible.")] = 10.0


Shape = TypeVar("Shape", bound=Record)


def overlaid(base: Shape, own: Shape | None) -> Shape:
    """What `own` says, and `base` where it says nothing."""
    if own is None:
        return base
    return base.model_copy(update={name: getattr(own, name) for name in own.model_fields_set})

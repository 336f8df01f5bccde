"""What the router tells of itself: metrics and logs, of `server`."""

from typing import Annotated, Literal

from pydantic import Field

from router.config.values import Filled, Record, Secret, Whole


class Metrics(Record):
    """Where Prometheus asks."""

    host: Annotated[
        Filled | None,
        Field(description="The address that `port` is on; without it, that of the router."),
    ] = None
    port: Annotated[
        int | None,
        Field(ge=0, le=65_535, description="A port for /metrics alone; without it, it is on the router's own."),
        Whole,
    ] = None
    token: Annotated[
        Secret | None,
        Field(description="What Prometheus sends as `Authorization: Bearer ...`; without it, nobody is asked."),
    ] = None


class Log(Record):
    """What is logged, to standard error."""

    level: Annotated[
        Literal["debug", "info", "warning", "error"],
        Field(description="The least that is logged; each attempt has a line of its own at debug."),
    ] = "info"
    format: Annotated[
        Literal["auto", "json", "pretty"],
        Field(description="`json`, a line each; `pretty` for people; `auto` is pretty on a terminal."),
    ] = "auto"


class Observing(Record):
    """The part of `server` that is about watching it."""

    metrics: Annotated[Metrics, Field(description="Where Prometheus asks.")] = Metrics()
    log: Annotated[Log, Field(description="What is logged, to standard error.")] = Log()

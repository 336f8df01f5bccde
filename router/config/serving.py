"""How the router meets its clients' connections, stops, and runs as several processes: of `server`."""

from typing import Annotated

from pydantic import Field

from router.config.values import Duration, FilePath, Record, Size, Whole


class Timeouts(Record):
    """How long a client may take."""

    headers: Annotated[Duration, Field(description="Until the head of a request is there.")] = 10.0
    body: Annotated[Duration, Field(description="Until its body is; a second more for each MiB that has come.")] = 30.0
    idle: Annotated[Duration, Field(description="Between two requests on one connection.")] = 75.0


class Serving(Record):
    """The part of `server` that is about connections and processes."""

    timeouts: Annotated[Timeouts, Field(description="How long a client may take.")] = Timeouts()
    max_connections: Annotated[
        int,
        Field(ge=1, le=1_000_000, description="Connections at once, per worker; never more than files allow."),
        Whole,
    ] = 10_000
    max_headers: Annotated[
        int,
        Field(ge=1, le=10_000, description="Headers of one request."),
        Whole,
    ] = 100
    max_head: Annotated[Size, Field(description="The first line and the headers of one request.")] = 64 << 10
    drain: Annotated[
        Duration,
        Field(description="How long requests under way may still take once the router is told to stop."),
    ] = 60.0
    workers: Annotated[
        int,
        Field(ge=1, le=256, description="Processes that serve side by side on one machine."),
        Whole,
    ] = 1
    state_dir: Annotated[
        FilePath | None,
        Field(
            description="Where the last configuration that could be used is kept, for a start on one that cannot; "
            "without it, a directory of the user's.",
        ),
    ] = None

"""How much the router takes on at once: the keys of `server` that bound requests and memory."""

from typing import Annotated

from pydantic import Field

from router.config.values import Pause, Record, Size, Whole


class Admission(Record):
    """How many requests, and how many bytes of them in memory, one process has under way."""

    max_in_flight: Annotated[
        int,
        Field(ge=1, le=65_536),
        Whole,
        Field(description="Image requests under way at once in one process; more wait their turn."),
    ] = 256
    max_queue: Annotated[
        int,
        Field(ge=0, le=65_536),
        Whole,
        Field(description="Image requests that may wait for their turn; more are refused with 503."),
    ] = 64
    queue_wait: Annotated[
        Pause,
        Field(description="How long a request waits for its turn before it is refused with 503."),
    ] = 5.0
    max_bytes_in_flight: Annotated[
        Size,
        Field(
            description="Bodies and answers held in memory at once; beyond, new requests wait and answers are read "
            "one at a time.",
        ),
    ] = 512 << 20

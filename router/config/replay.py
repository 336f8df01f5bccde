"""What holds for requests that carry an Idempotency-Key."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from router.config.values import Duration, Record


class WithoutState(StrEnum):
    """What becomes of a request with a key while the shared state is lost."""

    REFUSE = "refuse"
    SERVE = "serve"


class Idempotency(Record):
    """How long the result of a key is kept, and what becomes of keys without the shared state."""

    keep: Annotated[Duration, Field(description="How long a key answers with its first result.")] = 24 * 3600.0
    when_state_is_down: Annotated[
        WithoutState,
        Field(
            description="`refuse` answers 503 to requests with a key, as another worker might be serving the same one; "
            "`serve` serves them, each worker by what it knows itself. Requests without a key are served in any case.",
        ),
    ] = WithoutState.REFUSE

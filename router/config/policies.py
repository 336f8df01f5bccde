"""How patient a route is: the policies of `defaults`, and what a model or a target overrides of them."""

from typing import Annotated, Any

from pydantic import Field

from providers.base import ErrorKind
from providers.dialect import Strictness
from router.config.health import Circuit, Cooldown, RetryBudget
from router.config.values import Duration, Pause, Record, Whole

Count = Annotated[
    int,
    Field(ge=0, le=5),
    Whole,
    Field(description="Retries after the first attempt, 0 to 5. A caller's own `retry` outranks it."),
]
Codes = Annotated[
    frozenset[Annotated[int, Field(ge=100, le=599), Whole]],
    Field(description="Statuses of a backend that are worth another attempt at the same target."),
]
First = Annotated[Pause, Field(description="The longest pause before the first retry; it doubles each time.")]
Longest = Annotated[Pause, Field(description="No pause between retries is longer.")]
Timeout = Annotated[Duration, Field(description="The client's wait, with every attempt and pause in it.")]
AttemptTimeout = Annotated[Duration, Field(description="The longest one attempt at one target may take.")]
Unsupported = Annotated[
    Strictness,
    Field(
        description="What to do with a size, quality and the like that a target cannot express: `adapt` sends the "
        "nearest, `drop` leaves it out, `error` skips the target.",
    ),
]
CallerBackoff = Annotated[
    Pause,
    Field(description="The first pause of the retries that a caller asks for; it doubles each time."),
]
FallbackOn = Annotated[
    frozenset[ErrorKind],
    Field(description="Failures after which the next target is tried."),
]
Billable = Annotated[
    int,
    Field(ge=1, le=10),
    Whole,
    Field(description="Attempts of one request that may cost money, 1 to 10. 1 never risks paying twice."),
]


SideBySide = Annotated[
    int,
    Field(ge=1, le=10),
    Whole,
    Field(description="Calls of one request that run side by side at a target which makes fewer pictures per call."),
]


MaxConcurrency = Annotated[
    int,
    Field(ge=1, le=65_536),
    Whole,
    Field(description="Attempts that may be under way at a target; more wait their turn."),
]
QueueWait = Annotated[
    Pause,
    Field(description="How long an attempt may wait for its turn at a target before it fails."),
]


class Retry(Record):
    """The router's own retries on one target."""

    count: Count = 1
    on_codes: Codes = frozenset({429, 503, 529})
    backoff: First = 0.5
    backoff_max: Longest = 8.0


class RetryOverrides(Record):
    """What a model or target changes of the retries; what is left out stays."""

    count: Count | None = None
    on_codes: Codes | None = None
    backoff: First | None = None
    backoff_max: Longest | None = None


class Policies(Record):
    """What holds for every model; a model, then a target, may override any of it; what is a provider's, only that."""

    timeout: Timeout = 600.0
    attempt_timeout: AttemptTimeout = 600.0
    connect_timeout: Annotated[
        Duration,
        Field(description="How long a connection may take to be made; a provider may override it."),
    ] = 5.0
    unsupported: Unsupported = Strictness.ADAPT
    retry: Annotated[Retry, Field(description="The router's own retries on one target.")] = Retry()
    caller_backoff: CallerBackoff = 1.0
    fallback_on: FallbackOn = frozenset(ErrorKind) - {ErrorKind.INVALID_REQUEST, ErrorKind.CONTENT_POLICY}
    max_billable_attempts: Billable = 2
    side_by_side: SideBySide = 4
    max_concurrency: MaxConcurrency = 64
    queue_wait: QueueWait = 5.0
    circuit: Annotated[Circuit, Field(description="When a target that fails is left out; a provider may differ.")] = (
        Circuit()
    )
    cooldown: Annotated[
        Cooldown,
        Field(description="How long a target that limits us is left out; a provider may differ."),
    ] = Cooldown()
    retry_budget: Annotated[
        RetryBudget,
        Field(description="How much load retries may add at an account; a provider may differ."),
    ] = RetryBudget()


class Overrides(Record):
    """What a model or target changes of the policies; what is left out stays."""

    timeout: Timeout | None = None
    attempt_timeout: AttemptTimeout | None = None
    unsupported: Unsupported | None = None
    retry: Annotated[RetryOverrides | None, Field(description="The router's own retries on one target.")] = None
    caller_backoff: CallerBackoff | None = None
    fallback_on: FallbackOn | None = None
    max_billable_attempts: Billable | None = None
    side_by_side: SideBySide | None = None
    max_concurrency: MaxConcurrency | None = None
    queue_wait: QueueWait | None = None


def merge(base: Policies, *layers: Overrides) -> Policies:
    """The policies after each layer in turn has had its say."""
    for layer in layers:
        changes = _said(layer, Overrides)
        if layer.retry is not None:
            changes["retry"] = base.retry.model_copy(update=_said(layer.retry, RetryOverrides))
        base = base.model_copy(update=changes)
    return base


def _said(layer: Record, shape: type[Record]) -> dict[str, Any]:
    values = {name: getattr(layer, name) for name in shape.model_fields}
    return {name: value for name, value in values.items() if value is not None}

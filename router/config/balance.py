"""How a model's chain is walked: as written, or beginning with a target that is drawn."""

from enum import StrEnum


class Order(StrEnum):
    """Which target of a chain is asked first; the others follow as written."""

    AS_WRITTEN = "as_written"
    WEIGHT_BASED = "weight_based"
    ROUND_ROBIN = "round_robin"
    LATENCY_BASED = "latency_based"

"""The play: what each backend is up to, by seconds since it began. It begins anew every minute."""

from collections.abc import Mapping
from enum import StrEnum

PERIOD = 60.0


class Mood(StrEnum):
    """How a backend answers."""

    WELL = "well"
    SLOW = "slow"
    LIMITED = "limited"
    FAILING = "failing"
    REFUSING = "refusing"


SCRIPT: Mapping[str, tuple[tuple[float, Mood], ...]] = {
    "aurora": ((0, Mood.WELL), (4, Mood.LIMITED), (15, Mood.WELL), (34, Mood.FAILING), (44, Mood.WELL)),
    "basalt": ((0, Mood.WELL), (12, Mood.SLOW), (24, Mood.WELL), (46, Mood.LIMITED), (52, Mood.WELL)),
    "cinder": ((0, Mood.WELL), (18, Mood.REFUSING), (30, Mood.WELL)),
    "delta": ((0, Mood.WELL), (22, Mood.FAILING), (31, Mood.SLOW), (42, Mood.WELL)),
}
"""Backend -> from which second it is in which mood."""


def mood(backend: str, seconds: float) -> Mood:
    """What a backend is up to."""
    now = seconds % PERIOD
    return [mood for since, mood in SCRIPT[backend] if since <= now][-1]

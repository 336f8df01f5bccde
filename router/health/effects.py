"""What each kind of failure means for the target and its account: data, from the table of error kinds."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from providers.base import ErrorKind, OutcomeClass, ProviderError


class Scope(StrEnum):
    """What a cooldown leaves out: one target, or every target of an account."""

    TARGET = "target"
    ACCOUNT = "account"


@dataclass(frozen=True, slots=True)
class Effect:
    """Whether a failure counts against the circuit, and what it cools at once."""

    counts: bool = False
    cools: Scope | None = None

    @property
    def matters(self) -> bool:
        """Whether anyone but the caller is touched."""
        return self.counts or self.cools is not None


EFFECTS: Mapping[ErrorKind, Effect] = {
    ErrorKind.INVALID_REQUEST: Effect(),
    ErrorKind.CONTENT_POLICY: Effect(),
    ErrorKind.UNSUPPORTED: Effect(cools=Scope.TARGET),
    ErrorKind.AUTHENTICATION: Effect(cools=Scope.ACCOUNT),
    ErrorKind.QUOTA: Effect(cools=Scope.ACCOUNT),
    ErrorKind.RATE_LIMITED: Effect(cools=Scope.TARGET),
    ErrorKind.UNAVAILABLE: Effect(counts=True),
    ErrorKind.TIMEOUT: Effect(counts=True),
    ErrorKind.BAD_RESPONSE: Effect(counts=True),
}
"""Faults of the caller's request touch nobody else; the rest does what `Effect` says."""


def effect(error: ProviderError) -> Effect:
    """What one failure does. A model that a backend never answered about is not known to be gone."""
    if error.kind is ErrorKind.UNSUPPORTED and error.status not in (404, 410):
        return Effect()
    if error.outcome is OutcomeClass.SUCCEEDED:  # short of pictures, not ill
        return Effect()
    return EFFECTS[error.kind]

"""Tells callers in time that a model will go: a header on its answers for the last year, and from then on."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

_TOLD_BEFORE = timedelta(days=365)


def retirement(dates: Sequence[date | None], today: date | None = None) -> dict[str, str]:
    """The header for the first of these dates, where it has come or does within a year."""
    if not any(dates):
        return {}
    first = min(each for each in dates if each is not None)
    if first - (today or datetime.now(UTC).date()) > _TOLD_BEFORE:
        return {}
    return {"x-router-model-retires": first.isoformat()}

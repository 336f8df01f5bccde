"""Reads how long a backend asks to be left alone."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

_NUMBER = re.compile(r"[0-9]{1,12}(\.[0-9]{1,12})?")
_ABSURD = 86_400.0  # a day


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds, from headers by lower-case name; None where nothing sensible is said.

    A date is measured from the answer's own `Date`, since two clocks need not agree.
    """
    for name in ("retry-after-ms", "x-ms-retry-after-ms"):
        milliseconds = _sensible(_number(headers.get(name, "")), 1000)
        if milliseconds is not None:
            return milliseconds
    text = headers.get("retry-after", "").strip()
    seconds = _number(text)
    return _sensible(seconds if seconds is not None else _until(text, headers.get("date", "")))


def _number(text: str) -> float | None:
    text = text.strip()
    return float(text) if _NUMBER.fullmatch(text) else None


def _sensible(amount: float | None, per_second: int = 1) -> float | None:
    if amount is None or not 0 <= amount / per_second <= _ABSURD:
        return None
    return amount / per_second


def _until(text: str, date: str) -> float | None:
    then = _moment(text)
    if then is None:
        return None
    return (then - (_moment(date) or datetime.now(UTC))).total_seconds()


def _moment(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)

"""Words about pictures that the config and the router share."""

from enum import StrEnum


class Resize(StrEnum):
    """What to do with a picture whose pixels are not those asked."""

    OFF = "off"
    EXACT = "exact"
    COVER = "cover"


class PartialResult(StrEnum):
    """What becomes of a result with fewer pictures than asked."""

    ALLOW = "allow"
    FAIL = "fail"

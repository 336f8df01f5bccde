"""The identity of one exchange: the caller's own where it is sound, else a new one."""

import re
import secrets
from collections.abc import Mapping

_SOUND = re.compile(r"[\x21-\x7e]{1,128}")


def request_id(headers: Mapping[str, str]) -> str:
    """The caller's `X-Request-ID` of at most 128 visible ASCII characters, or a fresh id."""
    given = headers.get("x-request-id", "")
    return given if _SOUND.fullmatch(given) else f"req_{secrets.token_hex(12)}"

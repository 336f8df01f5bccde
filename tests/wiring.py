"""What the tests of the wire share: one call, and the error a call ends in."""

import pytest

from providers.auth import bearer
from providers.base import Adapter, OutcomeClass, ProviderError, submit

OK = b"HTTP/1.1 200 OK\r\n"
ADAPTER = Adapter(dialects={}, generate=None, error=None, auth=bearer())
CALL = submit("/images", json={"prompt": "a hill"})
NOT_SENT, AMBIGUOUS = OutcomeClass.NOT_SENT, OutcomeClass.AMBIGUOUS


async def failing(wire, call=CALL):
    """The error a call ends in."""
    with pytest.raises(ProviderError) as raised:
        await wire(call)
    return raised.value

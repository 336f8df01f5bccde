"""A fixture under which calls that were cut off let go of their connections soon after, not a whole second."""

import pytest

from router.wire import fast_transport as transports


@pytest.fixture
def short_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    """The transport's own end comes right after ours."""
    monkeypatch.setattr(transports, "_GRACE", 0.05)

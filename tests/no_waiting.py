"""A fixture under which pauses pass at once."""

import asyncio

import pytest


@pytest.fixture
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever sleeps only lets others go first."""
    sleep = asyncio.sleep

    async def at_once(_: float, result: object = None) -> object:
        return await sleep(0, result)

    monkeypatch.setattr(asyncio, "sleep", at_once)

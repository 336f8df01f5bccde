"""Runs whatever decodes a picture in a thread, and few of them at a time: one may take hundreds of megabytes."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

_AT_ONCE = 2  # at the largest picture allowed each takes up to 830 MB while it is changed, at 1024x1024 some 20 MB


class Decoding:
    """The threads that decode."""

    def __init__(self) -> None:
        self._room = asyncio.Semaphore(_AT_ONCE)

    async def run(self, work: Callable[[], T]) -> T:
        """The result of `work`, once there is room for it."""
        async with self._room:
            return await asyncio.to_thread(work)

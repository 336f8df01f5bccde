"""The running router: the runtime of the moment, and all that outlives a config."""

import asyncio
import random
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from router.admission.draining import Drain
from router.catalog import Catalog
from router.config.load import Loaded
from router.engine.balance import Balance
from router.engine.guard import Guard
from router.engine.ledger import BEAT, Ledger
from router.engine.sharing import Sharing
from router.health.book import Health
from router.images.store import StoreFailed
from router.observe import logs
from router.observe.heart import Heart
from router.observe.metrics import Metrics
from router.runtime import Runtime
from router.state.base import StateLost, StateStore
from router.state.memory import MemoryStore
from router.state.opened import open_state

_SWEEP_EVERY = 300.0  # seconds between two looks for pictures whose links have ended


@dataclass(slots=True)
class Service:
    """The running router. `worker` is this process's name among all that share the state.

    `mistakes` counts those of the configuration on disk, where an older one is served in its stead.
    """

    runtime: Runtime
    state: StateStore = field(default_factory=MemoryStore)
    metrics: Metrics = field(default_factory=Metrics)
    rng: random.Random = field(default_factory=random.SystemRandom)
    worker: str = field(default_factory=lambda: secrets.token_hex(6))
    drain: Drain = field(default_factory=Drain)
    mistakes: int = 0
    heart: Heart = field(init=False)
    balance: Balance = field(init=False)
    guard: Guard = field(init=False)
    ledger: Ledger = field(init=False)
    sharing: Sharing = field(init=False)

    @classmethod
    def of(cls, loaded: Loaded, catalog: Catalog, mistakes: int = 0) -> "Service":
        """The router that a config describes.

        Raises:
            StoreFailed: the picture store cannot be opened.
            ValueError: nor can the state.
        """
        state = open_state(loaded.settings.server.state.reveal())
        return cls(Runtime(loaded, catalog), state, mistakes=mistakes)

    def __post_init__(self) -> None:
        """Everything draws from the service's own source of chance and goes by one clock."""
        self.heart = Heart(self.metrics)
        self.metrics.config_loaded(good=not self.mistakes)
        self.balance = Balance(self.rng)
        health = Health(time.monotonic, self.rng)
        self.sharing = Sharing(health, self.state, self.worker)
        self.guard = Guard(health, leases=self.sharing)
        self.ledger = Ledger(self.state, self.worker)
        health.follow(self.runtime.health_rules, self.runtime.budget_rules)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """While the router runs: share, beat, sweep; at the end let go of everything."""
        tasks = [asyncio.create_task(work) for work in (self.heart.run(), self.sharing.run(), self._beat(), self._sweep())]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self.runtime.aclose()
            await self.state.aclose()

    async def _sweep(self) -> None:
        """Delete pictures whose links have ended."""
        await self.runtime.store.run_sweeper(_SWEEP_EVERY, _not_swept)

    async def _beat(self) -> None:
        """Show that this worker lives, and report what dead ones left unfinished."""
        while True:
            await self.ledger.alive()
            try:
                for row in await self.ledger.orphans():
                    self.metrics.possibly_billed(row.target)
                    logs.orphan(row)
            except StateLost:
                pass  # they are found once it is back
            await asyncio.sleep(BEAT)


def _not_swept(why: StoreFailed) -> None:
    logs.logger().warning("the picture store was not swept", reason=str(why))

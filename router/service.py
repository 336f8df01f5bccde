"""The running router: the runtime of the moment, and all that outlives a config."""

import asyncio
import random
import secrets
import threading
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from router.admission.draining import Drain
from router.admission.gate import Gate
from router.allowance.allow import Allowance
from router.catalog import Catalog
from router.config.load import Loaded
from router.config.reload import Reloader
from router.engine.balance import Balance
from router.engine.guard import Guard
from router.engine.ledger import BEAT, Ledger
from router.engine.sharing import Sharing
from router.health.book import Health
from router.images.store import StoreFailed
from router.observe import logs
from router.observe.heart import Heart
from router.observe.metrics import Metrics
from router.observe.recent import Recent
from router.observe.state import Served
from router.replay.cache import Cache
from router.replay.idempotency import Keys
from router.replay.lease import Lease
from router.runtime import Runtime
from router.state.base import StateLost
from router.state.degrading import DegradingStore
from router.state.memory import MemoryStore
from router.state.opened import open_state
from router.tracing import spans
from router.wire.shared import SharedWires

T = TypeVar("T")

_SWEEP_EVERY = 300.0  # seconds between two looks for pictures whose links have ended
_PARTING = 5.0  # seconds in which the last spans are sent
_FINISHING = 10.0  # seconds that work whose client has left is given to end when the router stops


@dataclass(slots=True)
class Service:
    """The running router. `worker` is this process's name among all that share the state.

    `mistakes` counts those of the configuration on disk, where an older one is served in its stead; `reloader` looks
    for another, where there may be one. `loaded_at` is when the configuration was taken up, in Unix time.
    """

    runtime: Runtime
    catalog: Catalog
    wires: SharedWires = field(default_factory=SharedWires)
    state: MemoryStore | DegradingStore = field(default_factory=MemoryStore)
    metrics: Metrics = field(default_factory=Metrics)
    recent: Recent = field(default_factory=Recent)
    rng: random.Random = field(default_factory=random.SystemRandom)
    worker: str = field(default_factory=lambda: secrets.token_hex(6))
    drain: Drain = field(default_factory=Drain)
    mistakes: int = 0
    reloader: Reloader | None = None
    loaded_at: float = field(default_factory=time.time)
    gate: Gate = field(init=False)
    heart: Heart = field(init=False)
    balance: Balance = field(init=False)
    guard: Guard = field(init=False)
    ledger: Ledger = field(init=False)
    sharing: Sharing = field(init=False)
    lease: Lease = field(init=False)
    allowance: Allowance = field(init=False)
    keys: Keys = field(init=False)
    cache: Cache = field(init=False)
    _work: set[asyncio.Future[Any]] = field(init=False, default_factory=set)

    @classmethod
    def of(cls, loaded: Loaded, catalog: Catalog, mistakes: int = 0) -> "Service":
        """The router that a config describes.

        Raises:
            StoreFailed: the picture store cannot be opened.
            ValueError: nor can the state.
        """
        metrics = Metrics()
        state = open_state(loaded.settings.server.state.reveal(), metrics.state_changed, metrics.state_answered)
        wires = SharedWires()
        return cls(Runtime(loaded, catalog, wires), catalog, wires, state, metrics, mistakes=mistakes)

    def __post_init__(self) -> None:
        """Everything draws from the service's own source of chance and goes by one clock."""
        self.gate = Gate(self.runtime.server, self.drain)
        self.heart = Heart(self.metrics)
        self.metrics.config_loaded(good=not self.mistakes)
        self.balance = Balance(self.rng)
        health = Health(time.monotonic, self.rng)
        self.sharing = Sharing(health, self.state, self.worker)
        self.guard = Guard(health, leases=self.sharing)
        self.ledger = Ledger(self.state, self.worker)
        self.allowance = Allowance(self.state, self.metrics)
        self.lease = Lease(self.state, self.worker)
        self.keys = Keys(self.state, self.lease, self.metrics.idempotency)
        self.cache = Cache(self.state, self.lease, self.metrics.cached)
        health.follow(self.runtime.health_rules, self.runtime.budget_rules)
        self.metrics.watch(self.gate, health)
        self._count(self.runtime)

    def apply(self, loaded: Loaded) -> None:
        """Take up another configuration. Requests under way end with the one they began with.

        Raises:
            ValueError: it cannot be served; nothing has changed.
        """
        try:
            fresh = Runtime(loaded, self.catalog, self.wires)
        except StoreFailed as why:
            raise ValueError(str(why)) from None
        old, self.runtime = self.runtime, fresh
        self.loaded_at = time.time()
        self.guard.health.follow(fresh.health_rules, fresh.budget_rules)
        self._count(fresh)
        self.gate.follow(fresh.server)
        old.retired = True
        self._close_unless_in_use(old)

    def pin(self, runtime: Runtime) -> None:
        """A piece of work goes by a runtime, whether or not it is still the newest, until it lets go of it."""
        runtime.pins += 1

    def unpin(self, runtime: Runtime) -> None:
        """It has ended."""
        runtime.pins -= 1
        if runtime.retired:
            self._close_unless_in_use(runtime)

    def _close_unless_in_use(self, runtime: Runtime) -> None:
        if runtime.retired and not runtime.pins:
            closing = asyncio.ensure_future(runtime.aclose())
            self._work.add(closing)
            closing.add_done_callback(self._work.discard)

    def _count(self, runtime: Runtime) -> None:
        """Have the metrics be of this runtime."""
        runtime.store.failed = self.metrics.store_failed
        self.metrics.follow(
            Served(
                version=runtime.version,
                routes=[route for _, route in runtime.routes()],
                targets=runtime.targets,
                callers=runtime.keys.callers,
                retires=runtime.retirements(),
            )
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """While the router runs: share, beat, sweep; at the end let go of everything."""
        tasks: list[asyncio.Future[Any]] = [
            asyncio.create_task(work)
            for work in (self.heart.run(), self.sharing.run(), self.lease.run(), self._beat(), self._sweep())
        ]
        if self.reloader is not None:
            tasks.append(asyncio.create_task(self.reloader.run()))
        try:
            yield
        finally:
            await self._finish()
            tasks.extend(self._work)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self.runtime.aclose()
            await self.state.aclose()
            await _hand_over_spans()

    def start(self, work: Coroutine[Any, Any, T], runtime: Runtime) -> asyncio.Task[T]:
        """Let work go on whoever waits for it; the router does not stop before it has ended, or is out of time."""
        let_go = self.gate.stay()
        self.drain.enter()
        self.pin(runtime)

        def ended(task: asyncio.Future[T]) -> None:
            self._work.discard(task)
            self.drain.leave()
            self.unpin(runtime)
            let_go(task)

        task = asyncio.create_task(work)
        self._work.add(task)
        task.add_done_callback(ended)
        return task

    async def _finish(self) -> None:
        """Wait for work whose client has left, but not beyond what the router has left to live."""
        if self._work:
            late = asyncio.create_task(self.drain.late())
            ended = asyncio.create_task(asyncio.wait(self._work))
            news: set[asyncio.Task[Any]] = {late, ended}
            await asyncio.wait(news, timeout=_FINISHING, return_when=asyncio.FIRST_COMPLETED)
            late.cancel()
            ended.cancel()

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


async def _hand_over_spans() -> None:
    """Have the last spans sent; who takes them may be gone, and is not waited for."""
    sending = threading.Thread(target=spans.close, daemon=True)
    sending.start()
    await asyncio.to_thread(sending.join, _PARTING)


def _not_swept(why: StoreFailed) -> None:
    logs.logger().warning("the picture store was not swept", reason=str(why))

"""The measurements. In each round every target has its turn, in an order of chance, so that a bad minute hits all."""

import random
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from bench.client import Broken, Client
from bench.load import Load, load
from bench.payloads import KINDS, edit
from bench.targets import OURS, PORTKEY, Target

IN_FLIGHT = 64
_CONNECTIONS = 32
_STALL = 4.0  # seconds in which stalled clients read nothing
_FILLING = 4  # seconds of load in which so many are under way at once, surely
_BREATH = 0.003  # seconds between two requests that are timed one at a time
_WARM_UP = 5


@dataclass(frozen=True)
class Scale:
    """How much is measured: rounds, seconds of each load, single requests, sizes."""

    rounds: int = 3
    seconds: int = 3
    singles: int = 100
    pictures: int = 16
    mib: int = 20
    many: int = 10_000


QUICK = Scale(rounds=1, seconds=1, singles=20, mib=5, many=1_000)


@dataclass
class Results:
    """What was measured, by target and metric; a figure for each round."""

    figures: dict[tuple[str, str], list[float]] = field(default_factory=lambda: defaultdict(list))
    faults: list[str] = field(default_factory=list)

    def add(self, target: Target, metric: str, value: float) -> None:
        """Note a figure."""
        self.figures[target.name, metric].append(value)

    def get(self, target: str, metric: str) -> float | None:
        """The median; None where nothing was measured."""
        found = self.figures.get((target, metric))
        return median(found) if found else None


@dataclass
class Bench:
    """What measurements are made with; `tell` is told how far they are."""

    directory: Path
    scale: Scale
    tell: Callable[[str], None]
    results: Results = field(default_factory=Results)
    chance: random.Random = field(default_factory=lambda: random.Random(1))  # noqa: S311 - an order, no secret

    def throughput(self, targets: Sequence[Target]) -> None:
        """Requests a second, and processor time for each."""
        for target in targets:
            for kind in KINDS:
                self._load(target, kind, 1)
        for at, kind, target in self._turns(targets, tuple(KINDS)):
            self.tell(f"round {at}: {kind} at {target.name}")
            self._measured(target, kind, kind)

    def table(self, targets: Sequence[Target]) -> None:
        """Requests a second where all but the route table is the same."""
        for target in targets:
            self._load(target, "tiny", 1)
        for at, kind, target in self._turns(targets, ("tiny",)):
            self.tell(f"round {at}: {kind} at {target.name}")
            self._measured(target, kind, "table")

    def latency(self, targets: Sequence[Target]) -> None:
        """Seconds for a request that is alone."""
        clients = {target.name: Client(target.port) for target in targets}
        for at, kind in ((at, kind) for at in range(1, self.scale.rounds + 1) for kind in KINDS):
            self.tell(f"round {at}: {kind} one at a time")
            spent: dict[str, list[float]] = {target.name: [] for target in targets}
            for number in range(self.scale.singles + _WARM_UP):
                for target in self._shuffled(targets):
                    began = time.perf_counter()
                    clients[target.name].send(target.asks(kind))
                    reply = clients[target.name].read()
                    seconds = time.perf_counter() - began
                    if reply.status != 200:
                        self.results.faults.append(f"{target.name} answered {reply.status}: {reply.body[:200]!r}")
                    if number >= _WARM_UP:
                        spent[target.name].append(seconds)
                    time.sleep(_BREATH)
            for target in targets:
                self.results.add(target, f"{kind} p50", median(spent[target.name]))
        for client in clients.values():
            client.close()

    def memory(self, targets: Sequence[Target]) -> None:
        """Bytes held for each byte of the largest answers under way, in a fresh process; and what it holds idle."""
        for _, mode, target in self._turns(targets, ("busy", "stalled")):
            self.tell(f"memory of {target.name}, {mode}")
            target.start(self.directory)
            self._once(target, "tiny")
            assert target.process is not None  # noqa: S101 - just started
            self.results.add(target, "idle memory", target.process.memory())
            self._once(target, "l")
            before = target.process.memory()
            target.process.forget_peak()
            if mode == "busy":
                self._load(target, "l", max(self.scale.seconds, _FILLING), IN_FLIGHT)
            else:
                self._stall(target)
            held = (target.process.peak() - before) / (IN_FLIGHT * KINDS["l"])
            self.results.add(target, f"memory {mode}", held)

    def uploads(self, targets: Sequence[Target]) -> None:
        """A large edit: bytes a second, and memory taken for each byte of it."""
        able = [target for target in targets if target.name != PORTKEY]
        for target in able:
            if target.command:
                target.start(self.directory)
                self._once(target, "tiny")
        for at, kind, target in self._turns(able, ("edit",)):
            self.tell(f"round {at}: an edit at {target.name}")
            self._upload(target, kind)
        router = next((target for target in able if target.name == OURS), None)
        if router is not None:
            self.tell("an edit that its first backend refuses")
            self._upload(router, "again")

    def growth(self, target: Target) -> None:
        """Memory after many answers of 1.5 MB, against that after the first tenth of them."""
        target.start(self.directory)
        assert target.process is not None  # noqa: S101 - just started
        seen: list[tuple[int, int]] = []
        done = 0
        while done < self.scale.many:
            done += self._load(target, "m", 1).requests
            self.tell(f"{done} of {self.scale.many} answers of 1.5 MB")
            target.process.settle()
            seen.append((done, target.process.memory()))
        early = next(held for at, held in seen if at >= self.scale.many / 10)
        self.results.add(target, "growth", seen[-1][1] / early)
        self.results.add(target, "answers of 1.5 MB", done)

    def _measured(self, target: Target, kind: str, name: str) -> None:
        assert target.process is not None  # noqa: S101 - only what runs is loaded
        used = target.process.cpu()
        came = self._load(target, kind, self.scale.seconds)
        target.process.settle()
        if not came.requests:
            self.results.faults.append(f"{target.name} gave no answer of {kind} in {self.scale.seconds} s")
            return
        self.results.add(target, f"{name} rate", came.rate)
        self.results.add(target, f"{name} cpu", (target.process.cpu() - used) / came.requests)

    def _upload(self, target: Target, kind: str) -> None:
        model = {"edit": "edits", "again": "edits-again"}[kind]
        length, pieces = edit(model, self.scale.pictures, self.scale.mib)
        process, client = target.process, Client(target.uploads_port or target.port)
        before = process.memory() if process is not None else 0
        if process is not None:
            process.forget_peak()
        began = time.perf_counter()
        try:
            client.send(target.edits(length, kind), pieces)
            reply = client.read()
        except (OSError, Broken) as why:
            self.results.faults.append(f"{target.name} broke off an edit: {why}")
            return
        finally:
            client.close()
        seconds = time.perf_counter() - began
        if reply.created < self.scale.pictures * self.scale.mib << 20:
            self.results.faults.append(f"{target.name} did not pass on an edit: {reply.status} {reply.body[:200]!r}")
            return
        self.results.add(target, f"{kind} rate", length / seconds)
        if process is not None:
            self.results.add(target, f"{kind} memory", (process.peak() - before) / length)

    def _stall(self, target: Target) -> None:
        clients = [Client(target.port, window=64 * 1024) for _ in range(IN_FLIGHT)]
        for client in clients:
            client.send(target.asks("l"))
        time.sleep(_STALL)
        for client in clients:
            client.read()
            client.close()

    def _once(self, target: Target, kind: str) -> None:
        client = Client(target.port)
        client.send(target.asks(kind))
        client.read()
        client.close()

    def _load(self, target: Target, kind: str, seconds: int, connections: int = _CONNECTIONS) -> Load:
        came = load(target.port, target.asks(kind), self.directory, connections=connections, seconds=seconds)
        if came.errors:
            self.results.faults.append(f"{target.name}: {came.errors} errors in {came.requests} requests of {kind}")
        return came

    def _turns(self, targets: Sequence[Target], kinds: Sequence[str]) -> Iterator[tuple[int, str, Target]]:
        for at in range(1, self.scale.rounds + 1):
            for kind in kinds:
                yield from ((at, kind, target) for target in self._shuffled(targets))

    def _shuffled(self, targets: Sequence[Target]) -> list[Target]:
        return self.chance.sample(list(targets), len(targets))

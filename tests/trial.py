"""One router over real sockets, in the test's own loop, and the law that holds after every fault, whichever it was."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import structlog
import uvicorn
import yaml
from faults import FaultServer
from serving import shipped_catalog
from stopwatch import Stopwatch

from router.app import build
from router.config.load import load
from router.service import Service

_TESTS = Path(__file__).parent
SLACK = 0.25  # seconds after its deadline in which a request is answered
KEY = "sk-canary-4f1d9e"
PROMPT = "canary-prompt-c07a, a red kite"
QUICK = {
    "timeout": "2s",
    "attempt_timeout": "300ms",
    "retry": {"backoff": "1ms", "backoff_max": "1ms"},
    "connect_timeout": "150ms",
}


@dataclass(frozen=True)
class Ended:
    """One request's answer, and how long it took."""

    response: httpx.Response
    seconds: float

    @property
    def status(self) -> int:
        """The HTTP status."""
        return self.response.status_code

    @property
    def error(self) -> dict[str, Any]:
        """The error it tells."""
        return self.response.json()["error"]

    @property
    def verdict(self) -> tuple[int, str, str]:
        """Status, code, and whether to ask again."""
        return self.status, self.error["code"], self.response.headers["x-should-retry"]


@dataclass
class Trial:
    """A running router; `backends` are the servers behind its providers, by the providers' names."""

    url: str
    service: Service
    client: httpx.AsyncClient
    lines: list[dict[str, Any]]
    backends: Mapping[str, FaultServer] = field(default_factory=dict)
    known: set[asyncio.Task[Any]] = field(default_factory=set)

    async def ask(self, model: str = "m", **fields: Any) -> Ended:
        """One generation."""
        stopwatch = Stopwatch()
        body = {"model": model, "prompt": PROMPT, **fields}
        response = await self.client.post("/v2/router/images/generations", json=body)
        return Ended(response, stopwatch.seconds)

    def attempts(self, target: str = "") -> list[dict[str, Any]]:
        """Every attempt that the log tells of, at one provider or at all."""
        told = [attempt for line in self.requests for attempt in line.get("attempts", ())]
        return [attempt for attempt in told if attempt["target"].startswith(target)]

    def outcomes(self, target: str = "") -> list[str]:
        """How these ended."""
        return [attempt["outcome"] for attempt in self.attempts(target)]

    def counted(self, name: str) -> Counter[tuple[str, ...]]:
        """A metric's values by its labels."""
        found: Counter[tuple[str, ...]] = Counter()
        for metric in self.service.metrics.registry.collect():
            for sample in metric.samples:
                if sample.name == f"image_router_{name}":
                    found[tuple(sample.labels.values())] += int(sample.value)
        return found

    @property
    def requests(self) -> list[dict[str, Any]]:
        """The log's lines of requests."""
        return [line for line in self.lines if line["event"] == "request"]

    async def check(self, *answers: Ended, patience: float = 2.0, unread: bool = False) -> None:
        """The invariant over all requests so far, of which `answers` are the last.

        `unread`: a backend broke off before it had read what was sent, so its ledger may know of less.
        """
        for ended in answers:
            assert ended.seconds <= patience + SLACK
            self._told(ended)
        for line in self.requests:
            self._bounded(line)
        self._same_ledgers(unread=unread)
        self._counted()
        assert {line["log_level"] for line in self.lines} <= {"debug", "info"}, self.lines
        await self._let_go()

    def _told(self, ended: Ended) -> None:
        """The answer, its headers and the one line of the log tell the same story."""
        (line,) = (line for line in self.requests if line["request_id"] == ended.response.headers["x-request-id"])
        story = [(attempt["target"], attempt["number"]) for attempt in line.get("attempts", ())]
        if ended.status == 200:
            told = [(each["target"], each["number"]) for each in ended.response.json()["router"]["attempts"]]
        else:
            failures = (each for each in ended.error.get("failures", ()) if each["attempt"])
            told = [(each["model"], each["attempt"]) for each in failures]
        assert told == story
        assert line["status"] == ended.status
        if "x-router-attempts" in ended.response.headers:
            assert int(ended.response.headers["x-router-attempts"]) == len(story)

    def _bounded(self, line: dict[str, Any]) -> None:
        """At most two tries at a target, and two that may be billed; after a doubtful end never the same again."""
        attempts = line.get("attempts", ())
        assert max(Counter(attempt["target"] for attempt in attempts).values(), default=0) <= 2
        assert sum(attempt["outcome"] in ("ambiguous", "succeeded") for attempt in attempts) <= 2
        doubtful = [at for at, attempt in enumerate(attempts) if attempt["outcome"] == "ambiguous"]
        for at in doubtful:
            assert attempts[at]["target"] not in [later["target"] for later in attempts[at + 1 :]]

    def _same_ledgers(self, *, unread: bool) -> None:
        """What each backend was sent and would bill is what the router says it was."""
        for name, backend in self.backends.items():
            ours = [outcome for outcome in self.outcomes(f"{name}/") if outcome != "not_sent"]
            theirs = [seen for seen in backend.requests if seen.method == "POST"]
            assert len(theirs) == len(ours) or (unread and len(theirs) <= len(ours)), (name, ours, theirs)
            assert len(backend.billed) <= sum(outcome in ("succeeded", "ambiguous") for outcome in ours)

    def _counted(self) -> None:
        """The metrics count every request and every attempt once, and nothing is under way."""
        assert self.counted("requests_total").total() == len(self.requests)
        attempts = Counter((attempt["target"], attempt["outcome"]) for attempt in self.attempts())
        assert self.counted("attempts_total") == attempts
        assert self.counted("possibly_billed_total").total() == self.outcomes().count("ambiguous")
        assert self.counted("in_flight").total() == 0
        assert not any(self.service.guard.slots.in_use(target) for target in self.service.guard.health.targets())

    async def _let_go(self) -> None:
        """No row of the ledger is open, and no task or connection is left over."""
        assert not await self.service.state.entries("ledger/open/")
        assert len(await self.service.ledger.doubtful()) == self.outcomes().count("ambiguous")
        talks = {task: peer for backend in self.backends.values() for task, peer in backend.talks.items()}
        busy = {task for task, peer in talks.items() if not peer.idle}
        ours = {task for task in asyncio.all_tasks() - self.known if not _of_the_test(task)}
        if busy | ours:
            _, left = await asyncio.wait(busy | ours, timeout=2)
            assert not left, left


def _of_the_test(task: asyncio.Task[Any]) -> bool:
    code = getattr(task.get_coro(), "cr_code", None)
    return task is asyncio.current_task() or (code is not None and Path(code.co_filename).parent == _TESTS)


def _config(backends: Mapping[str, FaultServer | str], config: Mapping[str, Any]) -> dict[str, Any]:
    more: Mapping[str, Mapping[str, Any]] = config.get("providers", {})
    urls = {name: each if isinstance(each, str) else each.url for name, each in backends.items()}
    providers = {
        name: {"kind": "openai", "base_url": url, "api_key": KEY, **more.get(name, {})} for name, url in urls.items()
    }
    models = config.get("models") or {"m": {"chain": [f"{name}/any" for name in backends]}}
    policies = {**QUICK, **config.get("defaults", {})}
    return {"server": config.get("server", {}), "defaults": policies, "providers": providers, "models": models}


@asynccontextmanager
async def trial(folder: Path, backends: Mapping[str, FaultServer | str], **config: Any) -> AsyncIterator[Trial]:
    """A router whose model `m` is a chain of these backends, in their order.

    Args:
        folder: where its config is written.
        backends: by the name of the provider; plain text is the address of something that keeps no ledger.
        config: `server`, `defaults`, `providers` and `models` as in a config; what is left out is made up.
    """
    servers = {name: each for name, each in backends.items() if isinstance(each, FaultServer)}
    async with AsyncExitStack() as stack:
        (running,) = await routers(stack, folder, [_config(backends, config)])
        running.backends = servers
        yield running


async def routers(stack: AsyncExitStack, folder: Path, configs: Iterable[Mapping[str, Any]]) -> list[Trial]:
    """As many routers as configs, all of whose lines are captured together."""
    lines = stack.enter_context(structlog.testing.capture_logs())
    made = []
    for number, config in enumerate(configs):
        file = folder / f"router{number}.yaml"
        file.write_text(yaml.safe_dump(config, sort_keys=False))
        service = Service.of(load(file, {}), shipped_catalog())
        port = await stack.enter_async_context(_listening(service))
        url = f"http://127.0.0.1:{port}"
        limits = httpx.Limits(max_connections=None)
        client = httpx.AsyncClient(base_url=url, timeout=30, verify=False, limits=limits)  # noqa: S501 - plain http
        await stack.enter_async_context(client)
        made.append(Trial(url, service, client, lines))
    for each in made:
        each.known = asyncio.all_tasks()
    return made


@asynccontextmanager
async def _listening(service: Service) -> AsyncIterator[int]:
    """The port of a server in this very loop."""
    config = uvicorn.Config(build(service), port=0, http="httptools", lifespan="on", log_config=None)
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    await server.startup()
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        await server.shutdown()


def chain_config(backends: Mapping[str, FaultServer | str], **config: Any) -> dict[str, Any]:
    """The config that `trial` would run."""
    return _config(backends, config)

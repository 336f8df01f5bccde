"""What is measured: the router, nginx as the least a proxy can cost, and other routers where they are installed."""

import json
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench import nginx, payloads
from bench.client import request
from bench.processes import Process, free_port

KEY = "sk-bench-0123456789abcdef0123456789abcdef"  # no secret: LiteLLM wants a long one
OURS, NGINX, LITELLM, PORTKEY, DIRECT = "image-router", "nginx", "litellm", "portkey", "direct"
MODELS = {**payloads.MODELS, "edit": "edits", "again": "edits-again"}
"""The name under which each kind of answer is asked for."""

_GENERATIONS, _EDITS = "/v1/images/generations", "/v1/images/edits"


@dataclass(frozen=True)
class Backends:
    """Where the backends listen: one gives answers, one reads uploads."""

    answers: int
    uploads: int


@dataclass
class Target:
    """One proxy, or `direct`: the backend itself. `passed` are headers of its own; `by_path` says the kind in the path.

    `process` is what its processor time and memory are read from, once it runs.
    """

    name: str
    port: int
    command: Sequence[str] = ()
    environ: Mapping[str, str] = field(default_factory=dict)
    passed: Mapping[str, str] = field(default_factory=dict)
    by_path: bool = False
    uploads_port: int | None = None
    process: Process | None = None

    def start(self, directory: Path) -> None:
        """Start it, anew where it runs, and have it answer once.

        Raises:
            NotStarted: it does not listen.
        """
        self.stop()
        if self.command:
            self.process = Process.start(self.name, self.command, directory, environ=self.environ, measured=True)
            self.process.listening(self.port)

    def stop(self) -> None:
        """End it."""
        if self.process is not None:
            self.process.stop()
            self.process = None

    def asks(self, kind: str) -> bytes:
        """A request for one picture."""
        path = f"/{kind}{_GENERATIONS}" if self.by_path else _GENERATIONS
        model = MODELS[kind]
        return request(path, payloads.asked(model), [*self._headers(kind), ("content-type", "application/json")])

    def edits(self, length: int, kind: str = "edit") -> bytes:
        """The head of an upload."""
        path = f"/tiny{_EDITS}" if self.by_path else _EDITS
        form = f"multipart/form-data; boundary={payloads.BOUNDARY}"
        head = request(path, b"", [*self._headers(kind), ("content-type", form)])
        return head.replace(b"content-length: 0", b"content-length: %d" % length)

    def _headers(self, kind: str) -> list[tuple[str, str]]:
        passed = [
            (name, value.format(kind=kind if kind in payloads.KINDS else "tiny")) for name, value in self.passed.items()
        ]
        return [("authorization", f"Bearer {KEY}"), *passed]


def ours(directory: Path, backends: Backends, models: int = 3, providers: int = 3) -> Target:
    """The router, with every feature on and a table of so many models."""
    port, file = free_port(), directory / f"router-{models}.yaml"
    file.write_text(json.dumps(_config(backends, models, providers)))  # JSON is YAML
    command = [sys.executable, "-m", "router", "serve", "--config", str(file), "--port", str(port), "--strict"]
    return Target(OURS if models <= len(payloads.KINDS) else f"{OURS}, {models} models", port, command)


def direct(backends: Backends) -> Target:
    """The backend itself."""
    return Target(DIRECT, backends.answers, by_path=True, uploads_port=backends.uploads)


def others(directory: Path, peers: Path, backends: Backends) -> list[Target]:
    """The proxy nginx and the other routers, as far as they are installed."""
    found = []
    if nginx.program() is not None:
        port = free_port()
        command = nginx.proxy(directory, port, backends.answers, backends.uploads)
        found.append(Target(NGINX, port, command, by_path=True))
    if (program := peers / "litellm" / "bin" / "litellm").exists():
        found.append(_litellm(program, directory, backends))
    start = peers / "portkey" / "node_modules" / "@portkey-ai" / "gateway" / "build" / "start-server.js"
    if start.exists() and (node := shutil.which("node")) is not None:
        found.append(_portkey(node, start, backends))
    return found


def _litellm(program: Path, directory: Path, backends: Backends) -> Target:
    """LiteLLM as its page on production says, without a database."""
    port, file = free_port(), directory / "litellm.yaml"
    places = {kind: f"http://127.0.0.1:{backends.answers}/{kind}/v1" for kind in payloads.KINDS}
    places["edit"] = f"http://127.0.0.1:{backends.uploads}/tiny/v1"
    models = [
        {
            "model_name": MODELS[kind],
            "litellm_params": {"model": "openai/gpt-image-1", "api_key": "backend", "api_base": place},
        }
        for kind, place in places.items()
    ]
    general = {"master_key": KEY, "disable_spend_logs": True, "disable_error_logs": True}
    settings = {"request_timeout": 600, "set_verbose": False, "json_logs": True}
    file.write_text(json.dumps({"model_list": models, "general_settings": general, "litellm_settings": settings}))
    environ = {"LITELLM_LOG": "ERROR", "LITELLM_MODE": "PRODUCTION", "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    command = [str(program), "--config", str(file), "--host", "127.0.0.1", "--port", str(port), "--num_workers", "1"]
    return Target(LITELLM, port, command, {**environ, "NO_PROXY": "127.0.0.1", "LITELLM_TELEMETRY": "False"})


def _portkey(node: str, start: Path, backends: Backends) -> Target:
    """Portkey's gateway, told by headers where to go; its edits fail, so none are asked for."""
    port = free_port()
    environ = {"NODE_ENV": "production", "TRUSTED_CUSTOM_HOSTS": "127.0.0.1,localhost"}
    host = f"http://127.0.0.1:{backends.answers}/{{kind}}/v1"
    passed = {"x-portkey-provider": "openai", "x-portkey-custom-host": host}
    return Target(PORTKEY, port, [node, str(start), f"--port={port}", "--headless"], environ, passed)


def _config(backends: Backends, models: int, providers: int) -> dict[str, object]:
    """Keys with limits, answers checked, links passed on, costs told, targets disclosed; nothing is shed."""
    answers = f"http://127.0.0.1:{backends.answers}"
    uploads = f"http://127.0.0.1:{backends.uploads}"
    known: dict[str, dict[str, str]] = {kind: {"base_url": f"{answers}/{kind}/v1"} for kind in payloads.KINDS}
    known |= {"edit": {"base_url": f"{uploads}/tiny/v1"}, "refuses": {"base_url": f"{uploads}/refuses/v1"}}
    known |= {f"more-{at}": {"base_url": f"{answers}/tiny/v1"} for at in range(providers - len(payloads.KINDS))}
    more = [name for name in known if name.startswith("more-")]
    chains: dict[str, list[dict[str, object]]]
    price = {"image": 0.04}
    chains = {MODELS[kind]: [{"target": f"{kind}/{MODELS[kind]}", "price": price}] for kind in payloads.KINDS}
    edits: dict[str, object] = {"target": "edit/gpt-image-1"}
    chains |= {MODELS["edit"]: [edits], MODELS["again"]: [{"target": "refuses/gpt-image-1"}, edits]}
    chains |= {
        f"model-{at}": [{"target": f"{more[at % len(more)]}/dall-e-3"}, {"target": "tiny/dall-e-3"}]
        for at in range(models - len(payloads.KINDS))
    }
    return {
        "server": {
            "keys": [{"name": "bench", "key": KEY, "limits": {"requests_per_minute": 10_000_000}}],
            "disclose": True,
            "max_in_flight": 512,
            "max_queue": 512,
            "max_bytes_in_flight": "4GiB",
        },
        "defaults": {"max_concurrency": 512},
        "providers": {
            name: {"kind": "openai", "api_key": "backend", "link_life": "24h", "pool_size": 512, **place}
            for name, place in known.items()
        },
        "models": {name: {"chain": chain} for name, chain in chains.items()},
    }

"""What the tests of the official clients have in common: the router they call, and how it must route for them."""

import base64
import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from backends import Ledger, OpenAIBackend, Status, Step
from pictures import png
from serving import FORGIVING, serving

CAT, DOG, MASK = png(64, 64, tint=1), png(64, 48), png(64, 64, alpha=True)
OPERATIONS = ("generate", "edit", "variation")
KEY = "studio-key"
GPT, DALLE_2, DALLE_3 = "openai/gpt-image-2", "openai/dall-e-2", "openai/dall-e-3"
FIRST, SECOND, THIRD, NEVER = "house/first", "house/second", "house/third", "house/never"
CHAINS = {
    GPT: "openai/gpt-image-2",
    DALLE_2: "openai/gpt-image-2",
    DALLE_3: "openai/gpt-image-2",
    FIRST: "openai/gpt-image-1.5",
    SECOND: "openai/gpt-image-2",
    THIRD: "openai/gpt-image-1-mini",
    NEVER: "openai/gpt-image-2.5-flare",
}
"""The models of the router, each with its one target. The catalogue knows nothing of `house/...`."""

BUSY, DOWN = Status(429, "rate_limit_exceeded"), Status(503)
DRAWN = "the balancer's draw"


@contextlib.contextmanager
def routed(directory: Path) -> Iterator[tuple[str, OpenAIBackend]]:
    """The address of a router that asks for a key and never waits long, and the backend behind it."""
    with OpenAIBackend() as backend:
        config = {
            "server": {"default_model": GPT, "keys": [{"name": "studio", "key": KEY}]},
            "defaults": {**FORGIVING, "caller_backoff": "1ms", "retry": {"backoff": "1ms", "backoff_max": "1ms"}},
            "providers": {"openai": {"kind": "openai", "base_url": backend.url, "api_key": "backend-key"}},
            "models": {name: {"chain": [target]} for name, target in CHAINS.items()},
        }
        with serving(config, directory) as url:
            yield url, backend


def is_png(text: str) -> bool:
    """Whether base64 is that of a PNG."""
    return base64.b64decode(text).startswith(b"\x89PNG")


def is_link_to_png(link: str) -> bool:
    """Whether a PNG lies at an address."""
    return httpx.get(link).content.startswith(b"\x89PNG")


@dataclass(frozen=True, slots=True, kw_only=True)
class Routing:
    """What a client asks for, how the backend answers its first calls, and the calls there must then have been.

    A call is a model at the backend and the status it answered; `DRAWN` is whichever model the balancer chose.
    """

    model: str = FIRST
    controls: Mapping[str, Any]
    steps: tuple[Step, ...]
    calls: tuple[tuple[str, int], ...]
    fallback_index: int

    def check(self, headers: Mapping[str, str], ledger: Ledger) -> None:
        """Hold the backend's ledger and the response's headers against what must be."""
        made = [(record.model, record.status) for record in ledger.records]
        if self.calls[0][0] == DRAWN:
            assert made[0][0] in {"gpt-image-1.5", "gpt-image-1-mini"}
        assert made == [(made[0][0] if model == DRAWN else model, status) for model, status in self.calls]
        assert headers["x-router-attempts"] == str(len(made))
        assert headers["x-router-fallback-index"] == str(self.fallback_index)
        assert headers["x-router-model"] == f"openai/{made[-1][0]}"


ROUTINGS = {
    "a retry succeeds": Routing(
        controls={"retry": {"count": 3, "on_codes": [429, 503]}, "fallbacks": [{"model": NEVER}]},
        steps=(BUSY, DOWN),
        calls=(("gpt-image-1.5", 429), ("gpt-image-1.5", 503), ("gpt-image-1.5", 200)),
        fallback_index=0,
    ),
    "all retries, then the fallbacks in their order": Routing(
        controls={
            "retry": {"count": 2, "on_codes": [429]},
            "fallbacks": [{"model": SECOND}, {"model": THIRD}, {"model": NEVER}],
            "timeout": {"call_timeout": 30_000},
        },
        steps=(BUSY, BUSY, BUSY, BUSY, DOWN),
        calls=(
            ("gpt-image-1.5", 429),
            ("gpt-image-1.5", 429),
            ("gpt-image-1.5", 429),
            ("gpt-image-2", 429),
            ("gpt-image-2", 503),
            ("gpt-image-1-mini", 200),
        ),
        fallback_index=2,
    ),
    "the balancer's draw, its retries, then the fallback": Routing(
        model=NEVER,
        controls={
            "load_balancer": {
                "type": "weight_based",
                "models": [{"model": FIRST, "weight": 0.4}, {"model": THIRD, "weight": 0.8}],
            },
            "retry": {"count": 1, "on_codes": [429]},
            "fallbacks": [{"model": SECOND}],
        },
        steps=(BUSY, BUSY),
        calls=((DRAWN, 429), (DRAWN, 429), ("gpt-image-2", 200)),
        fallback_index=1,
    ),
}

ON_CODES = Routing(
    controls={"fallback_on_codes": [503, 504], "fallbacks": [{"model": SECOND}]},
    steps=(DOWN,),
    calls=(("gpt-image-1.5", 503), ("gpt-image-2", 200)),
    fallback_index=1,
)
"""For the clients that know `fallback_on_codes`."""

EXHAUSTED = Routing(
    controls={"retry": {"count": 1, "on_codes": [429]}, "fallbacks": [{"model": SECOND}]},
    steps=(BUSY, BUSY, BUSY, BUSY),
    calls=(("gpt-image-1.5", 429), ("gpt-image-1.5", 429), ("gpt-image-2", 429), ("gpt-image-2", 429)),
    fallback_index=1,
)
"""No target answers: the client gets an error, and must not begin anew."""

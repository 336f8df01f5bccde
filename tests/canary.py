"""A key, a prompt, a picture and more that nobody may tell, and how each fault of the matrix is given them to tell."""

import asyncio
import base64
import contextlib
import json
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import httpx
from fault_steps import ANSWER, Step, closes, draws, drips, fails, hangs, says, sends, tells
from faults import NOBODY, Peer
from pictures import png
from processes import said
from serving import FORGIVING

PROMPT = "canary-prompt-8d21 a heron at dusk"
CLIENT_KEY = "canary-client-key-51aa"
PROVIDER_KEY = "canary-provider-key-0c3d"
PICTURE = png(48, 40, tint=113)
B64 = base64.b64encode(PICTURE).decode()
ENVIRON = {
    "CLIENT_KEY": CLIENT_KEY,
    "PROVIDER_KEY": PROVIDER_KEY,
    "TOKEN": "canary-metrics-token-7e7e",
    "RELOAD": "canary-reload-token-2b90",
    "PASSWORD": "canary-state-password-6f15",
}
SECRETS: Mapping[str, str] = {
    "prompt": PROMPT.partition(" ")[0],
    "head of the picture": B64[20:60],
    "tail of the picture": B64[-60:-4],
    **ENVIRON,
}
QUOTED = f"no {PROMPT} with Bearer {PROVIDER_KEY} and data:image/png;base64,{B64}"
IN_A_LINK = f"?key={PROVIDER_KEY}&prompt={quote(PROMPT)}"
HEAD = {"authorization": f"Bearer {CLIENT_KEY}", "traceparent": f"00-{'a' * 32}-{'b' * 16}-01"}


@dataclass
class Stage:
    """A router, the backend behind it, and every answer it gave; `steps` are what the backend does next."""

    url: str
    client: httpx.AsyncClient
    steps: deque[Step]
    answers: list[httpx.Response] = field(default_factory=list)

    async def ask(self, *steps: Step, model: str = "m", **fields: Any) -> None:
        """One generation; the backend takes these steps."""
        await self._post("generations", steps, json={"model": model, "prompt": PROMPT, **fields})

    async def edit(self, *steps: Step, model: str = "m") -> None:
        """One edit of the picture."""
        files = {"image": ("canary.png", PICTURE, "image/png")}
        await self._post("edits", steps, data={"model": model, "prompt": PROMPT}, files=files)

    async def _post(self, path: str, steps: Sequence[Step], **what: Any) -> None:
        self.steps.clear()
        self.steps.extend(steps)
        with contextlib.suppress(httpx.TimeoutException):
            self.answers.append(await self.client.post(f"/v1/images/{path}", **what))

    async def raw(self, data: str) -> None:
        """Bytes of the client's own making; the answer is kept as a body."""
        answer = await asyncio.to_thread(said, int(self.url.rpartition(":")[2]), data.encode())
        self.answers.append(httpx.Response(400, content=answer))


Play = Callable[[Stage], Awaitable[None]]


def behind(steps: deque[Step]) -> Callable[[Peer], Awaitable[None]]:
    """A backend that takes one step after another, and draws when there is none left."""

    async def script(peer: Peer) -> None:
        while True:
            await peer.request()
            if await (steps.popleft() if steps else draws)(peer):
                return

    return script


def config(backend: str, tls: str, silent: str) -> dict[str, Any]:
    """Chains of two targets that fail alike, and a log that says all it can."""
    urls = {"a": backend, "b": backend, "refused": NOBODY, "silent": silent, "nowhere": "http://nobody.invalid"}
    urls |= {"untrusted": tls, "plain": backend.replace("http:", "https:")}
    account = {"kind": "openai", "api_key": "${PROVIDER_KEY}", "send_traceparent": True}
    providers = {name: {**account, "base_url": url} for name, url in urls.items()}
    jobs = {"kind": "bfl", "api_key": "${PROVIDER_KEY}", "base_url": backend}
    strict = {"circuit": {"failures": 2, "open_for": "1m"}, "cooldown": {"first": "1s", "faulty": "1s", "most": "1s"}}
    one = {name: {"chain": [f"{name}/gpt-image-2"]} for name in urls if name not in "ab"}
    return {
        "server": {
            "keys": [{"name": "studio", "key": "${CLIENT_KEY}", "dry_run": True, "watch": True}],
            "log": {"level": "debug"},
            "metrics": {"token": "${TOKEN}"},
            "reload_token": "${RELOAD}",
            "max_image": "1MB",
        },
        "defaults": {
            **FORGIVING,
            "attempt_timeout": "300ms",
            "timeout": "2s",
            "connect_timeout": "150ms",
            "retry": {"backoff": "1ms"},
        },
        "providers": {**providers, "jobs": jobs, "ill": {**account, "base_url": backend, **strict}},
        "models": {
            "m": {"chain": ["a/gpt-image-2", "b/gpt-image-2"]},
            "ill": {"chain": ["ill/gpt-image-2"]},
            "job": {"chain": ["jobs/flux-2-pro"]},
            **one,
        },
    }


def to(*models: str) -> Play:
    """Backends that cannot be reached, or not believed."""

    async def play(stage: Stage) -> None:
        for model in models:
            await stage.ask(model=model)
            await stage.edit(model=model)

    return play


def under(*steps: Step, times: int = 3) -> Play:
    """Each step by itself, as often as the router may try, under a generation and an edit."""

    async def play(stage: Stage) -> None:
        for step in steps:
            await stage.ask(*[step] * times)
            await stage.edit(*[step] * times)

    return play


async def then_lost(peer: Peer) -> bool:
    """A picture on a connection that then ends."""
    await draws(peer)
    return True


async def slow(peer: Peer) -> None:
    """A picture, but late."""
    await asyncio.sleep(0.2)
    await draws(peer)


def failing(status: int, code: str | None = None, headers: str = "") -> Step:
    """A failure that quotes all that the backend was sent."""
    return fails(status, code, QUOTED, headers)


def linked(link: str) -> Step:
    """A picture elsewhere."""
    return says(200, json.dumps({"created": 1, "data": [{"url": link}]}).encode())


async def open_circuit(stage: Stage) -> None:
    """Failures until no more calls are made, and what is told then."""
    for _ in range(5):
        await stage.ask(*[failing(500)] * 3, model="ill")


async def failing_polls(stage: Stage) -> None:
    """Work that is taken, and then cannot be asked after, or fails with words."""
    taken = says(200, json.dumps({"id": "1", "polling_url": "/poll" + IN_A_LINK}).encode())
    failed = says(200, json.dumps({"id": "1", "status": "Error", "result": QUOTED, "details": QUOTED}).encode())
    for step in (failing(500), failing(404), failed, closes):
        await stage.ask(taken, *[step] * 6, model="job")


async def leaving(stage: Stage) -> None:
    """A client that does not wait."""
    stage.client.timeout = httpx.Timeout(0.1)
    await stage.ask(hangs, hangs, hangs)
    stage.client.timeout = httpx.Timeout(20)


def request(headers: str, body: str) -> str:
    """A whole request, in bytes."""
    line = f"POST /v1/images/generations?key={CLIENT_KEY} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n"
    return f"{line}authorization: Bearer {CLIENT_KEY}\r\n{headers}\r\n\r\n{body}"


async def badly_sent(stage: Stage) -> None:
    """Bodies that two servers could read differently, that are too large, or no JSON."""
    body = json.dumps({"model": "m", "prompt": PROMPT, "image": B64})
    for headers in (
        f"content-length: {len(body)}\r\ntransfer-encoding: chunked",
        f"content-length: 5\r\ncontent-length: {len(body)}",
        f"content-length: {10**12}",
        f"content-length: {len(body) - 20}",
        f"x-secret : {PROVIDER_KEY}\r\ncontent-length: {len(body)}",
    ):
        await stage.raw(request(headers, body))


async def too_large(stage: Stage) -> None:
    """Words and pictures beyond what is taken."""
    await stage.ask(prompt=PROMPT * 2000)
    files = {"image": ("canary.png", PICTURE + b"x" * (1 << 21), "image/png")}
    stage.answers.append(await stage.client.post("/v1/images/edits", data={"prompt": PROMPT}, files=files))


async def wrong(stage: Stage) -> None:
    """Fields of every wrong kind, and bodies that are none."""
    link = f"data:image/png;base64,{B64}"
    for fields in ({"n": 0}, {"prompt": [PROMPT]}, {"model": "none"}, {"image": link}, {"mask": PROMPT}):
        await stage.ask(**fields)
    for raw in (f'{{"prompt": "{PROMPT}', PROMPT, B64):
        kind = {"content-type": "application/json"}
        stage.answers.append(await stage.client.post("/v1/images/generations", content=raw, headers=kind))
    form = {"content-type": "multipart/form-data; boundary=x"}
    stage.answers.append(await stage.client.post("/v1/images/edits", content=PICTURE, headers=form))
    nobodys = {"authorization": f"Bearer {CLIENT_KEY[:-1]}"}
    body = {"model": "m", "prompt": PROMPT}
    stage.answers.append(await stage.client.post("/v1/images/generations", json=body, headers=nobodys))


async def breaking_out(stage: Stage) -> None:
    """Words meant to end a line, a header or a label, with the prompt behind them."""
    for words in (f'"}}\n{PROMPT}', f"\r\nx-evil: {PROMPT}\r\n\r\n", f"\x1b[31m{PROMPT}\x00", f'",model="{PROMPT}"'):
        quoting = fails(500, None, f"no {words} with {PROVIDER_KEY}")
        await stage.ask(quoting, quoting, quoting, prompt=words, user=words)


async def repeated(stage: Stage) -> None:
    """One key for one request, twice, and then for another."""
    stage.client.headers["idempotency-key"] = "one"
    for prompt in (PROMPT, PROMPT, PROMPT + " again"):
        await stage.ask(prompt=prompt)
    del stage.client.headers["idempotency-key"]


async def served(stage: Stage) -> None:
    """All that goes well: plain, streamed, cached twice, as a link, and only planned."""
    cached = {"cache": {"type": "exact_match", "ttl": 60}}
    for fields in ({}, {"stream": True}, cached, cached, {"response_format": "url"}, {"dry_run": True}):
        await stage.ask(**fields)
    await stage.edit()


FAULTS: Mapping[str, Play] = {
    "F01": to("refused"),
    "F02": to("silent"),
    "F03": to("nowhere"),
    "F04": to("untrusted", "plain"),
    "F05": under(closes),
    "F06": under(sends(b"HTTP/1.1 200 OK\r\nx: " + QUOTED.encode()), sends(b"HTTP/1.1 2", "reset")),
    "F07": under(then_lost, closes, times=2),
    "F08": under(hangs),
    "F09": under(drips(b"HTTP/1.1 200 OK\r\ncontent-length: 9000\r\n\r\n" + QUOTED.encode(), 0.05)),
    "F10": under(sends(ANSWER[:-20])),
    "F11": under(says(200, QUOTED.encode()), says(502, f"<html>{QUOTED}</html>".encode())),
    "F12": under(sends(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000000000\r\n\r\n" + QUOTED.encode(), "hold")),
    "F13": under(says(200, QUOTED.encode(), "content-encoding: gzip\r\n")),
    "F14": under(says(200, tells(PICTURE[:40] + QUOTED.encode()))),
    "F15": under(failing(429, headers=f"retry-after: {PROVIDER_KEY}\r\n"), failing(429, headers="retry-after: 1\r\n")),
    "F16": under(failing(429, "insufficient_quota"), failing(402)),
    "F17": under(failing(401, "invalid_api_key"), failing(403)),
    "F18": under(failing(400, "moderation_blocked"), failing(400, "content_policy_violation")),
    "F19": under(*(failing(status) for status in (500, 502, 503, 504, 520, 529))),
    "F20": under(closes, failing(503), times=4),
    "F21": under(failing(500), times=1),
    "F22": open_circuit,
    "F23": under(slow),
    "F24": failing_polls,
    "F25": under(
        says(302, QUOTED.encode(), f"location: {NOBODY}/{IN_A_LINK}\r\n"),
        linked(f"http://169.254.169.254/{IN_A_LINK}"),
        linked(f"https://nobody.invalid/{PROVIDER_KEY}{IN_A_LINK}"),
    ),
    "F26": leaving,
    "F28": badly_sent,
    "F29": too_large,
    "F43": under(failing(400), failing(404), failing(408, PROVIDER_KEY), failing(500, PROMPT)),
    "F44": repeated,
    "F45": breaking_out,
    "F46": wrong,
}
"""What is done under each fault of one router's backends and clients."""

OPERATED = ("F27", "F30", "F31", "F32", "F33", "F34", "F35", "F36", "F41")
"""Faults of the machine: two workers that are reconfigured, lose their state and their store, and are killed."""

NOTHING_TO_TELL: Mapping[str, str] = {
    "F37": "a clock that jumps sees no request",
    "F38": "without files no request is read",
    "F39": "memory is counted in bytes, not looked at",
    "F40": "a loop that is held up tells how long",
    "F42": "lines that nobody reads are the same lines",
    "F47": "hours of the faults above",
    "F48": "two versions tell as much as each",
}
"""Faults in which nothing is handled but what others have shown, and why."""

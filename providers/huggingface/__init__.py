"""Hugging Face Inference Providers: one key for many backends, each in its own language behind one router.

A target's model is the Hub's name of it; the Hub is asked which backends serve it and what they call it.
"""

from collections.abc import Generator
from urllib.parse import quote

import msgspec

from providers.auth import bearer
from providers.base import Adapter, Answer, Call, Flow, Job, Phase
from providers.dialect import AnySize, As, Dialect, Fit, Shape
from providers.errors import ErrorKind, OutcomeClass, ProviderError, When, json_error
from providers.huggingface.backends import BACKENDS, EDITORS

_HUB = "https://huggingface.co"
_OWN = "hf-inference"  # knows models by the Hub's names, and serves few pictures


def _shape(value: Shape) -> Fit:
    """Any size in steps of 16, which all backends take."""
    asked = AnySize(("width", "height"))(value).fields
    sent = {side: max(round(pixels / 16), 1) * 16 for side, pixels in asked.items()}
    return Fit(sent, None if sent == asked else "sides must be multiples of 16")


_ANY = Dialect(
    params={
        "shape": _shape,
        "seed": As("seed"),
        "negative_prompt": As("negative_prompt"),
        "guidance": As("guidance_scale"),
        "steps": As("num_inference_steps"),
    },
).editing()


class _Served(msgspec.Struct, rename="camel"):
    status: str
    task: str
    provider_id: str
    provider: str = ""


class _Found(msgspec.Struct, rename="camel"):
    inference_provider_mapping: dict[str, _Served] | list[_Served] | None = None


def _generate(job: Job) -> Flow:
    backend, model = yield from _served(job)
    return (yield from BACKENDS[backend](job, model))


def _served(job: Job) -> Generator[Call, Answer, tuple[str, str]]:
    """The backend that serves the model, and its name there."""
    wanted = job.options.get("provider")
    spoken, task = (EDITORS, "image-to-image") if job.images else (BACKENDS, "text-to-image")
    if wanted is not None and wanted not in spoken:
        told = f"provider '{wanted}' makes no {task}; set it to one of {', '.join(spoken)}, or leave it out"
        raise ProviderError(ErrorKind.UNSUPPORTED, told, outcome=OutcomeClass.NOT_SENT)
    if wanted == _OWN:
        return wanted, job.model
    hub = job.options.get("hub", _HUB).rstrip("/")
    path = f"{hub}/api/models/{quote(job.model)}?expand=inferenceProviderMapping"
    answer = yield Call(phase=Phase.PREPARE, method="GET", path=path)
    found = answer.read(_Found).inference_provider_mapping or {}
    entries = found.items() if isinstance(found, dict) else [(served.provider, served) for served in found]
    live = {name: served.provider_id for name, served in entries if served.status == "live" and served.task == task}
    names = [name for name in live if name in spoken and wanted in (None, name)]
    if not names:
        told = f"no backend that is known here serves {job.model} live for {task}; see its page on the Hub"
        raise ProviderError(ErrorKind.UNSUPPORTED, told, outcome=OutcomeClass.REJECTED)
    chosen = min(names, key=lambda name: name == _OWN)  # the Hub's first, its own machines last
    return chosen, live[chosen]


_read_error = json_error(
    message=("error.message", "error.0", "error", "detail.0.msg", "detail", "message"),
    code=("error.code", "detail.0.type", "error_type"),
    type=("error.type",),
    codes={"content_policy_violation": ErrorKind.CONTENT_POLICY},
    # the router has no codes of its own
    cases={When(400, words="not supported by provider"): ErrorKind.UNSUPPORTED},
)


def _error(answer: Answer) -> ProviderError:
    error = _read_error(answer)
    if answer.status == 503:
        error.retry_after = _loaded_in(answer)
    return error


def _loaded_in(answer: Answer) -> float | None:
    """Seconds until a model that is being loaded is there."""
    try:
        return answer.number("estimated_time")
    except ProviderError:
        return None


adapter = Adapter(
    base_url="https://router.huggingface.co",
    dialects={"*": _ANY},
    auth=bearer(),
    options={
        "provider": f"the one backend to use, of {', '.join(BACKENDS)}; else the first that serves the model live",
        "bill_to": "the organization that pays, sent as X-HF-Bill-To",
        "hub": f"where it is asked who serves a model; {_HUB}",
    },
    key_hosts=("huggingface.co",),
    generate=_generate,
    error=_error,
)

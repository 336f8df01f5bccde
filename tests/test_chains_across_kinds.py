"""Chains of several kinds over real sockets: what each kind takes, how its work fails, and who is asked next."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from types import SimpleNamespace
from typing import Any, NamedTuple

import httpx
import pytest
from backends import AzureBackend, OpenAIBackend, Status
from backends.automatic1111 import Automatic1111Backend
from backends.bedrock import API_KEY, BedrockBackend
from backends.bfl import BFLBackend
from backends.cloudflare import CloudflareBackend
from backends.comfyui import ComfyUIBackend
from backends.dashscope import DashScopeBackend
from backends.deepinfra import DeepInfraBackend
from backends.fal import FalBackend
from backends.fireworks import FireworksBackend
from backends.google import GoogleBackend
from backends.huggingface import HuggingFaceBackend
from backends.ideogram import IdeogramBackend
from backends.leonardo import LeonardoBackend
from backends.localai import LocalAIBackend
from backends.luma import LumaBackend, PhotonBackend
from backends.minimax import MiniMaxBackend
from backends.openrouter import OpenRouterBackend
from backends.qianfan import QianfanBackend
from backends.recraft import RecraftBackend
from backends.replicate import ReplicateBackend
from backends.runware import RunwareBackend
from backends.sdcpp import SdCppBackend
from backends.sglang import SglangBackend
from backends.siliconflow import SiliconflowBackend
from backends.stability import StabilityBackend
from backends.tencent import TencentBackend
from backends.together import TogetherBackend
from backends.vllm_omni import SERVED, VllmOmniBackend
from backends.volcengine import VolcengineBackend
from backends.xai import XaiBackend
from backends.zhipu import ZhipuBackend
from pictures import png
from serving import FORGIVING, serving

from providers import kinds
from router.wire import conversation

BACKENDS: Mapping[str, Callable[[], Any]] = {
    "automatic1111": Automatic1111Backend,
    "azure": AzureBackend,
    "bedrock": BedrockBackend,
    "bfl": BFLBackend,
    "cloudflare": CloudflareBackend,
    "comfyui": ComfyUIBackend,
    "dashscope": DashScopeBackend,
    "deepinfra": DeepInfraBackend,
    "fal": FalBackend,
    "fireworks": FireworksBackend,
    "google": GoogleBackend,
    "huggingface": HuggingFaceBackend,
    "ideogram": IdeogramBackend,
    "leonardo": LeonardoBackend,
    "localai": LocalAIBackend,
    "luma": LumaBackend,
    "luma_photon": PhotonBackend,
    "openai": OpenAIBackend,
    "openrouter": OpenRouterBackend,
    "recraft": RecraftBackend,
    "replicate": ReplicateBackend,
    "runware": RunwareBackend,
    "sdcpp": SdCppBackend,
    "sglang": SglangBackend,
    "stability": StabilityBackend,
    "tencent": TencentBackend,
    "together": TogetherBackend,
    "minimax": MiniMaxBackend,
    "qianfan": QianfanBackend,
    "zhipu": ZhipuBackend,
    "siliconflow": SiliconflowBackend,
    "vllm_omni": VllmOmniBackend,
    "volcengine": VolcengineBackend,
    "xai": XaiBackend,
}
# one model of each kind, and what its backend is told of a picture that is to be 1792x1024
WIDE: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "automatic1111": ("dreamshaper_8", {"width": 1792, "height": 1024}),
    "azure": ("img-prod", {"size": "1792x1024"}),
    "bedrock": ("stability.stable-image-core-v1:1", {"aspect_ratio": "16:9"}),
    "bfl": ("flux-2-pro", {"width": 1792, "height": 1024}),
    "cloudflare": ("@cf/black-forest-labs/flux-2-dev", {"width": "1792", "height": "1024"}),
    "comfyui": ("sd_xl_base_1.0.safetensors", {"width": 1792, "height": 1024}),
    "dashscope": ("qwen-image-plus", {"parameters": {"prompt_extend": False, "size": "1664*928", "n": 1}}),
    "deepinfra": ("black-forest-labs/FLUX-1-schnell", {"size": "1440x832"}),
    "fal": ("fal-ai/flux-2-pro", {"image_size": {"width": 1792, "height": 1024}}),
    "fireworks": ("accounts/fireworks/models/flux-1-schnell-fp8", {"aspect_ratio": "16:9"}),
    "google": (
        "gemini-3-pro-image",
        {
            "generationConfig": {
                "responseModalities": ["IMAGE"],
                "imageConfig": {"aspectRatio": "16:9", "imageSize": "1K"},
            }
        },
    ),
    "huggingface": ("black-forest-labs/FLUX.1-schnell", {"image_size": {"width": 1792, "height": 1024}}),
    "ideogram": ("ideogram-4-6", {"size": "1792x1024"}),
    "leonardo": ("lucid-origin", {"width": 1536, "height": 880}),
    "localai": ("stablediffusion", {"size": "1792x1024"}),
    "luma": ("uni-1", {"aspect_ratio": "16:9"}),
    "luma_photon": ("photon-1", {"aspect_ratio": "16:9"}),
    "openai": ("gpt-image-1.5", {"size": "1536x1024"}),
    "openrouter": ("openai/gpt-image-1", {"size": "1792x1024"}),
    "recraft": ("recraftv4_1", {"size": "1344x768"}),
    "replicate": ("black-forest-labs/flux-2-pro", {"aspect_ratio": "custom", "width": 1792, "height": 1024}),
    "runware": ("runware:100@1", {"width": 1792, "height": 1024}),
    "sdcpp": ("sd-cpp-local", {"size": "1792x1024"}),
    "sglang": ("black-forest-labs/FLUX.1-dev", {"size": "1792x1024"}),
    "stability": ("stable-image-core", {"aspect_ratio": "16:9"}),
    "tencent": ("hy-image-v3", {"size": "1344x768"}),
    "together": ("black-forest-labs/FLUX.2-pro", {"width": 1792, "height": 1024}),
    "minimax": ("image-01", {"width": 1792, "height": 1024}),
    "qianfan": ("qwen-image", {"size": "1664x928"}),
    "zhipu": ("glm-image", {"size": "1792x1024"}),
    "siliconflow": ("Kwai-Kolors/Kolors", {"image_size": "1024x1024"}),
    "vllm_omni": (SERVED, {"size": "1792x1024"}),
    "volcengine": ("doubao-seedream-4-5-251128", {"size": "2541x1452"}),
    "xai": ("grok-imagine-image", {"aspect_ratio": "16:9"}),
}
KEYS = {"bedrock": API_KEY}
LAST = "openai/gpt-image-2"
NO_MASKS = ["bfl/flux-2-pro", "fal/fal-ai/flux-2-pro"]


def models() -> dict[str, Any]:
    """Each kind alone, each before OpenAI, and the longer chains."""
    alone = {kind: f"{kind}/{model}" for kind, (model, _) in WIDE.items()}
    return {
        **{f"{kind}-alone": {"chain": [target]} for kind, target in alone.items()},
        **{f"{kind}-first": {"chain": [target, LAST]} for kind, target in alone.items()},
        "masks": {"chain": [*NO_MASKS, "stability/inpaint", LAST]},
        "no-masks": {"chain": NO_MASKS},
        "three": {"chain": [alone["stability"], alone["fal"], "sketch/sketch"]},
    }


@pytest.fixture(scope="module")
def running() -> Iterator[dict[str, Any]]:
    """A backend of each kind."""
    with ExitStack() as stack:
        yield {kind: stack.enter_context(make()) for kind, make in BACKENDS.items()}


@pytest.fixture(scope="module")
def router(running: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A router of all of them, whose polls do not wait."""
    providers = {
        kind: {"kind": kind, "base_url": backend.url, "api_key": KEYS.get(kind, "key")}
        for kind, backend in running.items()
    }
    providers["huggingface"]["options"] = {"hub": running["huggingface"].url}
    config = {
        "defaults": {"retry": {"backoff": "1ms", "backoff_max": "1ms"}, **FORGIVING},
        "providers": {**providers, "sketch": {"kind": "sketch"}},
        "models": models(),
    }

    async def at_once(_: float) -> None:
        await asyncio.sleep(0)

    with pytest.MonkeyPatch.context() as patch, serving(config, tmp_path_factory.mktemp("router")) as url:
        patch.setattr(conversation, "asyncio", SimpleNamespace(sleep=at_once, timeout=asyncio.timeout))
        yield url


@pytest.fixture
def backends(running: dict[str, Any]) -> dict[str, Any]:
    """Those backends with empty ledgers."""
    for backend in running.values():
        backend.ledger.clear()
        backend.polls = type(backend.polls)() if hasattr(backend, "polls") else 0
    return running


def ask(router: str, model: str, prompt: str = "a red kite", **fields: Any) -> httpx.Response:
    """One generation."""
    body = {"model": model, "prompt": prompt, **fields}
    return httpx.post(f"{router}/v2/router/images/generations", json=body, timeout=30)


def calls(backends: dict[str, Any]) -> dict[str, int]:
    """How often each kind was asked for work, of those that were."""
    return {kind: len(backend.ledger) for kind, backend in backends.items() if len(backend.ledger)}


def told(answer: httpx.Response) -> tuple[int, str | None, str]:
    """A refusal's status and code, and whether the client is to ask again."""
    return answer.status_code, answer.json()["error"]["code"], answer.headers["x-should-retry"]


def test_every_kind_has_a_row() -> None:
    """A kind that is added is held to these laws too; only sketch has no backend to refuse anything."""
    assert WIDE.keys() == BACKENDS.keys() == set(kinds()) - {"sketch"}


@pytest.mark.parametrize(("kind", "sent"), [(kind, sent) for kind, (_, sent) in WIDE.items()], ids=WIDE)
def test_a_wide_size_is_legal_everywhere(
    router: str,
    backends: dict[str, Any],
    kind: str,
    sent: Mapping[str, Any],
) -> None:
    """1792x1024 becomes the nearest that each kind draws, and its backend takes it at the first go."""
    answer = ask(router, f"{kind}-alone", size="1792x1024")
    assert answer.status_code == 200, answer.text
    assert calls(backends) == {kind: 1}
    (record,) = backends[kind].ledger.billed
    assert sent.items() <= record.fields.items()


class End(NamedTuple):
    """How work ends badly at a kind, and what then: for a client without a chain, and whether a chain goes on.

    `error` is the type of what a chain goes on after.
    """

    kind: str
    status: int
    code: str
    again: bool
    goes_on: bool
    task: str = ""
    step: Status | None = None
    prompt: str = "a red kite"
    calls: int = 1
    error: str = "unavailable"


REFUSED = {"status": 400, "again": False, "goes_on": False}
BROKEN = {"status": 502, "code": "provider_error", "goes_on": True}
UNPAID = {"status": 503, "code": "provider_error", "again": False, "goes_on": True, "error": "quota"}
ENDS = {
    # the prompt, or what was drawn, is refused
    "bfl moderates a prompt": End("bfl", code="moderation_blocked", task="Request Moderated", **REFUSED),
    "bfl moderates a picture": End("bfl", code="moderation_blocked", task="Content Moderated", **REFUSED),
    "fal refuses a prompt": End("fal", code="content_policy_violation", task="content_policy_violation", **REFUSED),
    "fal blackens a picture": End("fal", code="moderation_blocked", task="nsfw", **REFUSED),
    "replicate flags a prompt": End("replicate", code="E005", task="flagged as sensitive (E005)", **REFUSED),
    "gemini refuses a prompt": End("google", code="PROHIBITED_CONTENT", prompt="a forbidden kite", **REFUSED),
    "gemini keeps a picture back": End("google", code="IMAGE_SAFETY", prompt="a shy kite", **REFUSED),
    "luma moderates a picture": End("luma", code="content_moderated", task="content_moderated", **REFUSED),
    "stability blurs a picture": End("stability", code="CONTENT_FILTERED", prompt="a blur of a kite", **REFUSED),
    "stability refuses a prompt": End("stability", code="content_moderation", prompt="a forbidden kite", **REFUSED),
    "xai keeps a picture back": End("xai", code="imagine:content-moderated", prompt="a forbidden kite", **REFUSED),
    # the work was taken, and came to nothing
    "a bfl job fails": End("bfl", again=True, task="Error", **BROKEN),
    "comfyui runs out of memory": End("comfyui", again=True, task="memory", **BROKEN),
    "a leonardo job fails": End("leonardo", again=True, task="FAILED", **BROKEN),
    "a luma job fails": End("luma", again=True, task="generation_failed", **BROKEN),
    "a fal job completes as an error": End("fal", again=True, task="runner_disconnected", **BROKEN),
    "a fal job's result is an error": End("fal", again=False, task="internal_server_error", **BROKEN),
    "replicate fails in a 201": End("replicate", again=True, task="CUDA out of memory", **BROKEN),
    "replicate cancels in a 201": End(
        "replicate", 408, "request_timeout", again=False, goes_on=True, task="canceled", error="timeout"
    ),
    "gemini only thinks": End("google", again=False, prompt="a dream of a kite", error="bad_response", **BROKEN),
    # the account is at fault, or the backend is busy
    "stability is unpaid": End("stability", step=Status(402, "payment_required"), **UNPAID),
    "bfl is unpaid": End("bfl", step=Status(402), **UNPAID),
    "fal is locked": End("fal", step=Status(403, message="User is locked. Reason: Exhausted balance."), **UNPAID),
    "bfl is busy": End(
        "bfl", 429, "rate_limit_exceeded", again=False, goes_on=True, step=Status(429), calls=2, error="rate_limited"
    ),
}


def fail(backends: dict[str, Any], end: End, times: int = 1) -> None:
    """Makes the next work of a kind end so."""
    if end.task:
        backends[end.kind].end(*[end.task] * times)
    if end.step is not None:
        backends[end.kind].script(*[end.step] * times)


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_each_kind_s_bad_end_is_told_in_the_contract_s_words(router: str, backends: dict[str, Any], end: End) -> None:
    """Alone, a kind that fails is a typed error with sound advice; work that was taken is asked for once."""
    fail(backends, end, end.calls)
    answer = ask(router, f"{end.kind}-alone", end.prompt)
    assert told(answer) == (end.status, end.code, "true" if end.again else "false")
    assert calls(backends) == {end.kind: end.calls}
    assert len(answer.json()["error"]["failures"]) == end.calls


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_a_chain_goes_on_after_a_fault_and_never_after_a_refusal(
    router: str, backends: dict[str, Any], end: End
) -> None:
    """Another kind is asked once for what the first could not do, and never for what it would not."""
    fail(backends, end)
    answer = ask(router, f"{end.kind}-first", end.prompt)
    if not end.goes_on:
        assert told(answer) == (400, end.code, "false")
        assert calls(backends) == {end.kind: 1}
        return
    assert answer.status_code == 200, answer.text
    assert calls(backends) == {end.kind: 1, "openai": 1}
    assert (answer.headers["x-router-model"], answer.headers["x-router-attempts"]) == (LAST, "2")
    assert [attempt.get("error") for attempt in answer.json()["router"]["attempts"]] == [end.error, None]


@pytest.mark.parametrize("kind", ["bfl", "fal", "leonardo", "luma", "luma_photon"])
def test_a_poll_that_fails_three_times_submits_once(router: str, backends: dict[str, Any], kind: str) -> None:
    """Questions are repeated, paid work is not: the picture comes from the first job, and nobody else is asked."""
    backends[kind].stumble(503, 429, 502)
    answer = ask(router, f"{kind}-first")
    assert answer.status_code == 200, answer.text
    assert calls(backends) == {kind: 1}
    assert backends[kind].polls >= 5
    assert answer.headers["x-router-attempts"] == "1"


def test_a_job_that_cannot_be_asked_after_may_have_been_billed(router: str, backends: dict[str, Any]) -> None:
    """When polls never succeed the job is not begun again there; the chain goes on, and a client is not to repeat."""
    backends["bfl"].stumble(*[503] * 6)
    assert ask(router, "bfl-first").headers["x-router-model"] == LAST
    assert calls(backends) == {"bfl": 1, "openai": 1}
    backends["bfl"].stumble(*[503] * 6)
    assert told(ask(router, "bfl-alone")) == (503, "provider_overloaded", "false")
    assert calls(backends) == {"bfl": 2, "openai": 1}


def edit(router: str, model: str) -> httpx.Response:
    """One edit with a mask."""
    files = {
        "image": ("a.png", png(96, 64), "image/png"),
        "mask": ("m.png", png(96, 64, alpha=True), "image/png"),
    }
    data = {"model": model, "prompt": "a red kite"}
    return httpx.post(f"{router}/v2/router/images/edits", data=data, files=files, timeout=30)


def test_a_masked_edit_passes_over_those_without_masks(router: str, backends: dict[str, Any]) -> None:
    """Kinds that would draw over the whole picture are not asked; the answer says which and why."""
    answer = edit(router, "masks")
    assert answer.status_code == 200, answer.text
    assert calls(backends) == {"stability": 1}
    assert {name for name, _, _ in backends["stability"].ledger.records[0].files} == {"image", "mask"}
    story = answer.json()["router"]
    assert story["target"] == "stability/inpaint"
    assert story["skipped"] == [{"target": target, "reason": "mask: the model takes none"} for target in NO_MASKS]


def test_a_masked_edit_that_nobody_takes_is_refused_with_the_reasons(router: str, backends: dict[str, Any]) -> None:
    """With no target left the client gets a 400 that names each target and its reason, and nothing was sent."""
    answer = edit(router, "no-masks")
    assert told(answer) == (400, "unsupported_parameter", "false")
    assert calls(backends) == {}
    failures = answer.json()["error"]["failures"]
    assert [(failure["model"], failure["message"]) for failure in failures] == [
        (target, "mask: the model takes none") for target in NO_MASKS
    ]


def test_three_kinds_end_where_one_refuses(router: str, backends: dict[str, Any]) -> None:
    """The first is out of credit, the second's policy refuses: that ends it, and both are told of."""
    fail(backends, ENDS["stability is unpaid"])
    fail(backends, ENDS["fal refuses a prompt"])
    answer = ask(router, "three")
    assert told(answer) == (400, "content_policy_violation", "false")
    assert calls(backends) == {"stability": 1, "fal": 1}
    failures = answer.json()["error"]["failures"]
    assert [(failure["provider"], failure["code"]) for failure in failures] == [
        ("stability", "provider_error"),
        ("fal", "content_policy_violation"),
    ]


def test_three_kinds_go_on_where_one_fails(router: str, backends: dict[str, Any]) -> None:
    """The first is out of credit, the second's job fails: the third draws, and the story tells of all three."""
    fail(backends, ENDS["stability is unpaid"])
    fail(backends, ENDS["a fal job completes as an error"])
    answer = ask(router, "three")
    assert answer.status_code == 200, answer.text
    assert calls(backends) == {"stability": 1, "fal": 1}
    assert (answer.headers["x-router-model"], answer.headers["x-router-attempts"]) == ("sketch/sketch", "3")
    attempts = answer.json()["router"]["attempts"]
    assert [attempt.get("error") for attempt in attempts] == ["quota", "unavailable", None]

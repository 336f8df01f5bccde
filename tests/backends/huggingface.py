"""The Hub and its router in one: who serves a model, and the backends behind it, each strict in its own language."""

import re
from base64 import b64decode
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from faults import NOBODY

from backends.checked import CheckedBackend, only
from backends.drawing import picture
from backends.openai import Part, Refusal
from backends.server import Reply, Request, Status

DRAW, EDIT = "text-to-image", "image-to-image"
SCHNELL, KONTEXT, GLM = "black-forest-labs/FLUX.1-schnell", "black-forest-labs/FLUX.1-Kontext-dev", "zai-org/GLM-Image"
SDXL = "stabilityai/stable-diffusion-xl-base-1.0"
SERVED = {
    SCHNELL: {
        "hf-inference": (SCHNELL, DRAW),
        "fal-ai": ("fal-ai/flux/schnell", DRAW),
        "replicate": ("black-forest-labs/flux-schnell", DRAW),
        "together": (SCHNELL, DRAW),
        "nscale": (SCHNELL, DRAW),
        "wavespeed": ("wavespeed-ai/flux-schnell", DRAW),
    },
    KONTEXT: {
        "fal-ai": ("fal-ai/flux-kontext/dev", EDIT),
        "replicate": ("black-forest-labs/flux-kontext-dev", EDIT),
        "together": ("black-forest-labs/FLUX.1-kontext-dev", EDIT),
        "wavespeed": ("wavespeed-ai/flux-kontext-dev", EDIT),
    },
    GLM: {"zai-org": ("glm-image", DRAW)},
}
COMMON = {
    **dict.fromkeys(("prompt", "negative_prompt"), str),
    **dict.fromkeys(("seed", "num_inference_steps"), int),
    "guidance_scale": (int, float),
}
SIDES = {"width": int, "height": int}
PICTURE = f"{NOBODY}/0.png"
Make = Callable[[str, Mapping[str, Any]], Mapping[str, Any]]


class HuggingFaceBackend(CheckedBackend):
    """`url` is the address of router and Hub. `states` are those of the next polls, or statuses; then work is done.

    `polled` counts the polls; `why` is said of work that failed.
    """

    def __init__(self) -> None:
        super().__init__()
        self.states: deque[str | int] = deque()
        self.polled = 0
        self.why = "out of memory"

    @property
    def url(self) -> str:
        """The base URL."""
        return self.origin

    def error(self, failure: Status) -> bytes:
        """The router's envelope."""
        return msgspec.json.encode({"error": failure.message})

    def authorise(self, request: Request) -> None:
        """As ever, but the Hub answers anybody."""
        if "authorization" in request.headers or not request.path.startswith("/api/models/"):
            super().authorise(request)

    def make(self, request: Request, fields: Mapping[str, Any], parts: list[Part]) -> Reply:
        """The work of the backend that the path names first."""
        if "forbidden" in str(fields):
            detail = [{"loc": ["body", "prompt"], "msg": "refused", "type": "content_policy_violation"}]
            return Reply(422, msgspec.json.encode({"detail": detail}))
        backend, _, path = request.path.removeprefix("/").partition("/")
        if backend == "hf-inference":
            return inferred(path, fields)
        if backend == "replicate" and request.headers.get("prefer") != "wait":
            raise Refusal(400, None, "ask to wait")
        if backend not in MAKERS or ("queue" in request.query.values()) is not (backend == "fal-ai" and edits(fields)):
            raise Refusal(404, None, f"nothing is at {request.path}")
        status = 201 if backend == "replicate" else 200
        return Reply(status, msgspec.json.encode(MAKERS[backend](path, fields)))

    def look(self, request: Request) -> Reply:
        """Who serves a model, or how the work is getting on."""
        if request.path.startswith("/api/models/"):
            return Reply(200, msgspec.json.encode(mapping(request)))
        backend, _, path = request.path.removeprefix("/").partition("/")
        expected = {
            "fal-ai": r"fal-ai/flux-kontext/requests/r1(/status)?",
            "replicate": "v1/predictions/p1",
            "wavespeed": "api/v3/predictions/w1/result",
            "zai-org": "api/paas/v4/async-result/z1",
        }
        if backend not in expected or not re.fullmatch(expected[backend], path):
            raise Refusal(404, None, f"nothing is at {request.path}")
        if backend == "fal-ai" and request.query.get("_subdomain") != "queue":
            raise Refusal(404, None, "that is in the queue")
        if path.endswith("r1"):
            return Reply(200, msgspec.json.encode({"images": [{"url": PICTURE}]}))
        self.polled += 1
        state = self.states.popleft() if self.states else DONE[backend]
        if isinstance(state, int):
            return Reply(state, self.error(Status(state, message="try again")))
        return Reply(200, msgspec.json.encode(progress(backend, state, self.why)))


DONE = {"fal-ai": "COMPLETED", "replicate": "succeeded", "wavespeed": "completed", "zai-org": "SUCCESS"}


def mapping(request: Request) -> dict[str, Any]:
    """What the Hub says of a model."""
    model = request.path.removeprefix("/api/models/")
    if request.query.get("expand") != "inferenceProviderMapping" or model not in SERVED:
        raise Refusal(404, None, "Repository not found")
    served = {
        name: {"status": "live", "providerId": there, "task": task} for name, (there, task) in SERVED[model].items()
    }
    return {"id": model, "inferenceProviderMapping": served}


def progress(backend: str, state: str, why: str) -> dict[str, Any]:
    """What a backend says of work in some state."""
    done = state == DONE[backend]
    if backend == "zai-org":
        return {"id": "z1", "task_status": state, **({"image_result": [{"url": PICTURE}]} if done else {})}
    said: dict[str, Any] = {"status": state, "error": why if state == "failed" else None}
    if backend == "replicate":
        return {**said, "output": [PICTURE] if done else None}
    return {"code": 200, "data": {**said, "outputs": [PICTURE] if done else []}} if backend == "wavespeed" else said


def inferred(path: str, fields: Mapping[str, Any]) -> Reply:
    """The bytes of Hugging Face's own machines."""
    if path not in {f"models/{SDXL}", f"models/{SCHNELL}", f"models/{KONTEXT}"}:
        raise Refusal(400, None, "Model not supported by provider hf-inference")
    only(fields, {"inputs": str, "parameters": dict})
    params = fields["parameters"]
    only(params, {**COMMON, **({"target_size": dict} if "prompt" in params else SIDES)})
    size = sized(params.get("target_size", params))
    return Reply(200, b64decode(picture(size, "png")), {"content-type": "image/png"})


def sized(fields: Mapping[str, Any]) -> str:
    """The size, which is in steps of 16."""
    width, height = fields.get("width", 1024), fields.get("height", 1024)
    if width % 16 or height % 16:
        raise Refusal(400, None, "sides must be multiples of 16")
    return f"{width}x{height}"


def edits(fields: Mapping[str, Any]) -> bool:
    """Whether there is a picture to go by."""
    return "image_url" in fields


def addressed(value: str) -> None:
    """Refuses what is no picture in an address."""
    if not re.match(r"data:image/(png|jpeg|webp);base64,[A-Za-z0-9+/]", value):
        raise Refusal(400, None, "a picture comes as a data URI")


def fal(path: str, fields: Mapping[str, Any]) -> Mapping[str, Any]:
    """Pictures at once, or where an edit waits for its turn."""
    only(fields, {**COMMON, "image_size": dict, "image_url": str, "image_urls": list})
    sized(fields.get("image_size", {}))
    if edits(fields):
        addressed(fields["image_url"])
        there = "https://queue.fal.run/fal-ai/flux-kontext/requests/r1"
        return {"status": "IN_QUEUE", "request_id": "r1", "response_url": there, "status_url": f"{there}/status"}
    return {"images": [{"url": PICTURE}], "has_nsfw_concepts": ["flag" in fields["prompt"]]}


def replicate(path: str, fields: Mapping[str, Any]) -> Mapping[str, Any]:
    """A prediction that is not yet made."""
    asked = fields["input"]
    names = ("image", "images", "input_image", "input_images")
    only(asked, {**COMMON, **SIDES, "image": str, "images": list, "input_image": str, "input_images": list})
    if path != f"v1/models/black-forest-labs/flux-{'kontext-dev' if 'image' in asked else 'schnell'}/predictions":
        raise Refusal(404, None, "no such model")
    for name in names:
        if name in asked:
            addressed(asked[name] if isinstance(asked[name], str) else asked[name][0])
    return {"id": "p1", "status": "starting", "urls": {"get": "https://api.replicate.com/v1/predictions/p1"}}


def together(path: str, fields: Mapping[str, Any]) -> Mapping[str, Any]:
    """A picture in base64."""
    known = {name: kind for name, kind in COMMON.items() if name != "num_inference_steps"}
    own = {"model": str, "response_format": str, "steps": int, "image_url": str}
    only(fields, {**known, **SIDES, **own})
    if path != "v1/images/generations" or fields["response_format"] != "base64":
        raise Refusal(400, None, "response_format: base64 or url")
    return {"data": [{"index": 0, "type": "b64_json", "b64_json": picture(sized(fields), "png")}]}


def nscale(path: str, fields: Mapping[str, Any]) -> Mapping[str, Any]:
    """A picture in base64; its words are OpenAI's."""
    known = {name: kind for name, kind in COMMON.items() if name != "num_inference_steps"}
    only(fields, {**known, "model": str, "size": str, "response_format": str})
    if path != "v1/images/generations" or fields["response_format"] != "b64_json":
        raise Refusal(400, None, "response_format: b64_json")
    return {"data": [{"b64_json": picture(fields.get("size", "1024x1024"), "png")}]}


def wavespeed(path: str, fields: Mapping[str, Any]) -> Mapping[str, Any]:
    """Work that has begun."""
    only(fields, {**COMMON, **SIDES, "image": str})
    if path not in {"api/v3/wavespeed-ai/flux-schnell", "api/v3/wavespeed-ai/flux-kontext-dev"}:
        raise Refusal(404, None, "no such model")
    there = "https://api.wavespeed.ai/api/v3/predictions/w1/result"
    return {"code": 200, "data": {"id": "w1", "status": "created", "urls": {"get": there}}}


def zai(path: str, fields: Mapping[str, Any]) -> Mapping[str, Any]:
    """Work that has begun."""
    only(fields, {**COMMON, "model": str, "size": str})
    if path != "api/paas/v4/async/images/generations":
        raise Refusal(404, None, "no such path")
    return {"id": "z1", "task_status": "PROCESSING"}


MAKERS: Mapping[str, Make] = {
    "fal-ai": fal,
    "replicate": replicate,
    "together": together,
    "nscale": nscale,
    "wavespeed": wavespeed,
    "zai-org": zai,
}

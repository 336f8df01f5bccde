"""Leonardo.Ai: its own models by the first generation of its API, its partners' by the second, polled alike."""

import re
from typing import Any
from urllib.parse import quote

import msgspec

from providers.auth import bearer
from providers.base import Adapter, Answer, Flow, ImageResult, Job, Usage, poll, submit
from providers.errors import ErrorKind, When, json_error
from providers.leonardo.tables import DIALECTS, NUMBERS
from providers.leonardo.uploads import uploaded

_OWN = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


class _Cost(msgspec.Struct):
    amount: str | float | None = None
    unit: str | None = None


class _Taken(msgspec.Struct):
    generationId: str  # noqa: N815 - their word
    cost: _Cost | None = None


class _Submitted(msgspec.Struct):
    sdGenerationJob: _Taken | None = None  # noqa: N815 - their word
    generate: _Taken | None = None


def _generate(job: Job) -> Flow:
    names = []
    for image in job.images:
        names.append((yield from uploaded(image)))  # noqa: PERF401 - a comprehension cannot yield from
    asked: dict[str, Any] = {**job.params, **job.extras, "prompt": job.prompt}
    number = job.model if _OWN.fullmatch(job.model) else NUMBERS.get(job.model)
    if number is not None:
        first = {"init_image_id": names[0]} if names else {}
        fields = {**asked, **first, "modelId": number, "num_images": job.n, "public": False}
        answer = yield submit("/v1/generations", json=fields)
    else:
        if names:
            guides = [{"image": {"type": "UPLOADED", "id": name}} for name in names]
            asked["guidances"] = {"image_reference": guides}
        parameters = {"width": 1024, "height": 1024, **asked, "quantity": job.n}
        fields = {"model": job.model, "parameters": parameters, "public": False}
        answer = yield submit("/v2/generations", json=fields)
    taken = _taken(answer)
    answer = yield from poll(
        f"/v1/generations/{quote(taken.generationId, safe='')}",
        status=_state,
        pending={"PENDING"},
        done={"COMPLETE"},
        failed={"FAILED": ErrorKind.UNAVAILABLE},
    )
    return ImageResult(images=answer.links("generations_by_pk.generated_images.*.url"), usage=_usage(taken.cost))


def _taken(answer: Answer) -> _Taken:
    """What the submit began; a refusal may hide in its 200."""
    listed = answer.body.lstrip().startswith(b"[")  # nothing but errors
    said = _Submitted() if listed else answer.read(_Submitted)
    taken = said.sdGenerationJob or said.generate
    if taken is None:
        error = _error(answer)
        error.kind = ErrorKind.BAD_RESPONSE if error.kind is ErrorKind.UNAVAILABLE else error.kind
        raise error
    return taken


def _usage(cost: _Cost | None) -> Usage | None:
    try:
        amount = float(cost.amount) if cost is not None and cost.amount is not None else None
    except ValueError:
        return None
    if cost is None or amount is None or cost.unit not in {"DOLLARS", "CREDITS"}:
        return None
    return Usage(cost=amount) if cost.unit == "DOLLARS" else Usage(credits=amount)


def _state(answer: Answer) -> str:
    """The state of the work, of which there is none until it is queued."""
    return answer.word("generations_by_pk.status") if answer.at("generations_by_pk", object) else "PENDING"


_error = json_error(
    message=("error", "message", "errors.0.message", "0.message"),
    code=("code", "errors.0.extensions.code", "0.extensions.code"),
    codes={"invalid-jwt": ErrorKind.AUTHENTICATION, "validation-failed": ErrorKind.INVALID_REQUEST},
    # neither a refusal nor an empty account has a code: words are all there is
    cases={
        When((200, 400), words="moderation|prompt contains"): ErrorKind.CONTENT_POLICY,
        When((200, 400), words="not enough api tokens"): ErrorKind.QUOTA,
    },
)


adapter = Adapter(
    base_url="https://cloud.leonardo.ai/api/rest",
    dialects=DIALECTS,
    auth=bearer(),
    generate=_generate,
    error=_error,
)

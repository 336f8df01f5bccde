"""Ideogram's second API: a path for each action and model, answered later, with links."""

from collections.abc import Iterator, Mapping
from urllib.parse import quote

import msgspec

from providers.auth import header
from providers.base import (
    Adapter,
    Answer,
    Call,
    Flow,
    Image,
    ImageResult,
    Job,
    Operation,
    Upload,
    Usage,
    parts,
    poll,
    submit,
)
from providers.dialect import VARY
from providers.errors import ErrorKind, OutcomeClass, ProviderError, When, json_error, kept_back
from providers.ideogram.tables import DIALECTS

_VARIATION = {"prompt": VARY, "image_weight": 60}


def _call(job: Job) -> Call:
    action = _action(job)
    fields = {**job.params, **job.extras, "prompt": job.prompt, "num_images": job.n, "async": True}
    if action == "remix":
        fields.update(_VARIATION)
    if job.mask is not None:
        fields.pop("size", None)  # what is masked keeps the size that it has
    path = f"/v2/image/{action}/{quote(job.model, safe='')}"
    if not job.images:
        return submit(path, json=fields)
    return submit(path, form=tuple(_form(job, fields, "images" if action == "generate" else "image")))


def _action(job: Job) -> str:
    if job.operation is Operation.VARIATION:
        return "remix"
    if job.operation is Operation.GENERATE or not job.model.startswith("ideogram-3"):
        return "generate"
    if job.mask is None:
        words = "mask: the model edits only where a mask says so"
        raise ProviderError(ErrorKind.UNSUPPORTED, words, outcome=OutcomeClass.NOT_SENT)
    return "inpaint"


def _form(job: Job, fields: Mapping[str, object], picture: str) -> Iterator[tuple[str, str | Upload]]:
    yield from parts(fields)
    for image in job.images:
        yield picture, image
    if job.mask is not None:
        yield "mask", job.mask


class _Item(msgspec.Struct):
    url: str | None = None
    prompt: str | None = None
    is_image_safe: bool | None = None


class _State(msgspec.Struct):
    status: str
    failure_reason: str | None = None
    data: list[_Item] | None = None
    usage_cost_usd_micros: int | float | None = None


_UNSAFE = ("safety", "prohibited", "moderation", "policy")


def _status(answer: Answer) -> str:
    state = answer.read(_State)
    reason = (state.failure_reason or "").lower()
    # the reasons are prose
    return "refused" if state.status == "failed" and any(word in reason for word in _UNSAFE) else state.status


def _generate(job: Job) -> Flow:
    taken = (yield _call(job)).word("generation_id")
    answer = yield from poll(
        f"/v2/generations/{quote(taken, safe='')}",
        status=_status,
        pending={"pending"},
        done={"completed"},
        failed={"failed": ErrorKind.UNAVAILABLE, "refused": ErrorKind.CONTENT_POLICY},
        every=1.5,
        why=lambda answer: answer.read(_State).failure_reason,
    )
    state = answer.read(_State)
    safe = [item for item in state.data or () if item.url and item.is_image_safe is not False]
    if not safe:
        raise kept_back("the backend's safety check left no picture")
    images = tuple(Image(url=item.url, revised_prompt=_rewritten(item, job)) for item in safe)
    micros = state.usage_cost_usd_micros
    return ImageResult(images=images, usage=None if micros is None else Usage(cost=micros / 1e6))


def _rewritten(item: _Item, job: Job) -> str | None:
    return item.prompt if item.prompt and item.prompt not in (job.prompt, _VARIATION["prompt"]) else None


_QUOTA = ("insufficient_funds", "subscription_required", "daily_limit", "priority_credit_required", "feature_limit")
_error = json_error(
    message=("error", "message", "detail"),
    code=("reject_reason",),
    codes={**dict.fromkeys(_QUOTA, ErrorKind.QUOTA), "inflight_limit": ErrorKind.RATE_LIMITED},
    cases={When(422): ErrorKind.CONTENT_POLICY},  # kept for prompts that fail the safety check
)


adapter = Adapter(
    base_url="https://api.ideogram.ai",
    dialects=DIALECTS,
    auth=header("api-key"),
    generate=_generate,
    error=_error,
    link_life=24 * 3600,
)

"""Luma's Agents API, which draws with uni-1: a generation is submitted, asked after, and ends in links."""

from hashlib import sha256
from typing import Any
from urllib.parse import quote

from providers.auth import bearer
from providers.base import Adapter, Flow, ImageResult, Inline, Job, poll, submit
from providers.dialect import As, Dialect, Fit, Ratios, Spelled
from providers.errors import ErrorKind, OutcomeClass, When, json_error

_FAILURES = {
    "content_moderated": ErrorKind.CONTENT_POLICY,
    **dict.fromkeys(
        ("invalid_request", "image_too_large", "unsupported_format", "corrupt_input"), ErrorKind.INVALID_REQUEST
    ),
    "budget_exhausted": ErrorKind.QUOTA,
    "rate_limited": ErrorKind.RATE_LIMITED,
    **dict.fromkeys(("generation_failed", "output_not_found"), ErrorKind.UNAVAILABLE),
}


def _user(value: str) -> Fit:
    return Fit({"user_id": sha256(value.encode()).hexdigest()})  # goes on to others: it must name nobody


UNI = Dialect(
    params={
        "shape": Ratios(
            "aspect_ratio",
            ("3:1", "2:1", "21:9", "16:9", "4:3", "3:2", "1:1", "3:4", "2:3", "9:16", "1:2", "1:3"),
        ),
        "output_format": Spelled("output_format", {"png": "png", "jpeg": "jpeg"}),
        "style": Spelled("style", {"manga": "manga"}),
        "user": _user,
        "safety_identifier": As("user_id"),
    },
    defaults={"aspect_ratio": "1:1"},
).editing(9)


_error = json_error(
    message=("failure_reason", "error.message", "detail.0.msg", "detail", "error", "failure_code"),
    code=("error.code", "failure_code"),
    param=("detail.0.loc.1",),
    codes=_FAILURES,
    cases={When(409): ErrorKind.UNAVAILABLE},  # a conflict of its own making, which its clients are to try again
    within_200=OutcomeClass.FAILED,
    wordless="the generation failed without a word of why",
)


def _picture(job: Job, place: int) -> dict[str, Any]:
    image = job.images[place]
    return {"data": Inline(image), "media_type": image.media_type or "application/octet-stream"}


def _generate(job: Job) -> Flow:
    # an extra may ask for neither other work nor another model
    fields = {**job.params, **job.extras, "model": job.model, "prompt": job.prompt, "type": "image"}
    if job.images:
        fields |= {"type": "image_edit", "source": _picture(job, 0)}
    if len(job.images) > 1:
        fields["image_ref"] = [_picture(job, place) for place in range(1, len(job.images))]
    name = (yield submit("/generations", json=fields)).word("id")
    answer = yield from poll(
        f"/generations/{quote(name, safe='')}",
        status="state",
        pending={"queued", "processing"},
        done={"completed"},
        failed={"failed": _error},
        every=2.0,
    )
    return ImageResult(images=answer.links("output.*.url"))


adapter = Adapter(
    base_url="https://agents.lumalabs.ai/v1",
    dialects={"*": UNI},
    auth=bearer(),
    generate=_generate,
    error=_error,
    link_life=3600,
)

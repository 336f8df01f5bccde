"""fal's models, each an endpoint with fields of its own: through its queue, or on one held connection."""

import re

import msgspec

from providers.auth import HeaderAuth
from providers.base import Adapter, Answer, Call, Flow, Image, ImageResult, Job, Phase, Usage, poll, submit
from providers.errors import ErrorKind, OutcomeClass, ProviderError, kept_back
from providers.fal.calls import call
from providers.fal.errors import CODES, error
from providers.fal.tables import DIALECTS

_QUEUE, _DIRECT = "https://queue.fal.run", "https://fal.run"
_PENDING = frozenset({"IN_QUEUE", "IN_PROGRESS"})


class _Ended(msgspec.Struct):
    error: str | None = None
    error_type: str | None = None


class _Item(msgspec.Struct):
    url: str


class _Body(msgspec.Struct):
    images: list[_Item] | None = None
    image: _Item | None = None
    has_nsfw_concepts: list[bool] | bool | None = None
    nsfw_content_detected: list[bool] | bool | None = None
    revised_prompt: str | None = None


def _generate(job: Job) -> Flow:
    mode = job.options.get("mode", "queue")
    asked = call(job)
    if mode == "sync":
        host = _DIRECT if job.base_url == _QUEUE else ""
        return _result((yield submit(host + asked.path, json=asked.json)))
    if mode != "queue":
        message = f"the option 'mode' must be queue or sync, not {mode!r}"
        raise ProviderError(ErrorKind.UNSUPPORTED, message, outcome=OutcomeClass.NOT_SENT)
    queued = yield asked
    state, made = queued.word("status_url"), queued.word("response_url")
    ended = yield from poll(state, status="status", pending=_PENDING, done={"COMPLETED"}, failed={})
    said = ended.read(_Ended)
    if said.error_type in CODES:  # other failures are told, with their kind, where the result would be
        message = said.error or f"the job ended as {said.error_type}"
        raise ProviderError(CODES[said.error_type], message, outcome=OutcomeClass.FAILED, code=said.error_type)
    return _result((yield Call(phase=Phase.FETCH, method="GET", path=made)))


def _result(answer: Answer) -> ImageResult:
    """What came of a job. A picture that is flagged is black, and none."""
    body = answer.read(_Body)
    items = body.images or ([body.image] if body.image is not None else [])
    flags = body.has_nsfw_concepts if body.has_nsfw_concepts is not None else body.nsfw_content_detected
    flagged = flags if isinstance(flags, list) else [bool(flags)] * len(items)
    flagged += [False] * (len(items) - len(flagged))
    usable = [item for item, black in zip(items, flagged, strict=False) if not black]
    if items and not usable:
        raise kept_back("the backend's safety checker blackened every picture")  # and they are billed
    images = tuple(Image(url=item.url, revised_prompt=body.revised_prompt) for item in usable)
    units = answer.headers.get("x-fal-billable-units", "")
    usage = Usage(credits=float(units)) if re.fullmatch(r"\d+(\.\d+)?", units) else None
    return ImageResult(images=images, usage=usage)


adapter = Adapter(
    base_url=_QUEUE,
    dialects=DIALECTS,
    auth=lambda key: HeaderAuth("authorization", f"Key {key}"),
    options={"mode": "queue: a job that survives a lost connection (the default); sync: one held connection"},
    generate=_generate,
    error=error,
    key_hosts=("fal.run", "*.fal.run", "falrun.com", "*.falrun.com"),
)

"""xAI's Grok Imagine: OpenAI's paths with JSON alone, ratios for sizes, and what it cost in every answer."""

from dataclasses import replace

import msgspec

from providers import images_api, openai
from providers.auth import bearer
from providers.base import (
    Adapter,
    Answer,
    ErrorKind,
    Flow,
    ImageResult,
    Inline,
    Job,
    Operation,
    OutcomeClass,
    ProviderError,
    Usage,
    json_error,
)
from providers.dialect import As, Dialect, Ratios, Tiered

_RATIOS = (
    *("1:1", "3:4", "4:3", "9:16", "16:9", "2:3", "3:2"),
    *("9:19.5", "19.5:9", "9:20", "20:9", "1:2", "2:1"),
)
_RATIOS_2 = Ratios("aspect_ratio", (*_RATIOS, "21:9", "5:2"))

GROK_1 = Dialect(
    params={"shape": Ratios("aspect_ratio", _RATIOS), "user": As("user"), "safety_identifier": As("user")},
    operations=frozenset({Operation.GENERATE, Operation.EDIT}),
    variation_prompt=openai.GPT_IMAGE_2.variation_prompt,
    max_n=10,
    max_images=3,
    input_types=frozenset({"image/png", "image/jpeg"}),
)
GROK_2 = replace(
    GROK_1,
    params={
        **GROK_1.params,
        "shape": Tiered(_RATIOS_2, "resolution", {"1k": 1_440_000, "1.5k": 1_800_000, "2k": 1 << 62}),
        "quality": openai.words(
            "quality", "low", "medium", standard="medium", high="medium", hd="medium", xhigh="medium", max="medium"
        ),
    },
    max_images=5,
)


class _Item(images_api.Item):
    respect_moderation: bool | None = None


class _Used(msgspec.Struct):
    cost_in_usd_ticks: int | float | None = None


class _Body(msgspec.Struct):
    data: list[_Item] | None = None
    usage: _Used | None = None


def _generate(job: Job) -> Flow:
    # addresses of unknown life are the default, so base64 is asked for
    fields = {"model": job.model, "response_format": "b64_json", **_pictures(job)}
    call = images_api.request(replace(job, operation=Operation.GENERATE), fields)  # edits take JSON too
    answer = yield replace(call, path="/images/edits") if job.images else call
    body = answer.read(_Body)
    kept = [item for item in body.data or () if item.respect_moderation is not False]
    images = tuple(image for item in kept if (image := images_api.picture(answer, item)) is not None)
    if not images:
        words = "the backend's moderation left no picture"
        raise ProviderError(ErrorKind.CONTENT_POLICY, words, outcome=OutcomeClass.AMBIGUOUS)
    cost = _cost(body)
    return ImageResult(images=images, usage=Usage(cost=cost) if cost is not None else None)


def _cost(body: _Body) -> float | None:
    """US dollars, told in ten-billionths."""
    ticks = body.usage.cost_in_usd_ticks if body.usage is not None else None
    return None if ticks is None else ticks / 1e10


def _pictures(job: Job) -> dict[str, object]:
    pictures = [{"url": Inline.data_uri(image), "type": "image_url"} for image in job.images]
    if len(pictures) == 1:
        return {"image": pictures[0]}
    return {"images": pictures} if pictures else {}


_read_error = json_error(
    message=("error.message", "error", "message"),
    code=("error.code", "code"),
    type=("error.type",),
    param=("error.param",),
    codes={"imagine:content-moderated": ErrorKind.CONTENT_POLICY},
)


def _error(answer: Answer) -> ProviderError:
    error = _read_error(answer)
    words = error.message.lower()
    # three failures share a code and a status with a caller's mistake, and only their words tell them apart
    if error.status == 400 and "content moderation" in words:
        error.kind = ErrorKind.CONTENT_POLICY
    if error.status == 400 and "incorrect api key" in words:
        error.kind = ErrorKind.AUTHENTICATION
    if error.status == 403 and "credits" in words:
        error.kind = ErrorKind.QUOTA
    if error.kind is ErrorKind.CONTENT_POLICY and _charged(answer):
        error.outcome = OutcomeClass.AMBIGUOUS  # a picture that moderation keeps back is paid for all the same
    return error


def _charged(answer: Answer) -> bool:
    try:
        return _cost(answer.read(_Body)) not in (None, 0)
    except ProviderError:
        return False


adapter = Adapter(
    base_url="https://api.x.ai/v1",
    dialects={"grok-imagine-image-2*": GROK_2, "*": GROK_1},
    auth=bearer(),
    generate=_generate,
    error=_error,
)

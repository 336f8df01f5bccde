"""xAI's Grok Imagine: OpenAI's paths with JSON alone, ratios for sizes, and what it cost in every answer."""

import msgspec

from providers import images_api, openai
from providers.auth import bearer
from providers.base import Adapter, Answer, Flow, ImageResult, Inline, Job, Usage
from providers.dialect import As, Dialect, Ratios, Tiered
from providers.errors import ErrorKind, OutcomeClass, ProviderError, When, json_error, kept_back

_RATIOS = ("1:1", "3:4", "4:3", "9:16", "16:9", "2:3", "3:2", "9:19.5", "19.5:9", "9:20", "20:9", "1:2", "2:1")
_RATIOS_2 = Ratios("aspect_ratio", (*_RATIOS, "21:9", "5:2"))

GROK_1 = Dialect(
    params={"shape": Ratios("aspect_ratio", _RATIOS), "user": As("user"), "safety_identifier": As("user")},
    max_n=10,
    input_types=frozenset({"image/png", "image/jpeg"}),
).editing(3)
GROK_2 = GROK_1.but(
    {
        "shape": Tiered(_RATIOS_2, "resolution", {"1k": 1_440_000, "1.5k": 1_800_000, "2k": 1 << 62}),
        "quality": openai.words(
            "quality", "low", "medium", standard="medium", high="medium", hd="medium", xhigh="medium", max="medium"
        ),
    },
    max_images=5,
)


class _Item(images_api.Item):
    respect_moderation: bool | None = None


class _Body(msgspec.Struct):
    data: list[_Item] | None = None


def _generate(job: Job) -> Flow:
    # addresses of unknown life are the default, so base64 is asked for
    fields = {"model": job.model, "response_format": "b64_json", **_pictures(job)}
    answer = yield images_api.json_request(job, fields, "/images/edits" if job.images else "/images/generations")
    kept = [item for item in answer.read(_Body).data or () if item.respect_moderation is not False]
    images = images_api.pictures(answer, kept)
    if not images:
        raise kept_back("the backend's moderation left no picture")
    return ImageResult(images=images, usage=Usage(cost=_cost(answer)).or_none())


def _cost(answer: Answer) -> float | None:
    """US dollars, told in ten-billionths."""
    ticks = answer.number("usage.cost_in_usd_ticks")
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
    # three failures share a code and a status with a caller's mistake, and only their words tell them apart
    cases={
        When(400, words="content moderation"): ErrorKind.CONTENT_POLICY,
        When(400, words="incorrect api key"): ErrorKind.AUTHENTICATION,
        When(403, words="credits"): ErrorKind.QUOTA,
    },
)


def _error(answer: Answer) -> ProviderError:
    error = _read_error(answer)
    if error.kind is ErrorKind.CONTENT_POLICY and _charged(answer):
        error.outcome = OutcomeClass.AMBIGUOUS  # a picture that moderation keeps back is paid for all the same
    return error


def _charged(answer: Answer) -> bool:
    try:
        return _cost(answer) not in (None, 0)
    except ProviderError:
        return False


adapter = Adapter(
    base_url="https://api.x.ai/v1",
    dialects={"grok-imagine-image-2*": GROK_2, "*": GROK_1},
    auth=bearer(),
    generate=_generate,
    error=_error,
)

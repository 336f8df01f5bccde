"""OpenRouter: one wire for the pictures of many makers' models, always in base64, priced in dollars by each answer.

What a model takes depends on who serves it; OpenRouter clamps sizes and leaves out words that a maker does not know.
"""

import re
from dataclasses import replace
from typing import Any

from providers import images_api
from providers.auth import bearer
from providers.base import Adapter, Answer, Call, Flow, ImageResult, Inline, Job, Partial, Stream, submit
from providers.dialect import AnySize, As, Dialect, Fit, Ratios, Shape
from providers.errors import ErrorKind, OutcomeClass, ProviderError, When, by_status, json_error
from providers.openai import GPT_IMAGE_2, GPT_IMAGE_25, words

_RATIOS = Ratios(
    "aspect_ratio",
    (
        *("1:1", "1:2", "1:4", "1:8", "2:1", "2:3", "2.35:1", "3:2", "3:4", "4:1", "4:3", "4:5", "5:2", "5:4", "5:7"),
        *("7:5", "8:1", "9:16", "16:9", "9:19.5", "19.5:9", "9:20", "20:9", "9:21", "21:9"),
    ),
)


def _shape(value: Shape) -> Fit:
    """Pixels or a ratio, never both: where they disagree the call is refused."""
    return AnySize("size")(value) if value.height else _RATIOS(value)


_ANY = Dialect(
    params={
        "shape": _shape,
        "quality": GPT_IMAGE_25.params["quality"],
        "background": GPT_IMAGE_2.params["background"],
        "output_format": words("output_format", "png", "jpeg", "webp", "svg"),
        "output_compression": GPT_IMAGE_2.params["output_compression"],
        "seed": As("seed"),
        "user": As("user"),
        "safety_identifier": As("user"),
    },
    max_n=1,  # most models draw one, and those refuse the mere word n
).editing(16)
_GPT_IMAGE_25 = _ANY.but({"shape": GPT_IMAGE_2.params["shape"]}, max_n=10, stream=True)
_GPT_IMAGE_2 = _GPT_IMAGE_25.but({"quality": GPT_IMAGE_2.params["quality"]})

_HEADERS = {"referer": "http-referer", "title": "x-title"}
_REFUSED = re.compile(rb"moderation_blocked|content_policy_violation|content_filter|IMAGE_SAFETY|PROHIBITED_CONTENT")


def _call(job: Job, **more: Any) -> Call:
    own = {"model": job.model, "prompt": job.prompt, **({"n": job.n} if job.n > 1 else {}), **more}
    if job.images:
        pictures = [{"type": "image_url", "image_url": {"url": Inline.data_uri(image)}} for image in job.images]
        own["input_references"] = pictures
    headers = {header: job.options[name] for name, header in _HEADERS.items() if name in job.options}
    return submit("/images", json={**own, **job.params, **job.extras, **own}, headers=headers)


def _generate(job: Job) -> Flow:
    answer = yield _call(job)
    if any(answer.at("error", object)):
        raise _error(answer)
    return _billed(answer, images_api.result(answer))


def _billed(answer: Answer, result: ImageResult) -> ImageResult:
    """The result with what the call cost: with the caller's own key at the maker, `cost` is only OpenRouter's fee."""
    usage = result.usage
    if usage is None:
        return result
    if answer.at("usage.is_byok", bool) == [True]:
        maker = answer.number("usage.cost_details.upstream_inference_cost")
        usage = replace(usage, cost=None if maker is None else maker + (usage.cost or 0))
    if usage.output_tokens is not None and usage.output_image_tokens is not None:
        usage = replace(usage, output_text_tokens=max(usage.output_tokens - usage.output_image_tokens, 0))
    return replace(result, usage=usage)


_read_error = json_error(
    message=("error.message", "error"),
    code=("error.code",),
    type=("error.type", "error.metadata.reasons.0"),
    param=("error.param",),
    codes={**images_api.CODES, **{str(status): by_status(status)[0] for status in range(400, 600)}},
    cases={When(403, type="."): ErrorKind.CONTENT_POLICY},  # OpenRouter's own moderation gives its reasons
    within_200=OutcomeClass.FAILED,  # it failed after the head had gone out
)


def _error(answer: Answer) -> ProviderError:
    error = _read_error(answer)
    if _REFUSED.search(answer.body):  # the makers' moderation is known by their code, somewhere in their words
        error.kind = ErrorKind.CONTENT_POLICY
    return error


_read_event = images_api.events(_error)


def _event(name: str, answer: Answer) -> Partial | ImageResult | None:
    said = _read_event(name, answer)
    return _billed(answer, said) if isinstance(said, ImageResult) else said


adapter = Adapter(
    base_url="https://openrouter.ai/api/v1",
    dialects={"openai/gpt-image-2.5*": _GPT_IMAGE_25, "openai/gpt-image-2*": _GPT_IMAGE_2, "*": _ANY},
    auth=bearer(),
    options={"referer": "the site that is asking, sent as HTTP-Referer", "title": "its name, sent as X-Title"},
    generate=_generate,
    error=_error,
    stream=Stream(request=lambda job, _: _call(job, stream=True), event=_event),
)

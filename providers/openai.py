"""OpenAI's Images API, and everything that speaks it."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import msgspec

from providers.auth import bearer
from providers.base import (
    Adapter,
    Answer,
    Call,
    ErrorKind,
    Flow,
    Image,
    ImageResult,
    Job,
    Operation,
    ProviderError,
    Upload,
    Usage,
    json_error,
    submit,
)
from providers.dialect import AnySize, As, Between, Dialect, Grid, OneOf, Sizes


def words(name: str, *same: str, **other: str) -> OneOf:
    """A closed list: words the backend knows as they are, and words it knows by another."""
    return OneOf(name, {word: word for word in same} | other)


GPT_IMAGE_2 = Dialect(
    params={
        "shape": Grid("size", step=16, longest=3840, area=(655_360, 8_294_400), ratio=3),
        "quality": words(
            "quality", "auto", "low", "medium", "high", standard="medium", hd="high", xhigh="high", max="high"
        ),
        "background": words("background", "auto", "opaque", "transparent"),
        "output_format": words("output_format", "png", "jpeg", "webp"),
        "output_compression": Between("output_compression", 0, 100),
        "moderation": words("moderation", "auto", "low"),
        "user": As("safety_identifier"),
        "safety_identifier": As("safety_identifier"),
    },
    operations=frozenset({Operation.GENERATE, Operation.EDIT}),
    variation_prompt="Make a variation of this picture: the same subject, style and mood, with new details.",
    max_n=10,
    max_images=16,
    mask=True,
)
GPT_IMAGE_25 = replace(
    GPT_IMAGE_2,
    params={
        **GPT_IMAGE_2.params,
        "quality": words("quality", "auto", "low", "medium", "high", "xhigh", "max", standard="medium", hd="high"),
    },
)
CHATGPT_IMAGE = replace(
    GPT_IMAGE_2,
    params={**GPT_IMAGE_2.params, "shape": Sizes("size", ((1024, 1024), (1536, 1024), (1024, 1536)))},
)
GPT_IMAGE_1 = replace(CHATGPT_IMAGE, edit_params={"input_fidelity": words("input_fidelity", "high", "low")})
GPT_IMAGE_1_MINI = replace(CHATGPT_IMAGE, edit_params={"input_fidelity": words("input_fidelity", "low")})
_AS_THEY_ARE = (
    *("quality", "style", "background", "output_format", "output_compression", "moderation", "response_format"),
    *("seed", "negative_prompt", "strength", "user", "safety_identifier"),
)
ANYTHING = Dialect(
    params={
        "shape": AnySize("size"),
        **{name: As(name) for name in _AS_THEY_ARE},
        "guidance": As("guidance_scale"),
        "steps": As("num_inference_steps"),
    },
    edit_params={"input_fidelity": As("input_fidelity")},
    operations=frozenset(Operation),
    max_n=10,
    max_images=16,
    mask=True,
    extras=True,
)

_PATHS = {
    Operation.GENERATE: "/images/generations",
    Operation.EDIT: "/images/edits",
    Operation.VARIATION: "/images/variations",
}
_OPTIONS = {
    "organization": "the organization that is charged, sent as OpenAI-Organization",
    "project": "the project that is charged, sent as OpenAI-Project",
}


def request(job: Job, named: Mapping[str, str]) -> Call:
    """The call for a job; `named` is the field that names the model, if the body needs one."""
    head: dict[str, Any] = {**named, **({"prompt": job.prompt} if job.prompt else {}), "n": job.n}
    fields = {**head, **job.params, **job.extras, **head}  # extras may neither rename the model nor raise the bill
    headers = {f"openai-{name}": job.options[name] for name in _OPTIONS if name in job.options}
    path = _PATHS[job.operation]
    if job.operation is Operation.GENERATE:
        return submit(path, json=fields, headers=headers)
    return submit(path, form=tuple(_form(job, fields)), headers=headers)


def _form(job: Job, fields: Mapping[str, Any]) -> Iterator[tuple[str, str | Upload]]:
    for name, value in fields.items():
        yield name, value if isinstance(value, str) else msgspec.json.encode(value).decode()
    for image in job.images:
        yield "image" if len(job.images) == 1 else "image[]", image
    if job.mask is not None:
        yield "mask", job.mask


class _Item(msgspec.Struct):
    b64_json: msgspec.Raw = msgspec.Raw()
    url: str | None = None
    revised_prompt: str | None = None


class _Details(msgspec.Struct):
    text_tokens: int | None = None
    image_tokens: int | None = None


class _Usage(msgspec.Struct):
    input_tokens: int | None = None
    input_tokens_details: _Details | None = None
    output_tokens: int | None = None
    output_tokens_details: _Details | None = None
    total_tokens: int | None = None
    cost: float | None = None
    # the same in the words of chat, as some servers have it
    prompt_tokens: int | None = None
    prompt_tokens_details: _Details | None = None
    completion_tokens: int | None = None
    completion_tokens_details: _Details | None = None


class _Body(msgspec.Struct):
    data: list[_Item] | None = None
    created: int | float | None = None
    usage: _Usage | None = None
    quality: str | None = None
    background: str | None = None


_FACTS = {"quality": {"low", "medium", "high", "xhigh", "max"}, "background": {"opaque", "transparent"}}


def result(answer: Answer) -> ImageResult:
    """What a successful answer says; an item without a picture is none."""
    body = answer.read(_Body)
    facts = {name: getattr(body, name) for name, legal in _FACTS.items() if getattr(body, name) in legal}
    return ImageResult(
        images=tuple(image for item in body.data or () if (image := _image(answer, item)) is not None),
        usage=_usage(body.usage) if body.usage is not None else None,
        created=int(body.created) if body.created is not None else None,
        facts=facts,
    )


def _image(answer: Answer, item: _Item) -> Image | None:
    raw = memoryview(item.b64_json)
    b64 = answer.cargo(item.b64_json) if raw and raw[0] != ord("n") else None  # null
    if b64:
        return Image(b64=b64, revised_prompt=item.revised_prompt or None)
    return Image(url=item.url, revised_prompt=item.revised_prompt or None) if item.url else None


def _usage(usage: _Usage) -> Usage | None:
    made = usage.output_tokens if usage.output_tokens is not None else usage.completion_tokens
    taken = usage.input_tokens_details or usage.prompt_tokens_details or _Details()
    given = usage.output_tokens_details or usage.completion_tokens_details
    if given is None:  # all that comes out of an image model is picture
        given = _Details(text_tokens=None if made is None else 0, image_tokens=made)
    read = Usage(
        input_tokens=usage.input_tokens if usage.input_tokens is not None else usage.prompt_tokens,
        input_text_tokens=taken.text_tokens,
        input_image_tokens=taken.image_tokens,
        output_tokens=made,
        output_text_tokens=given.text_tokens,
        output_image_tokens=given.image_tokens,
        total_tokens=usage.total_tokens,
        cost=usage.cost,
    )
    return None if read == Usage() else read


CODES = {
    "moderation_blocked": ErrorKind.CONTENT_POLICY,
    "content_policy_violation": ErrorKind.CONTENT_POLICY,
    "image_content_policy_violation": ErrorKind.CONTENT_POLICY,
    "insufficient_quota": ErrorKind.QUOTA,
    "billing_hard_limit_reached": ErrorKind.QUOTA,
    "credit_balance_exhausted": ErrorKind.QUOTA,
    "organization_spend_limit_exceeded": ErrorKind.QUOTA,
    "project_spend_limit_exceeded": ErrorKind.QUOTA,
    "organization_usage_limit_exceeded": ErrorKind.QUOTA,
    "rate_limit_exceeded": ErrorKind.RATE_LIMITED,
    "slow_down": ErrorKind.RATE_LIMITED,
    "invalid_api_key": ErrorKind.AUTHENTICATION,
    "model_not_found": ErrorKind.UNSUPPORTED,
    "server_is_overloaded": ErrorKind.UNAVAILABLE,
}
_read_error = json_error(
    message=("error.message", "message", "detail", "error"),
    code=("error.code",),
    type=("error.type",),
    param=("error.param",),
    codes=CODES,
)


def _error(answer: Answer) -> ProviderError:
    error = _read_error(answer)
    if error.type == "insufficient_quota":
        error.kind = ErrorKind.QUOTA
    if error.code == "invalid_value" and error.param == "model":  # how a retired model is refused
        error.kind = ErrorKind.UNSUPPORTED
    return error


def _generate(job: Job) -> Flow:
    return result((yield request(job, {"model": job.model})))


adapter = Adapter(
    base_url="https://api.openai.com/v1",
    dialects={
        "gpt-image-2.6*": GPT_IMAGE_25,
        "gpt-image-2.5*": GPT_IMAGE_25,
        "gpt-image-2*": GPT_IMAGE_2,
        "gpt-image-1-mini*": GPT_IMAGE_1_MINI,
        "gpt-image-1*": GPT_IMAGE_1,
        "chatgpt-image-*": CHATGPT_IMAGE,
        "*": ANYTHING,
    },
    auth=bearer(),
    options=_OPTIONS,
    generate=_generate,
    error=_error,
)

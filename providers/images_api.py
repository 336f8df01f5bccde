"""OpenAI's Images API as many backends speak it: the request, the answer, the events and the errors.

No adapter itself: a kind that speaks it takes what fits and brings its own tables, addresses and words.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import msgspec

from providers.base import (
    Answer,
    Call,
    ErrorKind,
    Image,
    ImageResult,
    Job,
    Operation,
    OutcomeClass,
    Partial,
    ProviderError,
    Upload,
    Usage,
    bad_response,
    json_error,
    parts,
    submit,
)

_PATHS = {
    Operation.GENERATE: "/images/generations",
    Operation.EDIT: "/images/edits",
    Operation.VARIATION: "/images/variations",
}


def request(job: Job, named: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Call:
    """The call for a job; `named` are the fields that nobody may set but the adapter, such as the model's."""
    path = _PATHS[job.operation]
    if job.operation is Operation.GENERATE:
        return json_request(job, named, path, headers)
    return submit(path, form=(*parts(_fields(job, named)), *_pictures(job)), headers=headers)


def json_request(
    job: Job,
    named: Mapping[str, Any],
    path: str = _PATHS[Operation.GENERATE],
    headers: Mapping[str, str] | None = None,
) -> Call:
    """The call for a job where everything is JSON, edits too; `named` holds their pictures."""
    return submit(path, json=_fields(job, named), headers=headers)


def _fields(job: Job, named: Mapping[str, Any]) -> dict[str, Any]:
    head: dict[str, Any] = {**named, **({"prompt": job.prompt} if job.prompt else {}), "n": job.n}
    return {**head, **job.params, **job.extras, **head}  # extras may neither rename the model nor raise the bill


def streaming(partials: int) -> Mapping[str, Any]:
    """The fields that ask for events, with this many early looks; none is said by leaving the number out."""
    return {"stream": True, **({"partial_images": partials} if partials else {})}


def _pictures(job: Job) -> Iterator[tuple[str, Upload]]:
    for image in job.images:
        yield "image" if len(job.images) == 1 else "image[]", image
    if job.mask is not None:
        yield "mask", job.mask


class Item(msgspec.Struct):
    """One picture of an answer; a kind may know more fields."""

    b64_json: msgspec.Raw = msgspec.Raw()
    url: str | None = None
    revised_prompt: str | None = None


class _Details(msgspec.Struct):
    text_tokens: int | None = None
    image_tokens: int | None = None


_NO_DETAILS = _Details()


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
    data: list[Item] | None = None
    created: int | float | None = None
    usage: _Usage | None = None
    quality: str | None = None
    background: str | None = None


class _Event(Item):
    type: str | None = None
    error: msgspec.Raw = msgspec.Raw()
    partial_image_index: int = 0
    created_at: int | float | None = None
    usage: _Usage | None = None
    quality: str | None = None
    background: str | None = None


_EARLY = frozenset({"image_generation.partial_image", "image_edit.partial_image"})
_FINISHED = frozenset({"image_generation.completed", "image_edit.completed"})
_UNNAMED = frozenset({"", "message"})
_NOTHING = (b"", b"null")
_FACTS = {"quality": {"low", "medium", "high", "xhigh", "max"}, "background": {"opaque", "transparent"}}


def result(answer: Answer) -> ImageResult:
    """What a successful answer says; an item without a picture is none."""
    body = answer.read(_Body)
    return ImageResult(
        images=pictures(answer, body.data),
        usage=_usage(body.usage) if body.usage is not None else None,
        created=int(body.created) if body.created is not None else None,
        facts=_facts(body),
    )


def _no_picture() -> ProviderError:
    return bad_response("the backend's event holds no picture")


def events(
    read_error: Callable[[Answer], ProviderError],
    no_picture: Callable[[], ProviderError] = _no_picture,
) -> Callable[[str, Answer], Partial | ImageResult | None]:
    """What reads one event. `read_error` reads a failure, `no_picture` is raised where a finished picture is none."""

    def read(name: str, answer: Answer) -> Partial | ImageResult | None:
        if name == "error":
            raise _failed(read_error, answer)
        if name in _UNNAMED:
            if not answer.body.lstrip().startswith(b"{"):
                return None  # [DONE], or a sign of life
        elif name not in _EARLY | _FINISHED:
            return None
        event = answer.read(_Event)
        kind = event.type if name in _UNNAMED else name
        if kind == "error" or bytes(event.error) not in _NOTHING:
            raise _failed(read_error, answer)
        if kind not in _EARLY | _FINISHED:
            return None
        image = picture(answer, event)
        if kind in _EARLY:
            return None if image is None else Partial(image=image, index=event.partial_image_index)
        if image is None:
            raise no_picture()
        return ImageResult(
            images=(image,),
            usage=_usage(event.usage) if event.usage is not None else None,
            created=int(event.created_at) if event.created_at is not None else None,
            facts=_facts(event),
        )

    return read


def _failed(read_error: Callable[[Answer], ProviderError], answer: Answer) -> ProviderError:
    """A failure after the 200. One with a code or a type is the backend's own word that the work failed."""
    error = read_error(answer)
    if error.code is not None or error.type is not None:
        error.outcome = OutcomeClass.FAILED
    if error.kind is ErrorKind.UNAVAILABLE and error.type in _CALLERS_FAULT:
        error.kind = ErrorKind.INVALID_REQUEST
    return error


def _facts(said: _Body | _Event) -> Mapping[str, str]:
    if said.quality is None and said.background is None:
        return {}
    return {name: getattr(said, name) for name, legal in _FACTS.items() if getattr(said, name) in legal}


def pictures(answer: Answer, items: Iterable[Item] | None) -> tuple[Image, ...]:
    """The pictures of some items."""
    return tuple([image for item in items or () if (image := picture(answer, item)) is not None])


def picture(answer: Answer, item: Item) -> Image | None:
    """The picture of an item; None where it holds none."""
    raw = memoryview(item.b64_json)
    b64 = answer.cargo(item.b64_json) if raw and raw[0] != ord("n") else None  # null
    if b64:
        return Image(b64=b64, revised_prompt=item.revised_prompt or None)
    return Image(url=item.url, revised_prompt=item.revised_prompt or None) if item.url else None


def _usage(usage: _Usage) -> Usage | None:
    made = usage.output_tokens if usage.output_tokens is not None else usage.completion_tokens
    taken = usage.input_tokens_details or usage.prompt_tokens_details or _NO_DETAILS
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
    return read if made is not None else read.or_none()


CODES: Mapping[str, ErrorKind] = {
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
_CALLERS_FAULT = frozenset({"invalid_request_error", "image_generation_user_error"})
_read_error = json_error(
    message=("error.message", "message", "detail", "error"),
    code=("error.code", "code"),
    type=("error.type",),
    param=("error.param", "param"),
    codes=CODES,
)


def error(answer: Answer) -> ProviderError:
    """What a failing answer says, in OpenAI's own words."""
    said = _read_error(answer)
    if said.type == "insufficient_quota":
        said.kind = ErrorKind.QUOTA
    if said.code == "invalid_value" and said.param == "model":  # how a retired model is refused
        said.kind = ErrorKind.UNSUPPORTED
    return said

"""What Tencent's answers say: a job's state, pictures in four layouts, and refusals, the signed API's in a 200."""

import re
from dataclasses import replace
from functools import partial

import msgspec

from providers import images_api
from providers.base import Answer, Image, ImageResult
from providers.errors import ErrorKind, OutcomeClass, ProviderError, When, json_error

# codes go into detail after a dot
_CASES = {
    When(code=r"^OperationDenied\.(Text|Image)IllegalDetected|\.ModerationFailed"): ErrorKind.CONTENT_POLICY,
    When(
        code=r"^(InvalidParameter|MissingParameter|UnknownParameter)|\.(ImageDecodeFailed|(Image)?DownloadError)"
    ): ErrorKind.INVALID_REQUEST,
    When(code=r"^AuthFailure|\.UserUnAuthError"): ErrorKind.AUTHENTICATION,
    When(code=r"^(Request)?LimitExceeded|\.EngineServerLimitExceeded"): ErrorKind.RATE_LIMITED,
    When(
        code=r"^Resource(Unavailable|Insufficient)|\.(ServiceNotActivated|ServiceStop|(Free)?ResourcePackExhausted)"
    ): ErrorKind.QUOTA,
    When(
        code=r"^InternalError|\.(EngineRequestTimeout|EngineServerError|GenerateImageFailed|ConsoleServerError)"
    ): ErrorKind.UNAVAILABLE,
}
_reader = partial(
    json_error,
    message=("Response.Error.Message", "Response.JobErrorMsg", "error.message", "message"),
    code=("Response.Error.Code", "Response.JobErrorCode", "error.code", "code"),
    type=("error.type",),
)
error = _reader(
    cases={
        case: (kind, OutcomeClass.FAILED if kind is ErrorKind.UNAVAILABLE else OutcomeClass.REJECTED)
        for case, kind in _CASES.items()
    },
)
job_failed = _reader(cases=_CASES, within_200=OutcomeClass.FAILED)
_lost_sight = _reader(cases=_CASES)  # of a job that may go on
_PASSING = {"RequestLimitExceeded", "InternalError"}
_SIZE = re.compile(r"([1-9]\d{0,4})[x:]([1-9]\d{0,4})")


class _Picture(msgspec.Struct):
    url: str | None = None
    width: int | None = None
    height: int | None = None


def sound(answer: Answer) -> Answer:
    """The same answer.

    Raises:
        ProviderError: it is a refusal.
    """
    if answer.at("Response.Error", msgspec.Raw):
        raise error(answer)
    return answer


def state(answer: Answer) -> str:
    """How a job is getting on, or why this one question was not answered.

    Raises:
        ProviderError: the answer does not say.
    """
    for code in answer.at("Response.Error.Code", str):
        if (name := code.partition(".")[0]) in _PASSING:
            return name
        raise _lost_sight(answer)
    return answer.word("Response.JobStatusCode")


def one_picture(answer: Answer, size: object) -> ImageResult:
    """A picture as base64 or as a link; `size` is what was asked for, where anything was, as it is below."""
    texts = [answer.cargo(raw) for raw in answer.at("Response.ResultImage", msgspec.Raw)]
    if any(bytes(text[:4]) == b"http" for text in texts):
        return _measured(ImageResult(images=answer.links("Response.ResultImage")), size)
    return ImageResult(images=tuple(Image(b64=text) for text in texts if text))


def links(answer: Answer, size: object, clarity: object) -> ImageResult:
    """The pictures of a job; with `clarity` they are enlarged.

    Raises:
        ProviderError: there are none, and the answer says why.
    """
    revised = dict(enumerate(answer.at("Response.RevisedPrompt.*", str)))
    images = tuple(
        Image(url=link, revised_prompt=revised.get(place) or None)
        for place, link in enumerate(answer.at("Response.ResultImage.*", str))
        if link
    )
    faults = [words for words in answer.at("Response.ResultDetails.*", str) if words != "Success"]
    if faults and not images:
        raise ProviderError(ErrorKind.UNAVAILABLE, faults[0], outcome=OutcomeClass.FAILED)
    return _measured(ImageResult(images=images), size, {"x2": 2, "x4": 4}.get(str(clarity), 1))


def told(answer: Answer, size: object) -> ImageResult:
    """The pictures of TokenHub.

    Raises:
        ProviderError: there are none, and the answer says why.
    """
    return _measured(_made(images_api.result(answer), answer), size)


def talked(answer: Answer) -> ImageResult:
    """The pictures of the model that is told in messages.

    Raises:
        ProviderError: there are none, and the answer says why.
    """
    images = tuple(
        Image(url=found.url, width=found.width or 0, height=found.height or 0)
        for found in answer.at("choices.*.delta.image", _Picture)
        if found.url
    )
    return _made(ImageResult(images=images), answer)


def _made(result: ImageResult, answer: Answer) -> ImageResult:
    if not result.images and (said := error(answer)).code is not None:
        raise said
    return result


def _measured(result: ImageResult, size: object, times: int = 1) -> ImageResult:
    found = _SIZE.fullmatch(str(size))
    if found is None:
        return result
    width, height = (int(side) * times for side in found.groups())
    return replace(result, images=tuple(replace(image, width=width, height=height) for image in result.images))

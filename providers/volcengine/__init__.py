"""Volcengine Ark and BytePlus ModelArk: Seedream, one path for pictures drawn and edited, always one a call.

BytePlus has keys, model names and a host of its own: https://ark.ap-southeast.bytepluses.com/api/v3.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import msgspec

from providers import images_api
from providers.auth import bearer
from providers.base import Adapter, Answer, Call, Flow, ImageResult, Inline, Job, Stream, submit
from providers.errors import ErrorKind, OutcomeClass, ProviderError, bad_response, json_error
from providers.volcengine.tables import DIALECTS

# what makes several pictures of one call: those beyond the one that was asked would be paid for and lost
_SEVERAL = {"sequential_image_generation", "sequential_image_generation_options", "layer_decomposition", "stream"}


class _Event(images_api.Item):
    type: str | None = None
    error: msgspec.Raw = msgspec.Raw()


def _call(job: Job, fields: Mapping[str, Any]) -> Call:
    pictures = [Inline.data_uri(image) for image in job.images]
    own = {"model": job.model, "prompt": job.prompt, **fields}
    if pictures:
        own["image"] = pictures if len(pictures) > 1 else pictures[0]
    extras = {name: value for name, value in job.extras.items() if name not in _SEVERAL}
    return submit("/images/generations", json={**own, **job.params, **extras, **own})


def _generate(job: Job) -> Flow:
    answer = yield _call(job, {})
    result = images_api.result(answer)
    error = _error(answer)
    if not result.images and error.code is not None:
        raise _failed(error)
    return result


def _event(name: str, answer: Answer) -> ImageResult | None:
    """A finished picture, which alone is an event; what was used comes in one of its own, after the last."""
    if not answer.body.lstrip().startswith(b"{"):
        return None  # [DONE]
    event = answer.read(_Event)
    kind = event.type or name
    if kind == "image_generation.partial_failed" or bytes(event.error) not in (b"", b"null"):
        raise _failed(_error(answer))
    if kind == "image_generation.completed":
        usage = images_api.result(answer).usage
        return None if usage is None else ImageResult(images=(), usage=usage)
    if kind != "image_generation.partial_succeeded":
        return None
    image = images_api.picture(answer, event)
    if image is None:
        raise bad_response("the backend's event holds no picture")
    return replace(images_api.result(answer), images=(image,))


_POLICY = re.compile(r"SensitiveContentDetected|RiskDetection|PolicyViolation")
_KINDS = {  # by what stands before the first dot of a code
    **dict.fromkeys(("MissingParameter", "InvalidParameter", "InvalidImageURL"), ErrorKind.INVALID_REQUEST),
    **dict.fromkeys(("ModelNotOpen", "InvalidEndpointOrModel"), ErrorKind.UNSUPPORTED),
    **dict.fromkeys(("AccountOverdueError", "ServiceOverdue", "QuotaExceeded", "SetLimitExceeded"), ErrorKind.QUOTA),
    **dict.fromkeys(("AuthenticationError", "InvalidAccountStatus"), ErrorKind.AUTHENTICATION),
    **dict.fromkeys(("AccessDenied", "ServiceNotOpen"), ErrorKind.AUTHENTICATION),
}
_read_error = json_error(
    message=("error.message", "data.0.error.message"),
    code=("error.code", "data.0.error.code"),
    type=("error.type",),
    param=("error.param",),
)


def _error(answer: Answer) -> ProviderError:
    error = _read_error(answer)
    code = error.code or ""
    error.kind = _KINDS.get(code.partition(".")[0], error.kind)
    if _POLICY.search(code):
        error.kind = ErrorKind.CONTENT_POLICY
    return error


def _failed(error: ProviderError) -> ProviderError:
    """A failure within a 200; one with a code is the backend's own word, and not billed."""
    if error.code is not None:
        error.outcome = OutcomeClass.FAILED
    return error


adapter = Adapter(
    base_url="https://ark.cn-beijing.volces.com/api/v3",
    dialects=DIALECTS,
    auth=bearer(),
    generate=_generate,
    error=_error,
    stream=Stream(request=lambda job, _: _call(job, {"stream": True}), event=_event),
    link_life=24 * 3600,
)

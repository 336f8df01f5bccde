"""MiniMax: image-01 on a wire of its own, whose refusals come inside a 200; MiniMax-H3-Image on OpenAI's."""

from collections.abc import Mapping
from dataclasses import replace

import msgspec

from providers import images_api
from providers.auth import bearer
from providers.base import (
    Adapter,
    Answer,
    ErrorKind,
    Flow,
    Image,
    ImageResult,
    Job,
    OutcomeClass,
    ProviderError,
    json_error,
    submit,
)
from providers.dialect import As, Dialect, Either, Grid, Named, Spelled

_STANDING = {(1024, 1024): "1:1", (832, 1248): "2:3", (864, 1152): "3:4", (720, 1280): "9:16"}
_PRESETS = {**_STANDING, (1280, 720): "16:9", (1152, 864): "4:3", (1248, 832): "3:2"}
_LIVE_RATIOS = Named("aspect_ratio", _PRESETS)
_RATIOS = Named("aspect_ratio", {**_PRESETS, (1344, 576): "21:9"})
_SIDES = Grid(("width", "height"), step=8, shortest=512, longest=2048, area=(512**2, 2048**2), ratio=4)

IMAGE_01 = Dialect(
    params={
        "shape": Either(_RATIOS, _SIDES),  # a ratio or two sides, never both
        "seed": As("seed"),
        "response_format": Spelled("response_format", {"b64_json": "base64", "url": "url"}),
    },
    defaults={"response_format": "base64"},
    max_n=9,
)
IMAGE_01_LIVE = replace(IMAGE_01, params={**IMAGE_01.params, "shape": _LIVE_RATIOS})
H3 = Dialect(params={"shape": Grid("size", step=1, longest=7745, area=(655_360, 20_000_000), ratio=3)}, max_n=10)

_ENDS: Mapping[int, tuple[ErrorKind, OutcomeClass]] = {
    **dict.fromkeys((1000, 1001, 1033), (ErrorKind.UNAVAILABLE, OutcomeClass.FAILED)),
    **dict.fromkeys((1002, 1039), (ErrorKind.RATE_LIMITED, OutcomeClass.REJECTED)),
    **dict.fromkeys((1004, 2038, 2049), (ErrorKind.AUTHENTICATION, OutcomeClass.REJECTED)),
    **dict.fromkeys((1008, 1028, 1030, 2056), (ErrorKind.QUOTA, OutcomeClass.REJECTED)),
    1026: (ErrorKind.CONTENT_POLICY, OutcomeClass.REJECTED),
    1027: (ErrorKind.CONTENT_POLICY, OutcomeClass.AMBIGUOUS),  # drawn; nobody says whether it is charged
    2013: (ErrorKind.INVALID_REQUEST, OutcomeClass.REJECTED),
    2061: (ErrorKind.UNSUPPORTED, OutcomeClass.REJECTED),
}


class _Reply(msgspec.Struct):
    status_code: int = 0
    status_msg: str = ""


class _Counts(msgspec.Struct):
    failed_count: str | int = 0


class _Said(msgspec.Struct):
    base_resp: _Reply | None = None


class _Pictures(msgspec.Struct):
    image_base64: list[msgspec.Raw] | None = None
    image_urls: list[str] | None = None


class _Made(_Said):
    data: _Pictures | None = None
    metadata: _Counts | None = None


def _generate(job: Job) -> Flow:
    if job.model.startswith("MiniMax-H3-Image"):
        answer = yield images_api.request(job, {"model": job.model})
        if (refusal := _refusal(answer.read(_Said))) is not None:
            raise _unsettled(refusal)
        return images_api.result(answer)
    fields = {**job.params, **job.extras, "model": job.model, "prompt": job.prompt, "n": job.n}
    answer = yield submit("/image_generation", json=fields)
    return _result(answer, answer.read(_Made))


def _refusal(said: _Said) -> ProviderError | None:
    """The refusal that an answer under a 200 may hold."""
    reply = said.base_resp
    if reply is None or reply.status_code == 0:
        return None
    kind, outcome = _ENDS.get(reply.status_code, (ErrorKind.UNAVAILABLE, OutcomeClass.AMBIGUOUS))
    told = reply.status_msg or f"the backend refused with status code {reply.status_code}"
    return ProviderError(kind, told, outcome=outcome, code=str(reply.status_code))


def _unsettled(error: ProviderError) -> ProviderError:
    """H3 may charge for whatever it has begun, so only a plain refusal says that it did no work."""
    if error.outcome is OutcomeClass.FAILED or (error.status or 0) >= 500:
        error.outcome = OutcomeClass.AMBIGUOUS
    return error


def _result(answer: Answer, made: _Made) -> ImageResult:
    if (refusal := _refusal(made)) is not None:
        raise refusal
    found = made.data or _Pictures()
    inline = tuple(Image(b64=answer.cargo(raw)) for raw in found.image_base64 or ())
    images = inline or tuple(Image(url=url) for url in found.image_urls or ())
    if not images and made.metadata is not None and str(made.metadata.failed_count) not in ("", "0"):
        told = "the backend's moderation removed every picture"
        raise ProviderError(ErrorKind.CONTENT_POLICY, told, outcome=OutcomeClass.AMBIGUOUS)  # they were drawn
    return ImageResult(images=images)


_read_error = json_error(
    message=("base_resp.status_msg", "error.message"),
    code=("base_resp.status_code", "error.code"),
    type=("error.type",),
    param=("error.param",),
    codes={**images_api.CODES, **{str(code): kind for code, (kind, _) in _ENDS.items()}},
)


def _error(answer: Answer) -> ProviderError:
    return _unsettled(_read_error(answer))


adapter = Adapter(
    base_url="https://api.minimax.io/v1",
    dialects={"image-01-live*": IMAGE_01_LIVE, "MiniMax-H3-Image*": H3, "*": IMAGE_01},
    auth=bearer(),
    generate=_generate,
    error=_error,
    link_life=24 * 3600,
)

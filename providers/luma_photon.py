"""Luma's Dream Machine API, which draws with Photon. Its pictures to edit must be public addresses: it only draws."""

import re
from urllib.parse import quote

import msgspec

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
    poll,
    submit,
)
from providers.dialect import Dialect, Ratios, Spelled

# neither a refusal nor an empty account has a code: words are all there is
_REFUSED = re.compile(r"moderat|not allowed", re.IGNORECASE)
_PENNILESS = re.compile(r"insufficient credits", re.IGNORECASE)

PHOTON = Dialect(
    params={
        "shape": Ratios("aspect_ratio", ("1:1", "16:9", "9:16", "4:3", "3:4", "21:9", "9:21")),
        "output_format": Spelled("format", {"jpeg": "jpg", "png": "png"}),
    },
    defaults={"aspect_ratio": "1:1"},  # else 16:9
)


class _Assets(msgspec.Struct):
    image: str | None = None


class _Generation(msgspec.Struct):
    id: str
    state: str
    assets: _Assets | None = None
    failure_reason: str | None = None


def _generate(job: Job) -> Flow:
    fields = {**job.params, **job.extras, "model": job.model, "prompt": job.prompt}
    name = (yield submit("/generations/image", json=fields)).read(_Generation).id
    answer = yield from poll(
        f"/generations/{quote(name, safe='')}",
        status=lambda said: said.read(_Generation).state,
        pending={"queued", "dreaming"},
        done={"completed", "failed"},
        failed={},
    )
    made = answer.read(_Generation)
    if made.state == "failed":
        words = made.failure_reason or "the generation failed without a word of why"
        kind = ErrorKind.CONTENT_POLICY if _REFUSED.search(words) else ErrorKind.UNAVAILABLE
        raise ProviderError(kind, words, outcome=OutcomeClass.FAILED)
    link = made.assets.image if made.assets is not None else None
    return ImageResult(images=(Image(url=link),) if link else ())


_read_error = json_error(message=("detail.0.msg", "detail"), type=("detail.0.type",), param=("detail.0.loc.1",))


def _error(answer: Answer) -> ProviderError:
    error = _read_error(answer)
    if answer.status in {400, 422}:
        error.kind = ErrorKind.CONTENT_POLICY if _REFUSED.search(error.message) else error.kind
        error.kind = ErrorKind.QUOTA if _PENNILESS.search(error.message) else error.kind
    return error


adapter = Adapter(
    base_url="https://api.lumalabs.ai/dream-machine/v1",
    dialects={"*": PHOTON},
    auth=bearer(),
    generate=_generate,
    error=_error,
)

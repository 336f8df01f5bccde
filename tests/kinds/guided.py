"""Atelier, a backend that nobody runs: an adapter written from providers/README.md alone, to try the guide."""

import msgspec

from providers.auth import header
from providers.base import (
    Adapter,
    ErrorKind,
    Flow,
    Image,
    ImageResult,
    Inline,
    Job,
    Operation,
    OutcomeClass,
    ProviderError,
    Usage,
    json_error,
    poll,
    submit,
)
from providers.dialect import As, Between, Dialect, MaskForm, Ratios

_REFUSALS = {"unsafe": ErrorKind.CONTENT_POLICY, "no_credit": ErrorKind.QUOTA}

PAINTER = Dialect(
    params={"shape": Ratios("ratio", ("1:1", "3:2", "2:3")), "seed": As("seed"), "steps": Between("steps", 1, 40)},
    operations=frozenset({Operation.GENERATE, Operation.EDIT}),
    variation_prompt="Paint this picture again, a little differently.",
    max_images=1,
    mask=MaskForm.WHITE,
)


class _Refused(msgspec.Struct):
    code: str
    words: str


class _Taken(msgspec.Struct):
    job: str = ""
    refused: _Refused | None = None


class _State(msgspec.Struct):
    state: str
    picture: str | None = None
    why: str | None = None
    cents: float | None = None


def _generate(job: Job) -> Flow:
    pictures = {"picture": Inline.data_uri(job.images[0])} if job.images else {}
    area = {"area": Inline(job.mask)} if job.mask is not None else {}
    fields = {**job.params, "model": job.model, "text": job.prompt, **pictures, **area}
    taken = (yield submit("/jobs", json=fields)).read(_Taken)
    if taken.refused is not None:
        kind = _REFUSALS.get(taken.refused.code, ErrorKind.INVALID_REQUEST)
        code = taken.refused.code
        raise ProviderError(kind, taken.refused.words, outcome=OutcomeClass.REJECTED, code=code)
    answer = yield from poll(
        f"/jobs/{taken.job}",
        status=lambda answer: answer.read(_State).state,
        pending={"queued", "painting"},
        done={"painted"},
        failed={"torn": ErrorKind.UNAVAILABLE},
        every=0.01,
        why=lambda answer: answer.read(_State).why,
    )
    end = answer.read(_State)
    return ImageResult(
        images=(Image(url=end.picture),) if end.picture else (),
        usage=Usage(cost=end.cents / 100) if end.cents is not None else None,
    )


adapter = Adapter(
    base_url="https://api.atelier.example",
    dialects={"*": PAINTER},
    auth=header("x-atelier-key"),
    generate=_generate,
    error=json_error(message=("error.words",), code=("error.code",), codes=_REFUSALS),
    failed_is_billed=True,
    link_life=600,
)

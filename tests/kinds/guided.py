"""Atelier, a backend that nobody runs: an adapter written from providers/README.md alone, to try the guide."""

from providers.auth import header
from providers.base import Adapter, Flow, ImageResult, Inline, Job, Usage, poll, submit
from providers.dialect import As, Between, Dialect, MaskForm, Ratios
from providers.errors import ErrorKind, OutcomeClass, json_error

PAINTER = Dialect(
    params={"shape": Ratios("ratio", ("1:1", "3:2", "2:3")), "seed": As("seed"), "steps": Between("steps", 1, 40)},
    mask=MaskForm.WHITE,
).editing()


_error = json_error(
    message=("error.words", "refused.words", "why"),
    code=("error.code", "refused.code"),
    codes={
        "unsafe": (ErrorKind.CONTENT_POLICY, OutcomeClass.REJECTED),
        "no_credit": (ErrorKind.QUOTA, OutcomeClass.REJECTED),
    },
    within_200=OutcomeClass.FAILED,
)


def _generate(job: Job) -> Flow:
    pictures = {"picture": Inline.data_uri(job.images[0])} if job.images else {}
    area = {"area": Inline(job.mask)} if job.mask is not None else {}
    fields = {**job.params, "model": job.model, "text": job.prompt, **pictures, **area}
    taken = yield submit("/jobs", json=fields)
    if taken.at("refused", object):
        raise _error(taken)
    answer = yield from poll(
        f"/jobs/{taken.word('job')}",
        status="state",
        pending={"queued", "painting"},
        done={"painted"},
        failed={"torn": _error},
        every=0.01,
    )
    cents = answer.number("cents")
    usage = Usage(cost=cents / 100) if cents is not None else None
    return ImageResult(images=answer.links("picture"), usage=usage)


adapter = Adapter(
    base_url="https://api.atelier.example",
    dialects={"*": PAINTER},
    auth=header("x-atelier-key"),
    generate=_generate,
    error=_error,
    failed_is_billed=True,
    link_life=600,
)

"""Luma's Dream Machine API, which draws with Photon. Its pictures to edit must be public addresses: it only draws."""

from urllib.parse import quote

from providers.auth import bearer
from providers.base import Adapter, Flow, ImageResult, Job, poll, submit
from providers.dialect import Dialect, Ratios, Spelled
from providers.errors import ErrorKind, OutcomeClass, When, json_error

PHOTON = Dialect(
    params={
        "shape": Ratios("aspect_ratio", ("1:1", "16:9", "9:16", "4:3", "3:4", "21:9", "9:21")),
        "output_format": Spelled("format", {"jpeg": "jpg", "png": "png"}),
    },
    defaults={"aspect_ratio": "1:1"},  # else 16:9
)


_error = json_error(
    message=("failure_reason", "detail.0.msg", "detail"),
    type=("detail.0.type",),
    param=("detail.0.loc.1",),
    # neither a refusal nor an empty account has a code: words are all there is
    cases={
        When((200, 400, 422), words="moderat|not allowed"): ErrorKind.CONTENT_POLICY,
        When((400, 422), words="insufficient credits"): ErrorKind.QUOTA,
    },
    within_200=OutcomeClass.FAILED,
    wordless="the generation failed without a word of why",
)


def _generate(job: Job) -> Flow:
    fields = {**job.params, **job.extras, "model": job.model, "prompt": job.prompt}
    name = (yield submit("/generations/image", json=fields)).word("id")
    answer = yield from poll(
        f"/generations/{quote(name, safe='')}",
        status="state",
        pending={"queued", "dreaming"},
        done={"completed"},
        failed={"failed": _error},
    )
    return ImageResult(images=answer.links("assets.image"))


adapter = Adapter(
    base_url="https://api.lumalabs.ai/dream-machine/v1",
    dialects={"*": PHOTON},
    auth=bearer(),
    generate=_generate,
    error=_error,
)
